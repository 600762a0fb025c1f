"""The metadata of an exported network, the same in every format."""

import dataclasses
import json
from importlib import metadata
from typing import Optional

import msgspec
import mxnet as mx

from gluon_cnn.checks import choice
from gluon_cnn.data import DATA_SETS, DatasetInfo
from gluon_cnn.decoding import Count, Fraction, Names, convert, decode_json, refuse_repeated, within

__all__ = ["Described", "DescribedRecipe", "metadata_of", "read_metadata"]


class DescribedRecipe(msgspec.Struct):
    """Those settings of the recipe, of whatever version, that say which images the network was tested on."""

    data: str = "full"
    release: Optional[str] = None
    train_size: Optional[within("train_size")] = None
    test_size: Optional[within("test_size")] = None
    seed: within("seed") = 0
    test_share: Fraction = 0.2
    image_channels: Optional[within("image_channels")] = None
    side: Optional[within("side")] = None
    short_side: Optional[within("short_side")] = None

    def __post_init__(self):
        releases = DATA_SETS[choice("data", self.data, DATA_SETS)].releases
        if self.release is not None:
            choice("release", self.release, releases)


class Described(msgspec.Struct):
    """What the metadata of an exported network, which may have been changed since, say of it.

    Attributes
    ----------
    classes : tuple of str or None
        None if they do not say.
    dataset : DatasetInfo or None
        None if they do not say, as those of an earlier version.
    recipe : DescribedRecipe
    outputs : int or None
        How many numbers the network gives for an image, where these are more than the classes.
    epoch, step : int or None
        Both or none.
    """

    classes: Optional[Names] = None
    dataset: Optional[DatasetInfo] = None
    recipe: DescribedRecipe = msgspec.field(default_factory=DescribedRecipe)
    outputs: Optional[within("num_classes")] = None
    epoch: Optional[Count] = None
    step: Optional[Count] = None

    def __post_init__(self):
        refuse_repeated(self.classes or ())
        if (self.epoch is None) != (self.step is None):
            raise ValueError("it has an epoch without a step, or a step without an epoch")
        known = DATA_SETS[self.recipe.data].info
        if known is None and None in (self.dataset, self.recipe.side):
            raise ValueError("it does not say what its data set is, or of which size its images are")
        if None not in (known, self.dataset) and not self.dataset.is_like(known):
            raise ValueError(f"its dataset is not {self.recipe.data}")


def metadata_of(recipe, dataset, state):
    """A dictionary of str to str that describes a network that a run trained.

    Parameters
    ----------
    recipe : Recipe
    dataset : DatasetInfo
    state : State
        Of the checkpoint that is exported.

    Returns
    -------
    dict
        ``classes`` (a JSON list), ``dataset`` (JSON: a DatasetInfo, with the mean and the deviation that images are
        normalised with), ``recipe`` (JSON), ``input_size`` (height and width in pixels inside the network),
        ``epoch``, ``step``, ``source``, ``version``, ``license``; and ``test_accuracy``, a fraction, unless there were
        steps after its measurement. The format's writer adds ``input``, what the exported network takes.
    """
    book = f" of Dive into Deep Learning, recipe {recipe.edition}" if recipe.edition else ""
    licensed = f" ({dataset.license})" if dataset.license else ""
    about = {
        "classes": json.dumps(dataset.classes),
        "dataset": json.dumps(dataclasses.asdict(dataset)),
        "input_size": str(recipe.side),
        "recipe": json.dumps(recipe.values()),
        "epoch": str(state.epoch),
        "step": str(state.step),
        "source": _as_utf8(f"{recipe.name}{book}; trained on {dataset.name}{licensed}"),
        "version": f"gluon-cnn {metadata.version('gluon-cnn')}, MXNet {mx.__version__}",
        "license": "Apache-2.0",
    }
    if state.history and not state.step:
        about["test_accuracy"] = str(state.history[-1].test_acc)
    return about


def read_metadata(metadata):
    """What a dictionary that :func:`metadata_of` gave says of a network, a :class:`Described`; Malformed if it is not
    one."""
    return convert(
        {name: decode_json(metadata[name]) for name in Described.__struct_fields__ if name in metadata}, Described
    )


def _as_utf8(text):
    """Text for files that hold nothing else; the name of a file of your own need not be UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")

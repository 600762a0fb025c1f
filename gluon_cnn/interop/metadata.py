"""The metadata of an exported network, the same in every format."""

import dataclasses
import json
from importlib import metadata
from typing import Optional

import msgspec
import mxnet as mx

from gluon_cnn.checks import choice
from gluon_cnn.data import DATA_SETS
from gluon_cnn.data.dataset import DatasetInfo
from gluon_cnn.decoding import Count, Fraction, Names, convert, decode_json, within
from gluon_cnn.recipe import Recipe

__all__ = ["Described", "DescribedRecipe", "metadata_of", "read_metadata"]


class DescribedRecipe(msgspec.Struct):
    """Those settings of the recipe, of whatever version, that say which images the network was tested on, and how they
    are read."""

    data: str = "full"
    release: Optional[str] = None
    test_size: Optional[within("test_size")] = None
    side: Optional[within("side")] = None
    short_side: Optional[within("short_side")] = None
    channels: Optional[within("channels")] = None
    test_share: Fraction = Recipe.test_share
    seed: within("seed") = 0

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
        Of a data set of one's own.
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
        if (self.epoch is None) != (self.step is None):
            raise ValueError("it has an epoch without a step, or a step without an epoch")
        if (self.dataset is None) != (DATA_SETS[self.recipe.data].info is not None):
            raise ValueError(f"its dataset does not go with the data {self.recipe.data}")
        if self.dataset and self.dataset.classes != self.classes:
            raise ValueError("its dataset has other classes")


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
        ``classes`` (a JSON list), ``recipe`` (JSON), ``input_size`` (height and width in pixels inside the network),
        ``epoch``, ``step``, ``source``, ``version``, ``license``; ``test_accuracy``, a fraction, unless there were
        steps after its measurement; and ``dataset`` (JSON) of a data set of one's own. The format's writer adds
        ``input``, what the exported network takes.
    """
    book = f" of Dive into Deep Learning, recipe {recipe.edition}" if recipe.edition else ""
    licensed = f" ({dataset.license})" if dataset.license else ""
    about = {
        "classes": json.dumps(dataset.classes),
        "input_size": str(recipe.side),
        "recipe": json.dumps(recipe.values()),
        "epoch": str(state.epoch),
        "step": str(state.step),
        "source": _as_utf8(f"{recipe.name}{book}; trained on {dataset.name}{licensed}"),
        "version": f"gluon-cnn {metadata.version('gluon-cnn')}, MXNet {mx.__version__}",
        "license": "Apache-2.0",
    }
    if DATA_SETS[recipe.data].info is None:
        about["dataset"] = json.dumps(dataclasses.asdict(dataset))
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

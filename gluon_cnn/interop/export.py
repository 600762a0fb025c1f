"""A run's network in the format of other software."""

from pathlib import Path
from typing import List, NamedTuple, Optional

import mxnet as mx
import numpy as np

from gluon_cnn.checks import choice
from gluon_cnn.data import DATA_SETS
from gluon_cnn.errors import SettingError
from gluon_cnn.interop.difference import Difference
from gluon_cnn.interop.formats import FORMATS, writer
from gluon_cnn.interop.metadata import metadata_of
from gluon_cnn.runtime.array_mode import array_mode

__all__ = ["Exported", "check_out", "export_run"]

CHECKED = 256  # test images


class Exported(NamedTuple):
    """The files of an export, and how far their logits are from MXNet's; None for a file of parameters only."""

    paths: List[Path]
    difference: Optional[Difference]


def export_run(run, format="onnx", out=None, *, which="last", preprocess=False, data_dir=None, release=None):
    """Write a run's network, with its metadata, in one of :data:`gluon_cnn.interop.formats.FORMATS`.

    A network is written only if the exported one gives the same logits for test images.

    Parameters
    ----------
    run : Run
    format : {"onnx", "symbol", "safetensors"}
    out : path, optional
        The file to write. ``symbol`` has three, whose names begin with ``out``. By default they are named after the
        network and lie in the run's directory. Existing files are replaced once the new ones are complete.
    which : {"last", "best"}
        Which checkpoint.
    preprocess : bool, default False
        With ``onnx`` and ``symbol``: take images as the data set stores them, and do inside what the run did to them.
    data_dir : path, optional
        Where the data set is, if not where the run found it.
    release : {"first", "second"}, optional
        Which release of Fashion-MNIST to check with, if not the one that it was trained on.

    Returns
    -------
    Exported

    Raises
    ------
    SettingError
        For an unknown format, a format that cannot preprocess, or an ``out`` that cannot be a file.
    RunError, CheckpointError, DataError, InteropError, ModelError
        If the run has no checkpoint, the checkpoint or the data cannot be used, or the network cannot be exported.
    """
    format = choice("format", format, FORMATS)
    if preprocess and not FORMATS[format].preprocesses:
        raise SettingError(
            f"preprocess is on, but {format} files cannot resize and scale images: leave it out.", "preprocess"
        )
    stem, paths = _paths_of(run, format, out, preprocess)
    # In a naming scope of its own, so that names do not depend on what this process built before. MXNet exports only
    # networks of mx.nd arrays.
    with mx.name.NameManager(), array_mode(False):
        net, state = run.network(mx.cpu(), which), run.state(which)
        recipe = run.recipe_of_data(release)
        dataset = DATA_SETS[recipe.data].read(data_dir or run.settings.data_dir, recipe, run.settings.data_bytes)
        run.refuse_other_classes(dataset.info)
        images = dataset.test.images[np.arange(min(CHECKED, len(dataset.test.labels)))]
        difference = writer(format)(
            net,
            paths[0] if len(paths) == 1 else stem,
            run.inputs,
            images,
            preprocess=preprocess,
            metadata=metadata_of(run.recipe, run.dataset, state),
        )
    return Exported(paths, difference)


def _paths_of(run, format, out, preprocess):
    """What the names of an export begin with, and its files; SettingError if they cannot be written."""
    endings = FORMATS[format].endings
    stem = Path(out) if out else run.directory / _default_name(run.recipe, preprocess)
    paths = [stem.with_name(stem.name + ending) for ending in endings]
    if out:
        check_out(stem, endings)
        paths = [stem] if len(endings) == 1 else paths
    for path in paths:
        if path.exists() and not path.is_file():
            wrong = "a directory" if path.is_dir() else "not a regular file"
            raise SettingError(f"{path} is {wrong}: choose another name.", "out")
    return stem, paths


def _default_name(recipe, preprocess):
    # Other systems do not allow a colon in a file's name.
    return recipe.name.replace(":", "-") + ("-preprocess" if preprocess else "")


def check_out(path, endings):
    """SettingError if a path cannot be the name of an export."""
    if path.is_dir() or not path.parent.is_dir():
        reason = "is a directory" if path.is_dir() else f"is in {path.parent}, which is not a directory"
        raise SettingError(f"{path} {reason}: name a file in a directory that exists.", "out")
    if len(endings) == 1 and path.suffix.lower() != endings[0]:
        raise SettingError(f"{path} does not end with {endings[0]}: choose a name that does.", "out")

"""A run's network in another format."""

import functools
from pathlib import Path

import mxnet as mx

from gluon_cnn.array_mode import array_mode
from gluon_cnn.checks import choice
from gluon_cnn.data import SAMPLE, read_fashion_mnist
from gluon_cnn.errors import SettingError
from gluon_cnn.interop import onnx, symbol
from gluon_cnn.interop.check import CHECKED
from gluon_cnn.interop.metadata import describe
from gluon_cnn.interop.safetensors import save_parameters

__all__ = ["FORMATS", "export_run"]

#: What the names of each format's files end with.
FORMATS = {"onnx": (".onnx",), "symbol": symbol.ENDINGS, "safetensors": (".safetensors",)}


def export_run(run, format="onnx", out=None, *, which="last", preprocess=False, data_dir=None):
    """Write a run's network as ``onnx``, ``symbol`` or ``safetensors``, with its metadata.

    Parameters
    ----------
    run : Run
    format : {"onnx", "symbol", "safetensors"}
    out : path, optional
        The file, or of ``symbol`` what the names of its three files begin with; by default the network's name, in the
        run's directory. What is there is replaced, once the new file is whole.
    which : {"last", "best"}
        Which checkpoint.
    preprocess : bool, default False
        Of ``onnx`` and ``symbol``: take images as they are stored, and resize and scale them inside.
    data_dir : path, optional
        Where Fashion-MNIST is, if not where the run had it.

    Returns
    -------
    (list of Path, Difference or None)
        The files, and how far their logits are from MXNet's; a file of parameters alone has none.

    Raises
    ------
    SettingError
        For another format, a format that has no preprocessing, or an ``out`` that cannot be a file.
    RunError, CheckpointError, DataError, InteropError
        If the run has no checkpoint, the checkpoint or the data cannot be used, or the export does not fit.
    """
    choice("format", format, FORMATS)
    if preprocess and format == "safetensors":
        raise SettingError("safetensors is a file of parameters and computes nothing: leave --preprocess out.")
    recipe = run.recipe
    name = recipe.model.replace(":", "-") + ("-preprocess" if preprocess else "")
    stem = _stem(Path(out or run.directory / name), format, given=out is not None)
    # By names that do not depend on what the process built before; and MXNet exports mx.nd networks.
    with mx.name.NameManager(), array_mode(False):
        net, state = run.network([mx.cpu()], which)
        paths = [stem.with_name(stem.name + ending) for ending in FORMATS[format]]
        if format == "safetensors":
            save_parameters(net, paths[0], describe(recipe, state, "parameters, by structural names"))
            return paths, None
        writer, path = (onnx, paths[0]) if format == "onnx" else (symbol, stem)
        taken = writer.BYTES if preprocess else symbol.floats(recipe.resize)
        root = SAMPLE if recipe.data == "sample" else data_dir or run.settings["data_dir"]
        images = read_fashion_mnist(root)[1].images[:CHECKED]
        write = functools.partial(writer.export, preprocess=preprocess, metadata=describe(recipe, state, taken))
        return paths, write(net, path, images, recipe.resize)


def _stem(path, format, given):
    """The path without its format's ending; SettingError if it cannot be a file's."""
    if path.is_dir() or not path.parent.is_dir():
        reason = "a directory" if path.is_dir() else f"in {path.parent}, which is no directory"
        raise SettingError(f"out is {path}, {reason}: name a file in a directory that exists.")
    if not given or format == "symbol":
        return path
    (ending,) = FORMATS[format]
    if path.suffix != ending:
        raise SettingError(f"out is {path}; the name of {format}'s file ends with {ending}.")
    return path.with_suffix("")

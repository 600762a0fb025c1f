"""Gluon's own form of a network without its code: ``symbol.json`` and a parameter file."""

import contextlib
import json
import shutil
import tempfile
import warnings
from pathlib import Path

import mxnet as mx
from mxnet import gluon
from mxnet.gluon import nn
from mxnet.gluon.data.vision import transforms

from gluon_cnn.errors import InteropError, ModelError
from gluon_cnn.files import write_atomically
from gluon_cnn.interop.difference import measure_difference, refuse_difference
from gluon_cnn.interop.formats import FORMATS
from gluon_cnn.models.zoo import import_gluoncv

__all__ = ["temporary_directory", "trace", "write"]


def write(net, path, inputs, images, *, preprocess=False, metadata=None):
    """Write a network for ``SymbolBlock.imports``, if the imported one gives the same logits.

    Parameters
    ----------
    net : HybridBlock
        Takes batches of ``inputs`` and gives N×classes logits. Initialised, on the CPU.
    path : path
        ``runs/nin`` gives ``runs/nin-symbol.json``, ``runs/nin-0000.params`` and ``runs/nin-metadata.json``. Existing
        files are replaced.
    inputs : Inputs
    images : np.ndarray
        uint8 N×H×W or N×H×W×3, as the data set stores them, to check with.
    preprocess : bool, default False
        Let the network take images uint8 N×H×W×1 or N×H×W×3, as Gluon's transforms do, and cut them out or resize them,
        scale and normalise them inside.
    metadata : dict of str to str, optional
        Goes into the third file, with ``input`` and ``largest_difference``.

    Returns
    -------
    Difference

    Raises
    ------
    InteropError
        If logits differ by more than :data:`gluon_cnn.interop.difference.TOLERANCE` allows. Nothing is written.
    ModelError
        If ``net`` is not hybrid, or GluonCV cannot be imported.
    """
    with temporary_directory() as directory:
        files = trace(net, directory / "net", inputs, preprocess=preprocess)
        difference = measure_difference(_imported(files, inputs, preprocess), net, inputs, images)
        refuse_difference(difference, path)
        taken = f"uint8 N×{'×'.join(map(str, _with_channels(inputs)))}" if preprocess else str(inputs)
        content = {**(metadata or {}), "input": taken, "largest_difference": str(difference)}
        about = directory / "metadata.json"
        about.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        # All three are on the disk before the first gets its name. The metadata get theirs last.
        with contextlib.ExitStack() as stack:
            for source, ending in reversed(list(zip((*files, about), FORMATS["symbol"].endings))):
                shutil.copyfile(source, stack.enter_context(write_atomically(f"{path}{ending}")))
    return difference


def trace(net, path, inputs, *, preprocess=False):
    """Write a network's symbol and parameters without checking them, and return the paths of the two files.

    Raises
    ------
    InteropError, ModelError
        If they cannot be written, or the network is not hybrid.
    """
    if not isinstance(net, gluon.HybridBlock):
        raise ModelError(
            "The network cannot be exported, because it is not a HybridBlock and cannot be compiled: build it of "
            "hybrid blocks, or a network from here with hybrid=True."
        )
    export_block = import_gluoncv().utils.export_block
    shape, before = inputs.shape, None
    if preprocess:
        before = nn.HybridSequential()
        before.add(transforms.Cast("uint8"), *_sized(inputs), transforms.ToTensor())
        if inputs.dataset.mean is not None:
            before.add(transforms.Normalize(inputs.dataset.mean, inputs.dataset.deviation))
        shape = _with_channels(inputs)
    try:
        export_block(str(path), net, shape, preprocess=before, layout="HWC" if preprocess else "CHW")
    except RuntimeError:  # what GluonCV raises after an error of MXNet's, without its words
        raise InteropError(
            f"MXNet cannot write the network to {path.parent}: make room there, or set TMPDIR to another directory."
        ) from None
    return tuple(path.with_name(path.name + ending) for ending in FORMATS["symbol"].endings[:2])


def _sized(inputs):
    """The transforms that give stored images the network's size."""
    if inputs.crop is not None:
        first = (inputs.dataset.side - inputs.crop) // 2
        return [transforms.CropResize(first, first, inputs.crop, inputs.crop)]
    return [] if inputs.resize is None else [transforms.Resize(inputs.resize)]


def _with_channels(inputs):
    """H×W×C of stored images."""
    return inputs.dataset.side, inputs.dataset.side, inputs.dataset.channels


@contextlib.contextmanager
def temporary_directory():
    """A directory that lasts as long as the block, which an OSError without a file's name is about."""
    with tempfile.TemporaryDirectory() as directory:
        try:
            yield Path(directory)
        except OSError as error:
            error.filename = error.filename or directory
            raise


def _imported(files, inputs, preprocess):
    """What :func:`trace` wrote, as a function from stored images to logits."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Cannot decide type")  # of the input, which is taken as it comes
        block = gluon.SymbolBlock.imports(str(files[0]), ["data"], str(files[1]))

    def logits(images):
        batch = (
            mx.nd.array(images.reshape((-1, *_with_channels(inputs))), dtype="uint8")
            if preprocess
            else inputs.batch(images)
        )
        return block(batch).asnumpy()

    return logits

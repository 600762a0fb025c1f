"""Gluon's own form of a network without its code: ``symbol.json`` and a file of parameters."""

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

from gluon_cnn.data import to_batch
from gluon_cnn.data.fashion_mnist import SIDE
from gluon_cnn.errors import InteropError, ModelError
from gluon_cnn.files import write_atomically
from gluon_cnn.interop.check import compare, refuse_difference
from gluon_cnn.models.zoo import import_gluoncv

__all__ = ["BYTES", "ENDINGS", "export", "floats", "load", "trace"]

#: What the names of the three files end with.
ENDINGS = ("-symbol.json", "-0000.params", "-metadata.json")
BYTES = f"uint8 N×{SIDE}×{SIDE}×1"


def floats(resize):
    """What a network takes without preprocessing, in words."""
    side = resize or SIDE
    return f"float32 N×1×{side}×{side} in [0, 1]"


def export(net, prefix, images, resize=None, *, preprocess=False, metadata=None):
    """Write a network for ``SymbolBlock.imports``, once it was seen to give the same logits.

    Parameters
    ----------
    net : HybridBlock
        N×1×H×W to N×10 logits, initialised, on the CPU.
    prefix : path
        ``runs/nin`` is written as ``runs/nin-symbol.json``, ``runs/nin-0000.params`` and ``runs/nin-metadata.json``;
        files that are there are replaced.
    images : np.ndarray
        uint8 N×28×28, to check with.
    resize : int, optional
        Height and width that ``net`` takes, if not 28.
    preprocess : bool, default False
        Take images uint8 N×28×28×1, as Gluon's transforms do, and resize and scale them inside.
    metadata : dict of str to str, optional

    Returns
    -------
    Difference

    Raises
    ------
    InteropError
        If logits differ by more than :data:`gluon_cnn.interop.check.TOLERANCE` allows; nothing is written then.
    ModelError
        If ``net`` is not hybrid.
    """
    prefix = Path(prefix)
    for path in (Path(f"{prefix}{ending}") for ending in ENDINGS):
        if path.is_dir():
            raise InteropError(f"{path} is a directory: choose another --out.")
    with tempfile.TemporaryDirectory() as directory:
        files = trace(net, Path(directory) / "net", resize, preprocess=preprocess)
        difference = compare(load(files, resize, preprocess=preprocess), net, images, resize)
        refuse_difference(difference, prefix)
        about = Path(directory) / "metadata.json"
        content = {**(metadata or {}), "largest_difference": f"{difference.largest:.3g}"}
        about.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        # No name is taken before all three are on the disk, and that of the metadata last.
        with contextlib.ExitStack() as stack:
            for source, ending in reversed(list(zip((*files, about), ENDINGS))):
                shutil.copyfile(source, stack.enter_context(write_atomically(f"{prefix}{ending}")))
    return difference


def trace(net, prefix, resize=None, *, preprocess=False):
    """Write a network's symbol and parameters; the paths of the two files. As :func:`export`, unchecked."""
    if not isinstance(net, gluon.HybridBlock):
        raise ModelError("A network is exported from its compiled form, which this one has not: build it hybrid=True.")
    export_block = import_gluoncv().utils.export_block
    side = resize or SIDE
    if preprocess:
        before = nn.HybridSequential()
        sized = [transforms.Resize(side)] if resize else []
        before.add(transforms.Cast("uint8"), *sized, transforms.ToTensor())
        export_block(str(prefix), net, (SIDE, SIDE, 1), preprocess=before, layout="HWC")
    else:
        export_block(str(prefix), net, (1, side, side), preprocess=None, layout="CHW")
    return tuple(prefix.with_name(prefix.name + ending) for ending in ENDINGS[:2])


def load(files, resize=None, *, preprocess=False):
    """What :func:`trace` wrote, as a function of images uint8 N×28×28."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Cannot decide type")  # of the input, which comes as what it is
        block = gluon.SymbolBlock.imports(str(files[0]), ["data"], str(files[1]))

    def logits(images):
        batch = mx.nd.array(images[..., None], dtype="uint8") if preprocess else to_batch(images, resize)
        return block(batch).asnumpy()

    return logits

"""Parameter files: one format for ``mx.nd``, ``mx.np`` and MXNet 2, which write formats of their own that the others
do not read. It is what MXNet 1 writes of ``mx.nd`` arrays, so that ``net.load_parameters`` reads it there."""

import zipfile
from pathlib import Path

import mxnet as mx
import numpy as np

from gluon_cnn.array_mode import array_mode
from gluon_cnn.errors import ModelError
from gluon_cnn.files import write_atomically

__all__ = [
    "load_parameters",
    "misfit",
    "named_parameters",
    "put_parameters",
    "read_parameters",
    "save_parameters",
    "write_parameters",
]


def save_parameters(net, path):
    """Save a network's parameters for every array mode, and for MXNet 2.

    Parameters
    ----------
    net : Block
        Initialised, of known shapes.
    path : path
        Such as ``nin.params``.
    """
    arrays = {name: parameter.data(parameter.list_ctx()[0]) for name, parameter in named_parameters(net).items()}
    with write_atomically(Path(path)) as temporary:
        write_parameters(temporary, arrays)


def load_parameters(net, path, *, ctx=None):
    """Load what :func:`save_parameters` saved, or what Gluon's own ``net.save_parameters`` did in any array mode.

    Parameters
    ----------
    net : Block
        Initialised or not.
    path : path
    ctx : mx.Context or list of mx.Context, optional
        Where the parameters of a network that is not initialised are put; ``mx.cpu()`` by default.

    Raises
    ------
    ModelError
        If the file holds no parameters, or those of another network: the first that does not fit is named. Nothing has
        been changed then.
    """
    arrays = read_parameters(path)
    found = misfit(net, {name: array.shape for name, array in arrays.items()})
    if found:
        raise ModelError(f"{path} is of another network: {found}.")
    put_parameters(net, arrays, ctx)


def named_parameters(net):
    """Every parameter by its structural name, such as ``0.1.weight``, in the order of the layers."""
    return net._collect_params_with_prefix()


def write_parameters(path, arrays):
    """Write arrays of any mode, by name."""
    with array_mode(False):
        mx.nd.save(str(path), {name: array.as_nd_ndarray() for name, array in arrays.items()})
        mx.nd.load(str(path))  # MXNet does not say if the disk was full for the file's last bytes


def read_parameters(path):
    """The arrays of a parameter file by name, as ``mx.nd`` arrays; ModelError if it holds none."""
    path = str(path)
    try:
        if zipfile.is_zipfile(path):  # MXNet 2's own
            with np.load(path) as arrays:
                return {name: mx.nd.array(array, dtype=array.dtype) for name, array in arrays.items()}
        try:
            with array_mode(False):
                arrays = mx.nd.load(path)
        except mx.MXNetError:
            with array_mode(True):  # which MXNet 1 reads in its mode only
                arrays = mx.nd.load(path)
        return {name: array.as_nd_ndarray() for name, array in arrays.items()}
    except (mx.MXNetError, AttributeError, ValueError, OSError, zipfile.BadZipFile):
        raise ModelError(f"{path} holds no parameters of a network: use one that was saved by name.") from None


def misfit(net, shapes):
    """What first keeps arrays of these shapes, by name, from being the network's parameters; None if they fit."""
    expected = {name: parameter.shape for name, parameter in named_parameters(net).items()}
    for name, shape in expected.items():
        if name not in shapes or not _fits(shapes[name], shape):
            has = f"of shape {shapes[name]}" if name in shapes else "none"
            return f"{name} should be of shape {shape}, but it has {has}"
    surplus = next((name for name in shapes if name not in expected), None)
    return surplus and f"it has {surplus}, which this one has not"


def _fits(shape, expected):
    # 0 and -1 stand for a size that the network learns from its first batch, or from here.
    return expected is None or (
        len(shape) == len(expected) and all(size == e or e in (0, -1) for size, e in zip(shape, expected))
    )


def put_parameters(net, arrays, ctx=None):
    """Give a network the parameters in ``mx.nd`` arrays that fit, in the network's own precision."""
    for name, parameter in named_parameters(net).items():
        if name in arrays:
            array = arrays[name].as_np_ndarray() if mx.util.is_np_array() else arrays[name]
            parameter._load_init(array, ctx, cast_dtype=True)

"""Parameter files in one format for ``mx.nd`` arrays, ``mx.np`` arrays and MXNet 2.

Each of these writes a format of its own that the others cannot read. Ours is the one that MXNet 1 writes for ``mx.nd``
arrays, so ``net.load_parameters`` reads it there.
"""

import errno
import struct
import zipfile
from pathlib import Path
from typing import List, NamedTuple

import mxnet as mx
import numpy as np

from gluon_cnn.errors import ModelError
from gluon_cnn.files import write_atomically
from gluon_cnn.runtime.array_mode import array_mode

__all__ = [
    "Match",
    "copied",
    "copied_parameters",
    "fits",
    "load_matching",
    "load_parameters",
    "misfit",
    "named_parameters",
    "put_parameters",
    "put_whole",
    "read_parameters",
    "save_parameters",
    "write_parameters",
]


def save_parameters(net, path):
    """Save a network's parameters in a file that every array mode can load, and MXNet 2 too.

    Parameters
    ----------
    net : Block
        Initialised, with known shapes.
    path : path
        Such as ``nin.params``.

    Raises
    ------
    ModelError
        If a parameter has no values yet, or the file's directory does not exist.
    """
    if not Path(path).parent.is_dir():
        raise ModelError(f"{path} would be in a directory that does not exist: create it first.")
    with write_atomically(path) as temporary:
        write_parameters(temporary, copied_parameters(net))


def load_parameters(net, path, *, ctx=None):
    """Load what :func:`save_parameters` saved, or what Gluon's own ``net.save_parameters`` saved in any array mode.

    Parameters
    ----------
    net : Block
        Initialised or not.
    path : path
    ctx : mx.Context or list of mx.Context, optional
        Where the parameters go; by default they stay where they are, or go to the CPU.

    Raises
    ------
    ModelError
        If the file holds no parameters, or those of another network. It names the first parameter that does not fit,
        and the network is unchanged.
    """
    put_whole(net, read_parameters(path), path, ctx)


class Match(NamedTuple):
    """Which parameters a network loaded from a file, by name, and which it did not.

    Attributes
    ----------
    loaded : list of str
    missing, extra : list of str
        Only in the network; only in the file.
    reshaped : list of str
        In both, with different shapes.
    """

    loaded: List[str]
    missing: List[str]
    extra: List[str]
    reshaped: List[str]


def load_matching(net, path):
    """Load those parameters of a file that fit by name and shape, and report the others: for fine-tuning.

    Gluon's ``load_parameters(allow_missing=True, ignore_extra=True)`` does not report what it leaves out, and refuses a
    last layer for other classes because the name is the same. Here that layer keeps the values that it has.

    Parameters
    ----------
    net : Block
        Initialised, because parameters that the file does not have keep their values.
    path : path
        As for :func:`load_parameters`, from any network. Each checkpoint of a run has such a file, ``net.params``.

    Returns
    -------
    Match

    Raises
    ------
    ModelError
        If the file cannot be read, nothing in it fits, or the network is not initialised. Nothing is loaded.
    """
    arrays, parameters = read_parameters(path), named_parameters(net)
    there = [name for name in parameters if name in arrays]
    loaded = [name for name in there if fits(arrays[name].shape, parameters[name].shape)]
    if not loaded:
        raise ModelError(f"No parameter in {path} fits: use the file of a network with the same first layers.")
    if not all(map(_is_initialised, parameters.values())):
        raise ModelError("The network is not initialised: call its initialize() before you load parameters.")
    put_parameters(net, {name: arrays[name] for name in loaded})
    missing = [name for name in parameters if name not in arrays]
    extra = [name for name in arrays if name not in parameters]
    return Match(loaded, missing, extra, [name for name in there if name not in loaded])


def named_parameters(net):
    """Every parameter by its structural name, such as ``0.1.weight``, in the order of the layers."""
    return net._collect_params_with_prefix()


def copied_parameters(net):
    """Copies of a network's parameters by name, see :func:`copied`."""
    return {name: copied(parameter) for name, parameter in named_parameters(net).items()}


def copied(parameter):
    """A copy of a parameter as an ``mx.nd`` array on the CPU, from its first device."""
    # Multiplying by 1 copies each bit and restores the plain layout, where a forward pass has left the array in
    # oneDNN's layout, or is about to. Copying the array to NumPy directly can give other numbers, and on a Python
    # thread it would start another team of OpenMP threads, see runtime/README.md.
    try:
        return (parameter.list_data()[0] * 1).as_in_context(mx.cpu()).as_nd_ndarray()
    except RuntimeError:  # MXNet's error for a deferred initialisation is a subclass
        raise ModelError(
            f"{parameter.name} has no values yet: initialise the network and run a batch through it, or train it."
        ) from None


def write_parameters(path, arrays):
    """Write arrays of any mode, by name; OSError if the file is incomplete."""
    with array_mode(False):
        mx.nd.save(str(path), {name: array.as_nd_ndarray() for name, array in arrays.items()})
    # If the disk is full, MXNet does not report that the last bytes are missing. They are the names.
    names = [name.encode() for name in arrays]
    end = struct.pack("<Q", len(names)) + b"".join(struct.pack("<Q", len(name)) + name for name in names)
    with open(path, "rb") as file:
        file.seek(max(0, Path(path).stat().st_size - len(end)))
        if file.read() != end:
            raise OSError(errno.ENOSPC, "the end of the file is missing, as on a full disk", str(path))


def read_parameters(path):
    """The arrays of a parameter file by name, as ``mx.nd`` arrays; ModelError if it holds none."""
    path = str(path)
    if not Path(path).is_file():
        raise ModelError(f"There is no file {path}: name a parameter file.")
    try:
        if zipfile.is_zipfile(path):  # MXNet 2's own format
            with np.load(path) as arrays:
                return {name: mx.nd.array(array, dtype=array.dtype) for name, array in arrays.items()}
        try:
            with array_mode(False):
                arrays = _load(path)
        except mx.MXNetError:
            with array_mode(True):  # MXNet 1 reads files of mx.np arrays in this mode only
                arrays = _load(path)
        return {name: array.as_nd_ndarray() for name, array in arrays.items()}
    except (mx.MXNetError, AttributeError, ValueError, KeyError, TypeError, OSError, zipfile.BadZipFile):
        raise ModelError(f"{path} holds no parameters of a network: use a file that was saved by name.") from None


def _load(path):
    try:
        return mx.nd.load(path)
    except UnicodeEncodeError:  # MXNet takes a path as UTF-8, which the name of a file need not be
        return mx.nd.load_frombuffer(Path(path).read_bytes())


def misfit(shapes, net):
    """The first difference between parameters and those of a network, as half a sentence; None if they fit.

    Parameters
    ----------
    shapes : dict
        The shape by structural name, such as ``0.0.weight``.
    net : Block
        Its shapes may be unknown, in part or whole.
    """
    expected = {name: parameter.shape for name, parameter in named_parameters(net).items()}
    for name, shape in expected.items():
        if name not in shapes or not fits(shapes[name], shape):
            what = f"is of shape {shapes[name]}" if name in shapes else "is missing"
            return f"{name} should be of shape {shape}, but {what}"
    surplus = next((name for name in shapes if name not in expected), None)
    return surplus and f"it has {surplus}, which this one does not have"


def fits(shape, expected):
    """Whether a shape is the expected one, in which 0 or -1 is a size that is not known yet."""
    if expected is None:
        return True
    return len(shape) == len(expected) and all(size == e or e in (0, -1) for size, e in zip(shape, expected))


def put_parameters(net, arrays, ctx=None):
    """Set those parameters of a network that are in ``arrays`` (``mx.nd``, by name), in the network's precision."""
    devices = ctx if ctx is None or isinstance(ctx, (list, tuple)) else [ctx]
    for name, parameter in named_parameters(net).items():
        if name in arrays:
            array = arrays[name].as_np_ndarray() if mx.util.is_np_array() else arrays[name]
            if devices and _is_initialised(parameter) and set(parameter.list_ctx()) != set(devices):
                parameter.reset_ctx(devices)
            parameter._load_init(array, devices, cast_dtype=True)


def put_whole(net, arrays, path, ctx=None):
    """Set every parameter of a network from the arrays of a file; ModelError, and no change, if they do not fit."""
    differs = misfit({name: array.shape for name, array in arrays.items()}, net)
    if differs:
        raise ModelError(f"{path} holds the parameters of another network: {differs}.")
    put_parameters(net, arrays, ctx)


def _is_initialised(parameter):
    return parameter._data is not None or bool(parameter._deferred_init)

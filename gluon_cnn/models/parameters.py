"""Parameter files in one format for ``mx.nd`` arrays, ``mx.np`` arrays and MXNet 2.

Each of these writes a format of its own that the others cannot read. Ours is the one that MXNet 1 writes for ``mx.nd``
arrays, so ``net.load_parameters`` reads it there.
"""

import errno
import struct
from pathlib import Path
from typing import List, NamedTuple

import mxnet as mx
import numpy as np

from gluon_cnn.errors import ModelError
from gluon_cnn.files import write_atomically
from gluon_cnn.models.parameter_file import read_parameters
from gluon_cnn.models.pretrained import pretrained_arrays, pretrained_name
from gluon_cnn.runtime.array_mode import array_mode
from gluon_cnn.runtime.devices import as_list

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
        As for :func:`load_parameters`, from any network. Each checkpoint of a run has such a file, ``net.params``. Or
        ``pretrained:nin``, a trained network in the package.

    Returns
    -------
    Match

    Raises
    ------
    ModelError
        If the file cannot be read, nothing in it fits, or the network is not initialised. Nothing is loaded.
    """
    packaged, parameters = pretrained_name(path), named_parameters(net)
    arrays = read_parameters(path) if packaged is None else pretrained_arrays(packaged)
    there = [name for name in parameters if name in arrays]
    loaded = [name for name in there if fits(arrays[name].shape, parameters[name].shape)]
    if not loaded:
        raise ModelError(f"No parameter in {path} fits: use the file of a network with the same first layers.")
    if not all(map(_is_initialised, parameters.values())):
        raise ModelError("The network is not initialised: call its initialize() before you load parameters.")
    put_parameters(net, {name: arrays[name] for name in loaded})
    missing = _missing(parameters, arrays)
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


def misfit(shapes, net):
    """The first difference between parameters and those of a network, as half a sentence; None if they fit.

    Parameters
    ----------
    shapes : dict
        The shape by structural name, such as ``0.0.weight``.
    net : Block
        Its shapes may be unknown, in part or whole.
    """
    parameters = named_parameters(net)
    missing = _missing(parameters, shapes)
    for name, parameter in parameters.items():
        if name in missing or (name in shapes and not fits(shapes[name], parameter.shape)):
            what = f"is of shape {shapes[name]}" if name in shapes else "is missing"
            return f"{name} should be of shape {parameter.shape}, but {what}"
    surplus = next((name for name in shapes if name not in parameters), None)
    return surplus and f"it has {surplus}, which this one does not have"


def _missing(parameters, stored):
    """The names that a file lacks. Of layers that share a parameter, ``save_parameters(deduplicate=True)`` has one."""
    there = {id(parameters[name]) for name in stored if name in parameters}
    return [name for name, parameter in parameters.items() if id(parameter) not in there]


def fits(shape, expected):
    """Whether a shape is the expected one, in which 0 or -1 is a size that is not known yet."""
    if expected is None:
        return True
    return len(shape) == len(expected) and all(size == e or e in (0, -1) for size, e in zip(shape, expected))


def put_parameters(net, arrays, ctx=None):
    """Set those parameters of a network that are in ``arrays`` (by name, of any kind), in the network's precision."""
    devices = None if ctx is None else as_list(ctx)
    for name, parameter in named_parameters(net).items():
        if name in arrays:
            array = _to_mxnet(arrays[name])  # one at a time: arrays in files are not in memory before
            array = array.as_np_ndarray() if mx.util.is_np_array() else array
            if devices and _is_initialised(parameter) and set(parameter.list_ctx()) != set(devices):
                parameter.reset_ctx(devices)
            parameter._load_init(array, devices, cast_dtype=True)


def _to_mxnet(array):
    """An array of NumPy, MXNet or a file as an ``mx.nd`` array."""
    if hasattr(array, "as_nd_ndarray"):
        return array.as_nd_ndarray()
    array = np.asarray(array)
    if array.dtype.kind in "iu" and array.dtype.name not in ("int8", "uint8", "int32", "int64"):
        array = array.astype(np.int64)  # MXNet has no others
    return mx.nd.array(array, dtype=array.dtype.newbyteorder("="), ctx=mx.cpu())


def put_whole(net, arrays, path, ctx=None):
    """Set every parameter of a network from the arrays of a file; ModelError, and no change, if they do not fit."""
    differs = misfit({name: array.shape for name, array in arrays.items()}, net)
    if differs:
        raise ModelError(f"{path} holds the parameters of another network: {differs}.")
    put_parameters(net, arrays, ctx)


def _is_initialised(parameter):
    return parameter._data is not None or bool(parameter._deferred_init)

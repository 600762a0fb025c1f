"""Parameters as a safetensors file: arrays under a network's structural names, and nothing that could run.

The same file fits MXNet 1 and 2, whose own parameter files differ, and all software that knows safetensors reads it.
"""

import json

import numpy as np

from gluon_cnn.errors import InteropError
from gluon_cnn.files import open_regular, write_atomically
from gluon_cnn.interop.extras import import_extra
from gluon_cnn.models.parameters import copied_parameters, named_parameters, put_whole
from gluon_cnn.models.stored import MOST_ARRAYS, array_at, count_numbers

__all__ = ["load_safetensors", "read_arrays", "save_safetensors", "write"]

# safetensors' name of a type of number: NumPy's. NumPy has no bfloat16, which is the upper half of a float32.
_TYPES = {
    "F16": "<f2",
    "BF16": "<u2",
    "F32": "<f4",
    "F64": "<f8",
    "BOOL": "?",
    "I8": "i1",
    "I16": "<i2",
    "I32": "<i4",
    "I64": "<i8",
    "U8": "u1",
    "U16": "<u2",
    "U32": "<u4",
    "U64": "<u8",
}
# Bytes. Only an honest file of MOST_ARRAYS comes near it.
_LARGEST_HEADER = 2**22


def write(net, path, inputs, images, *, preprocess=False, metadata=None):
    """:func:`save_safetensors` for a run's network, see :func:`gluon_cnn.interop.formats.writer`."""
    save_safetensors(net, path, {**(metadata or {}), "input": "parameters, by structural names"})


def save_safetensors(net, path, metadata=None):
    """Write a network's parameters to a safetensors file, under their structural names such as ``0.0.weight``.

    Parameters
    ----------
    net : Block
        Initialised, with known shapes.
    path : path
        An existing file is replaced.
    metadata : dict of str to str, optional
        Goes into the file's header.

    Raises
    ------
    InteropError
        If the package safetensors is missing.
    ModelError
        If a parameter has no values yet.
    """
    to_bytes = import_extra("safetensors.numpy", "safetensors").save
    arrays = {name: array.asnumpy() for name, array in copied_parameters(net).items()}
    with write_atomically(path) as temporary:
        temporary.write_bytes(to_bytes(arrays, metadata))  # save_file's files can be read only by their owner


def load_safetensors(net, path, ctx=None):
    """Load a safetensors file into a network, which may be uninitialised or have unknown shapes.

    Parameters
    ----------
    net : Block
    path : path
    ctx : mx.Context or list of mx.Context, optional
        Where the parameters go; by default they stay where they are, or go to the CPU.

    Raises
    ------
    InteropError
        If the file is missing or damaged, or the package safetensors is missing.
    ModelError
        If the file is of another network. It names the first parameter that differs, and the network is unchanged.
    """
    arrays = read_arrays(path)
    for name, parameter in named_parameters(net).items():
        whole = any(word in str(parameter.dtype) for word in ("int", "bool"))
        if name in arrays and (arrays[name].dtype.kind != "f") != whole:
            raise InteropError(
                f"{path} has {name} in {arrays[name].dtype}, which is not a kind of number that the network has there: "
                "save the parameters of the same network, in float32."
            )
    put_whole(net, arrays, path, ctx)


def read_arrays(path):
    """The arrays of a safetensors file by name, in the order of the file. bfloat16 becomes float32.

    Returns
    -------
    dict of str to StoredArray
        No number has been read yet, but all are there.

    Raises
    ------
    InteropError
        If the file cannot be read, or has numbers that NumPy cannot hold, such as float8.
    """
    package = import_extra("safetensors", "safetensors")
    try:
        with open_regular(path) as file:
            size = int.from_bytes(file.read(8), "little")
            if size > _LARGEST_HEADER:
                raise ValueError(f"its header claims {size:,} bytes")
            with package.safe_open(str(path), "numpy"):  # checks the header against the file, and reads no array
                pass
            header = json.loads(file.read(size))
        header.pop("__metadata__", None)
        if len(header) > MOST_ARRAYS:
            raise ValueError(f"it holds {len(header):,} arrays")
        return {name: _stored_array(path, size + 8, name, entry) for name, entry in header.items()}
    except (OSError, package.SafetensorError, ValueError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or str(error).strip() or type(error).__name__
        raise InteropError(
            f"{path} cannot be read as a safetensors file ({reason.splitlines()[0].rstrip('.')}): name a complete one, "
            "with numbers in float32."
        ) from None


def _stored_array(path, start, name, entry):
    """One array of a safetensors file, whose data begin at ``start``."""
    kind, shape = entry["dtype"], tuple(entry["shape"])
    if kind not in _TYPES:
        raise InteropError(f"{path} has {name} in {kind}, which is not read: save it in float32 or bfloat16.")
    count_numbers(shape)  # safetensors has compared it with the file
    return array_at(path, start + entry["data_offsets"][0], np.dtype(_TYPES[kind]), shape, kind == "BF16")

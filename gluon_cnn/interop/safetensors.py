"""Parameters as a safetensors file: arrays under a network's structural names, and nothing that could run.

The same file fits MXNet 1 and 2, whose own parameter files differ, and all software that knows safetensors reads it.
"""

import mxnet as mx

from gluon_cnn.errors import InteropError
from gluon_cnn.files import write_atomically
from gluon_cnn.interop.extras import import_extra
from gluon_cnn.models.parameters import copied_parameters, put_whole

__all__ = ["load_safetensors", "read_arrays", "save_safetensors", "write"]


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
    arrays = {name: mx.nd.array(array, dtype=array.dtype) for name, array in read_arrays(path).items()}
    put_whole(net, arrays, path, ctx)


def read_arrays(path):
    """The arrays of a safetensors file by name, as NumPy's.

    Raises
    ------
    InteropError
        If the file cannot be read, or has other numbers than float16, float32 and float64.
    """
    load_file = import_extra("safetensors.numpy", "safetensors").load_file
    failure = import_extra("safetensors", "safetensors").SafetensorError
    try:
        arrays = load_file(str(path))
    except (OSError, failure, KeyError, TypeError) as error:  # the last two for a type of number that NumPy lacks
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise InteropError(
            f"{path} cannot be read as a safetensors file ({reason}): name a complete one, with numbers in float32."
        ) from None
    for name, array in arrays.items():
        if array.dtype.kind != "f":
            raise InteropError(f"{path} has {name} in {array.dtype}, which is not a weight: save it in float32.")
    return arrays

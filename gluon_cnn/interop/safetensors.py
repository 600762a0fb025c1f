"""Parameters as a safetensors file: a network's structural names, numbers and nothing that could run.

The same file fits MXNet's 1.x and 2 lines, whose own parameter files differ, and is read by whatever knows safetensors.
"""

import mxnet as mx

from gluon_cnn.errors import InteropError
from gluon_cnn.files import write_atomically
from gluon_cnn.interop.extras import import_extra
from gluon_cnn.models.parameters import copied_parameters, put_whole

__all__ = ["load_parameters", "read_arrays", "save_parameters"]


def save_parameters(net, path, metadata=None):
    """Write a network's parameters to a safetensors file, under their structural names such as ``0.0.weight``.

    Parameters
    ----------
    net : Block
        Initialised, its shapes complete.
    path : path
        A file that is there is replaced.
    metadata : dict of str to str, optional
        Goes into the file's header.

    Raises
    ------
    InteropError
        If the package safetensors is missing.
    """
    to_bytes = import_extra("safetensors.numpy", "safetensors").save
    arrays = {name: array.asnumpy() for name, array in copied_parameters(net).items()}
    with write_atomically(path) as temporary:
        temporary.write_bytes(to_bytes(arrays, metadata))  # save_file makes a file that only its owner may read


def load_parameters(net, path, ctx=None):
    """Put the parameters in a safetensors file into a network, which may be uninitialised or of open shapes.

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
        If it is of another network, naming the first parameter that differs; nothing has been changed then.
    """
    arrays = {name: mx.nd.array(array, dtype=array.dtype) for name, array in read_arrays(path).items()}
    put_whole(net, arrays, path, ctx)


def read_arrays(path):
    """The arrays of a safetensors file by name, as NumPy's; InteropError if it cannot be read or has other numbers than
    float16, float32 and float64."""
    from_file = import_extra("safetensors.numpy", "safetensors").load_file
    failure = import_extra("safetensors", "safetensors").SafetensorError
    try:
        arrays = from_file(str(path))
    except (OSError, failure, KeyError, TypeError) as error:  # the last two: a type of numbers that NumPy has not
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise InteropError(
            f"{path} cannot be read as a safetensors file ({reason}): name one that is whole, with numbers in float32."
        ) from None
    for name, array in arrays.items():
        if array.dtype.kind != "f":
            raise InteropError(f"{path} has {name} in {array.dtype}, which is no weight: save it in float32.")
    return arrays

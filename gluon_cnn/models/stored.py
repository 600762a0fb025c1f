"""Arrays in files: what a file claims is compared with its size before any memory is taken for it."""

import math

import numpy as np

from gluon_cnn.checks import MOST, brief
from gluon_cnn.files import open_regular

__all__ = ["LONGEST_NAME", "MOST_ARRAYS", "MOST_AXES", "StoredArray", "array_at", "count_numbers"]

#: More arrays than any network has parameters, and more characters than a name has.
MOST_ARRAYS, LONGEST_NAME = 20_000, 4096
MOST_AXES = 32  # NumPy's limit


class StoredArray:
    """An array in a file: its shape at once, its numbers when ``np.asarray`` asks for them.

    Parameters
    ----------
    shape : tuple of int
    dtype : np.dtype
    read : callable
        Gives the numbers, in this shape and type.
    """

    def __init__(self, shape, dtype, read):
        self.shape, self.dtype, self.ndim, self._read = tuple(shape), np.dtype(dtype), len(shape), read

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self._read(), dtype)


def count_numbers(shape):
    """How many numbers an array of a claimed shape has; ValueError if no array can have that shape."""
    # An empty array can claim any other sides.
    if len(shape) > MOST_AXES or not all(0 <= size <= MOST for size in shape):
        raise ValueError(f"one of its arrays claims the shape {brief(tuple(shape))}, which no array here can have")
    return math.prod(shape)


def array_at(path, position, dtype, shape, bfloat16=False):
    """The StoredArray of a shape that has been counted, from a file's byte ``position`` on.

    bfloat16, of which ``dtype`` is the bytes, becomes float32.
    """

    def read():
        with open_regular(path) as file:
            file.seek(position)
            values = np.fromfile(file, dtype, math.prod(shape))
        if len(values) != math.prod(shape):
            raise OSError(f"{path} was changed while it was read")
        values = (values.astype(np.uint32) << 16).view(np.float32) if bfloat16 else values
        return values.reshape(shape)

    return StoredArray(shape, np.float32 if bfloat16 else dtype, read)

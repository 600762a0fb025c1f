"""Arrays in files: what a file claims is compared with its size before any memory is taken for it."""

import math

import numpy as np

from gluon_cnn.files import open_regular

__all__ = ["LONGEST_NAME", "MOST_ARRAYS", "StoredArray", "count_numbers", "read_numbers"]

#: More arrays than any network has parameters, and more characters than a name has.
MOST_ARRAYS, LONGEST_NAME = 20_000, 4096
_MOST_AXES = 32  # NumPy's limit
_LARGEST_SIDE = 2**31  # from which on MXNet does not count


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
    if len(shape) > _MOST_AXES or not all(0 <= size < _LARGEST_SIDE for size in shape):
        raise ValueError(f"one of its arrays claims the shape {_shortened(shape)}, which no array here can have")
    return math.prod(shape)


def _shortened(shape):
    return str(tuple(shape)) if len(shape) < 9 else f"({', '.join(map(str, shape[:8]))}, ...)"


def read_numbers(path, position, dtype, count, bfloat16=False):
    """Numbers from a file's byte ``position`` on. bfloat16, of which ``dtype`` is the bytes, becomes float32."""
    with open_regular(path) as file:
        file.seek(position)
        values = np.fromfile(file, dtype, count)
    if len(values) != count:
        raise OSError(f"{path} was changed while it was read")
    return (values.astype(np.uint32) << 16).view(np.float32) if bfloat16 else values

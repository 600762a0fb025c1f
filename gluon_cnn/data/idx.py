"""The IDX format, in which MNIST and the data sets after it are stored."""

import math
import struct

import numpy as np

from gluon_cnn.errors import DataError

__all__ = ["parse_idx"]


def parse_idx(content, source):
    """The array in the bytes of an IDX file of unsigned bytes, read-only and without a copy.

    Parameters
    ----------
    content : bytes
        Two zeros, 8 for unsigned bytes, the number of dimensions, their sizes as big-endian 32-bit
        integers, then the values.
    source : path or str
        Names the file in an error.

    Raises
    ------
    DataError
        If the bytes are not such a file, or not as many as its header says.
    """
    if len(content) < 4 or content[:3] != b"\0\0\x08" or content[3] not in (1, 3):
        raise DataError(f"{source} is not an IDX file of images or labels, because it begins with {content[:4]!r}.")
    header = 4 + 4 * content[3]
    if len(content) < header:
        raise DataError(
            f"{source} ends within its header, after {len(content)} bytes: delete it and download it again."
        )
    shape = struct.unpack(f">{content[3]}I", content[4:header])
    expected, found = math.prod(shape), len(content) - header
    if found != expected:
        problem = "is truncated" if found < expected else "is too long"
        raise DataError(
            f"{source} {problem}: its header promises {expected} bytes and {found} follow; download it again."
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)

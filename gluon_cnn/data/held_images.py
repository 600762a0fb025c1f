"""How the pictures of a data set of one's own are kept: as bytes in memory, at the size that they are trained at."""

from typing import Any, NamedTuple, Tuple

import numpy as np

from gluon_cnn.data.decoded import decode
from gluon_cnn.errors import ImageError

__all__ = ["Held", "hold"]


class Held(NamedTuple):
    """Pictures, decoded.

    Attributes
    ----------
    images : array or the like
        uint8 N×side×side, or N×side×side×3 in colour, see :class:`gluon_cnn.data.Part`.
    kept : np.ndarray
        The indices of those pictures that can be read, N of them, in order.
    unreadable : tuple of str
        Of each of the others a line that names it, and says why.
    """

    images: Any
    kept: np.ndarray
    unreadable: Tuple[str, ...]


def hold(pictures, side, channels, budget=None):
    """Decode a part of a data set.

    Parameters
    ----------
    pictures : Pictures
    side : int
        Of the squares, in pixels, see :func:`gluon_cnn.data.decoded.decode`.
    channels : {1, 3}
    budget : int, optional
        Bytes of memory.

    Returns
    -------
    Held
    """
    images = np.empty((len(pictures), side, side, *([3] if channels == 3 else [])), np.uint8)
    kept, unreadable = [], []
    for index, name in enumerate(pictures.names):
        try:
            images[len(kept)] = decode(pictures.encoded(index), name, side, channels)
        except ImageError as error:
            unreadable.append(str(error))
        else:
            kept.append(index)
    images = images[: len(kept)]
    images.flags.writeable = False
    return Held(images, np.array(kept, int), tuple(unreadable))

"""How the pictures of a data set of one's own are kept: in memory as bytes, at the size that they are trained at, or on
the disk, from where they are read ahead."""

import collections
import logging
import math
import sys
from typing import Any, NamedTuple, Tuple

import numpy as np

from gluon_cnn.data.decoded import decode
from gluon_cnn.data.read_ahead import AHEAD, ReadAhead, empty, on_threads, refuse_little_memory
from gluon_cnn.errors import ImageError
from gluon_cnn.runtime.memory import free_memory

__all__ = ["SHARE", "Held", "hold", "map_pictures", "spendable"]

#: The part of the memory that is free which pictures take at most, where nothing else is asked for.
SHARE = 0.5
_TOGETHER = 8  # pictures that a thread decodes at a time
_WAITING = 64  # such lots of which the threads are ahead


class Held(NamedTuple):
    """Pictures, decoded or ready to be.

    Attributes
    ----------
    images : array or ReadAhead
        uint8 N×side×side, or N×side×side×3 in colour, see :class:`gluon_cnn.data.Part`.
    kept : np.ndarray
        The indices of those pictures that can be read, N of them, in order.
    unreadable : tuple of str
        Of each of the others a line that names it, and says why.
    words : str
        Where the pictures are, and how much memory they take.
    """

    images: Any
    kept: np.ndarray
    unreadable: Tuple[str, ...]
    words: str

    @property
    def memory(self):
        """Bytes of memory that the pictures take."""
        return self.images.ahead if isinstance(self.images, ReadAhead) else self.images.nbytes


def spendable(memory=None):
    """The bytes that pictures may take: as many as are asked for, or :data:`SHARE` of what is free."""
    return int(SHARE * free_memory()) if memory is None else memory


def hold(pictures, side, channels, budget=None):
    """Decode a part of a data set, once, on threads: into memory if it fits, else to see that it can be decoded.

    Parameters
    ----------
    pictures : Pictures
    side : int
        Of the squares, in pixels, see :func:`gluon_cnn.data.decoded.decode`.
    channels : {1, 3}
    budget : int, optional
        Bytes of memory that the pictures may take; by default :data:`SHARE` of what is free.

    Returns
    -------
    Held
        Its images have the same bytes wherever they are.

    Raises
    ------
    DataError
        If a picture is not there any more, or there is less memory than the pictures may take.
    """
    budget = spendable(budget)
    shape = (side, side, *([3] if channels == 3 else []))
    size = len(pictures) * math.prod(shape)
    images = None
    if size <= budget:
        images = empty((len(pictures), *shape))
    unreadable = _decode_all(pictures, side, channels, images)
    kept = np.array([index for index in range(len(pictures)) if index not in unreadable], int)
    if images is None:
        readable = pictures if len(kept) == len(pictures) else pictures.take(kept)
        images = ReadAhead(readable, side, channels, min(AHEAD, max(budget, 0) // 4))
        words = f"read ahead, because in memory they would take {_amount(size)}, and may take {_amount(budget)}"
    else:
        for place, index in enumerate(kept if unreadable else ()):
            images[place] = images[index]  # here, because a copy of all would take their memory twice
        images = images[: len(kept)]
        images.flags.writeable = False
        words = f"in memory, {_amount(images.nbytes)}"
    return Held(images, kept, tuple(unreadable[index] for index in sorted(unreadable)), words)


def _decode_all(pictures, side, channels, images=None):
    """Decode every picture into its place in an array; without one, as small as is quick. Why some cannot be read, by
    their indices."""

    def decode_one(encoded, name, index):
        image = decode(encoded, name, side if images is not None else 1, channels)
        if images is not None:
            images[index] = image

    return map_pictures(pictures, decode_one, "reading pictures", numbered=True)[1]


def map_pictures(pictures, function, what, numbered=False):
    """Call a function of each picture's bytes and name, on threads, with a progress bar.

    Parameters
    ----------
    pictures : Pictures
    function : callable
    what : str
        For the bar.
    numbered : bool
        Give it the index too.

    Returns
    -------
    (list, dict)
        What it gave for each picture, and the messages of those that cannot be read, by their indices.
    """
    results, unreadable = [None] * len(pictures), {}

    def call_for(indices):
        for index in indices:
            name = pictures.names[index]
            try:
                results[index] = function(pictures.encoded(index), name, *([index] if numbered else []))
            except ImageError as error:
                refuse_little_memory(error, name)
                unreadable[index] = str(error)
        return len(indices)

    waiting = collections.deque()
    with on_threads() as submit, _progress(what, len(pictures)) as bar:
        for first in range(0, len(pictures), _TOGETHER):
            waiting.append(submit(call_for, range(first, min(first + _TOGETHER, len(pictures)))))
            if len(waiting) > _WAITING:
                bar.update(waiting.popleft().result())
        for lot in waiting:
            bar.update(lot.result())
    return results, unreadable


def _progress(what, total):
    """A progress bar of pictures, where the package's log is shown on a terminal."""
    from tqdm import tqdm  # here, where an import that fails on a variable can be explained

    handlers = logging.getLogger("gluon_cnn").handlers
    shown = any(not isinstance(handler, logging.NullHandler) for handler in handlers)
    on_terminal = sys.stderr is not None and sys.stderr.isatty()
    return tqdm(
        desc=what,
        file=sys.stderr,
        total=total,
        unit=" pictures",
        unit_scale=True,
        dynamic_ncols=True,
        leave=False,
        disable=not (shown and on_terminal),
    )


def _amount(size):
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"

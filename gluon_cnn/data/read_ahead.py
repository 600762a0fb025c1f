"""Pictures that do not fit into memory: decoded on threads, ahead of the batches that ask for them."""

import collections
import concurrent.futures
import contextlib

import numpy as np

from gluon_cnn.data.decoded import decode
from gluon_cnn.errors import DataError, ImageError
from gluon_cnn.runtime import usable_cores

__all__ = ["AHEAD", "ReadAhead", "empty", "on_threads", "refuse_little_memory"]

#: Bytes of decoded pictures that wait for their turn. One batch does in any case, while the one before it is used.
AHEAD = 64 << 20
_TOGETHER = 4  # pictures that a thread decodes before it looks whether more are wanted


class ReadAhead:
    """Pictures as an array of one size would give them, of which none stays in memory.

    Threads decode, because Pillow lets other threads run meanwhile. They live as long as an iteration does.

    Parameters
    ----------
    pictures : Pictures
    side : int
        Of the squares, in pixels, see :func:`gluon_cnn.data.decoded.decode`.
    channels : {1, 3}
    ahead : int
        Bytes that decoded pictures may take.

    Attributes
    ----------
    shape : tuple of int
        N×side×side, or N×side×side×3 in colour.
    dtype : np.dtype
        uint8.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, pictures, side, channels, ahead=AHEAD):
        self.pictures, self.side, self.channels, self.ahead = pictures, side, channels, ahead
        self.shape = (len(pictures), side, side, *([3] if channels == 3 else []))

    def __len__(self):
        return len(self.pictures)

    @property
    def ndim(self):
        return len(self.shape)

    def __getitem__(self, indices):
        """The images at some indices, or in a slice, as NumPy gives them.

        Raises
        ------
        DataError
            If a picture can no longer be read.
        """
        chosen = np.arange(len(self))[indices]
        with contextlib.closing(self.batches([chosen.reshape(-1)])) as found:
            return next(found).reshape(*chosen.shape, *self.shape[1:])

    def batches(self, wanted):
        """The images of batches, one batch after the other.

        Parameters
        ----------
        wanted : iterable of np.ndarray
            The indices of each batch's images.

        Yields
        ------
        np.ndarray
            Those of one batch, while those of the next are decoded.

        Raises
        ------
        DataError
            If a picture can no longer be read.
        """
        wanted, waiting = iter(wanted), collections.deque()
        with on_threads() as submit:
            while True:
                while len(waiting) < 2 or sum(images.nbytes for images, _ in waiting) < self.ahead:
                    indices = next(wanted, None)
                    if indices is None:
                        break
                    images = empty((len(indices), *self.shape[1:]))
                    ranges = (slice(at, at + _TOGETHER) for at in range(0, len(indices), _TOGETHER))
                    waiting.append((images, [submit(self._fill, images[part], indices[part]) for part in ranges]))
                if not waiting:
                    return
                images, parts = waiting.popleft()
                for part in parts:
                    part.result()
                yield images

    def _fill(self, images, indices):
        for image, index in zip(images, indices):
            name = self.pictures.names[index]
            try:
                image[...] = decode(self.pictures.encoded(index), name, self.side, self.channels)
            except ImageError as error:
                refuse_little_memory(error, name)
                raise DataError(
                    f"{name} could be read when the training began, and no longer can: restore it, and resume the run.",
                    "data_dir",
                    "resume",
                ) from error


def empty(shape):
    """An array of bytes; DataError if there is too little memory for it."""
    try:
        return np.empty(shape, np.uint8)
    except MemoryError:
        size = "×".join(map(str, shape[1:]))
        raise DataError(
            f"There is too little memory for {shape[0]:,} pictures of {size}: make room, or allow pictures less.",
            "data_memory",
            "batch_size",
        ) from None


def refuse_little_memory(error, name):
    """DataError if a picture could not be decoded for want of memory, which says nothing about the picture."""
    if isinstance(error.__context__, MemoryError):
        raise DataError(
            f"There is too little memory to decode {name}: make room, or allow pictures less.", "data_memory"
        ) from error


@contextlib.contextmanager
def on_threads():
    """A function that has another called on a thread, and gives a future.

    There is one thread more than there are cores, because now and then one waits for the disk. They end with the block;
    what has not begun by then never does.
    """
    futures = collections.deque()
    executor = concurrent.futures.ThreadPoolExecutor(usable_cores() + 1, thread_name_prefix="pictures")

    def submit(*call):
        while futures and futures[0].done():
            futures.popleft()
        futures.append(executor.submit(*call))
        return futures[-1]

    try:
        yield submit
    finally:
        for future in futures:
            future.cancel()
        executor.shutdown()

"""A progress bar for a pass over images that nothing is trained on."""

import contextlib

from gluon_cnn.training.progress import Progress

__all__ = ["shown"]


class _Counted:
    """What :class:`gluon_cnn.training.progress.Progress` reads."""

    images = 0

    def read(self):
        """Nothing to wait for: an answer has been fetched before the next batch."""


def shown(batches, what, images, quiet=False):
    """The same batches (X, y), with a progress bar while they are taken.

    Parameters
    ----------
    batches : iterable of (X, y)
    what : str
        What is done, for the bar.
    images : int
        How many they have together.
    quiet : bool
        Show nothing.
    """
    counted = _Counted()
    with contextlib.closing(Progress(what, images, quiet=quiet)) as progress:
        for X, y in batches:
            yield X, y
            counted.images += len(y)
            progress.step(counted)

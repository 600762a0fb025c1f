"""What a network takes, as arrays and in words."""

from typing import NamedTuple

import numpy as np

from gluon_cnn.data.dataset import DatasetInfo
from gluon_cnn.data.scaled import to_batch

__all__ = ["Inputs", "moments_in_words"]


class Inputs(NamedTuple):
    """The images that a network takes: after training, the one place where stored images become them.

    Attributes
    ----------
    dataset : DatasetInfo
        The data set that they come from: the size at which it stores them, whether they are cut out or resized, and
        what they are normalised with.
    side : int
        Their height and width in pixels.
    """

    dataset: DatasetInfo
    side: int

    @property
    def resize(self):
        """``side`` if the stored images are resized to it, else None, as :func:`gluon_cnn.data.scaled.to_batch` takes
        it."""
        return None if self.side == self.dataset.side or self.dataset.cropped else self.side

    @property
    def crop(self):
        """``side`` if it is cut out of the middle of the stored images, else None."""
        return self.side if self.dataset.cropped and self.side < self.dataset.side else None

    @property
    def shape(self):
        """C×H×W of an image in a batch."""
        return self.dataset.channels, self.side, self.side

    @property
    def stored(self):
        """H×W of a stored image, or H×W×3 in colour."""
        sides = (self.dataset.side, self.dataset.side)
        return sides if self.dataset.channels == 1 else (*sides, self.dataset.channels)

    @property
    def options(self):
        """What :func:`gluon_cnn.data.scaled.to_batch` takes."""
        return {
            "resize": self.resize,
            "crop": self.crop,
            "mean": self.dataset.mean,
            "deviation": self.dataset.deviation,
        }

    def batch(self, images, ctx=None):
        """A batch float32 N×C×H×W from images as the data set stores them, uint8 N×H×W or N×H×W×3, on a device, the
        current one by default."""
        return to_batch(images, ctx=ctx, **self.options)

    def bytes_of(self, batch):
        """The images, uint8 N×H×W or N×H×W×3, that :meth:`batch` makes a batch, a NumPy array N×C×H×W, of; of the size
        of the batch."""
        shares = np.asarray(batch, np.float64)
        if self.dataset.mean is not None:
            mean, deviation = (np.reshape(each, (-1, 1, 1)) for each in (self.dataset.mean, self.dataset.deviation))
            shares = shares * deviation + mean
        levels = np.clip(np.rint(shares * 255), 0, 255).astype(np.uint8)
        return levels[:, 0] if self.dataset.channels == 1 else np.moveaxis(levels, 1, 3)

    def __str__(self):
        shape = f"float32 N×{'×'.join(map(str, self.shape))}"
        if self.dataset.mean is None:
            return f"{shape} in [0, 1]"
        mean, deviation = (_in_words(numbers) for numbers in (self.dataset.mean, self.dataset.deviation))
        return f"{shape}, numbers in [0, 1] minus {mean}, divided by {deviation}"


def moments_in_words(dataset):
    """The mean and deviation of a DatasetInfo, such as ``mean 0.286, deviation 0.353``."""
    return f"mean {_in_words(dataset.mean)}, deviation {_in_words(dataset.deviation)}"


def _in_words(numbers):
    return ", ".join(f"{x:.6g}" for x in numbers)

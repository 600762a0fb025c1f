"""What a network takes, as arrays and in words."""

from typing import NamedTuple

from gluon_cnn.data import DatasetInfo
from gluon_cnn.data.batches import to_batch

__all__ = ["Inputs"]


class Inputs(NamedTuple):
    """The images that a network takes.

    Attributes
    ----------
    dataset : DatasetInfo
        The data set that they come from, with the size at which it stores them.
    side : int
        Height and width in pixels to which they are resized.
    """

    dataset: DatasetInfo
    side: int

    @property
    def resize(self):
        """``side`` as :func:`gluon_cnn.data.batches.to_batch` takes it: None if the images need no resizing."""
        return None if self.side == self.dataset.side else self.side

    @property
    def shape(self):
        """C×H×W of an image in a batch."""
        return self.dataset.channels, self.side, self.side

    def batch(self, images):
        """A batch float32 N×C×H×W in [0, 1] from images as the data set stores them, uint8."""
        return to_batch(images, self.resize)

    def __str__(self):
        return f"float32 N×{'×'.join(map(str, self.shape))} in [0, 1]"

"""Mean, deviation and principal components of the pixels of many images, exact whatever the order."""

import functools
import logging
import math

import numpy as np

from gluon_cnn.data.dataset import in_order
from gluon_cnn.errors import SettingError
from gluon_cnn.image_settings import split_numbers

__all__ = ["Moments", "mean_and_deviation"]

log = logging.getLogger(__name__)

_VALUES = 1 << 22  # bytes of images that are added up together


def mean_and_deviation(normalize, dataset, moments):
    """What images are normalised with.

    Parameters
    ----------
    normalize : str
        As a recipe keeps it: ``off``, ``measured``, ``mean``, or numbers.
    dataset : DatasetInfo
    moments : Moments
        Of the training images.

    Returns
    -------
    (tuple of float, tuple of float) or (None, None)
        Of each channel, of numbers in [0, 1].

    Raises
    ------
    SettingError
        If there are numbers for three channels, and the images are grey.
    """
    if normalize == "off":
        return None, None
    if normalize == "measured":
        return moments.mean, moments.deviation
    if normalize == "mean":
        return moments.mean, (1 / 255,) * dataset.channels  # in grey levels
    mean, deviation = split_numbers(normalize)
    if len(mean) == 1:
        return mean * dataset.channels, deviation * dataset.channels
    if len(mean) != dataset.channels:
        raise SettingError(
            f"normalize has {len(mean)} means, but the images of {dataset.name} are grey: give one mean and one "
            "deviation.",
            "normalize",
        )
    return mean, deviation


class Moments:
    """What the channels of images are like, measured when it is first asked for.

    The pixels are added up as whole numbers, so that neither the order of the images nor the processor makes a
    difference.

    Parameters
    ----------
    images
        As in :class:`gluon_cnn.data.Part`.
    number : int, optional
        Only the first images.
    """

    def __init__(self, images, number=None):
        self.images, self.number = images, len(images) if number is None else number

    @functools.cached_property
    def _sums(self):
        """How many pixels there are, the sum of each channel, and the sum of the products of each two channels."""
        if not isinstance(self.images, np.ndarray):
            log.info(f"measuring the colours of {self.number:,} images, which are all read for it")
        first = np.asarray(self.images[:1])
        size = max(1, _VALUES // first.size)
        wanted = [np.arange(start, min(start + size, self.number)) for start in range(0, self.number, size)]
        channels = first.shape[3] if first.ndim == 4 else 1
        count, sums, products = 0, [0] * channels, [[0] * channels for _ in range(channels)]
        for images in in_order(self.images, wanted):
            # Whole numbers below 2^53, which float64 holds, so that the sums are exact.
            pixels = images.reshape(-1, channels).astype(np.float64)
            count += len(pixels)
            sums = [before + int(more) for before, more in zip(sums, pixels.sum(axis=0))]
            squares = pixels.T @ pixels
            products = [[a + int(b) for a, b in zip(*rows)] for rows in zip(products, squares)]
        return count, sums, products

    @property
    def mean(self):
        """Of each channel, of numbers in [0, 1]: a tuple of float."""
        count, sums, _ = self._sums
        return tuple(each / (255 * count) for each in sums)

    @property
    def deviation(self):
        """Of each channel, of numbers in [0, 1]: a tuple of float; 1 for a channel that is the same everywhere."""
        return tuple(math.sqrt(row[i]) or 1.0 for i, row in enumerate(self._covariance()))

    @functools.cached_property
    def components(self):
        """The principal components of the colours in [0, 1], the largest first: rows of a C×C array, each as long as
        the standard deviation along it. The largest number of each is above 0."""
        squares, vectors = np.linalg.eigh(np.array(self._covariance()))
        rows = vectors.T[::-1]
        signs = np.sign(rows[np.arange(len(rows)), abs(rows).argmax(axis=1)])
        return rows * (signs * np.sqrt(np.maximum(squares[::-1], 0)))[:, np.newaxis]

    def _covariance(self):
        count, sums, products = self._sums
        scale = (255 * count) ** 2
        return [[(count * both - a * b) / scale for both, b in zip(row, sums)] for row, a in zip(products, sums)]

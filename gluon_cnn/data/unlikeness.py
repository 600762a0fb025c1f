"""How unlike an image is to those of Fashion-MNIST, whatever a network says of it."""

import functools

import numpy as np

from gluon_cnn.data.verified import SAMPLE, read_file

__all__ = ["unlikeness"]

_COMPONENTS = 50
# What remains of 99.25 % of the 10,000 test images at most: in all, and as a share of the image.
# `python benchmarks/photographs.py --limits` measures them.
_MOST_LEFT, _LARGEST_SHARE = 30.9, 0.39


def unlikeness(image):
    """What an image has that the first principal components of Fashion-MNIST's training images cannot show.

    Those of the 2,000 training images in this package are taken, 50 of them. What they leave of the image is measured
    in two ways, because bright images may leave more and dark ones a larger share, and divided by its limit, below
    which nearly all test images are.

    Parameters
    ----------
    image : np.ndarray
        uint8 28×28.

    Returns
    -------
    float
        The larger of the two: above 1 for about one in 70 test images.
    """
    left, all_of_it = remainder(image)
    return max(left / _MOST_LEFT, left / max(all_of_it, 1e-9) / _LARGEST_SHARE)


def remainder(image):
    """The sum of squares that the components leave of an image in [0, 1], and that of the image."""
    mean, components = _learned()
    pixels = np.asarray(image, float).ravel() / 255
    centred = pixels - mean
    rest = centred - (centred @ components) @ components.T
    return float(rest @ rest), float(pixels @ pixels)


@functools.lru_cache(maxsize=1)
def _learned():
    """The mean of the sample's training images, 784, and their principal components, 784×50."""
    images = read_file(SAMPLE, "train-images-idx3-ubyte").array.reshape(-1, 784) / 255
    mean = images.mean(axis=0)
    centred = images - mean
    _, vectors = np.linalg.eigh(centred.T @ centred)  # from the least to the most of what the images differ by
    return mean, vectors[:, -_COMPONENTS:]

"""How unlike an image is to those of Fashion-MNIST, whatever a network says of it."""

import functools
from typing import NamedTuple

import numpy as np
from scipy.sparse.linalg import eigsh

from gluon_cnn.data.verified import SAMPLE, read_file

__all__ = ["LIMITS", "distances", "unlikeness"]

_COMPONENTS = 50
_OF_CLASS = 0.5  # how much a class's own covariance counts beside that of all classes
_RIDGE = 0.01  # of the mean variance, added to each: the sample has pixels that never change
_LEAST = 1e-9

#: What 99.3 % of the 58,000 training images outside of the sample keep, of each of :func:`distances`.
#: ``python benchmarks/photographs.py --limits`` measures them.
LIMITS = (10.62, 79.75, 0.8617)


class _Learned(NamedTuple):
    """What is known of the sample's training images, as pixels from 0 to 1; precisions are inverse covariances."""

    mean: np.ndarray  # 784
    components: np.ndarray  # 784×50
    classes: tuple  # of each class, in the components: its mean, 50, and precision, 50×50
    scaled_mean: np.ndarray  # 784, of images scaled to length 1
    scaled_precision: np.ndarray  # 784×784
    outlines: np.ndarray  # 2,000×784, of length 1


def unlikeness(image):
    """How far an image is from Fashion-MNIST: the largest of its :func:`distances`, each divided by its limit.

    Parameters
    ----------
    image : np.ndarray
        uint8 28×28.

    Returns
    -------
    float
        Above 1 for about one in 50 test images.
    """
    return float((distances(image[None])[0] / LIMITS).max())


def distances(images):
    """Three distances of images from the 2,000 training images in this package.

    - Of the form: the Mahalanobis distance from the nearest class in the first 50 principal components, as Lee et al.
      (2018) take it for a network's features. The covariance is half that class's own and half that of all classes
      (Friedman, 1989), because a class has 200 images.
    - Of the texture: the Mahalanobis distance of all pixels, scaled so that the brightness of the image does not
      matter. What no garment has, such as lines of text, lies where the training images hardly vary.
    - Of the outline: that of the gradient's magnitude from the nearest training image's, both scaled to length 1.

    Parameters
    ----------
    images : np.ndarray
        uint8 N×28×28.

    Returns
    -------
    np.ndarray
        float N×3.
    """
    learned, pixels = _learned(), _pixels(images)
    inside = (pixels - learned.mean) @ learned.components
    form = np.min([_squared(inside - mean, precision) for mean, precision in learned.classes], axis=0)
    texture = _squared(_scaled(pixels) - learned.scaled_mean, learned.scaled_precision)
    outline = 2 - 2 * (_outlines(pixels) @ learned.outlines.T).max(axis=1)
    return np.sqrt(np.maximum([form, texture, outline], 0)).T


@functools.lru_cache(maxsize=1)
def _learned():
    pixels = _pixels(read_file(SAMPLE, "train-images-idx3-ubyte").array)
    labels = read_file(SAMPLE, "train-labels-idx1-ubyte").array
    mean = pixels.mean(axis=0)
    _, components = eigsh(np.cov(pixels.T), _COMPONENTS, v0=np.ones(len(mean)))  # v0, for the same bits each time
    inside = (pixels - mean) @ components
    parts = [inside[labels == label] for label in np.unique(labels)]
    covariances = [np.cov(part.T) for part in parts]
    shared = np.mean(covariances, axis=0)
    precisions = [np.linalg.inv(_OF_CLASS * own + (1 - _OF_CLASS) * shared) for own in covariances]
    classes = tuple(zip([part.mean(axis=0) for part in parts], precisions))
    scaled = _scaled(pixels)
    covariance = np.cov(scaled.T)
    covariance += _RIDGE * np.diag(covariance).mean() * np.eye(len(covariance))
    return _Learned(mean, components, classes, scaled.mean(axis=0), np.linalg.inv(covariance), _outlines(pixels))


def _pixels(images):
    """Images N×28×28 as N×784, from 0 to 1."""
    return np.asarray(images, float).reshape(len(images), -1) / 255


def _scaled(rows):
    """Rows of length 1."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), _LEAST)


def _squared(rows, precision):
    """The squared Mahalanobis distance of each row from 0."""
    return ((rows @ precision) * rows).sum(axis=1)


def _outlines(pixels):
    """The magnitude of the gradient, on a black ground, in rows of length 1."""
    side = int(pixels.shape[1] ** 0.5)
    framed = np.pad(pixels.reshape(-1, side, side), ((0, 0), (1, 1), (1, 1)))
    down, across = framed[:, 2:, 1:-1] - framed[:, :-2, 1:-1], framed[:, 1:-1, 2:] - framed[:, 1:-1, :-2]
    return _scaled(np.hypot(down, across).reshape(len(pixels), -1))

"""How much a filter is like a Gabor: a wave under a bell, as edge detectors of cats and of networks are."""

import functools
from typing import NamedTuple, Tuple

import numpy as np

from gluon_cnn.errors import ModelError
from gluon_cnn.inspection.filters import Filters, first_filters

__all__ = ["GaborComparison", "GaborFit", "compare_with_untrained", "fit_gabor", "gabor_shares"]

_LEAST_PIXELS = 25  # with fewer, nine numbers fit anything
_HIGHEST = 0.5  # cycles a pixel, above which a grid shows a lower frequency
#: Standard deviations of the bell in cycles, across the stripes and along them: fewer make a spot without stripes.
_ACROSS, _ALONG = (0.25, 1.5), (0.25, 3.0)
_STARTS = 4
_ENOUGH = 1e-5  # a search ends when a step explains no more than this share of what is left
_STEP = np.sqrt(np.finfo(float).eps)


class GaborFit(NamedTuple):
    """The Gabor nearest to a filter.

    Attributes
    ----------
    share : float
        Of the filter's variance, over its pixels and about its mean, that the Gabor explains: from 0 to 1.
    centre : (float, float)
        Row and column of the bell's middle in pixels.
    angle : float
        Of the direction across the stripes, in degrees from 0 to 180, counted from the columns' axis to the rows'.
    frequency : float
        Cycles a pixel.
    fitted : np.ndarray
        height×width: the Gabor and a constant; of a filter of several channels, what it is to the strongest part that
        all channels share.
    """

    share: float
    centre: Tuple[float, float]
    angle: float
    frequency: float
    fitted: np.ndarray


class GaborComparison(NamedTuple):
    """First-layer filters beside those of the untrained network.

    Attributes
    ----------
    filters, untrained : Filters
    shares, untrained_shares : np.ndarray
        The Gabor's share of each one's variance, in the order of the filters.
    threshold : float
        The 95th percentile of ``untrained_shares``.
    """

    filters: Filters
    untrained: Filters
    shares: np.ndarray
    untrained_shares: np.ndarray
    threshold: float

    @property
    def oriented(self):
        """Which filters are more like a Gabor than 95 % of the untrained ones, bool."""
        return self.shares > self.threshold


def compare_with_untrained(net, untrained):
    """Fit a Gabor to each first-layer filter of a network, and of the network that its training began with.

    Even filters of noise are explained in part, and small ones in large part, because a Gabor has nine numbers to
    choose. So a share says something only beside those of the untrained network.

    Parameters
    ----------
    net, untrained : Block
        As for :func:`gluon_cnn.inspection.filters.first_filters`.

    Returns
    -------
    GaborComparison

    Raises
    ------
    ModelError
        As :func:`gluon_cnn.inspection.filters.first_filters`, and :func:`fit_gabor`.
    """
    both = first_filters(net), first_filters(untrained)
    shares = [gabor_shares(filters.weights) for filters in both]
    return GaborComparison(*both, *shares, float(np.percentile(shares[1], 95)))


def gabor_shares(weights):
    """The ``share`` of :func:`fit_gabor` for each of filters×channels×height×width."""
    return np.array([fit_gabor(weight).share for weight in weights])


def fit_gabor(weight):
    """Fit a Gabor to a filter by least squares.

    The Gabor is a wave of any direction, frequency and phase, under a bell with two widths and any centre, plus a
    constant (Jones and Palmer, Journal of Neurophysiology 58, 1987). The search begins from the best of a few hundred
    directions, frequencies and centres.

    Parameters
    ----------
    weight : array
        height×width or channels×height×width. Of several channels the strongest pattern that they share is fitted (the
        first singular vector), and what they do not share counts as unexplained.

    Returns
    -------
    GaborFit
        With a share of 0 for a filter whose weights are all equal.

    Raises
    ------
    ModelError
        If the filter has fewer than 25 pixels, or only one row or column.
    """
    weight = np.asarray(weight, float)
    height, width = size = weight.shape[-2:]
    if min(size) < 2 or height * width < _LEAST_PIXELS:
        raise ModelError(
            f"A filter of {height}×{width} is too small to be compared with a Gabor: it needs {_LEAST_PIXELS} pixels, "
            "and more than one row and one column."
        )
    channels = weight.reshape(-1, height * width)
    centred = channels - channels.mean(axis=1, keepdims=True)
    _, strengths, patterns = np.linalg.svd(centred, full_matrices=False)
    if not strengths[0] > 1e-9 * np.abs(weight).max():
        return GaborFit(0.0, (height / 2 - 0.5, width / 2 - 0.5), 0.0, 0.0, np.zeros(size))
    numbers, explained = _nearest(patterns[0], size)  # a pattern of length 1, with mean 0
    share = explained * strengths[0] ** 2 / (strengths**2).sum()
    fitted = strengths[0] * _projection(_basis(numbers, size), patterns[0]).reshape(size)
    row, column, angle, frequency = numbers[:4].tolist()
    return GaborFit(float(np.clip(share, 0, 1)), (row, column), np.degrees(angle) % 180, frequency, fitted)


def _nearest(pattern, size):
    """The numbers of the Gabor nearest to a pattern, and the share of it that this explains."""
    from scipy.optimize import least_squares

    starts, spans = _starts(size)
    explained = ((pattern @ spans) ** 2).sum(axis=-1)
    least, most = _bounds(size)

    def remainder(numbers):
        return _projection(_basis(numbers, size), pattern) - pattern

    def slopes(numbers):
        """The remainder's derivatives, pixels×6, by differences as SciPy's, but all in one go."""
        steps = _STEP * np.where(numbers < 0, -1, 1) * np.maximum(1, np.abs(numbers))
        steps = np.where((numbers + steps < least) | (numbers + steps > most), -steps, steps)
        moved = numbers + np.vstack([np.diag(steps), np.zeros(len(steps))])
        values = remainder(moved)
        return ((values[:-1] - values[-1]) / (moved.diagonal() - numbers)[:, np.newaxis]).T

    options = {"bounds": (least, most), "x_scale": most - least, "ftol": _ENOUGH, "max_nfev": 60}
    tried = [
        least_squares(remainder, starts[start], slopes, **options)
        for start in np.argsort(explained)[: -_STARTS - 1 : -1]
    ]
    best = min(tried, key=lambda found: found.cost)
    return best.x, 1 - 2 * best.cost


def _bounds(size):
    """The least and the largest centre, angle, frequency, and widths in cycles."""
    height, width = size
    least = (0, 0, -2 * np.pi, 0.5 / max(height, width), _ACROSS[0], _ALONG[0])
    return np.array([least, (height - 1, width - 1, 3 * np.pi, _HIGHEST, _ACROSS[1], _ALONG[1])])


@functools.lru_cache(maxsize=8)
def _starts(size):
    """Numbers to begin from, starts×6, and an orthonormal basis of the waves that each stands for, starts×pixels×2."""
    least, most = _bounds(size)
    angles = np.arange(8) * np.pi / 8
    frequencies = np.geomspace(least[3] * 1.2, most[3] * 0.9, 5)
    rows, columns = (np.array([0.25, 0.5, 0.75]) * (side - 1) for side in size)
    starts = np.stack(np.meshgrid(rows, columns, angles, frequencies, [0.35], [0.5]), axis=-1).reshape(-1, 6)
    return starts, np.linalg.svd(_basis(starts, size), full_matrices=False)[0]


def _basis(numbers, size):
    """The wave's two phases under the bell, without their means, …×pixels×2, for numbers …×6; the constant is in the
    means."""
    row, column, angle, frequency, across, along = np.moveaxis(numbers, -1, 0)[..., np.newaxis]
    y, x = _pixels(size)
    y, x = y - row, x - column
    cosine, sine = np.cos(angle), np.sin(angle)
    u, v = x * cosine + y * sine, y * cosine - x * sine
    bell = np.exp(-0.5 * ((u * frequency / across) ** 2 + (v * frequency / along) ** 2))
    phase = 2 * np.pi * frequency * u
    waves = np.stack([bell * np.cos(phase), bell * np.sin(phase)], axis=-1)
    return waves - waves.mean(axis=-2, keepdims=True)


@functools.lru_cache(maxsize=8)
def _pixels(size):
    """The rows and columns of a filter's pixels."""
    return tuple(each.ravel() for each in np.mgrid[: size[0], : size[1]])


def _projection(basis, pattern):
    """The part of a pattern that waves explain, …×pixels."""
    return (basis @ (np.linalg.pinv(basis, rcond=1e-10) @ pattern)[..., np.newaxis])[..., 0]

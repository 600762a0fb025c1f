"""The ground of a picture, found from its border, and the object on it."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

__all__ = ["Ground", "brightness", "find_ground", "find_object"]

_MOST_SAMPLES = 256  # pixels of the border that are looked at
_BORDER = 0.02  # width of the border, of the picture's short side
_ALIKE, _ON_GROUND = 16, 20  # levels in the channel that differs most: between two pixels, and from the fitted ground
_LEAST_DIFFERENCE = 13  # levels, the 5 % with which Fashion-MNIST itself was trimmed
_OF_OBJECT = 0.2  # of what the object differs by: less is a soft shadow
_BEYOND_NOISE, _MOST_NOISE = 4.5, 60  # times the noise, and levels: where more differs, it is no noise
_LEAST_PART = 0.05  # of the largest part's area: less is a speck, and not the other shoe
_SMOOTHED = 100  # pixels of the long side from which noise is smoothed away


class Ground(NamedTuple):
    """What a picture's object lies on.

    Attributes
    ----------
    colours : np.ndarray
        float H×W×3, its levels at each pixel: they may change evenly over the picture.
    noise : float
        By how many levels half of the border differs from that at most.
    share : float
        How much of the border is ground.
    """

    colours: np.ndarray
    noise: float
    share: float


def brightness(colours):
    """The brightness of levels ...×3, as Fashion-MNIST and Pillow weigh them."""
    return np.asarray(colours, float) @ (0.299, 0.587, 0.114)


def find_ground(picture):
    """Find the colour that most of a picture's border has, or nearly has, and how it changes over the picture.

    Parameters
    ----------
    picture : np.ndarray
        H×W×3, levels from 0 to 255.

    Returns
    -------
    Ground
    """
    height, width = picture.shape[:2]
    rows, columns = _border(height, width)
    colours = picture[rows, columns].astype(float)
    alike = np.abs(colours[:, None] - colours).max(axis=2) <= _ALIKE
    ground = alike[alike.sum(axis=1).argmax()]
    places = _places(rows, columns, height, width)
    plane = np.zeros((3, 3))
    plane[0] = np.median(colours[ground], axis=0)
    for _ in range(6):  # each time with more of the border, where the light falls off towards a side
        if ground.sum() < len(ground) / 4:
            break
        plane = np.linalg.lstsq(places[ground], colours[ground], rcond=None)[0]
        before, ground = ground, np.abs(colours - places @ plane).max(axis=1) <= _ON_GROUND
        if (before == ground).all():
            break
    difference = np.abs(colours - places @ plane).max(axis=1)
    everywhere = _places(*np.indices((height, width)).reshape(2, -1), height, width) @ plane
    return Ground(everywhere.reshape(height, width, 3), float(np.median(difference)), float(ground.mean()))


def _border(height, width):
    """Rows and columns of some pixels, evenly along the border."""
    wide = max(1, round(_BORDER * min(height, width)))
    inside = np.zeros((height, width), bool)
    inside[wide:-wide, wide:-wide] = True
    rows, columns = np.nonzero(~inside)
    chosen = np.linspace(0, len(rows) - 1, min(len(rows), _MOST_SAMPLES)).round().astype(int)
    return rows[chosen], columns[chosen]


def _places(rows, columns, height, width):
    """Of each pixel 1, and where it is from left to right and from top to bottom, from -½ to ½."""
    across, down = columns / max(width - 1, 1) - 0.5, rows / max(height - 1, 1) - 0.5
    return np.stack([np.ones(len(rows)), across, down], axis=1)


def find_object(picture, ground, opacity=None):
    """Find what differs from the ground, without soft shadows and specks, and with what it surrounds.

    Parameters
    ----------
    picture : np.ndarray
        H×W×3, levels from 0 to 255.
    ground : Ground
    opacity : np.ndarray, optional
        H×W, from 0 to 255: what is opaque is the object, if anything is transparent.

    Returns
    -------
    np.ndarray
        bool H×W; all False if there is no object.
    """
    if opacity is not None and opacity.min() < 128:
        differs = opacity >= 128
    else:
        difference = np.abs(picture - ground.colours).max(axis=2)
        if max(difference.shape) >= _SMOOTHED:
            difference = ndimage.uniform_filter(difference, 3)
        most = np.percentile(difference, 99)
        noise = min(_BEYOND_NOISE * ground.noise, _MOST_NOISE)
        differs = difference > max(_LEAST_DIFFERENCE, noise, _OF_OBJECT * most)
    parts, number = ndimage.label(differs, np.ones((3, 3)))
    if number == 0:
        return differs
    areas = np.bincount(parts.ravel())
    areas[0] = 0
    return ndimage.binary_fill_holes((areas >= _LEAST_PART * areas.max())[parts] & differs)

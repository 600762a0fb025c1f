"""Someone's picture as an image of Fashion-MNIST: grey, light on black, and as large as 28×28 pixels allow."""

from typing import NamedTuple, Optional, Tuple

import numpy as np
from PIL import Image, ImageOps
from scipy import ndimage

from gluon_cnn.data.decoded import decode, upright
from gluon_cnn.data.fashion_mnist import FASHION_MNIST
from gluon_cnn.data.ground import brightness, find_ground, find_object

__all__ = ["Picture", "is_fashion_mnist", "read_as_trained", "read_picture"]

_ENOUGH = 400  # pixels of the long side: an object of a tenth of it still has more than 28
_SIDE = FASHION_MNIST.side
_LEAST_SHARE = 0.35  # of the border that is ground: the least in Fashion-MNIST is 0.37
_DARK, _LIGHT = 85, 170  # brightness of a ground


class Picture(NamedTuple):
    """A picture as a network takes it.

    Attributes
    ----------
    image : np.ndarray
        uint8, as the data set stores its images.
    original : PIL.Image.Image
        The picture upright, and made smaller; what is transparent in it is.
    done : tuple of str
        What was done with it, in words.
    problem : str or None
        What makes any answer doubtful, in words.
    """

    image: np.ndarray
    original: Image.Image
    done: Tuple[str, ...]
    problem: Optional[str] = None


def read_picture(source, name, *, as_is=False, invert=None):
    """Read a PNG, JPEG, WebP or BMP of any colour as the authors of Fashion-MNIST read theirs.

    They trimmed a photograph on a light ground to the garment, made its longer side 28 pixels long, centred it,
    inverted it and took its grey levels (Xiao et al., 2017, section 2); and each image's brightest pixel is white. So
    the ground is found from the border, the picture is inverted unless its ground is dark and its object lighter, and
    it is cropped to the object. What is outside of the object becomes black. A picture of 28×28 pixels is not cropped.

    Parameters
    ----------
    source : path or bytes
        The file, or what is in it.
    name : str or path
        For errors.
    as_is : bool, default False
        Leave the picture as it is: only centred on a black square, and made 28×28.
    invert : bool, optional
        Whether to invert it; by default the ground decides, and ``as_is`` does not.

    Returns
    -------
    Picture

    Raises
    ------
    ImageError
        If the file is missing, is not such a picture, is damaged, or claims more than
        :data:`gluon_cnn.data.decoded.MOST_PIXELS` pixels.
    """
    original = upright(source, name, channels=4, least=_ENOUGH // 2, longest=_ENOUGH)
    scale = max(1, max(original.size) / _ENOUGH)
    small = original.resize([max(1, round(side / scale)) for side in original.size], Image.BOX)
    if as_is:
        return _as_it_is(small, bool(invert), ("left as it is",))
    return _on_ground(small, invert)


def is_fashion_mnist(dataset):
    """Whether a DatasetInfo is that of Fashion-MNIST, its sample's included, so that :func:`read_picture` fits."""
    return (dataset.classes, dataset.channels, dataset.side) == (FASHION_MNIST.classes, 1, _SIDE)


def read_as_trained(source, name, dataset):
    """Read a picture for a network of one's own pictures: as they were read to train it, see
    :func:`gluon_cnn.data.decoded.decode`.

    Parameters
    ----------
    source, name
        As for :func:`read_picture`.
    dataset : DatasetInfo

    Returns
    -------
    Picture

    Raises
    ------
    ImageError
        As :func:`read_picture`.
    """
    image = decode(source, name, dataset.side, dataset.channels)
    original = upright(source, name, channels=4, least=_ENOUGH // 2, longest=_ENOUGH)
    problem = "it is empty: it has one colour only" if np.ptp(image, axis=(0, 1)).max() == 0 else None
    size = f"{dataset.side}×{dataset.side}"
    return Picture(image, original, (f"resized and cut to the middle {size}, as in training",), problem)


def _as_it_is(original, invert, done, problem=None):
    """The whole picture, centred on a black square."""
    grey = _on_colour(original, 255 if invert else 0).convert("L")
    if invert:
        grey, done = ImageOps.invert(grey), (*done, "inverted, as asked")
    levels = np.asarray(grey, np.float32)
    if problem is None and np.ptp(levels) == 0:
        problem = "it is empty: it has one colour only"
    return Picture(_centred(levels), original, done, problem)


def _on_ground(original, invert):
    """The picture's object alone, as Fashion-MNIST has it."""
    opacity = np.asarray(original)[:, :, 3]
    is_cut_out = opacity.min() < 128
    picture = np.asarray(_on_colour(original, 255), float)
    ground = find_ground(picture)
    if not is_cut_out and ground.share < _LEAST_SHARE:
        done = ("no even ground: not cropped",)
        return _as_it_is(original, bool(invert), done, "its border has no even ground, from which to tell an object")
    found = find_object(picture, ground, opacity)
    if not found.any():
        return _as_it_is(
            original, bool(invert), ("left as it is",), "it is empty: nothing in it differs from its ground"
        )
    levels = brightness(picture)
    words, inverted = _ground_in_words(ground, levels, found, is_cut_out)
    if invert is not None and invert != inverted:
        inverted, words = invert, f"{words}, but {'' if invert else 'not '}inverted, as asked"
    else:
        words = f"{words}: {'' if inverted else 'not '}inverted"
    levels = 255 - levels if inverted else levels
    if original.size == (_SIDE, _SIDE) and not is_cut_out:
        return Picture(np.rint(levels).astype(np.uint8), original, (words, f"{_SIDE}×{_SIDE} already: not cropped"))
    rows, columns = np.flatnonzero(found.any(axis=1)), np.flatnonzero(found.any(axis=0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    inside = found.astype(float) if max(found.shape) < 4 * _SIDE else ndimage.uniform_filter(found.astype(float), 3)
    image = _centred((levels * inside)[box], brightest=255)
    cropped = "the object fills the picture: not cropped" if found[box].size == found.size else "cropped to the object"
    return Picture(image, original, (words, cropped))


def _ground_in_words(ground, levels, found, is_cut_out):
    """What the ground is, in words, and whether the picture is to be inverted."""
    if is_cut_out:
        return "transparent ground, taken as white", True
    on_ground, on_object = brightness(ground.colours[found]).mean(), levels[found].mean()
    if on_ground >= _DARK:
        return "light ground" if on_ground >= _LIGHT else "ground of medium brightness", True
    if on_object < on_ground:
        return "dark ground, and a darker object", True
    return "dark ground", False


def _on_colour(image, level):
    """A transparent picture on a ground of a grey level."""
    return Image.alpha_composite(Image.new("RGBA", image.size, (level, level, level, 255)), image).convert("RGB")


def _centred(levels, brightest=None):
    """Levels H×W, resized so that the longer side is the data set's, on a black square; uint8."""
    height, width = levels.shape
    scale = _SIDE / max(height, width)
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    resized = Image.fromarray(np.asarray(levels, np.float32)).resize((columns, rows), Image.BILINEAR)
    resized = np.clip(np.asarray(resized, float), 0, 255)
    if brightest and resized.max() > 0:
        resized = resized * brightest / resized.max()
    square = np.zeros((_SIDE, _SIDE), np.uint8)
    top, left = (_SIDE - rows) // 2, (_SIDE - columns) // 2
    square[top : top + rows, left : left + columns] = np.rint(resized)
    return square

"""Augmentation after AlexNet's paper (Krizhevsky et al., 2012, section 4.1), and what the field has added since.

The paper crops 224 of 256 pixels at random, mirrors, and shifts the colours along their principal components. Where the
stored images are no larger than a network's, as 28 pixels of Fashion-MNIST, a crop of the same share is taken from the
image with black around it, 28 of 32 pixels. The intensity of a grey image has two components: brightness and contrast.
"""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from gluon_cnn.image_settings import augmentations
from gluon_cnn.runtime.cores import usable_cores

__all__ = ["Augmentation"]

_SHARE = 1 / 14  # of a side: the black on each side of an image that is no larger than what is cut out of it
LIGHT = 0.2  # brightness and contrast are multiplied by 1 − LIGHT to 1 + LIGHT
JITTER = 0.4  # the same, and saturation, as in fb.resnet.torch and GluonCV
NOISE = 0.1  # the paper's deviation, of what each principal component is multiplied by
# Those of GoogLeNet's paper (Szegedy et al., 2014, section 6): the share of an image's area, and width by height.
AREA, RATIO = (0.08, 1), (3 / 4, 4 / 3)
_TRIES = 10  # for a rectangle inside the image
_GREY = (0.299, 0.587, 0.114)  # of ITU-R BT.601: how bright red, green and blue look


class Augmentation:
    """Changes of a batch's images, each drawn at random.

    Parameters
    ----------
    words : bool or str
        The recipe's ``augment``.
    side : int, optional
        Height and width in pixels of the results; the images' own by default.
    moments : Moments, optional
        Of the training images, for ``pca``.
    """

    def __init__(self, words, side=None, moments=None):
        self.words, self.side, self.moments = augmentations(words), side, moments

    def __call__(self, images, stream, number=None, first=0):
        """Change images.

        Parameters
        ----------
        images : np.ndarray
            uint8 N×H×W, or N×H×W×3.
        stream : np.random.RandomState
            Decides every draw.
        number, first : int, optional
            Of how many images of a batch these are some, and which of them is the first one here, from 0. What each
            gets does not depend on which of them are here.

        Returns
        -------
        np.ndarray
            uint8 N×side×side, or N×side×side×3.
        """
        number = len(images) if number is None else number
        mine = slice(first, first + len(images))
        padded, boxes, side = self._boxes(images, stream, number)
        mirrored = stream.randint(0, 2, size=number).astype(bool) if "mirror" in self.words else np.zeros(number, bool)
        pieces = _cut(padded, boxes[:, mine].T, mirrored[mine], side)
        if not {"light", "jitter", "pca"} & set(self.words):
            return pieces
        values = pieces.astype(np.float32)
        for word, change in (("light", _lit), ("jitter", _jittered), ("pca", self._shifted)):
            if word in self.words:
                values = change(values, stream, number, mine)
        return np.clip(np.rint(values, out=values), 0, 255, out=values).astype(np.uint8)

    def _boxes(self, images, stream, number):
        """The images, with black around them if need be; of each image of the batch top, left, height and width of what
        is cut out; and the side of the results."""
        height, width = images.shape[1:3]
        side = self.side or height
        if "resized_crop" in self.words:
            return images, _rectangles(stream, number, height, width), side
        if "crop" not in self.words:
            middle = (height - side) // 2, (width - side) // 2, side, side
            return images, np.repeat(np.array(middle)[:, np.newaxis], number, axis=1), side
        if side >= height:
            padding = max(1, round(height * _SHARE))
            images = np.pad(images, [(0, 0), (padding, padding), (padding, padding), (0, 0)][: images.ndim])
        corners = stream.randint(0, images.shape[1] - side + 1, size=(2, number))
        return images, np.concatenate([corners, np.full((2, number), side)]), side

    def _shifted(self, values, stream, number, mine):
        """Values with the paper's noise: for each image one shift of each channel.

        The paper multiplies each principal component by its eigenvalue, its authors' code (cuda-convnet2) by the
        standard deviation along it, the eigenvalue's root. Only the latter means the same for bytes and for numbers in
        [0, 1], so it is what is done here.
        """
        components = self.moments.components
        noise = stream.normal(0, NOISE, size=(number, len(components)))[mine]
        shifts = 255 * sum(noise[:, i : i + 1] * component for i, component in enumerate(components))
        rows = values.reshape(*values.shape[:2], -1)  # NumPy is fast along a whole row, and not along three channels
        repeated = np.tile(shifts.astype(np.float32), values.shape[2])[:, np.newaxis]
        return (rows + repeated).reshape(values.shape)


def _rectangles(stream, number, height, width):
    """Top, left, height and width of a random rectangle in each of ``number`` images: the first of some that fits."""
    area = height * width * stream.uniform(*AREA, size=(_TRIES, number))
    root = np.exp(0.5 * stream.uniform(*map(math.log, RATIO), size=(_TRIES, number)))
    heights, widths = np.rint(np.sqrt(area) / root), np.rint(np.sqrt(area) * root)
    fits = (heights >= 1) & (heights <= height) & (widths >= 1) & (widths <= width)
    first, images = fits.argmax(axis=0), np.arange(number)
    found = fits[first, images]  # else all of the image
    tall, wide = np.where(found, heights[first, images], height), np.where(found, widths[first, images], width)
    top, left = np.floor(stream.uniform(size=(2, number)) * (height - tall + 1, width - wide + 1))
    return np.stack([top, left, tall, wide]).astype(int)


def _cut(images, boxes, mirrored, side):
    """A rectangle of each image, as N×side×side."""
    pieces = np.empty((len(images), side, side, *images.shape[3:]), np.uint8)

    def cut(i):
        top, left, height, width = boxes[i]
        piece = images[i, top : top + height, left : left + width]
        if piece.shape[:2] != (side, side):
            resized = Image.fromarray(np.ascontiguousarray(piece)).resize((side, side), Image.BILINEAR)
            piece = np.asarray(resized)
        pieces[i] = piece[:, ::-1] if mirrored[i] else piece

    if (boxes[:, 2:] == side).all():
        for i in range(len(images)):
            cut(i)
    else:  # Pillow lets other threads compute meanwhile
        with ThreadPoolExecutor(usable_cores()) as pool:
            list(pool.map(cut, range(len(images))))
    return pieces


def _lit(values, stream, number, mine):
    """Values with another brightness and contrast."""
    factors = stream.uniform(1 - LIGHT, 1 + LIGHT, size=(2, number, 1, 1)).astype(np.float32)[:, mine]
    brightness, contrast = factors if values.ndim == 3 else factors[..., np.newaxis]
    mean = values.mean(axis=tuple(range(1, values.ndim)), keepdims=True)
    return ((values - mean) * contrast + mean) * brightness


def _jittered(values, stream, number, mine):
    """Values with another brightness, contrast and, in colour, saturation.

    Saturation moves each pixel away from its own grey, or to it; contrast does so with the image's mean grey. Each of
    the three is linear and leaves that grey to the others, so that their order makes no difference.
    """
    brightness, contrast, saturation = stream.uniform(1 - JITTER, 1 + JITTER, size=(3, number))[:, mine]
    planes = [values] if values.ndim == 3 else [values[..., i] for i in range(values.shape[3])]
    # Of float64, so that for whole numbers it does not matter in which order they are added up.
    means = [plane.mean(axis=(1, 2), dtype=np.float64) for plane in planes]
    weights = _GREY if values.ndim == 4 else (1,)
    mean = sum(weight * of_plane for weight, of_plane in zip(weights, means))
    grey = sum(np.float32(weight) * plane for weight, plane in zip(weights, planes))

    def each(numbers):
        return numbers.astype(np.float32)[:, np.newaxis, np.newaxis]

    own, greys = brightness * contrast * saturation, brightness * contrast * (1 - saturation)
    common = grey * each(greys) + each(brightness * (1 - contrast) * mean)
    changed = [plane * each(own) + common for plane in planes]
    return changed[0] if values.ndim == 3 else np.stack(changed, axis=3)

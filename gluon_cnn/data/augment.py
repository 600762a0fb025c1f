"""Augmentation after AlexNet's paper (Krizhevsky et al., 2012, section 4.1), for grey images.

The paper crops 224 of 256 pixels at random, mirrors, and shifts the colours' intensity along their
principal components. Here 28 of 32 pixels are cropped, which is the same share, and the intensity of a
grey image has two components: brightness and contrast.
"""

import numpy as np

__all__ = ["augment"]

PADDING = 2  # pixels of black on each side, of which a crop takes as many away
JITTER = 0.2  # brightness and contrast are multiplied by 1 − JITTER to 1 + JITTER


def augment(images, stream):
    """Crop, mirror and re-light each image of a batch at random.

    Parameters
    ----------
    images : np.ndarray
        uint8 N×H×W.
    stream : np.random.RandomState
        Decides every draw.

    Returns
    -------
    np.ndarray
        uint8 N×H×W.
    """
    number, height, width = images.shape
    padded = np.pad(images, ((0, 0), (PADDING, PADDING), (PADDING, PADDING)))
    top, left = stream.randint(0, 2 * PADDING + 1, size=(2, number))
    rows = top[:, None] + np.arange(height)
    columns = left[:, None] + np.arange(width)
    mirrored = stream.randint(0, 2, size=number).astype(bool)
    columns[mirrored] = columns[mirrored, ::-1]
    cropped = padded[np.arange(number)[:, None, None], rows[:, :, None], columns[:, None, :]].astype(np.float32)
    brightness, contrast = stream.uniform(1 - JITTER, 1 + JITTER, size=(2, number, 1, 1)).astype(np.float32)
    mean = cropped.mean(axis=(1, 2), keepdims=True)
    lit = ((cropped - mean) * contrast + mean) * brightness
    return np.clip(np.rint(lit), 0, 255).astype(np.uint8)

"""A small picture as text, for a page or a file that people read."""

import base64
import io

import numpy as np
from PIL import Image

__all__ = ["thumbnail"]

_LARGEST = 64  # pixels; larger ones are made smaller


def thumbnail(pixels):
    """An image as a PNG in base64.

    Parameters
    ----------
    pixels : np.ndarray
        uint8 H×W, or H×W×3 in colour. If a side is longer than 64 pixels, it is made smaller.

    Returns
    -------
    str
        Fewer than 24,000 characters; after ``data:image/png;base64,`` it is the address of the picture in a page.
    """
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture.thumbnail((_LARGEST, _LARGEST))
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()

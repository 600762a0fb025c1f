"""Someone's picture as an image of Fashion-MNIST: grey, 28×28, light on black."""

import numpy as np
from PIL import Image, ImageOps

from gluon_cnn.data.decoded import upright
from gluon_cnn.data.fashion_mnist import FASHION_MNIST

__all__ = ["read_picture"]

_ENOUGH = 256  # pixels of a JPEG's short side, far more than 28


def read_picture(path, *, invert=False):
    """Read a PNG, JPEG, WebP or BMP of any colour.

    Transparent parts count as background. A picture that is not square is centred on a square of
    background, not stretched.

    Parameters
    ----------
    path : path
    invert : bool, default False
        For dark garments on a light ground; the data set has light ones on black.

    Returns
    -------
    np.ndarray
        uint8 28×28.

    Raises
    ------
    ImageError
        If the file is missing, is not such a picture, is damaged, or claims more than
        :data:`gluon_cnn.data.decoded.MOST_PIXELS` pixels.
    """
    grey = upright(path, path, channels=1, background=255 if invert else 0, least=_ENOUGH)
    return _centred(ImageOps.invert(grey) if invert else grey)


def _centred(grey):
    """A grey picture on a black square, at the data set's size. The square itself could be huge, so it is not made."""
    width, height = grey.size
    side, size = max(grey.size), FASHION_MNIST.side
    square = Image.new("L", (size, side) if width >= height else (side, size))
    if width >= height:
        square.paste(grey.resize((size, height), Image.BILINEAR), (0, (side - height) // 2))
    else:
        square.paste(grey.resize((width, size), Image.BILINEAR), ((side - width) // 2, 0))
    return np.asarray(square.resize((size, size), Image.BILINEAR))

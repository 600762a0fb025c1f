"""Someone's picture as an image of Fashion-MNIST: grey, 28×28, light on black."""

import warnings

import numpy as np
from PIL import Image, ImageOps

from gluon_cnn.data.fashion_mnist import FASHION_MNIST
from gluon_cnn.errors import ImageError

__all__ = ["read_picture"]


def read_picture(path, *, invert=False):
    """Read a PNG or JPEG of any size and colour.

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
        If the file is missing, is not a PNG or JPEG, or claims more pixels than Pillow considers safe.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=("PNG", "JPEG")) as image:
                grey = _grey(ImageOps.exif_transpose(image), background=255 if invert else 0)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageError(f"{path} claims more than {Image.MAX_IMAGE_PIXELS:,} pixels: make it smaller.") from None
    except (OSError, SyntaxError, ValueError) as error:  # Pillow raises SyntaxError for a broken PNG
        reason = getattr(error, "strerror", None) or "it is not a PNG or JPEG, or it is damaged"
        raise ImageError(f"{path} cannot be read as a picture ({reason}): name a PNG or JPEG file.") from None
    if invert:
        grey = ImageOps.invert(grey)
    square = Image.new("L", (max(grey.size), max(grey.size)))
    square.paste(grey, ((square.width - grey.width) // 2, (square.height - grey.height) // 2))
    return np.asarray(square.resize((FASHION_MNIST.side, FASHION_MNIST.side), Image.BILINEAR))


def _grey(image, background):
    if image.mode.startswith("I"):  # 16 bits a pixel, which convert("L") would clip instead of scale
        return Image.fromarray((np.asarray(image, np.uint32) >> 8).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, (background, background, background, 255))
        image = Image.alpha_composite(ground, image)
    return image.convert("L")

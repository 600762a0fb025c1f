"""Someone's picture as an image of Fashion-MNIST: grey, 28×28, light on black."""

import contextlib
import re
import struct
import warnings

import numpy as np
from PIL import Image, ImageOps

from gluon_cnn.data.fashion_mnist import FASHION_MNIST
from gluon_cnn.data.picture_file import open_picture, unreadable
from gluon_cnn.errors import ImageError

__all__ = ["read_picture"]

#: The largest picture in pixels: those of today's telephones, 8192×6144, are smaller. A PNG of this size takes 210 MB,
#: a progressive JPEG 310 MB. One in CMYK has four numbers a pixel instead of three.
MOST_PIXELS, MOST_CMYK_PIXELS = 52_000_000, 39_000_000
_LONGEST = 65_535  # pixels on a side, JPEG's own limit
_DRAFT = 2**22  # pixels from which a JPEG is decoded at an eighth of its size, which is still far more than 28×28
_STRIP = 2**20  # pixels converted at a time

# Exif's number of an orientation: what turns such a picture upright. By number, as older Pillow has no names for them.
_UPRIGHT = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
_ORIENTATION = 0x0112
_WHOLE = {
    3: "H",
    4: "L",
    6: "b",
    8: "h",
    9: "l",
    13: "L",
}  # Exif's types of whole numbers, as in struct


def read_picture(path, *, invert=False):
    """Read a PNG or JPEG of any colour.

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
        If the file is missing, is not a PNG or JPEG, is damaged, or claims more than :data:`MOST_PIXELS` pixels.
    """
    try:
        with contextlib.ExitStack() as stack:
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")  # of Pillow, about what is not needed here
            picture = open_picture(stack, path)
            image = stack.enter_context(Image.open(picture.file, formats=("PNG", "JPEG")))
            _refuse_large(path, image)
            if image.width * image.height > _DRAFT:
                image.draft("L", (image.width // 8, image.height // 8))
            grey = _grey(image, picture, background=255 if invert else 0)
            turn = _UPRIGHT.get(_orientation(image, picture))
        grey = grey if turn is None else grey.transpose(turn)
        return _centred(ImageOps.invert(grey) if invert else grey)
    except ImageError:
        raise
    except Image.DecompressionBombError:  # more than twice as many pixels as Pillow considers safe
        raise _too_large(path, "claims more") from None
    except MemoryError:
        raise unreadable(path, "it needs more memory than there is") from None
    except Exception:  # a damaged picture can raise any exception in Pillow
        raise unreadable(path) from None


def _refuse_large(path, image):
    most = MOST_CMYK_PIXELS if image.mode == "CMYK" else MOST_PIXELS
    if image.width * image.height > most or max(image.size) > _LONGEST:
        raise _too_large(path, f"claims {image.width}×{image.height}")


def _too_large(path, claims):
    return ImageError(
        f"{path} {claims}, and a picture can have {MOST_PIXELS:,} pixels ({MOST_CMYK_PIXELS:,} in CMYK), "
        f"{_LONGEST:,} on a side: make it smaller."
    )


def _grey(image, picture, background):
    """A picture in grey on a background. In strips, because as RGBA it would take several times its memory."""
    image.load()
    grey = Image.new("L", image.size)
    rows = max(1, _STRIP // image.width)
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        grey.paste(_grey_strip(strip, picture, background), (0, top))
    return grey


def _grey_strip(strip, picture, background):
    key = picture.transparent
    if strip.mode.startswith("I"):  # 16 bits a pixel, which convert("L") would clip instead of scale
        values = np.asarray(strip, np.uint32)
        grey = (values >> 8).astype(np.uint8)
    else:
        if strip.mode in ("RGBA", "LA", "PA") or "transparency" in strip.info:
            strip = strip.convert("RGBA")
            ground = Image.new("RGBA", strip.size, (background, background, background, 255))
            strip = Image.alpha_composite(ground, strip)
        if not key:
            return strip.convert("L")
        grey = np.array(strip.convert("L"))
        values = np.asarray(strip) if strip.mode == "RGB" else grey
        # Pillow gives eight bits: the upper ones of 16, and fewer are spread over the range of eight.
        key = [v >> 8 if picture.depth == 16 else v * 255 // (2**picture.depth - 1) for v in key]
    if key:
        hidden = values == key[0] if len(key) == 1 else (values == key).all(-1)
        grey[hidden] = background
    return Image.fromarray(grey)


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


def _orientation(image, picture):
    """Exif's number of a picture's orientation, 1 if it is upright or nothing tells."""
    # Not by Pillow, which reads all else that Exif data hold too, and fails if it cannot write them again.
    exif, texts = picture.exif, [picture.xmp, image.info.get("XML:com.adobe.xmp", "")]
    if not exif:  # as ImageMagick wrote it: a name and a length, then hexadecimal numbers
        with contextlib.suppress(ValueError):
            exif = bytes.fromhex("".join(str(image.info.get("Raw profile type exif", "")).split("\n")[3:]))
    with contextlib.suppress(struct.error):
        exif = re.sub(rb"^(Exif\0\0)+", b"", exif)
        order = {b"II": "<", b"MM": ">"}.get(exif[:2])
        if order:
            (at,) = struct.unpack_from(f"{order}L", exif, 4)
            (count,) = struct.unpack_from(f"{order}H", exif, at)
            for entry in range(at + 2, at + 2 + 12 * count, 12):
                tag, kind = struct.unpack_from(f"{order}HH", exif, entry)
                if tag == _ORIENTATION and kind in _WHOLE:
                    return struct.unpack_from(f"{order}{_WHOLE[kind]}", exif, entry + 8)[0]
    for text in texts:
        text = text if isinstance(text, str) else text.decode("latin-1")
        match = re.search(r'tiff:Orientation(?:="|>)([1-8])', text)
        if match:
            return int(match[1])
    return 1

"""Anybody's picture as an array: of any mode, upright, in bounded memory."""

import contextlib
import io
import math
import re
import struct

import numpy as np
from PIL import Image, WebPImagePlugin  # noqa: F401 (registers WebP, which Pillow would do at the first one)

from gluon_cnn.data.image_formats import open_picture, reduced, unreadable
from gluon_cnn.errors import ImageError

__all__ = [
    "MOST_CMYK_PIXELS",
    "MOST_PIXELS",
    "MOST_WEBP_PIXELS",
    "decode",
    "form_of",
    "is_grey",
    "upright",
]

#: The largest picture in pixels: those of today's telephones, 8192×6144, are smaller. A PNG of this size takes 210 MB,
#: a progressive JPEG 310 MB. One in CMYK has four numbers a pixel instead of three, and Pillow holds a WebP thrice.
MOST_PIXELS, MOST_CMYK_PIXELS, MOST_WEBP_PIXELS = 52_000_000, 39_000_000, 26_000_000
_LONGEST = 65_535  # pixels on a side, JPEG's own limit
_STRIP = 2**20  # pixels converted at a time
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP")

Image.preinit()  # the other formats, here and not on whichever threads decode the first pictures

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


def decode(encoded, name, side, channels):
    """A picture as a square: resized so that its short side has ``side`` pixels, and of that the square in the middle.

    Parameters
    ----------
    encoded : bytes
        Of a PNG, JPEG, WebP or BMP, of any mode: 16 bits are scaled to 8, what is transparent becomes black, and a
        picture is turned as its Exif or XMP data say.
    name : str
        For errors.
    side : int
        Pixels.
    channels : {1, 3}
        Grey or RGB.

    Returns
    -------
    np.ndarray
        uint8 side×side, or side×side×3.

    Raises
    ------
    ImageError
        If it cannot be read, or claims more than :data:`MOST_PIXELS` pixels.
    """
    image = upright(encoded, name, channels, least=side)
    width, height = image.size
    short = min(image.size)
    left, top = (width - short) / 2, (height - short) / 2
    square = image.resize((side, side), Image.BILINEAR, box=(left, top, left + short, top + short))
    return np.asarray(square)


def is_grey(encoded, name):
    """Whether a picture has no pixel of another colour than grey; a JPEG is looked at in an eighth of its size.

    Raises
    ------
    ImageError
        As :func:`decode`.
    """
    with _opened(encoded, name) as (image, _):
        if image.mode in ("1", "L", "LA") or image.mode.startswith("I"):
            return True
        image.draft("RGB", (max(1, image.width // 8), max(1, image.height // 8)))
        image.load()
        for strip in _strips(image):
            see_through = "A" in strip.mode or "transparency" in strip.info  # of which Pillow would warn
            red, green, blue = np.moveaxis(np.asarray(strip.convert("RGBA" if see_through else "RGB")), -1, 0)[:3]
            if (red != green).any() or (green != blue).any():
                return False
        return True


def form_of(encoded, name):
    """A picture's format and mode as Pillow calls them, such as ``JPEG RGB``; errors as :func:`decode`."""
    with _opened(encoded, name) as (image, _):
        return f"{image.format} {image.mode}"


def upright(source, name, channels, background=0, least=None, longest=None):
    """A picture as a Pillow image of mode L, RGB or RGBA, turned upright.

    Parameters
    ----------
    source : bytes or path
        The file's bytes, or where it is.
    name : str or path
        For errors.
    channels : {1, 3, 4}
        Grey, RGB, or RGB and how opaque each pixel is.
    background : int
        The grey level that takes the place of what is transparent, except in RGBA.
    least : int, optional
        Pixels of the short side that are enough: a larger JPEG is decoded at a half, a quarter or an eighth of its
        size, as long as that leaves as many.
    longest : int, optional
        Pixels of the long side that are enough: a larger picture becomes smaller by a whole factor, but no smaller than
        this. It takes no more memory than the picture as it is decoded.

    Raises
    ------
    ImageError
        As :func:`decode`.
    """
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[channels]
    with _opened(source, name) as (image, picture):
        factor = 1 if least is None else min(1, least / min(image.size))
        image.draft("RGB" if mode == "RGBA" else mode, tuple(math.ceil(side * factor) for side in image.size))
        image.load()
        plain, less = image, max(1, max(image.size) // longest) if longest else 1
        if less > 1 or image.mode != mode or picture.transparent or "transparency" in image.info:
            plain = _plain(image, picture, mode, background, less)
        turn = _UPRIGHT.get(_orientation(image, picture))
    return plain if turn is None else plain.transpose(turn)


@contextlib.contextmanager
def _opened(source, name):
    """A Pillow image and its PictureFile, of a size that memory is enough for."""
    try:
        with contextlib.ExitStack() as stack:
            in_memory = isinstance(source, bytes)
            picture = reduced(io.BytesIO(source), name) if in_memory else open_picture(stack, source)
            _refuse_large(name, picture.size)  # first, because Pillow would warn of it
            image = stack.enter_context(Image.open(picture.file, formats=_FORMATS))
            _refuse_large(name, image.size, _most_pixels(image))
            yield image, picture
    except ImageError:
        raise
    except Image.DecompressionBombError:  # more than twice as many pixels as Pillow considers safe
        raise _too_large(name, "claims more") from None
    except MemoryError:
        raise unreadable(name, "it needs more memory than there is") from None
    except Exception:  # a damaged picture can raise any exception in Pillow
        raise unreadable(name) from None


def _most_pixels(image):
    if image.format == "WEBP":
        return MOST_WEBP_PIXELS
    return MOST_CMYK_PIXELS if image.mode == "CMYK" else MOST_PIXELS


def _refuse_large(name, size, most=None):
    width, height = size
    if width * height > (most or MOST_PIXELS) or max(size) > _LONGEST:
        raise _too_large(name, f"claims {width}×{height}")


def _too_large(name, claims):
    return ImageError(
        f"{name} {claims}, and a picture can have {MOST_PIXELS:,} pixels ({MOST_CMYK_PIXELS:,} in CMYK, "
        f"{MOST_WEBP_PIXELS:,} as WebP), {_LONGEST:,} on a side: make it smaller."
    )


def _plain(image, picture, mode, background, less=1):
    """A picture in grey or RGB, on a background, or in RGBA; smaller by a whole factor."""
    plain, top = Image.new(mode, tuple(math.ceil(side / less) for side in image.size)), 0
    for strip in _strips(image, less):  # because as RGBA the whole would take several times its memory
        part = _plain_strip(strip, picture, mode, background).reduce(less)
        plain.paste(part, (0, top))
        top += part.height
    return plain


def _strips(image, multiple=1):
    """A picture from top to bottom, in parts with a multiple of so many rows, but for the last."""
    rows = math.ceil(max(1, _STRIP // image.width) / multiple) * multiple
    for top in range(0, image.height, rows):
        yield image.crop((0, top, image.width, min(top + rows, image.height)))


def _plain_strip(strip, picture, mode, background):
    """A strip in grey or RGB, on a background, or in RGBA."""
    key = picture.transparent
    if strip.mode.startswith("I"):  # 16 bits a pixel, which convert would clip instead of scale
        values = np.asarray(strip, np.uint32)
        plain = (values >> 8).astype(np.uint8)
    else:
        if strip.mode in ("RGBA", "LA", "PA") or "transparency" in strip.info:
            strip = strip.convert("RGBA")
            if mode == "RGBA":
                return strip
            ground = Image.new("RGBA", strip.size, (background, background, background, 255))
            strip = Image.alpha_composite(ground, strip)
        if not key:
            return strip.convert(mode)
        plain = np.array(strip.convert("L" if len(key) == 1 or mode == "L" else "RGB"))
        values = np.asarray(strip) if strip.mode == "RGB" else plain
        # Pillow gives eight bits: the upper ones of 16, and fewer are spread over the range of eight.
        key = [v >> 8 if picture.depth == 16 else v * 255 // (2**picture.depth - 1) for v in key]
    if key:
        hidden = values == key[0] if len(key) == 1 else (values == key).all(-1)
        if mode == "RGBA":
            image = Image.fromarray(plain).convert(mode)
            image.putalpha(Image.fromarray(np.where(hidden, 0, 255).astype(np.uint8)))
            return image
        plain[hidden] = background
    return Image.fromarray(plain).convert(mode)


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

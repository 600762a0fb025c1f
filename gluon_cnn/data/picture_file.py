"""PNG and JPEG files, reduced to what their pixels need before Pillow sees them.

What else a file holds, such as thumbnails, colour profiles, texts and further frames, can be made to take memory and
time without end, and says nothing about the garment.
"""

import bisect
import io
import itertools
import re
import struct
from typing import NamedTuple, Optional, Tuple

from gluon_cnn.errors import ImageError
from gluon_cnn.files import open_regular

__all__ = ["PictureFile", "open_picture", "unreadable"]

LARGEST = 256 * 2**20  # bytes, more than 50 megapixels in 16 bits and three colours usually take
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
# A progressive JPEG has about ten scans. Each costs a pass over the picture, but need not be more than ten bytes long.
_MOST_SCANS, _MOST_SEGMENTS = 100, 10_000
_MARKER = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")  # not a byte 255 in the data, and not a restart
_SOI, _EOI, _SOS, _APP0, _APP1, _APP14, _APP15, _COM = 0xD8, 0xD9, 0xDA, 0xE0, 0xE1, 0xEE, 0xEF, 0xFE
_TEXTS = (b"Raw profile type exif\0", b"XML:com.adobe.xmp\0")  # where older software puts the orientation in a PNG


class PictureFile(NamedTuple):
    """A picture's file, reduced.

    Attributes
    ----------
    file : file
        For Pillow. Closed with the file that it is a part of.
    exif : bytes
        The Exif data; empty if there are none, or if they are in a text.
    xmp : bytes
        Of a JPEG.
    depth : int, optional
        Bits a number of a PNG: 1, 2, 4, 8 or 16.
    transparent : tuple of int
        The grey level or colour of a PNG that is transparent, in ``depth`` bits; empty if there is none.
    """

    file: io.BufferedReader
    exif: bytes = b""
    xmp: bytes = b""
    depth: Optional[int] = None
    transparent: Tuple[int, ...] = ()


def open_picture(stack, path):
    """Open a PNG or JPEG; ``stack`` (a ``contextlib.ExitStack``) closes it.

    Raises
    ------
    ImageError
        If the file cannot be read, or is neither, or too large, or damaged.
    """
    try:
        file = stack.enter_context(open_regular(path))
        begin, size = file.read(len(_PNG)), file.seek(0, io.SEEK_END)
    except (OSError, ValueError) as error:
        raise unreadable(path, getattr(error, "strerror", None) or error) from None
    if begin != _PNG and not begin.startswith(_JPEG):
        raise unreadable(path)
    if size > LARGEST:
        raise unreadable(path, f"it is larger than {LARGEST >> 20} MiB")
    file.seek(0)
    try:
        return _png(file) if begin == _PNG else _jpeg(file)
    except _TooManyParts:
        raise unreadable(path, "it has more scans or segments than a picture needs") from None
    except struct.error:
        raise unreadable(path) from None


def unreadable(path, reason="it is not a PNG or JPEG, or it is damaged"):
    """The error for a file that is no picture."""
    return ImageError(f"{path} cannot be read as a picture ({reason}): name a PNG or JPEG file.")


class _TooManyParts(Exception):
    pass


def _png(file):
    kept, exif, transparent, texts = [(0, len(_PNG))], b"", (), set()
    at, depth, colour = len(_PNG), None, None
    while True:
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:  # Pillow decides whether what is there is enough
            break
        length, kind = struct.unpack(">L4s", head)
        after = at + length + 12
        if kind == b"IHDR":
            depth, colour = struct.unpack("8xBB", file.read(10))
        if kind == b"tRNS" and colour in (0, 2):  # Pillow compares a level of few bits with one of eight
            transparent = struct.unpack(f">{1 if colour == 0 else 3}H", file.read(2 if colour == 0 else 6))
        elif kind in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"):
            kept.append((at, after))
        elif kind == b"eXIf":
            exif = file.read(min(length, 2**16))
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            begin = file.read(min(length, 32))
            text = next((text for text in _TEXTS if begin.startswith(text)), None)
            if text and text not in texts:
                texts.add(text)
                kept.append((at, after))
        at = after
        if kind == b"IEND":
            break
    return PictureFile(_joined(file, kept), exif, b"", depth, transparent)


def _jpeg(file):
    content = file.read(LARGEST)
    kept, exif, xmp, begin = [(0, 2)], b"", b"", None
    at, scans, segments = 2, 0, 0
    while True:
        match = _MARKER.search(content, at)
        if not match or match[1][0] == _EOI:
            end = match.end() if match else len(content)
            break
        marker, at = match[1][0], match.end()
        if marker in (_SOI, 0x01):  # these alone have no length
            continue
        scans, segments = scans + (marker == _SOS), segments + 1
        if scans > _MOST_SCANS or segments > _MOST_SEGMENTS:
            raise _TooManyParts
        (length,) = struct.unpack_from(">H", content, at)
        text = content[at + 2 : at + length]
        if marker == _APP1 and text.startswith(b"Exif\0"):
            exif = exif or text
        elif marker == _APP1 and text.startswith(b"http://ns.adobe.com/xap/1.0/\0"):
            xmp = xmp or text
        if marker == _SOS and begin is None:
            begin = at - 2
        if begin is None and (marker in (_APP0, _APP14) or not (_APP0 <= marker <= _APP15 or marker == _COM)):
            kept.append((at - 2, at + length))
        at += length
    if begin is not None:
        kept.append((begin, end))
    return PictureFile(_joined(file, kept), exif, xmp)


def _joined(file, ranges):
    merged = []
    for begin, end in ranges:
        if merged and merged[-1][1] == begin:
            begin, _ = merged.pop()
        merged.append((begin, end))
    return io.BufferedReader(_Parts(file, merged))


class _Parts(io.RawIOBase):
    """Ranges of a file, (begin, end) each, read as if they were all."""

    def __init__(self, file, ranges):
        super().__init__()
        self._file, self._ranges, self._at = file, ranges, 0
        self._starts = [0, *itertools.accumulate(end - begin for begin, end in ranges)]

    def readable(self):
        return True

    def seekable(self):
        return True

    def seek(self, offset, whence=io.SEEK_SET):
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._starts[-1]}[whence]
        return self._at

    def readinto(self, buffer):
        number = bisect.bisect_right(self._starts, self._at) - 1
        if number == len(self._ranges):
            return 0
        begin, end = self._ranges[number]
        begin += self._at - self._starts[number]
        self._file.seek(begin)
        count = self._file.readinto(memoryview(buffer)[: end - begin])
        self._at += count
        return count

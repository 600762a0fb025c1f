"""PNG, JPEG, WebP and BMP files, reduced to what their pixels need before Pillow sees them.

What else a file holds, such as thumbnails, colour profiles, texts and further frames, can be made to take memory and
time without end, and says nothing about what the picture shows. Also which files of a folder are pictures, by their
names.
"""

import bisect
import io
import itertools
import math
import os
import re
import struct
from pathlib import Path
from typing import NamedTuple, Optional, Tuple

from gluon_cnn.errors import ImageError
from gluon_cnn.files import open_regular, reason_of

__all__ = ["LARGEST", "PictureFile", "open_picture", "pictures_in", "reduced", "unreadable"]

LARGEST = 256 * 2**20  # bytes, more than 50 megapixels in 16 bits and three colours usually take
_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
# A progressive JPEG has about ten scans. Each costs a pass over the picture, but need not be more than ten bytes long.
_MOST_SCANS, _MOST_SEGMENTS = 100, 10_000
_MARKER = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")  # not a byte 255 in the data, and not a restart
_SOI, _EOI, _SOS, _APP0, _APP1, _APP14, _APP15, _COM = 0xD8, 0xD9, 0xDA, 0xE0, 0xE1, 0xEE, 0xEF, 0xFE
_SOFS = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # the markers of a frame
_SEQUENTIAL = {0xC0, 0xC1}  # those of one whose scans can hold all components
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
        Of a JPEG or WebP.
    depth : int, optional
        Bits a number of a PNG: 1, 2, 4, 8 or 16.
    transparent : tuple of int
        The grey level or colour of a PNG that is transparent, in ``depth`` bits; empty if there is none.
    size : (int, int)
        Width and height that its header claims, (0, 0) if none does. Pillow warns of large ones when it opens them, and
        takes memory for a WebP's pixels.
    """

    file: io.BufferedReader
    exif: bytes = b""
    xmp: bytes = b""
    depth: Optional[int] = None
    transparent: Tuple[int, ...] = ()
    size: Tuple[int, int] = (0, 0)


def pictures_in(folder):
    """The paths of the pictures in a folder, by the ends of their names, sorted, without hidden ones; and how many
    folders it has, which are passed over.

    Raises
    ------
    ImageError
        If the folder cannot be read, or has none.
    """
    try:
        entries = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
        folders = sum(entry.is_dir() for entry in entries)
        names = sorted(entry.name for entry in entries if entry.name.lower().endswith(_ENDINGS) and not entry.is_dir())
    except OSError as error:
        raise ImageError(f"{folder} cannot be read ({reason_of(error)}): let yourself read it.") from None
    if not names:
        inside = " outside its folders" if folders else ""
        raise ImageError(
            f"{folder} holds no picture ({', '.join(_ENDINGS)}){inside}: name a folder with pictures in it."
        )
    return [str(Path(folder) / name) for name in names], folders


def open_picture(stack, path):
    """Open a picture's file and reduce it; ``stack`` (a ``contextlib.ExitStack``) closes it.

    Raises
    ------
    ImageError
        If the file cannot be read, or as :func:`reduced`.
    """
    try:
        file = stack.enter_context(open_regular(path))
    except (OSError, ValueError) as error:
        raise unreadable(path, getattr(error, "strerror", None) or error) from None
    return reduced(file, path)


def reduced(file, name):
    """The :class:`PictureFile` of an open file, whose bytes may also be in memory.

    Raises
    ------
    ImageError
        If it is not a PNG, JPEG, WebP or BMP, or too large, or damaged; it names ``name``.
    """
    try:
        begin, size = file.read(12), file.seek(0, io.SEEK_END)
        if size > LARGEST:
            raise unreadable(name, f"it is larger than {LARGEST >> 20} MiB")
        file.seek(0)
        if begin.startswith(_PNG):
            return _png(file)
        if begin.startswith(_JPEG):
            return _jpeg(file)
        if begin.startswith(b"RIFF") and begin.endswith(b"WEBP"):
            return _webp(file)
        if begin.startswith(b"BM"):
            return _bmp(file)
    except OSError as error:
        raise unreadable(name, error.strerror or error) from None
    except _TooManyParts:
        raise unreadable(name, "it has more scans or segments than a picture needs") from None
    except struct.error:
        pass
    raise unreadable(name)


def unreadable(name, reason="it is not a PNG, JPEG, WebP or BMP, or it is damaged"):
    """The error for a file that is no picture."""
    return ImageError(f"{name} cannot be read as a picture ({reason}): name a PNG, JPEG, WebP or BMP file.")


class _TooManyParts(Exception):
    pass


def _png(file):
    kept, exif, transparent, texts = [(0, len(_PNG))], b"", (), set()
    at, depth, colour, size = len(_PNG), None, None, (0, 0)
    while True:
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:  # Pillow decides whether what is there is enough
            break
        length, kind = struct.unpack(">L4s", head)
        after = at + length + 12
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">LLBB", file.read(10))
            size = max(size, (width, height), key=math.prod)
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
    return PictureFile(_joined(file, kept), exif, b"", depth, transparent, size)


def _jpeg(file):
    content = file.read(LARGEST)
    kept, exif, xmp, begin = [(0, 2)], b"", b"", None
    at, scans, segments, size, components = 2, 0, 0, (0, 0), None
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
        if marker in _SOFS:
            height, width, number = struct.unpack_from(">HHB", content, at + 3)
            size = max(size, (width, height), key=math.prod)
            components = number if marker in _SEQUENTIAL else None
        if marker == _APP1 and text.startswith(b"Exif\0"):
            exif = exif or text
        elif marker == _APP1 and text.startswith(b"http://ns.adobe.com/xap/1.0/\0"):
            xmp = xmp or text
        if marker == _SOS and begin is None:
            begin = at - 2
            if content[at + 2 : at + 3] == bytes([components or 0]):  # libjpeg takes no other scan after this one
                end = len(content)
                break
        if begin is None and (marker in (_APP0, _APP14) or not (_APP0 <= marker <= _APP15 or marker == _COM)):
            kept.append((at - 2, at + length))
        at += length
    if begin is not None:
        kept.append((begin, end))
    return PictureFile(_joined(file, kept), exif, xmp, size=size)


def _webp(file):
    """A WebP whole, because its header says which chunks it has; Pillow keeps none of the others but a profile."""
    exif, xmp, size, at, end = b"", b"", None, 12, file.seek(0, io.SEEK_END)
    while at + 8 <= end:
        file.seek(at)
        kind, length = struct.unpack("<4sL", file.read(8))
        begin = file.read(min(length, 2**16))
        if size is None:  # in the first chunk, whichever it is
            size = _webp_size(kind, begin)
        if kind == b"EXIF":
            exif = exif or begin
        elif kind == b"XMP ":
            xmp = xmp or begin
        at += 8 + length + length % 2
    if size is None:
        raise struct.error
    return PictureFile(_joined(file, [(0, end)]), exif, xmp, size=size)


def _webp_size(kind, begin):
    if kind == b"VP8X":  # 24 bits each, less one
        return tuple(1 + int.from_bytes(begin[at : at + 3], "little") for at in (4, 7))
    if kind == b"VP8L":  # 14 bits each, less one, after a signature
        (bits,) = struct.unpack_from("<L", begin, 1)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":  # 14 bits each, after the frame's tag and start code
        width, height = struct.unpack_from("<HH", begin, 6)
        return width & 0x3FFF, height & 0x3FFF
    raise struct.error


def _bmp(file):
    """A BMP as far as its pixels can go, because runs that advance by nothing could be followed through gigabytes."""
    file.seek(14)
    (header,) = struct.unpack("<L", file.read(4))
    width, height = struct.unpack("<HH" if header == 12 else "<ll", file.read(4 if header == 12 else 8))
    end = min(file.seek(0, io.SEEK_END), 2**16 + 4 * (abs(width) + 4) * abs(height))
    return PictureFile(_joined(file, [(0, end)]), size=(abs(width), abs(height)))


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

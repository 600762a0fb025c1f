"""RecordIO, the format of MXNet's ``.rec`` files: read from any place, scanned, and written. Nothing here needs MXNet.

A record begins with a magic number and a length, whose upper three bits say whether it is whole. Where the magic number
stands in what is stored, at a multiple of four bytes, dmlc-core leaves it out and begins another part, so that whoever
looks for it finds only beginnings.
"""

import os
import struct
from typing import NamedTuple

from gluon_cnn.errors import Malformed

__all__ = ["LARGEST_RECORD", "Span", "join_parts", "read_spans", "write_record"]

#: Bytes of the largest record that is read: a picture's largest file and a label. RecordIO's own limit is twice that.
LARGEST_RECORD = 257 << 20

_MAGIC = struct.pack("<I", 0xCED7230A)
_HEADER = struct.Struct("<4sI")
_LENGTH = (1 << 29) - 1
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)


class Span(NamedTuple):
    """Where a record stands in its file, in bytes, with all its headers and padding; and what it begins with."""

    begin: int
    end: int
    content: bytes


def read_spans(file, digest=None):
    """The records of a file, one after the other.

    Parameters
    ----------
    file : binary file
        Read from its beginning to its end.
    digest : optional
        One of hashlib's, which gets all bytes.

    Yields
    ------
    Span
        ``content`` is what the record holds.

    Raises
    ------
    Malformed
        If the file is not RecordIO, or ends within a record.
    """
    at, size = 0, os.fstat(file.fileno()).st_size
    while at < size:
        begin, parts, length, kind = at, [], 0, _FIRST
        while kind in (_FIRST, _MIDDLE):
            header = file.read(_HEADER.size)
            kind, part = _parse_header(header, bool(parts))
            length += part + 4
            stored = part + _padding(part)
            if at + _HEADER.size + stored > size:
                raise Malformed("the file ends within it")
            if length > LARGEST_RECORD:
                raise Malformed(f"it has more than {LARGEST_RECORD:,} bytes")
            content = file.read(stored)
            if len(content) < stored:  # of a file that became shorter
                raise Malformed("the file ends within it")
            if digest is not None:
                digest.update(header)
                digest.update(content)
            parts.append(content[:part])
            at += len(header) + len(content)
        yield Span(begin, at, _MAGIC.join(parts))


def _parse_header(header, within):
    """The kind of a part, and the bytes that it holds; Malformed unless it may stand there."""
    if len(header) < _HEADER.size:
        raise Malformed("the file ends within it")
    magic, word = _HEADER.unpack(header)
    kind, length = word >> 29, word & _LENGTH
    if magic != _MAGIC or kind > _LAST:
        raise Malformed(f"it begins with {header!r}, as no record does")
    if within != (kind in (_MIDDLE, _LAST)):
        raise Malformed("it is not whole")
    return kind, length


def join_parts(stored):
    """What a record holds, from its bytes in the file, as a :class:`Span` delimits them; Malformed as there."""
    at, parts = 0, []
    while at < len(stored):
        header = stored[at : at + _HEADER.size]
        _, length = _parse_header(header, bool(parts))
        at += _HEADER.size
        parts.append(stored[at : at + length])
        if len(parts[-1]) < length:
            raise Malformed("the file ends within it")
        at += length + _padding(length)
    return _MAGIC.join(parts)


def write_record(file, content):
    """Write a record at the end of a file, in parts where it has RecordIO's magic number in it."""
    cuts, at = [], content.find(_MAGIC)
    while at >= 0:
        if at % 4 == 0:
            cuts.append(at)
        at = content.find(_MAGIC, at + (4 if at % 4 == 0 else 1))
    begins, ends = [0, *(cut + 4 for cut in cuts)], [*cuts, len(content)]
    for number, (begin, end) in enumerate(zip(begins, ends)):
        kind = _WHOLE if not cuts else _FIRST if number == 0 else _LAST if end == len(content) else _MIDDLE
        file.write(_HEADER.pack(_MAGIC, kind << 29 | end - begin))
        file.write(content[begin:end])
        file.write(bytes(_padding(end - begin)))


def _padding(length):
    return -length % 4

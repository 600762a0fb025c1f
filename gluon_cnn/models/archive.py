"""Zip files of strangers, read without taking their word for anything."""

import contextlib
import errno
import io
import zipfile

from gluon_cnn.files import open_regular
from gluon_cnn.models.stored import MOST_ARRAYS

__all__ = ["ArchiveError", "begins_as_archive", "open_archive", "read_into"]

_AT_ONCE = 2**22  # bytes, more than the directory of MOST_ARRAYS entries has
_MOST_TIMES, _SMALL = 4, 2**26  # trained weights hardly shrink; a file may hold as many bytes as _SMALL in any case


class ArchiveError(ValueError):
    """What is wrong with a zip, as a clause."""


@contextlib.contextmanager
def open_archive(path, check=True, compressed=True):
    """Open a zip for the length of a block.

    Parameters
    ----------
    path : path
    check : bool
        Whether to check every entry first, which reads them all. Not for a file that was checked before.
    compressed : bool
        Whether entries may be compressed.

    Yields
    ------
    zipfile.ZipFile

    Raises
    ------
    OSError
        If the file cannot be read.
    ArchiveError
        If it is damaged or encrypted, or claims too much.
    """
    with _Bounded(open_regular(path, buffering=0)) as file:
        size = file.seek(0, io.SEEK_END)
        try:
            archive = zipfile.ZipFile(file)
            if not any(entry.CRC for entry in archive.infolist()):
                # torch.serialization.set_crc32_options(False) leaves 0 in the place of every checksum.
                for entry in archive.infolist():
                    entry.CRC = None
            if check:
                _check(archive, size, compressed)
        except (ArchiveError, MemoryError):
            raise
        except Exception as error:  # a damaged zip can raise many kinds of exception, and lead out of the file
            if isinstance(error, OSError) and error.errno != errno.EINVAL:
                raise
            raise ArchiveError("it is a damaged zip") from None
        with archive:
            yield archive


def _check(archive, size, compressed):
    entries = archive.infolist()
    if len(entries) > MOST_ARRAYS:
        raise ArchiveError(f"it holds {len(entries):,} entries")
    if any(entry.flag_bits & 1 for entry in entries):
        raise ArchiveError("it is an encrypted zip")
    if len({entry.filename for entry in entries}) < len(entries):
        raise ArchiveError("it holds two entries of the same name")
    # The other methods cannot be told how much to give at a time.
    methods = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) if compressed else (zipfile.ZIP_STORED,)
    if any(entry.compress_type not in methods for entry in entries):
        raise ArchiveError("it is compressed in a way that is not read")
    if any(not entry.compress_type and entry.compress_size != entry.file_size for entry in entries):
        raise ArchiveError("it is a damaged zip")
    claimed = sum(entry.file_size for entry in entries)
    if claimed > (_MOST_TIMES * size + _SMALL if compressed else size):
        raise ArchiveError(f"it has {size:,} bytes and claims to hold {claimed:,}")
    if archive.testzip() is not None:
        raise ArchiveError("it is a damaged zip")


def begins_as_archive(file):
    """Whether an open file is a zip, by its beginning. The file is left at its beginning."""
    begin = file.read(4)
    file.seek(0)
    return begin in (b"PK\3\4", b"PK\5\6")


def read_into(values, content):
    """Fill an array with the next bytes of an open entry; ArchiveError if there are too few."""
    view = memoryview(values).cast("B") if values.size else memoryview(b"")
    at = 0
    while at < len(view):
        count = content.readinto(view[at : at + _AT_ONCE // 2])
        if not count:
            raise ArchiveError("it is a damaged zip")
        at += count


class _Bounded(io.BufferedReader):
    """A file that is read in small parts only, whatever a zip's directory says of its own size."""

    def read(self, size=-1):
        if size is None or size < 0:
            size = _AT_ONCE
        if size > _AT_ONCE:
            raise ArchiveError("its directory is too large")
        return super().read(size)

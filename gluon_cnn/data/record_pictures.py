"""The pictures of a ``.rec`` file: MXNet's header of a label before each of them, and the names of their classes.

A record's number counts from 0. A label stands in each record, so that a file is read once from its beginning to its
end, with its index beside it or without.
"""

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import struct
from typing import NamedTuple, Optional, Tuple

import numpy as np

from gluon_cnn.data.pictures import Pictures
from gluon_cnn.data.record_file import join_parts, read_spans
from gluon_cnn.decoding import Count, Names, convert, read_json, refuse_repeated
from gluon_cnn.errors import DataError, Malformed
from gluon_cnn.files import open_regular, reason_of

__all__ = ["ENDING", "RecordPictures", "RecordsFile", "RecordsInfo", "classes_path", "pack", "read_file"]

#: What the name of a record file ends in.
ENDING = ".rec"
_CLASSES_ENDING = ".json"  # which is added to it for the file with the names of its classes
_FORMAT = "pictures of gluon-cnn"
_LARGEST_BESIDE = 256 << 20  # bytes of it, a few million names
_MOST_LABELS = 2**24  # to which float32 counts
_HEADER = struct.Struct("<IfQQ")  # how many labels there are if not one, the one, and two numbers of the picture


@dataclasses.dataclass(frozen=True)
class RecordsInfo:
    """What stands in a file beside a ``.rec`` that was written here.

    Attributes
    ----------
    format : str
    classes : tuple of str
        Their names, in the order of the labels.
    records : int
    sha256 : str
        Of the ``.rec``.
    keys : tuple of str, optional
        Where there is no test part, by what a training splits one off, see :attr:`Pictures.keys`: the names of the
        files that the pictures are from, so that they are split as their folder is.
    """

    format: str
    classes: Names
    records: Count
    sha256: str
    keys: Optional[Tuple[str, ...]] = None

    def __post_init__(self):
        refuse_repeated(self.classes)

    @classmethod
    def of(cls, classes, records, sha256, keys=None):
        """The RecordsInfo of a file with so many records."""
        return cls(_FORMAT, tuple(classes), records, sha256, keys and tuple(keys))

    def to_json(self):
        """The bytes of the file that holds this; without the keys if they are more than is read again."""
        values = {name: value for name, value in dataclasses.asdict(self).items() if value is not None}
        # A name that is not UTF-8 has surrogates, of which this makes JSON's own escapes.
        text = (json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
        return text if len(text) <= _LARGEST_BESIDE else dataclasses.replace(self, keys=None).to_json()

    def sha256_of_names(self):
        """Of what a training takes from this."""
        names = "\0".join([*self.classes, *(self.keys or ())])
        return hashlib.sha256(names.encode("utf-8", "surrogateescape")).hexdigest()


class _OpenFile:
    """A file that stays open as long as anybody reads it, in whichever thread."""

    def __init__(self, file):
        self.number = os.dup(file.fileno())
        self.seen = self.state()

    def state(self):
        """What changes with the file."""
        status = os.fstat(self.number)
        return status.st_size, status.st_mtime_ns

    def __del__(self):
        os.close(self.number)


class RecordPictures(Pictures):
    """The pictures of a record file, which stays open.

    Parameters
    ----------
    path : path
    file : _OpenFile
    names, labels
        As for :class:`gluon_cnn.data.pictures.Pictures`.
    begins, ends : array of int
        Where each record begins and ends in the file, in bytes.
    keys : list of str, optional
        See :attr:`Pictures.keys`; by default where each begins.
    """

    def __init__(self, path, file, names, labels, begins, ends, keys=None):
        super().__init__(names, labels)
        self.path, self._file, self._keys = path, file, keys
        self._begins, self._ends = np.asarray(begins, np.int64), np.asarray(ends, np.int64)

    @property
    def keys(self):
        if self._keys is not None:
            return self._keys
        return [f"record {begin}" for begin in self._begins]  # and not the name of the file, which may change

    def encoded(self, index):
        begin, end = int(self._begins[index]), int(self._ends[index])
        try:  # by pread, because several threads read at once
            stored = os.pread(self._file.number, end - begin, begin)
            changed = self._file.state() != self._file.seen
        except OSError as error:
            raise DataError(f"{self.path} cannot be read ({reason_of(error)}): restore it.", "data_dir") from None
        if changed or len(stored) != end - begin:
            raise DataError(f"{self.path} has changed since the training began: begin it again.", "data_dir")
        content = join_parts(stored)
        return content[_HEADER.size + 4 * _HEADER.unpack_from(content)[0] :]

    def take(self, indices):
        indices = np.asarray(indices, int)
        names = [self.names[index] for index in indices]
        spans = self._begins[indices], self._ends[indices]
        keys = None if self._keys is None else [self._keys[index] for index in indices]
        return RecordPictures(self.path, self._file, names, self.labels[indices], *spans, keys)


class RecordsFile(NamedTuple):
    """A record file that was read.

    Attributes
    ----------
    pictures : RecordPictures
        Their labels are those in the file.
    sha256 : str
        Of all its bytes.
    info : RecordsInfo or None
        What stands in the file beside it.
    """

    pictures: RecordPictures
    sha256: str
    info: Optional[RecordsInfo]


def pack(label, content, number):
    """What a record holds: MXNet's header of a label and the picture's number, and the picture's own bytes."""
    return _HEADER.pack(0, float(label), number, 0) + content


def read_file(path):
    """Read a record file from its beginning to its end, once as long as it does not change.

    Parameters
    ----------
    path : Path

    Returns
    -------
    RecordsFile

    Raises
    ------
    DataError
        If it cannot be read, is cut off or not of pictures with one label each, or if what stands beside it is of
        another file.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({reason_of(error)}): name another file.", "data_dir") from None
    return _read_once(path, status.st_size, status.st_mtime_ns, _state_of(classes_path(path)))


def _state_of(path):
    with contextlib.suppress(OSError):
        status = path.stat()
        return status.st_size, status.st_mtime_ns
    return None


@functools.lru_cache(maxsize=4)
def _read_once(path, _size, _mtime_ns, _beside):
    digest, names, labels, begins, ends = hashlib.sha256(), [], [], [], []
    try:
        with open_regular(path, buffering=1 << 20) as file:
            for span in read_spans(file, digest):
                labels.append(_label_in(span.content))
                begins.append(span.begin)
                ends.append(span.end)
                names.append(f"{path.name}, record {len(names)}")
            opened = _OpenFile(file)
    except Malformed as error:
        raise DataError(
            f"{path} cannot be read at record {len(names)}, because {error}: name a whole .rec file of pictures.",
            "data_dir",
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({reason_of(error)}): name another file.", "data_dir") from None
    if not names:
        raise DataError(f"{path} holds no record: name a .rec file of pictures.", "data_dir")
    info = _info_beside(path, len(names), digest.hexdigest())
    pictures = RecordPictures(path, opened, names, labels, begins, ends, info and info.keys)
    return RecordsFile(pictures, digest.hexdigest(), info)


def _label_in(content):
    """The label of a record; Malformed unless there is one."""
    if len(content) < _HEADER.size:
        raise Malformed(f"it has {len(content)} bytes, too few for a label and a picture")
    count, label, _, _ = _HEADER.unpack_from(content)
    if count > 1:
        raise Malformed(f"it has {count} labels instead of one")
    if count == 1:
        if len(content) < _HEADER.size + 4:
            raise Malformed("its label is cut off")
        (label,) = struct.unpack_from("<f", content, _HEADER.size)
    if not 0 <= label < _MOST_LABELS or label != int(label):
        raise Malformed(f"its label is {label:g}, not a whole number from 0 to {_MOST_LABELS - 1}")
    return int(label)


def classes_path(path):
    """The file beside a record file that has the names of its classes."""
    return path.with_name(path.name + _CLASSES_ENDING)


def _info_beside(path, records, sha256):
    beside = classes_path(path)
    try:
        info = convert(read_json(beside, _LARGEST_BESIDE), RecordsInfo)
    except FileNotFoundError:
        return None
    except Malformed as error:
        raise DataError(
            f"{beside} does not name the classes of {path.name} ({error}): restore it, or move it away.", "data_dir"
        ) from None
    keys = records if info.keys is None else len(info.keys)
    if (info.format, info.records, info.sha256, keys) != (_FORMAT, records, sha256, records):
        raise DataError(
            f"{beside} does not belong to {path.name}, which has other records: write both again, or move it away.",
            "data_dir",
        )
    return info

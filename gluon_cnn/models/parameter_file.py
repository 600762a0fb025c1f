"""Parameter files of every array mode: MXNet's own format, of which there are four versions, and NumPy's ``.npz``.

MXNet's own reader believes what a file says of its sizes, and takes the memory for it.
"""

import io
import re
import struct

import numpy as np

from gluon_cnn.checks import brief
from gluon_cnn.errors import ModelError
from gluon_cnn.files import open_regular
from gluon_cnn.models.archive import ArchiveError, begins_as_archive, open_archive, read_into
from gluon_cnn.models.stored import LONGEST_NAME, MOST_ARRAYS, MOST_AXES, StoredArray, array_at, count_numbers

__all__ = ["read_parameters"]

_LIST = 0x112  # how a file of several arrays begins
# How an array begins in each version, but for the oldest, which begins with the number of its axes. The last is that
# of mx.np arrays, which may have no axes or no numbers.
_V1, _V2, _V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
_BFLOAT16 = 12
# MXNet's number of a type: NumPy's name.
_TYPES = dict(enumerate(("<f4", "<f8", "<f2", "u1", "<i4", "i1", "<i8", "?", "<i2", "<u2", "<u4", "<u8")))
_TYPES[_BFLOAT16] = "<u2"

_NPY = re.compile(
    r"\{ *'descr': *'([<>|=]?[?biuf][1248]?)', *'fortran_order': *(True|False), *'shape': *\(([0-9, ]*)\),? *\}\s*"
)
_LONGEST_HEADER = 10_000  # NumPy's own limit


def read_parameters(path):
    """The arrays of a parameter file by name, in the order of the file.

    Returns
    -------
    dict of str to StoredArray
        No number has been read yet, but all are there.

    Raises
    ------
    ModelError
        If the file holds no parameters, or claims more than it holds.
    """
    try:
        with open_regular(path) as file:
            return _npz(path) if begins_as_archive(file) else _mxnet(path, file)
    except FileNotFoundError:
        raise ModelError(f"There is no file {path}: name a parameter file.") from None
    except (OSError, ValueError, struct.error, MemoryError) as error:
        is_own = type(error) in (ValueError, ArchiveError)
        reason = getattr(error, "strerror", None) or (str(error) if is_own else "it is damaged")
        raise ModelError(
            f"{path} holds no parameters of a network ({reason}): use a file that was saved by name."
        ) from None


def _mxnet(path, file):
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    magic, _, count = _take(file, "<QQQ")
    if magic != _LIST:
        raise ValueError("it is not a file of MXNet's arrays")
    if count > MOST_ARRAYS:
        raise ValueError(f"it claims {count:,} arrays")
    arrays = [_mxnet_array(path, file, size) for _ in range(count)]
    (named,) = _take(file, "<Q")
    if named != count:
        raise ValueError(f"it has {count} arrays and {named:,} names")
    by_name = {}
    for array in arrays:
        name = _name(file)
        if name in by_name:
            raise ValueError(f"it has {name!r} twice")
        by_name[name] = array
    return by_name


def _name(file):
    (length,) = _take(file, "<Q")
    if length > LONGEST_NAME:
        raise ValueError(f"it claims a name of {length:,} bytes")
    (name,) = _take(file, f"{length}s")
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise ValueError("a name in it is not text") from None


def _mxnet_array(path, file, size):
    (begin,) = _take(file, "<I")
    if begin in (_V2, _V3):
        storage, axes = _take(file, "<ii")
        if storage != 0:
            raise ValueError("it holds a sparse array")
        unknown = axes < (0 if begin == _V3 else 1)
    else:
        axes = _take(file, "<I")[0] if begin == _V1 else begin
        unknown = axes == 0
    if unknown:
        raise ValueError("it holds an array without a shape")
    if axes > MOST_AXES:
        raise ValueError(f"one of its arrays claims {axes:,} axes")
    shape = _take(file, f"<{axes}{'q' if begin in (_V1, _V2, _V3) else 'I'}")
    _, _, kind = _take(file, "<iii")  # behind the device that it was on
    if kind not in _TYPES:
        raise ValueError(f"it holds numbers of an unknown type, {kind}")
    return _at(path, file, size, shape, np.dtype(_TYPES[kind]), kind == _BFLOAT16)


def _at(path, file, size, shape, dtype, bfloat16):
    """The array whose numbers are next in a file, which is left behind them."""
    count, position = count_numbers(shape), file.tell()
    if position + count * dtype.itemsize > size:
        raise ValueError(f"one of its arrays claims the shape {shape}, for which it is too short")
    file.seek(position + count * dtype.itemsize)
    return array_at(path, position, dtype, shape, bfloat16)


def _take(file, form):
    return struct.unpack(form, file.read(struct.calcsize(form)))


def _npz(path):
    with open_archive(path) as archive:
        arrays = {}
        for entry in archive.infolist():
            name, _, ending = entry.filename.rpartition(".")
            if ending != "npy":
                raise ValueError(f"it holds {brief(entry.filename)}, which is not an array")
            arrays[name] = _npz_array(path, archive, entry)
        return arrays


def _npz_array(path, archive, entry):
    with archive.open(entry) as content:
        dtype, is_fortran, shape, begin = _npy_header(content)
    count = count_numbers(shape)
    if begin + count * dtype.itemsize != entry.file_size:
        raise ValueError(f"one of its arrays claims the shape {shape}, which is not its size")

    def read():
        values = np.empty(count, dtype)
        with open_archive(path, check=False) as archive, archive.open(entry.filename) as content:
            _npy_header(content)
            read_into(values, content)
        return values.reshape(shape, order="F" if is_fortran else "C")

    return StoredArray(shape, dtype, read)


def _npy_header(content):
    magic, version, _ = struct.unpack("6sBB", content.read(8))
    form = "<H" if version == 1 else "<I"
    (length,) = struct.unpack(form, content.read(struct.calcsize(form)))
    if magic != b"\x93NUMPY" or version not in (1, 2, 3) or length > _LONGEST_HEADER:
        raise ValueError("it holds an array that NumPy did not write")
    match = _NPY.fullmatch(content.read(length).decode("latin-1"))
    if not match:
        raise ValueError("it holds an array that is not of numbers")
    shape = tuple(int(size.strip()[:20]) for size in match[3].split(",") if size.strip())
    return np.dtype(match[1]), match[2] == "True", shape, 8 + struct.calcsize(form) + length

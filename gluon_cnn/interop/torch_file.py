"""Files that ``torch.save`` wrote, read without PyTorch: no code in them can run, and no claim is believed."""

import io
import re
import struct
from typing import NamedTuple, Tuple

import numpy as np

from gluon_cnn.checks import brief
from gluon_cnn.errors import InteropError
from gluon_cnn.files import open_regular
from gluon_cnn.interop.pickled import LARGEST_PICKLE, Global, Unread, unpickle
from gluon_cnn.models.archive import ArchiveError, begins_as_archive, open_archive
from gluon_cnn.models.stored import LONGEST_NAME, StoredArray, array_at, count_numbers

__all__ = ["read_torch_file"]

# PyTorch's name of a type of number, as a storage and as a type: NumPy's.
_STORAGES = {
    "Half": "<f2",
    "BFloat16": "<u2",
    "Float": "<f4",
    "Double": "<f8",
    "Bool": "?",
    "Byte": "u1",
    "Char": "i1",
    "Short": "<i2",
    "Int": "<i4",
    "Long": "<i8",
    "Untyped": "u1",
}
_TYPES = {"uint16": "<u2", "uint32": "<u4", "uint64": "<u8"}  # those without a storage of their own
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # how a file from before PyTorch 1.6 begins, which is no zip
#: Bytes that all tensors may have beyond the file's: one number can be viewed as many, of which few files make use.
_EXPANDED = 2**26


class _Storage(NamedTuple):
    kind: str
    key: str
    count: int


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: Tuple[int, ...]
    strides: Tuple[int, ...]
    kind: str  # as in _TYPES, if its storage does not say; else empty


def read_torch_file(path):
    """What ``torch.save`` wrote; a dict's tensors as arrays.

    Returns
    -------
    dict or any other value
        Of a dict, each tensor is a StoredArray: no number has been read yet, but all are there.

    Raises
    ------
    InteropError
        If the file is damaged, or holds more than weights, or claims more than it holds.
    """
    try:
        with open_regular(path) as file:
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            is_zip = begins_as_archive(file)
            value, places = _in_zip(path, size) if is_zip else _in_sequence(file, size)
        if not isinstance(value, dict):
            return value
        longest = max((len(str(name)) for name in value), default=0)
        if longest > LONGEST_NAME:
            raise Unread(f"it has a name of {longest:,} characters")
        arrays = _Arrays(path, size, places)
        return {name: arrays.of(item) if isinstance(item, _Tensor) else item for name, item in value.items()}
    except OSError as error:
        reason = error.strerror or str(error)
    except (Unread, ArchiveError) as error:
        reason = str(error)
    except (ValueError, IndexError, KeyError, TypeError, MemoryError, struct.error):  # most of them unpickle's
        reason = "it is damaged, or holds more than weights, which is not read"
    raise InteropError(
        f"{path} cannot be read as a file of torch.save ({reason}): save the state dict again, preferably as "
        "safetensors."
    )


def _in_zip(path, size):
    """The value in a file of PyTorch 1.6 or later, and where its storages are: position, bytes, and byte order."""
    with open_archive(path, compressed=False) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        (pickle,) = [name for name in entries if re.fullmatch("[^/]*/data.pkl", name)]
        begin = pickle[: -len("data.pkl")]
        if entries[pickle].file_size > LARGEST_PICKLE:
            raise Unread("it holds more than weights, which is not read")
        value, _ = unpickle(archive.read(pickle), 0, _build, _find_storage)
        order = ">" if f"{begin}byteorder" in entries and archive.read(f"{begin}byteorder") == b"big" else "<"
        places = {}
        for name, entry in entries.items():
            if name.startswith(f"{begin}data/"):
                archive.fp.seek(entry.header_offset + 26)
                position = entry.header_offset + 30 + sum(struct.unpack("<HH", archive.fp.read(4)))
                if position + entry.file_size > size:
                    raise Unread("it is a damaged zip")
                places[name[len(f"{begin}data/") :]] = position, entry.file_size, order
    return value, places


def _in_sequence(file, size):
    """The same for a file from before PyTorch 1.6: five pickles, and the storages in the order of the last one."""
    content, storages = file.read(LARGEST_PICKLE), {}

    def find(named):
        storage = _find_storage(named)
        return storages.setdefault(storage.key, storage)

    values, at = [], 0
    for _ in range(5):
        value, at = unpickle(content, at, _build, find)
        values.append(value)
    magic, protocol, system, value, keys = values
    if (magic, protocol) != (_MAGIC, _PROTOCOL):
        raise Unread("it is another pickle")
    order, places = "<" if system["little_endian"] else ">", {}
    for key in keys:
        _a(str, key)
        file.seek(at)
        (count,) = struct.unpack(f"{order}Q", file.read(8))
        length = count * np.dtype(_STORAGES[storages[key].kind]).itemsize
        if at + 8 + length > size:
            raise Unread(f"it has {size:,} bytes and claims to hold {at + 8 + length:,}")
        places[key] = at + 8, length, order
        at += 8 + length
    return value, places


def _build(called, arguments):
    if called == ("collections", "OrderedDict") and not arguments:
        return {}
    if called == ("torch", "Size") and len(arguments) == 1:
        return tuple(arguments[0])
    if called.module == "torch._utils":
        if called.name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3"):
            storage, offset, shape, strides = arguments[:4]
            if not all(type(n) is int and n >= 0 for n in (offset, *shape, *strides)) or len(shape) != len(strides):
                raise Unread("one of its tensors has no shape")
            is_typed = called.name == "_rebuild_tensor_v3"
            kind = _type(arguments[6]) if is_typed else ""
            if any(about and any(about.values()) for about in arguments[7 if is_typed else 6 :]):  # {"neg": True}
                raise Unread("one of its tensors needs resolve_neg() or resolve_conj()")
            return _Tensor(_a(_Storage, storage), offset, tuple(shape), tuple(strides), kind)
        if called.name in ("_rebuild_parameter", "_rebuild_parameter_with_state"):
            return _a(_Tensor, arguments[0])
    raise Unread(f"it calls {brief(called.name)}, so it holds more than weights")


def _type(named):
    if _a(Global, named).name not in _TYPES:
        raise _unread_type(named.name)
    return named.name


def _unread_type(name):
    return Unread(f"it holds numbers in {brief(name)}, which is not read; float32 and bfloat16 are")


def _find_storage(named):
    what, kind, key, _, count = named[:5]
    _a(Global, kind)
    if what != "storage" or named[5:] not in ((), (None,)) or not kind.name.endswith("Storage"):
        raise Unread("it refers to something other than a storage")
    name = kind.name[: -len("Storage")]
    if name not in _STORAGES:
        raise _unread_type(name)
    return _Storage(name, _a(str, key), _a(int, count))


def _a(kind, value):
    if not isinstance(value, kind):
        raise TypeError(f"it has no {kind.__name__} where it needs one")
    return value


class _Arrays:
    """The tensors of a file as arrays, as long as they fit into it."""

    def __init__(self, path, size, places):
        self._path, self._places, self._left, self._made = path, places, size + _EXPANDED, {}

    def of(self, tensor):
        """The array; the same one where a tensor is there twice."""
        if tensor not in self._made:
            self._made[tensor] = self._make(tensor)
        return self._made[tensor]

    def _make(self, tensor):
        storage, offset, shape, strides, kind = tensor
        position, length, order = self._places[storage.key]
        dtype = np.dtype(_TYPES[kind] if kind else _STORAGES[storage.kind]).newbyteorder(order)
        try:
            count = count_numbers(shape)
        except ValueError as error:
            raise Unread(str(error)) from None
        span = 1 + sum((size - 1) * stride for size, stride in zip(shape, strides)) if count else 0
        if (offset + span) * dtype.itemsize > length:
            raise Unread(f"one of its tensors claims the shape {shape}, for which it is too short")
        self._left -= count * dtype.itemsize
        if self._left < 0:
            raise Unread(f"one of its tensors claims the shape {shape}, which is more than it holds")
        position += offset * dtype.itemsize
        stored = array_at(self._path, position, dtype, (span,), storage.kind == "BFloat16")
        # A stride along which there is only one number can be any.
        steps = [stride * stored.dtype.itemsize if count and size > 1 else 0 for size, stride in zip(shape, strides)]

        def read():
            values = np.lib.stride_tricks.as_strided(np.asarray(stored), shape, steps)
            return np.ascontiguousarray(values).reshape(shape)

        return StoredArray(shape, stored.dtype, read)

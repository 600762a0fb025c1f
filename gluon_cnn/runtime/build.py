"""What a build of MXNet is made for, as its library says: nothing is assumed from its name, and nothing is imported.

The library is an ELF file. CUDA's compiler puts a GPU's code into its section ``.nv_fatbin``: one after another fat
binaries, each with a header and some images, and each image with a header that says whether it is machine code or PTX,
and for which compute capability. ``cuobjdump --list-elf`` and ``--list-ptx``, which few machines have, list the same.
"""

import contextlib
import functools
import mmap
import os
import struct
from importlib.util import find_spec
from pathlib import Path
from typing import FrozenSet, NamedTuple, Tuple

from gluon_cnn.runtime.installation import install_hint, mxnet_wheels, two_wheels

__all__ = [
    "CUDA_11_WHEELS",
    "LIBRARY",
    "Build",
    "Kernels",
    "cpu_build",
    "installed_build",
    "installed_library",
    "is_cut_off",
    "no_kernels",
    "read_build",
]

LIBRARY = "libmxnet.so"
_GPU_CODE = b".nv_fatbin"  # a section
_ELF = b"\x7fELF\x02\x01"  # of 64 bits, the least byte first
_LOADED = 1  # the kind of a segment that is mapped
_UNREADABLE = (KeyError, IndexError, OSError, OverflowError, ValueError, struct.error)

_FAT_BINARY = b"\x50\xed\x55\xba"
_PTX = 1  # the kind of an image; machine code is 2
_NEEDED = 1  # the tag of the name of a library that this one needs


class Kernels(NamedTuple):
    """The compute capabilities, as (major, minor), that there is machine code and PTX for."""

    code: FrozenSet[Tuple[int, int]]
    ptx: FrozenSet[Tuple[int, int]] = frozenset()

    def run_on(self, capability):
        """Whether a GPU can run them. Machine code runs on later minor versions too, and from PTX the driver makes code
        for every later GPU."""
        major, minor = capability
        fits = any(code[0] == major and code[1] <= minor for code in self.code)
        return fits or any(ptx <= (major, minor) for ptx in self.ptx)

    def __str__(self):
        """Such as ``5.0 to 8.9``, or ``8.0 to 10.9, 12.0 and later``."""
        least = min(self.ptx, default=(10**6, 0))
        ranges = []
        for major in sorted({code[0] for code in self.code if code < least}):
            first = min(code for code in self.code if code[0] == major)
            if ranges and first == (major, 0) and ranges[-1][1] == major - 1:
                ranges[-1][1] = major
            else:
                ranges.append([first, major])
        words = ["{}.{} to {}.9".format(*first, last) for first, last in ranges]
        return ", ".join(words + (["{}.{} and later".format(*least)] if self.ptx else []))


#: What PyPI's GPU wheels have, mxnet-cu110 to mxnet-cu117, of MXNet 1.9.1 and of 2.0.0b1.
CUDA_11_WHEELS = Kernels(frozenset({(5, 0), (6, 0), (7, 0), (8, 0), (8, 6)}))


class Build(NamedTuple):
    """A library of MXNet: its path, the libraries that it needs, and whether it has code for GPUs."""

    path: str
    needs: Tuple[str, ...]
    has_gpu_code: bool

    @property
    def kernels(self):
        """Its :class:`Kernels`; None if it has none, or they cannot be read."""
        return _kernels_of(self.path) if self.has_gpu_code else None

    @property
    def cuda(self):
        """The major version of CUDA that it was built for; None if it does not say."""
        versions = [name.split(".")[2] for name in self.needs if name.startswith("libcudart.so.")]
        return int(versions[0]) if versions and versions[0].isdigit() else None


_OTHERS = "docs/gpu.md names others"


def no_kernels(kernels):
    """Why a build does not run on a GPU, and what to do, as half a sentence."""
    return f"this build of MXNet has kernels for {kernels} only: use the CPU, another GPU, or another build ({_OTHERS})"


def cpu_build(capability=None):
    """Why a build without CUDA uses no GPU, and what to do, as half a sentence; for a GPU of a compute capability, if
    it is known."""
    wheels = mxnet_wheels()
    wrong = two_wheels(wheels)
    if wrong:
        return "{}: {}".format(*wrong)
    remove = f"pip uninstall {' '.join(wheels) or 'mxnet'}"
    if capability and not CUDA_11_WHEELS.run_on(capability):
        return (
            f"the CPU build of MXNet is installed, and PyPI's GPU wheels have kernels for {CUDA_11_WHEELS} only: "
            f"{remove}, then another build ({_OTHERS}) and {install_hint('own-mxnet')}"
        )
    return f"the CPU build of MXNet is installed: {remove}, then {install_hint('cu112')}"


def installed_build():
    """The :class:`Build` that ``import mxnet`` loads; None if there is none, or it cannot be read."""
    path = installed_library()
    return read_build(path) if path else None


def installed_library():
    """The path of the library that ``import mxnet`` loads; None if there is none."""
    try:
        spec = find_spec("mxnet")
    except (ImportError, ValueError):  # ValueError for a module without a specification
        return None
    packages = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
    first = [Path(folder.strip()) for folder in os.environ.get("LD_LIBRARY_PATH", "").split(":") if folder.strip()]
    # Where mxnet.libinfo.find_lib_path looks, in its order; the last two are of a source tree.
    folders = [
        folder for package in packages for folder in (*first, package, package / "../../lib", package / "../../build")
    ]
    named = os.environ.get("MXNET_LIBRARY_PATH", "")
    candidates = [*([named] if Path(named).is_absolute() else []), *(str(folder / LIBRARY) for folder in folders)]
    return next(filter(os.path.isfile, candidates), None)


def is_cut_off(path):
    """Whether a library's file ends before what its header says of it, as after a download that was cut or on a disk
    that was full. To load it ends the process by SIGBUS; what is less than a header, or none, the loader refuses."""
    try:
        with open(path, "rb") as file:
            size, header = os.fstat(file.fileno()).st_size, file.read(64)
            if len(header) < 64 or not header.startswith(_ELF):
                return False
            segments, sections = struct.unpack_from("<QQ", header, 32)
            length, number, section_length, section_number = struct.unpack_from("<HHHH", header, 54)
            if max(segments + length * number, sections + section_length * section_number) > size:
                return True
            file.seek(segments)
            table = file.read(length * number)
            parts = [struct.unpack_from("<I4xQ16xQ", table, i * length) for i in range(number)]
            return any(kind == _LOADED and start + stored > size for kind, start, stored in parts)
    except _UNREADABLE:
        return False


@functools.lru_cache(maxsize=4)
def read_build(path):
    """The :class:`Build` in a file; None if it is no library of a 64-bit Linux that can be read."""
    try:
        with _mapped(path) as data:
            sections = _sections(data)
            return Build(str(path), tuple(_needs(data, sections)), _GPU_CODE in sections)
    except _UNREADABLE:
        return None


@functools.lru_cache(maxsize=4)
def _kernels_of(path):
    try:
        with _mapped(path) as data:
            return _kernels(data, *_sections(data)[_GPU_CODE])
    except _UNREADABLE:
        return None


@contextlib.contextmanager
def _mapped(path):
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield data


def _sections(data):
    """The offset and the size of each section, by its name."""
    if data[:6] != _ELF:
        raise ValueError("it is something else")
    (table,) = struct.unpack_from("<Q", data, 40)
    size, number, names = struct.unpack_from("<HHH", data, 58)
    headers = [struct.unpack_from("<IIQQQQ", data, table + i * size) for i in range(number)]
    start = headers[names][4]
    return {_text(data, start + header[0]): header[4:6] for header in headers if header[1] != 8}  # 8 takes no place


def _text(data, start):
    """The bytes up to the next zero."""
    end = data.find(b"\0", start)
    if end < 0:
        raise ValueError("a name does not end")
    return data[start:end]


def _needs(data, sections):
    """The names of the libraries that this one needs."""
    if b".dynamic" in sections and b".dynstr" in sections:
        offset, size = sections[b".dynamic"]
        for place in range(offset, offset + size - 15, 16):
            tag, value = struct.unpack_from("<QQ", data, place)
            if tag == _NEEDED:
                yield _text(data, sections[b".dynstr"][0] + value).decode("ascii", "replace")


def _kernels(data, offset, size):
    """What the fat binaries in a part of a file are for; None if there is no image in them."""
    found, end = {True: set(), False: set()}, offset + size
    start = data.find(_FAT_BINARY, offset, end)
    while start >= 0:
        _, header, length = struct.unpack_from("<HHQ", data, start + 4)
        image, after = start + header, min(start + header + length, end)
        while image < after:
            kind, _, header, length = struct.unpack_from("<HHIQ", data, image)
            (capability,) = struct.unpack_from("<I", data, image + 28)
            found[kind == _PTX].add(divmod(capability, 10))
            image += max(header + length, 64)
        start = data.find(_FAT_BINARY, max(after, start + 16), end)
    return Kernels(frozenset(found[False]), frozenset(found[True])) if any(found.values()) else None

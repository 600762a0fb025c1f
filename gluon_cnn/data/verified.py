"""The files of Fashion-MNIST, verified: whatever is read is one of a release's files, or the sample's."""

import functools
import gzip
import hashlib
import io
import lzma
import os
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gluon_cnn.checks import brief
from gluon_cnn.data.idx import parse_idx
from gluon_cnn.data.releases import CLASSES, FILES, NUMBERS, SIDE, recognize, refuse_changed
from gluon_cnn.errors import DataError
from gluon_cnn.files import open_regular

__all__ = [
    "SAMPLE",
    "VerifiedFile",
    "data_home",
    "expanded",
    "missing_file",
    "missing_in",
    "path_of",
    "read_download",
    "read_file",
    "read_files",
    "release_of",
]

#: The directory of the sample inside the package: 2,000 training and 500 test images of the second release, balanced.
SAMPLE = Path(__file__).resolve().parent / "sample"
_SAMPLE_SHA256 = {
    "train-images-idx3-ubyte": "98052d42e4201ac7ba5b48ea9ca4cc46eba790fe12cecc925d69cf46ee5fd71c",
    "train-labels-idx1-ubyte": "e026daf3d28b630d395bff264d45247706f43ecba7d4f48422cba6b6a30e22d3",
    "t10k-images-idx3-ubyte": "0d2bf24781487e94378e62bbb42fb468da524ace873c0c87c6637e008eda40a5",
    "t10k-labels-idx1-ubyte": "2bed0e3790b2dac87cb49ca6718054c88d630c4060f2671b4e1557c9e0ca6621",
}

_LARGEST = 16 + max(NUMBERS.values()) * SIDE**2  # bytes of the largest file, uncompressed
_OPENERS = {"": lambda file: file, ".gz": gzip.open, ".xz": lzma.open}


class VerifiedFile(NamedTuple):
    """A file's array, its release, and the SHA-256 of its uncompressed bytes."""

    array: np.ndarray
    release: str
    sha256: str


def data_home():
    """Gluon's own place for the files."""
    return expanded(os.environ.get("MXNET_HOME") or "~/.mxnet") / "datasets" / "fashion-mnist"


def expanded(path):
    """A path with the home directory in the place of its ``~``."""
    if not isinstance(path, (str, os.PathLike)) or "\0" in str(path):
        raise DataError(f"{brief(path)} is no path: name the directory with the data.", "data_dir")
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise DataError(
            f"{path} is in the home directory of a user who has none: set MXNET_HOME to a directory for data sets, or "
            "name the one with the data.",
            "data_dir",
        ) from None


def path_of(directory, name):
    """The path of a file, compressed or not; None if it is not there."""
    for ending in _OPENERS:
        path = directory / (name + ending)
        try:
            if path.is_file():
                return path
        except PermissionError:
            raise DataError(
                f"{directory} cannot be read (Permission denied): let yourself read it.", "data_dir"
            ) from None
    return None


def _unreadable(path):
    return DataError(f"{path} cannot be read (Permission denied): let yourself read it.", "data_dir")


def missing_in(directory):
    """The names of the files that a directory lacks."""
    return [name for name in FILES if path_of(directory, name) is None]


def missing_file(directory, name):
    """The DataError for a file that a directory lacks."""
    return DataError(
        f"The data directory {directory} holds no {name}, {name}.gz or {name}.xz: name one with all four files of "
        "Fashion-MNIST, or leave it out to have them found or downloaded.",
        "data_dir",
    )


def release_of(directory):
    """The release of the files in a directory, told by their labels; DataError if they are of none, or of two."""
    labels = read_files(directory, [name for name in FILES if "labels" in name])
    return next(iter(labels.values())).release


def read_files(directory, names=FILES):
    """Files of a directory by their names; DataError as for each of them, or if they are of two releases."""
    files, of = {name: read_file(directory, name) for name in names}, {}
    for name, file in files.items():
        of.setdefault(file.release, []).append(name)
    if len(of) > 1:
        parts = [f"{', '.join(of[release])} of the {release}" for release in sorted(of)]
        raise DataError(
            f"{directory} mixes two releases of Fashion-MNIST ({'; '.join(parts)}): put the files of each into a "
            "directory of its own.",
            "data_dir",
        )
    return files


def read_file(directory, name):
    """A :class:`VerifiedFile` of a directory; DataError if it is missing, damaged or of no release."""
    path = path_of(directory, name)
    if path is None:
        raise missing_file(directory, name)
    stat = path.stat()
    return _read_once(path, name, stat.st_size, stat.st_mtime_ns)


def read_download(path, name):
    """The same of a file that was just downloaded, which must have the hash of a release."""
    return _read_verified(path, name, ".gz", downloaded=True)


@functools.lru_cache(maxsize=16)
def _read_once(path, name, _size, _mtime_ns):
    """A verified file; read again only when it has changed."""
    return _read_verified(path, name, path.suffix)


def _read_verified(path, name, ending, downloaded=False):
    """A file of Fashion-MNIST, if it is the one with that name of one of the releases.

    Its header is checked before its hash, because the header explains more. What is downloaded must have the hash.
    """
    try:
        with open_regular(path) as file:
            stored = file.read(_LARGEST + 1)
        with _OPENERS[ending](io.BytesIO(stored)) as file:
            content = file.read(_LARGEST + 1)  # no more, whatever a compressed file unpacks to
    except PermissionError:
        raise _unreadable(path) from None
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise DataError(f"{path} cannot be read ({error}): delete it and download it again.", "data_dir") from None
    array = parse_idx(content, path)
    if array.ndim != (3 if "images" in name else 1) or array.shape[1:] not in ((), (SIDE, SIDE)):
        raise DataError(f"{path} holds an array of shape {array.shape}, not {name}: delete it and download it again.")
    if "labels" in name and array.size and array.max() >= len(CLASSES):
        raise DataError(f"{path} has a label of {array.max()}, not only 0 to 9: delete it and download it again.")
    digest = hashlib.sha256(content).hexdigest()
    if path.parent == SAMPLE:
        release = "second" if digest == _SAMPLE_SHA256[name] else None
    else:
        memory = None if downloaded else data_home().with_name("fashion-mnist-seen.json")
        release = recognize(name, array, digest, stored, nine=not downloaded)
        if memory and release == "first" and "images" in name:
            refuse_changed(path.with_name(name), digest, memory)
    if release is None:
        raise DataError(
            f"{path} is of neither release of Fashion-MNIST, because its SHA-256 differs from that of their {name}: "
            "delete it and download it again.",
            "data_dir",
        )
    return VerifiedFile(array, release, digest)

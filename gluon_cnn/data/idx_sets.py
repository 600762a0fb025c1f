"""Data sets in four IDX files, as MNIST: KMNIST, EMNIST, and others of one byte a pixel.

The names of their files differ, so that each is found by what its name says: ``train`` or ``test`` (``t10k``), and
``images`` or ``labels``. The classes are the labels that are found; those of EMNIST's letters are 1 to 26.

EMNIST stores its images with rows and columns exchanged, as Matlab has them (Cohen et al., 2017). Where the
files have its name the images are turned upright, so that the network also knows letters from elsewhere.
"""

import contextlib
import gzip
import hashlib
import lzma
import math
import re
import struct
import zlib
from pathlib import Path

import numpy as np

from gluon_cnn.data.dataset import Dataset, DatasetInfo, Part
from gluon_cnn.data.idx import parse_idx
from gluon_cnn.data.releases import CLASSES, RELEASES
from gluon_cnn.errors import DataError
from gluon_cnn.files import open_regular, reason_of
from gluon_cnn.runtime.memory import free_memory

__all__ = ["find_idx", "is_idx", "read_idx", "training_labels"]

_NAME = re.compile(r"(?P<what>.*(?P<kind>images|labels).*?)(?:\.(?P<packed>gz|xz))?", re.IGNORECASE | re.DOTALL)
_PARTS = {"train": re.compile(r"train", re.IGNORECASE), "test": re.compile(r"t10k|test", re.IGNORECASE)}
_OPENERS = {None: lambda file: contextlib.nullcontext(file), "gz": gzip.open, "xz": lzma.open}
# The SHA-256 of the files with the labels, of each release.
_FASHION_MNIST = [{sha for name, sha in release.sha256.items() if "labels" in name} for release in RELEASES.values()]
# Such as train-images.gz, and t10k-idx3-ubyte.
_LIKE = re.compile(r"ubyte|idx[13]|^[^.]*(images|labels)[^.]*(\.gz|\.xz)?$", re.IGNORECASE)
_TRANSPOSED = re.compile(r"emnist", re.IGNORECASE)


def is_idx(path):
    """Whether a path leads to a folder with the four files of a data set; or without folders, and with one like them,
    so that :func:`find_idx` says what is missing."""
    path = Path(path)
    try:
        if not path.is_dir():
            return False
        inside = [entry for entry in path.iterdir() if not entry.name.startswith(".")]
        like = any(_LIKE.search(entry.name) for entry in inside) and not any(entry.is_dir() for entry in inside)
        return like or all(_candidates(path).values())
    except OSError:
        return False


def find_idx(directory):
    """The four files of a data set by part and kind, such as ``("train", "images")``.

    Raises
    ------
    DataError
        If one is missing, or there are several of a kind.
    """
    try:
        directory = Path(directory).expanduser().resolve(strict=True)
        found = _candidates(directory)
    except (OSError, RuntimeError, ValueError, TypeError) as error:
        raise DataError(f"{directory} cannot be read ({reason_of(error)}): name a folder.", "data_dir") from None
    for (part, kind), paths in found.items():
        if not paths:
            raise DataError(
                f"{directory} has no IDX file with {part} and {kind} in its name: put all four files of a data set "
                "there.",
                "data_dir",
            )
        if len(paths) > 1:
            raise DataError(
                f"{directory} has several files of {part} {kind}, {paths[0].name} and {paths[1].name}: put those of "
                "each data set into a folder of its own.",
                "data_dir",
            )
    return {key: paths[0] for key, paths in found.items()}


def _candidates(directory):
    """The files of a folder that can be each of the four; of one that is there compressed and not, the latter."""
    found = {(part, kind): {} for part in _PARTS for kind in ("images", "labels")}
    for path in sorted(directory.iterdir()):
        match = _NAME.fullmatch(path.name)
        parts = [part for part, pattern in _PARTS.items() if pattern.search(path.name)]
        if match and len(parts) == 1 and not path.name.startswith(".") and path.is_file():
            found[parts[0], match["kind"].lower()].setdefault(match["what"], path)
    return {key: list(paths.values()) for key, paths in found.items()}


def training_labels(directory, test_share=None):
    """How many images are trained on."""
    path = find_idx(directory)["train", "labels"]
    return len(parse_idx(_content_of(path), path))


def read_idx(directory, recipe=None, memory=None, check=None):
    """The data set in four IDX files.

    Parameters
    ----------
    directory : path
    recipe, memory, check
        Not looked at: the images stay in memory as they are.

    Returns
    -------
    Dataset
        Its classes are named after the labels, such as ``class 7``; those of Fashion-MNIST have their names.

    Raises
    ------
    DataError
        If a file is missing, damaged, or does not fit the others.
    """
    paths = find_idx(directory)
    arrays, files = {}, {}
    for key in sorted(paths):
        content = _content_of(paths[key])
        files[paths[key].name] = hashlib.sha256(content).hexdigest()
        arrays[key] = parse_idx(content, paths[key])
    sides = {arrays[part, "images"].shape[1:] for part in _PARTS}
    for (part, kind), array in arrays.items():
        if array.ndim != (3 if kind == "images" else 1):
            raise DataError(f"{paths[part, kind]} holds no {kind}, but an array of {array.ndim} axes.", "data_dir")
    for part in _PARTS:
        images, labels = arrays[part, "images"], arrays[part, "labels"]
        if len(images) != len(labels) or not len(labels):
            raise DataError(
                f"{paths[part, 'images']} holds {len(images)} images, and {paths[part, 'labels'].name} {len(labels)} "
                "labels: put files there that belong together.",
                "data_dir",
            )
    if len(sides) > 1 or len(set(*sides)) > 1 or (0, 0) in sides:
        shapes = " and ".join("×".join(map(str, side)) for side in sorted(sides))
        raise DataError(
            f"The images in {directory} have {shapes} pixels: they must be squares of one size.", "data_dir"
        )
    return _dataset(Path(directory), paths, arrays, files)


def _dataset(directory, paths, arrays, files):
    known = np.unique(arrays["train", "labels"])
    if len(known) < 2:
        raise DataError(f"{paths['train', 'labels']} has one class, {known[0]}: two are needed.", "data_dir")
    unknown = np.setdiff1d(arrays["test", "labels"], known)
    if len(unknown):
        raise DataError(
            f"{paths['test', 'labels']} has a label {unknown[0]}, which no training image has: put files there that "
            "belong together.",
            "data_dir",
        )
    notes, parts = [], []
    transposed = _TRANSPOSED.search(paths["train", "images"].name)
    if transposed:
        notes.append("EMNIST's images are stored with rows and columns exchanged, and are turned upright")
    for part in _PARTS:
        images, labels = arrays[part, "images"], arrays[part, "labels"]
        images = np.ascontiguousarray(images.swapaxes(1, 2)) if transposed else images
        labels = np.searchsorted(known, labels).astype(np.int32)
        images.flags.writeable = labels.flags.writeable = False
        parts.append(Part(images, labels))
    if known[0] != 0 or known[-1] != len(known) - 1:
        notes.append(f"the {len(known)} classes are the labels from {known[0]} to {known[-1]}")
    classes = tuple(f"class {label}" for label in known)
    if {files[paths[part, "labels"].name] for part in _PARTS} in _FASHION_MNIST:
        classes = CLASSES
    side = int(arrays["train", "images"].shape[1])
    # Of what is used: the same files under other names are other images.
    used = [*files.values(), *(["transposed"] if transposed else [])]
    sha256 = hashlib.sha256("".join(used).encode()).hexdigest()
    return Dataset(DatasetInfo(directory.name or "IDX", classes, 1, side, sha256), *parts, tuple(notes), files=files)


def _content_of(path):
    """The bytes of an IDX file, uncompressed: as many as its header promises, and one more if there are more."""
    packed = _NAME.fullmatch(path.name)["packed"]
    try:
        with open_regular(path) as stored, _OPENERS[packed and packed.lower()](stored) as file:
            begin = file.read(16)
            axes = begin[3] if len(begin) > 3 else 0
            promised = math.prod(struct.unpack(f">{axes}I", begin[4 : 4 + 4 * axes])) if axes in (1, 3) else 0
            if promised > free_memory():
                raise DataError(
                    f"{path} claims {promised / 1e9:,.1f} GB of data, more than there is memory: make room, or name "
                    "other files.",
                    "data_dir",
                )
            return begin + file.read(promised + 1)
    except struct.error:
        return begin
    except MemoryError:
        raise DataError(f"{path} needs more memory than there is: make room.", "data_dir") from None
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise DataError(f"{path} cannot be read ({reason_of(error)}): download it again.", "data_dir") from None

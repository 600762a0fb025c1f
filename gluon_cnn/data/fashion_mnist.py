"""Fashion-MNIST (Xiao et al., 2017): find its four files, get them, verify them, read them."""

import dataclasses
import functools
import gzip
import hashlib
import lzma
import math
import os
import struct
import zlib
from pathlib import Path

import numpy as np

from gluon_cnn.data import download
from gluon_cnn.data.dataset import Dataset, DatasetInfo, Part
from gluon_cnn.errors import DataError

__all__ = [
    "FASHION_MNIST",
    "SAMPLE",
    "data_home",
    "find_fashion_mnist",
    "get_fashion_mnist_labels",
    "parse_idx",
    "read_fashion_mnist",
    "read_sample",
]

SIDE = 28  # pixels
CLASSES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
#: What the data set is, without its images.
FASHION_MNIST = DatasetInfo("Fashion-MNIST", CLASSES, channels=1, side=SIDE, license="MIT")

#: The directory of the sample inside the package: 2,000 training and 500 test images, balanced.
SAMPLE = Path(__file__).resolve().parent / "sample"
DEBIAN_PACKAGE = "dataset-fashion-mnist"
DEBIAN_PLACE = Path("/usr/share/datasets/fashion-mnist")

_MIRRORS = (
    "https://apache-mxnet.s3-accelerate.dualstack.amazonaws.com/gluon/dataset/fashion-mnist/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
)

# name of each file: SHA-256 of its uncompressed bytes, in the full set and in the sample
_SHA256 = {
    "train-images-idx3-ubyte": (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "98052d42e4201ac7ba5b48ea9ca4cc46eba790fe12cecc925d69cf46ee5fd71c",
    ),
    "train-labels-idx1-ubyte": (
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "e026daf3d28b630d395bff264d45247706f43ecba7d4f48422cba6b6a30e22d3",
    ),
    "t10k-images-idx3-ubyte": (
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0d2bf24781487e94378e62bbb42fb468da524ace873c0c87c6637e008eda40a5",
    ),
    "t10k-labels-idx1-ubyte": (
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        "2bed0e3790b2dac87cb49ca6718054c88d630c4060f2671b4e1557c9e0ca6621",
    ),
}
_LARGEST = 16 + 60_000 * SIDE * SIDE  # bytes of the largest file, uncompressed
_OPENERS = {"": open, ".gz": gzip.open, ".xz": lzma.open}


def get_fashion_mnist_labels(labels):
    """The names, as the book spells them (section 3.5), of classes given by their numbers from 0 to 9."""
    return FASHION_MNIST.names_of(labels)


def read_fashion_mnist(root=None):
    """The data set, from :func:`find_fashion_mnist`'s directory.

    Returns
    -------
    Dataset
        60,000 and 10,000 images; 2,000 and 500 where ``root`` is :data:`SAMPLE`.

    Raises
    ------
    DataError
        If a file is missing, damaged, or not Fashion-MNIST's.
    """
    directory = find_fashion_mnist(root)
    is_sample = directory == SAMPLE
    hashes = "".join(_SHA256[name][is_sample] for name in sorted(_SHA256))
    info = dataclasses.replace(
        FASHION_MNIST,
        name="the sample of Fashion-MNIST" if is_sample else FASHION_MNIST.name,
        sha256=hashlib.sha256(hashes.encode()).hexdigest(),
    )
    return Dataset(info, _read_part(directory, "train"), _read_part(directory, "t10k"))


def read_sample(_root=None):
    """The sample in this package, wherever the full data set is."""
    return read_fashion_mnist(SAMPLE)


def find_fashion_mnist(root=None, *, get=True):
    """The directory that holds the four files, after getting them if they are nowhere (None without ``get``).

    They are looked for in ``root`` and only there if it is given; else in
    ``$MXNET_HOME/datasets/fashion-mnist`` and in the place of Debian's package. If they are in
    neither, they are downloaded to the first: from ``$MXNET_GLUON_REPO`` if that is set, from MXNet's
    bucket, from Zalando's two, or out of Debian's package.

    Raises
    ------
    DataError
        If ``root`` does not hold the files, or they cannot be downloaded.
    """
    if root is not None:
        return _given_directory(Path(root).expanduser().resolve())
    home = data_home()
    for place in (home, DEBIAN_PLACE):
        if not _missing(place):
            return place
    if not get:
        return None
    _download(home)
    return home


def data_home():
    """The directory that the files are downloaded to."""
    home = os.environ.get("MXNET_HOME") or "~/.mxnet"
    return Path(home).expanduser() / "datasets" / "fashion-mnist"


def _given_directory(directory):
    if not directory.is_dir():
        raise DataError(
            f"The data directory {directory} does not exist: name one with Fashion-MNIST's files, or leave it out to "
            "have them found or downloaded.",
            "data_dir",
        )
    missing = _missing(directory)
    if missing:
        raise DataError(
            f"The data directory {directory} holds no {missing[0]} or {missing[0]}.gz: name one with all four files of "
            "Fashion-MNIST, or leave it out to have them found or downloaded.",
            "data_dir",
        )
    return directory


def _missing(directory):
    return [name for name in _SHA256 if _path_of(directory, name) is None]


def _path_of(directory, name):
    for ending in _OPENERS:
        path = directory / (name + ending)
        if path.is_file():
            return path
    return None


def _download(directory):
    repository = os.environ.get("MXNET_GLUON_REPO")
    mirrors = ([repository.rstrip("/") + "/gluon/dataset/fashion-mnist/"] if repository else []) + list(_MIRRORS)
    verify = {name + ".gz": functools.partial(_read_verified, name=name, ending=".gz") for name in _missing(directory)}
    download.get_files(directory, mirrors, verify, debian_package=DEBIAN_PACKAGE, debian_place=DEBIAN_PLACE)


def _read_part(directory, part):
    images = _read_array(directory, f"{part}-images-idx3-ubyte")
    labels = _read_array(directory, f"{part}-labels-idx1-ubyte")
    if len(images) != len(labels):
        raise DataError(
            f"{directory} holds {len(images)} {part} images and {len(labels)} labels: download the files again."
        )
    return Part(images, labels.astype(np.int32))


def _read_array(directory, name):
    path = _path_of(directory, name)
    if path is None:
        raise DataError(f"{directory} holds no {name} or {name}.gz: download the four files of Fashion-MNIST again.")
    stat = path.stat()
    return _read_array_once(path, name, stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=8)
def _read_array_once(path, name, _size, _mtime_ns):
    """The verified array of a file; read again only when the file has changed."""
    return _read_verified(path, name, path.suffix)


def _read_verified(path, name, ending):
    """The array in a file, if the file is the one of Fashion-MNIST with that name.

    Its header is checked before its hash, because the header explains more.
    """
    try:
        with _OPENERS[ending](path, "rb") as file:
            content = file.read(_LARGEST + 1)  # no more, whatever a compressed file unpacks to
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise DataError(f"{path} cannot be read ({error}): delete it and download it again.") from None
    array = parse_idx(content, path)
    if array.ndim != (3 if "images" in name else 1) or array.shape[1:] not in ((), (SIDE, SIDE)):
        raise DataError(f"{path} holds an array of shape {array.shape}, not {name}: delete it and download it again.")
    if "labels" in name and array.size and array.max() >= len(CLASSES):
        raise DataError(f"{path} has a label of {array.max()}, not only 0 to 9: delete it and download it again.")
    full_hash, sample_hash = _SHA256[name]
    if hashlib.sha256(content).hexdigest() != (sample_hash if path.parent == SAMPLE else full_hash):
        raise DataError(
            f"{path} is not Fashion-MNIST's {name}, because its SHA-256 differs: delete it and download it again."
        )
    return array


def parse_idx(content, source):
    """The array in the bytes of an IDX file of unsigned bytes, read-only and without a copy.

    Parameters
    ----------
    content : bytes
        Two zeros, 8 for unsigned bytes, the number of dimensions, their sizes as big-endian 32-bit
        integers, then the values.
    source : path or str
        Names the file in an error.

    Raises
    ------
    DataError
        If the bytes are not such a file, or not as many as its header says.
    """
    if len(content) < 4 or content[:3] != b"\0\0\x08" or content[3] not in (1, 3):
        raise DataError(f"{source} is not an IDX file of images or labels, because it begins with {content[:4]!r}.")
    header = 4 + 4 * content[3]
    if len(content) < header:
        raise DataError(
            f"{source} ends within its header, after {len(content)} bytes: delete it and download it again."
        )
    shape = struct.unpack(f">{content[3]}I", content[4:header])
    expected, found = math.prod(shape), len(content) - header
    if found != expected:
        problem = "is truncated" if found < expected else "is too long"
        raise DataError(
            f"{source} {problem}: its header promises {expected} bytes and {found} follow; download it again."
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)

"""Fashion-MNIST (Xiao et al., 2017): find the four files of a release, get them, verify them, read them."""

import dataclasses
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

from gluon_cnn.checks import choice
from gluon_cnn.data.dataset import Dataset, DatasetInfo, Part
from gluon_cnn.data.idx import parse_idx
from gluon_cnn.data.releases import FILES, NUMBER_OF_CLASSES, RELEASES, SAMPLE_SHA256, SIDE, recognize
from gluon_cnn.errors import DataError

__all__ = [
    "FASHION_MNIST",
    "SAMPLE",
    "data_home",
    "find_fashion_mnist",
    "get_fashion_mnist_labels",
    "holds_part",
    "read_fashion_mnist",
    "read_part",
    "read_sample",
    "release_of",
    "release_to_train_on",
    "releases_here",
]

CLASSES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
#: What the data set is, without its images.
FASHION_MNIST = DatasetInfo("Fashion-MNIST", CLASSES, channels=1, side=SIDE, license="MIT")

#: The directory of the sample inside the package: 2,000 training and 500 test images of the second release, balanced.
SAMPLE = Path(__file__).resolve().parent / "sample"
DEBIAN_PLACE = Path("/usr/share/datasets/fashion-mnist")

_LARGEST = 16 + 60_000 * SIDE * SIDE  # bytes of the largest file, uncompressed
_ADVICE = {
    "first": "it can then be had only from a computer on which the book's code has run, whose "
    "~/.mxnet/datasets/fashion-mnist holds it; name a copy of that directory, or ask for the second",
    "second": "connect to the network, or name a directory with Fashion-MNIST's four files",
}
_OPENERS = {"": lambda file: file, ".gz": gzip.open, ".xz": lzma.open}


class _File(NamedTuple):
    array: np.ndarray
    release: str
    sha256: str  # of its uncompressed bytes


def get_fashion_mnist_labels(labels):
    """The names, as the book spells them (section 3.5), of classes given by their numbers from 0 to 9."""
    return FASHION_MNIST.names_of(labels)


def read_fashion_mnist(root=None, release=None):
    """The data set, from :func:`find_fashion_mnist`'s directory.

    Parameters
    ----------
    root, release
        As for :func:`find_fashion_mnist`.

    Returns
    -------
    Dataset
        60,000 and 10,000 images; 2,000 and 500 where ``root`` is :data:`SAMPLE`.

    Raises
    ------
    DataError
        If a file is missing, damaged, or not Fashion-MNIST's, or the files are of different releases.
    """
    directory = find_fashion_mnist(root, release)
    files = {name: _read(directory, name) for name in FILES}
    _release_of_all(directory, files)
    info = dataclasses.replace(
        FASHION_MNIST,
        name="the sample of Fashion-MNIST" if directory == SAMPLE else FASHION_MNIST.name,
        sha256=hashlib.sha256("".join(files[name].sha256 for name in sorted(FILES)).encode()).hexdigest(),
    )
    return Dataset(info, read_part(directory, "train"), read_part(directory, "t10k"))


def read_sample(root=None, release=None):
    """The sample in this package, wherever the full data set is; a DataError if it is to be read from elsewhere."""
    if root is not None and _expanded(root).resolve() != SAMPLE:
        raise DataError(
            f"data_dir is {root}, but the sample is in this package: leave the directory out, or use the full data.",
            "data_dir",
            "data",
        )
    return read_fashion_mnist(SAMPLE, release)


def holds_part(directory, part):
    """Whether a directory has both files of the part ``train`` or ``t10k``."""
    return all(_path_of(directory, name) for name in FILES if name.startswith(part))


def read_part(directory, part):
    """The :class:`Part` ``train`` or ``t10k`` in a directory; DataError if its two files are not of one release."""
    names = [f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"]
    images, labels = files = [_read(directory, name) for name in names]
    _release_of_all(directory, dict(zip(names, files)))
    if len(images.array) != len(labels.array):
        raise DataError(
            f"{directory} holds {len(images.array)} {part} images and {len(labels.array)} labels: download the files "
            "again.",
            "data_dir",
        )
    return Part(images.array, labels.array.astype(np.int32))


def find_fashion_mnist(root=None, release=None, *, prefer="second", get=True):
    """The directory that holds the four files, after getting them if they are nowhere (None without ``get``).

    They are looked for in ``root`` and only there if it is given; else in ``$MXNET_HOME/datasets/fashion-mnist``, where
    Gluon has its own, in a folder beside it for each release, and in the place of Debian's package. If they are in none
    of these, they are downloaded: the first release from ``$MXNET_GLUON_REPO`` or MXNet's bucket, the second from
    Zalando's two places or out of Debian's package.

    Parameters
    ----------
    root : path, optional
    release : {"first", "second"}, optional
        Which release; by default whichever is found, and ``prefer`` where both are. The second is downloaded.
    prefer : {"first", "second"}
    get : bool
        Whether to download what is nowhere.

    Raises
    ------
    DataError
        If ``root`` does not hold the files, or they are of another release, or cannot be downloaded.
    SettingError
        If there is no such release.
    """
    if release is not None:
        choice("release", release, RELEASES)
    if root is not None:
        return _given_directory(_expanded(root).resolve(), release)
    found = releases_here()
    for wanted in [release] if release else [prefer, *RELEASES]:
        if wanted in found:
            return found[wanted]
    return _download(release or "second") if get else None


def release_to_train_on(root=None, prefer="second"):
    """The release that :func:`find_fashion_mnist` finds or gets if none is asked for."""
    return release_of(find_fashion_mnist(root, prefer=prefer))


def releases_here(root=None):
    """``{release: directory}`` of the releases that are in the places where they are looked for, or in ``root``.

    Raises
    ------
    DataError
        If the labels in one of them are of no release, or of two, or ``root`` does not hold the files.
    """
    if root is not None:
        directory = _given_directory(_expanded(root).resolve(), None)
        return {release_of(directory): directory}
    places = [data_home(), *map(_own_folder, RELEASES), DEBIAN_PLACE]
    found = {}
    for place in places:
        if not _missing(place):
            found.setdefault(release_of(place), place)
    return found


def release_of(directory):
    """The release of the files in a directory, told by their labels; DataError if they are of none, or of two."""
    return _release_of_all(directory, {name: _read(directory, name) for name in FILES if "labels" in name})


def data_home():
    """Gluon's own place for the files."""
    return _expanded(os.environ.get("MXNET_HOME") or "~/.mxnet") / "datasets" / "fashion-mnist"


def _expanded(path):
    """A path with the home directory in the place of its ``~``."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise DataError(
            f"{path} is in the home directory of a user who has none: set MXNET_HOME to a directory for data sets, or "
            "name the one with the data.",
            "data_dir",
        ) from None


def _own_folder(release):
    """Where a release is put if Gluon's place holds the other one."""
    return data_home().with_name(f"{data_home().name}-{release}")


def _given_directory(directory, release):
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
    held = release_of(directory)
    if release not in (None, held):
        raise DataError(
            f"{directory} holds {RELEASES[held].words}, not the {release}: name another directory, or ask for the "
            f"{held}.",
            "data_dir",
            "release",
        )
    return directory


def _missing(directory):
    return [name for name in FILES if _path_of(directory, name) is None]


def _path_of(directory, name):
    for ending in _OPENERS:
        path = directory / (name + ending)
        if path.is_file():
            return path
    return None


def _download(release):
    """Get what is missing of a release, and return the directory that then holds it."""
    from gluon_cnn.data import download  # which takes longer to import than all else here

    directory = data_home() if _may_hold(data_home(), release) else _own_folder(release)
    wanted, mirrors = RELEASES[release], RELEASES[release].mirrors
    repository = os.environ.get("MXNET_GLUON_REPO")
    if release == "first" and repository:
        mirrors = (f"{repository.rstrip('/')}/gluon/dataset/fashion-mnist/",)
    check = {
        f"{name}.gz": functools.partial(_check_download, name=name, release=release) for name in _missing(directory)
    }
    debian = (wanted.debian_package, DEBIAN_PLACE) if wanted.debian_package else None
    download.get_files(wanted.words, directory, mirrors, check, advice=_ADVICE[release], debian=debian)
    return directory


def _may_hold(directory, release):
    """Whether a directory holds nothing else than files of a release."""
    try:
        return all(_read(directory, name).release == release for name in FILES if _path_of(directory, name))
    except DataError:
        return False


def _check_download(path, name, release):
    file = _read_verified(path, name, ".gz", downloaded=True)
    if file.release != release:
        raise DataError(f"{path} is of {RELEASES[file.release].words}.")


def _release_of_all(directory, files):
    """The one release that some files are of; DataError if they are of two."""
    releases = {file.release for file in files.values()}
    if len(releases) > 1:
        of = {release: [n for n, file in files.items() if file.release == release] for release in sorted(releases)}
        parts = [f"{', '.join(names)} of the {release}" for release, names in of.items()]
        raise DataError(
            f"{directory} mixes two releases of Fashion-MNIST ({'; '.join(parts)}): put the files of each into a "
            "directory of its own.",
            "data_dir",
        )
    return releases.pop()


def _read(directory, name):
    path = _path_of(directory, name)
    if path is None:
        raise DataError(f"{directory} holds no {name} or {name}.gz: download the four files of Fashion-MNIST again.")
    stat = path.stat()
    return _read_once(path, name, stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=16)
def _read_once(path, name, _size, _mtime_ns):
    """A verified file; read again only when it has changed."""
    return _read_verified(path, name, path.suffix)


def _read_verified(path, name, ending, downloaded=False):
    """A file of Fashion-MNIST, if it is the one with that name of one of the releases.

    Its header is checked before its hash, because the header explains more. What is downloaded must have the hash.
    """
    try:
        with open(path, "rb") as file:
            stored = file.read(_LARGEST + 1)
        with _OPENERS[ending](io.BytesIO(stored)) as file:
            content = file.read(_LARGEST + 1)  # no more, whatever a compressed file unpacks to
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise DataError(f"{path} cannot be read ({error}): delete it and download it again.", "data_dir") from None
    array = parse_idx(content, path)
    if array.ndim != (3 if "images" in name else 1) or array.shape[1:] not in ((), (SIDE, SIDE)):
        raise DataError(f"{path} holds an array of shape {array.shape}, not {name}: delete it and download it again.")
    if "labels" in name and array.size and array.max() >= NUMBER_OF_CLASSES:
        raise DataError(f"{path} has a label of {array.max()}, not only 0 to 9: delete it and download it again.")
    digest = hashlib.sha256(content).hexdigest()
    if path.parent == SAMPLE:
        release = "second" if digest == SAMPLE_SHA256[name] else None
    else:
        memory = None if downloaded else data_home().with_name("fashion-mnist-seen.json")
        release = recognize(name, content, stored, path, memory)
    if release is None:
        raise DataError(
            f"{path} is of neither release of Fashion-MNIST, because its SHA-256 differs from that of their {name}: "
            "delete it and download it again.",
            "data_dir",
        )
    return _File(array, release, digest)

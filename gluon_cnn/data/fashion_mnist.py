"""Fashion-MNIST (Xiao et al., 2017) as arrays: a release, its parts, the sample."""

import dataclasses
import hashlib

import numpy as np

from gluon_cnn.data.dataset import Dataset, DatasetInfo, Part
from gluon_cnn.data.places import find_fashion_mnist
from gluon_cnn.data.releases import CLASSES, FILES, RELEASES, SIDE
from gluon_cnn.data.verified import SAMPLE, expanded, read_files
from gluon_cnn.errors import DataError

__all__ = [
    "FASHION_MNIST",
    "get_fashion_mnist_labels",
    "read_fashion_mnist",
    "read_full",
    "read_part",
    "read_sample",
    "release_hashing_to",
]

#: What the data set is, without its images.
FASHION_MNIST = DatasetInfo("Fashion-MNIST", CLASSES, channels=1, side=SIDE, license="MIT")


def get_fashion_mnist_labels(labels):
    """The names, as the book spells them (section 3.5), of classes given by their numbers from 0 to 9."""
    return FASHION_MNIST.names_of(labels)


def read_fashion_mnist(root=None, release=None):
    """The data set, from :func:`gluon_cnn.data.find_fashion_mnist`'s directory.

    Parameters
    ----------
    root, release
        As for :func:`gluon_cnn.data.find_fashion_mnist`.

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
    files = read_files(directory)
    held = files[FILES[0]].release
    if release not in (None, held):  # its files were replaced since it was found
        raise DataError(f"{directory} holds the {held} release of Fashion-MNIST, not the {release}.", "release")
    info = dataclasses.replace(
        FASHION_MNIST,
        name="the sample of Fashion-MNIST" if directory == SAMPLE else FASHION_MNIST.name,
        sha256=_hash_of_all({name: file.sha256 for name, file in files.items()}),
    )
    return Dataset(info, _part(directory, "train", files), _part(directory, "t10k", files))


def read_full(root, recipe, memory=None, check=None):
    """The data set of a recipe, from a directory or, if that is None, from where it is found."""
    return read_fashion_mnist(root, recipe.release)


def read_sample(root, recipe, memory=None, check=None):
    """The sample in this package, wherever the full data set is; a DataError if it is to be read from elsewhere."""
    if root is not None and expanded(root).resolve() != SAMPLE:
        raise DataError(
            f"data_dir is {root}, but the sample is in this package: leave the directory out, or use the full data.",
            "data_dir",
            "data",
        )
    return read_fashion_mnist(SAMPLE, recipe.release)


def release_hashing_to(sha256):
    """The release whose files hash to a DatasetInfo's ``sha256``; None if it is not known."""
    known = {name: release.sha256 for name, release in RELEASES.items() if len(release.sha256) == len(FILES)}
    return next((name for name, hashes in known.items() if _hash_of_all(hashes) == sha256), None)


def _hash_of_all(hashes):
    return hashlib.sha256("".join(hashes[name] for name in sorted(FILES)).encode()).hexdigest()


def read_part(directory, part):
    """The :class:`Part` ``train`` or ``t10k`` in a directory; DataError if its two files are not of one release."""
    return _part(directory, part, read_files(directory, _names(part)))


def _names(part):
    return [name for name in FILES if name.startswith(part)]  # of its images and its labels


def _part(directory, part, files):
    images, labels = (files[name].array for name in _names(part))
    if len(images) != len(labels):
        raise DataError(
            f"{directory} holds {len(images)} {part} images and {len(labels)} labels: download the files again.",
            "data_dir",
        )
    return Part(images, labels.astype(np.int32))

"""A data set of one's own: a folder with a folder of pictures for each class, see ``folder_files``."""

import hashlib
import os

import numpy as np

from gluon_cnn.data.dataset import Dataset, DatasetInfo, Part
from gluon_cnn.data.decoded import is_grey
from gluon_cnn.data.folder_files import TEST_PARTS, TRAIN_PART, find_pictures
from gluon_cnn.data.held_images import hold
from gluon_cnn.errors import DataError, ImageError
from gluon_cnn.files import open_regular, reason_of
from gluon_cnn.seeding import SPLIT, numpy_stream

__all__ = ["channels_of", "read_folder", "read_folder_of", "split", "training_images"]


def training_images(directory, test_share):
    """How many pictures the training part of a folder has, with those that cannot be read."""
    found = find_pictures(directory)
    return len(found.train) if found.test else len(split(found.train, found.classes, 0, test_share)[0])


def read_folder_of(directory, recipe):
    """The data set of a recipe, see :func:`read_folder`."""
    side = recipe.short_side or recipe.side
    options = {"channels": recipe.channels, "test_share": recipe.test_share, "seed": recipe.seed}
    return read_folder(directory, side, **options)


def read_folder(directory, side, *, channels=None, test_share=0.2, seed=0):
    """The data set in a folder, as squares of one size.

    Parameters
    ----------
    directory : path
    side : int
        Height and width in pixels, see :func:`gluon_cnn.data.decoded.decode`.
    channels : {1, 3}, optional
        Grey or RGB; grey by default if all pictures are.
    test_share : float
        Of each class, where the folder has no test part.
    seed : int
        Decides which these are.

    Returns
    -------
    Dataset
        ``info.sha256`` is that of the names, classes and bytes of all files.

    Raises
    ------
    DataError
        As :func:`gluon_cnn.data.folder_files.find_pictures`; or if a class has no picture that can be read.
    """
    found = find_pictures(directory)
    parts = [found.train, found.test]
    if found.test is None:
        both = split(found.train, found.classes, seed, test_share)
        parts = [found.train.take(indices) for indices in both]
    files = {name: digest for part in parts for name, digest in _hashes(part)}
    channels = channels or channels_of(parts)
    held = [hold(part, side, channels) for part in parts]
    readable = [part.labels[of.kept] for part, of in zip(parts, held)]
    for labels, what in zip(readable, ("training", "test")):
        empty = [name for label, name in enumerate(found.classes) if label not in labels]
        if empty:
            raise DataError(
                f"The class {empty[0]} has no picture that can be read for the {what} part of {parts[0].root} "
                f"({sum(len(of.unreadable) for of in held)} pictures cannot be read): add some, or take it away.",
                "data_dir",
            )
    unreadable = [line for of in held for line in of.unreadable]
    if unreadable:
        unreadable.append(f"{len(unreadable)} of {len(files):,} pictures cannot be read, and are left out")
    info = DatasetInfo(found.name, found.classes, channels, side, _hash_of_all(parts, found.classes, files))
    train, test = (Part(of.images, labels) for of, labels in zip(held, readable))
    return Dataset(info, train, test, (*found.notes, *unreadable), files)


def split(pictures, classes, seed, test_share):
    """The indices of the training part and of the test part, drawn from each class by a seed.

    Parameters
    ----------
    pictures : Pictures
    classes : sequence of str
    seed : int
    test_share : float
        Of each class, rounded; of each class at least one picture is left for either part.

    Returns
    -------
    (list of int, list of int)
        In order.

    Raises
    ------
    DataError
        If a class has only one picture.
    """
    train, test = [], []
    for label, name in enumerate(classes):
        indices = np.flatnonzero(pictures.labels == label)
        if len(indices) < 2:
            raise DataError(
                f"The class {name} has only one picture, which cannot be split into a training and a test part: add "
                f"pictures, or make the folders {TRAIN_PART} and {TEST_PARTS[0]} yourself.",
                "data_dir",
            )
        numpy_stream(seed, SPLIT, label).shuffle(indices)
        number = min(max(round(len(indices) * test_share), 1), len(indices) - 1)
        test += indices[:number].tolist()
        train += indices[number:].tolist()
    return sorted(train), sorted(test)


def channels_of(parts):
    """1 if every picture that can be read is grey, else 3.

    Parameters
    ----------
    parts : list of Pictures
    """
    for part in parts:
        for index, name in enumerate(part.names):
            try:
                if not is_grey(part.encoded(index), name):
                    return 3
            except ImageError:  # said when it is decoded
                continue
    return 1


def _hashes(pictures):
    """The name and the SHA-256 of each file."""
    for name in pictures.names:
        path = pictures.root / name
        digest = hashlib.sha256()
        try:
            with open_regular(path) as file:
                for block in iter(lambda: file.read(1 << 20), b""):
                    digest.update(block)
        except OSError as error:
            raise DataError(f"{path} cannot be read ({reason_of(error)}): change who may.", "data_dir") from None
        yield name, digest.hexdigest()


def _hash_of_all(parts, classes, files):
    """The SHA-256 of the names, classes and bytes of all files, wherever the folder is and however it is split."""
    rows = sorted((os.fsencode(name), label) for part in parts for name, label in zip(part.names, part.labels))
    digest = hashlib.sha256()
    for name, label in rows:
        digest.update(b"%s\0%s\0%s\n" % (name, classes[label].encode(), files[os.fsdecode(name)].encode()))
    return digest.hexdigest()

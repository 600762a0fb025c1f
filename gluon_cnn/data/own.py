"""A data set of one's own: from pictures, wherever they are stored, to its parts as squares of one size."""

import hashlib
import os

import numpy as np

from gluon_cnn.data.dataset import Dataset, DatasetInfo, Part
from gluon_cnn.data.decoded import is_grey
from gluon_cnn.data.held_images import hold, map_pictures, spendable
from gluon_cnn.errors import DataError, SettingError
from gluon_cnn.files import printable
from gluon_cnn.recipe import Recipe

__all__ = ["TEST_SHARE", "assemble", "channels_of", "parts_of", "split", "training_pictures"]


#: The share of each class that is split off for the test by default.
TEST_SHARE = Recipe.test_share
_PARTS = ("training", "test")


def parts_of(found, seed, test_share):
    """The training part and the test part of what was found: as they are, or split, see :func:`split`."""
    if found.test is None:
        return [found.train.take(indices) for indices in split(found.train, found.classes, seed, test_share)]
    if test_share != TEST_SHARE:
        raise SettingError(
            f"test_share is {test_share:g}, but {found.where} has a test part of its own: leave it out.", "test_share"
        )
    return [found.train, found.test]


def training_pictures(found, test_share):
    """How many pictures the training part has, with those that cannot be read."""
    return len(parts_of(found, 0, test_share)[0])


def assemble(found, seed, test_share, side, channels=None, *, sha256, files, memory=None, sizes=(None, None)):
    """A data set of squares of one size.

    Parameters
    ----------
    found : Found
        Says where the pictures are, and what their classes are called.
    seed, test_share
        As for :func:`parts_of`.
    side : int
        Height and width in pixels, see :func:`gluon_cnn.data.decoded.decode`.
    channels : {1, 3}, optional
        Grey or RGB; grey by default if all pictures are.
    sha256 : str
        Of all that was found.
    files : dict
        The SHA-256 of each file.
    memory : int, optional
        Bytes that the pictures may take, see :func:`gluon_cnn.data.held_images.spendable`.
    sizes : (int or None, int or None)
        How many of either part are wanted. The pictures of such a part are in a mixed order, because the first ones
        would be those of one class; the test part's always are, because its first ones are also asked for later.

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        If a class has no picture that can be read.
    """
    number, unreadable = len(found.train) + len(found.test or ()), []
    while True:
        train, test = parts_of(found, seed, test_share)
        parts = [_mixed(train) if sizes[0] else train, _mixed(test)]
        channels = channels or channels_of(parts)
        held = _held(parts, side, channels, memory)
        unreadable += [printable(line) for of in held for line in of.unreadable]
        readable = [part.labels[of.kept] for part, of in zip(parts, held)]
        empty = _first_empty(found, readable)
        if not empty:
            break
        if found.test is not None or not any(map(len, readable)):
            raise _without_pictures(found, *empty, unreadable)
        found = found._replace(train=_readable(found, parts, held))  # the split left a part without one: split these
    notes = (*found.notes, *unreadable)
    stored = tuple(
        f"{len(labels):,} {what} pictures of {side}×{side}: {of.words}"
        for labels, of, what in zip(readable, held, _PARTS)
    )
    train, test = (Part(of.images, labels) for of, labels in zip(held, readable))
    info = DatasetInfo(found.name, found.classes, channels, side, sha256)
    return Dataset(info, train, test, notes, _left_out(len(unreadable), number), files, stored)


def _left_out(unreadable, number):
    verb = "is" if unreadable == 1 else "are"
    return f"{unreadable:,} of {number:,} pictures cannot be read, and {verb} left out" if unreadable else ""


def _mixed(pictures):
    return pictures.take(np.random.RandomState(0).permutation(len(pictures)))


def _held(parts, side, channels, memory):
    left, held = spendable(memory), []
    for part in parts:
        held.append(hold(part, side, channels, left))
        left -= held[-1].memory
    return held


def _first_empty(found, readable):
    """The name of a class without a picture in a part, and the part; None if there is none."""
    for what, labels in zip(_PARTS, readable):
        for label, name in enumerate(found.classes):
            if label not in labels:
                return name, what
    return None


def _readable(found, parts, held):
    names = {part.names[index] for part, of in zip(parts, held) for index in of.kept}
    return found.train.take([index for index, name in enumerate(found.train.names) if name in names])


def _without_pictures(found, name, part, unreadable):
    why = f" ({len(unreadable):,} pictures cannot be read; {unreadable[0].rstrip('.')})" if unreadable else ""
    return DataError(
        f"The class {name} has no {part} picture that can be read in {found.where}{why}: add some, or take it away.",
        "data_dir",
    )


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
    train, test, keys = [], [], pictures.keys
    for label, name in enumerate(classes):
        indices = np.flatnonzero(pictures.labels == label)
        if not len(indices):
            raise DataError(f"The class {name} has no picture that can be read: add some, or take it away.", "data_dir")
        if len(indices) < 2:
            raise DataError(
                f"The class {name} has only one picture that can be read, which cannot be split into a training and a "
                "test part: add pictures, or make both parts yourself.",
                "data_dir",
            )
        indices = sorted(indices.tolist(), key=lambda index: _drawn(seed, keys[index]))
        tested = min(max(round(len(indices) * test_share), 1), len(indices) - 1)
        test += indices[:tested]
        train += indices[tested:]
    return sorted(train), sorted(test)


def _drawn(seed, key):
    """A random number for a picture, so that the others stay where they are when one is added or taken away."""
    return hashlib.sha256(b"%d/%s" % (seed, os.fsencode(key))).digest()


def channels_of(parts):
    """1 if every picture that can be read is grey, else 3.

    Parameters
    ----------
    parts : list of Pictures
    """
    for part in parts:
        first, size = 0, 1  # doubled, so that colour is soon found, and many grey pictures are decoded together
        while first < len(part):
            some = part.take(range(first, min(first + size, len(part))))
            grey, unreadable = map_pictures(some, is_grey, "looking for colours")  # those are said when it is decoded
            if not all(each for index, each in enumerate(grey) if index not in unreadable):
                return 3
            first, size = first + size, min(2 * size, 4096)
    return 1

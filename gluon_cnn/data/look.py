"""What there is in a data set of one's own: how many pictures of which class, of what size, and what is wrong."""

import collections
import hashlib
from typing import Dict, List, NamedTuple, Tuple

import numpy as np

from gluon_cnn.data import folder_files, records
from gluon_cnn.data.decoded import form_of, upright
from gluon_cnn.data.held_images import map_pictures
from gluon_cnn.data.idx_sets import read_idx
from gluon_cnn.errors import DataError
from gluon_cnn.files import printable

__all__ = ["PARTS", "Look", "find", "look"]

PARTS = ("training", "test")


class Look(NamedTuple):
    """What a data set looks like.

    Attributes
    ----------
    kind : str
        One of :data:`gluon_cnn.data.DATA_SETS`.
    name : str
    classes : tuple of str
    counts : dict
        By the part, ``training`` or ``test``: how many pictures of each class can be read. Without a test part, which
        is then split off in a training, there is only ``training``.
    sizes : list of (int, int)
        Width and height of the smallest picture, of the one in the middle, and of the largest, by their pixels.
    forms : dict
        How many pictures there are of each format and mode, such as ``JPEG RGB``.
    channels : int
        1 if all pictures are grey, else 3.
    unreadable : list of str
        A line about each picture that cannot be read, which names it.
    same_bytes, same_pixels : list of (str, str)
        The same picture in both parts, or twice where there is one part; in the same file or in another one that shows
        the same.
    notes : tuple of str
        What else is to be said.
    """

    kind: str
    name: str
    classes: Tuple[str, ...]
    counts: Dict[str, List[int]]
    sizes: List[Tuple[int, int]]
    forms: Dict[str, int]
    channels: int
    unreadable: List[str]
    same_bytes: List[Tuple[str, str]]
    same_pixels: List[Tuple[str, str]]
    notes: Tuple[str, ...]


class _Facts(NamedTuple):
    """What is noted of a picture."""

    name: str
    size: Tuple[int, int]
    form: str
    grey: bool
    bytes: bytes
    pixels: bytes


def find(place, kind):
    """The pictures of a folder or of record files, a :class:`gluon_cnn.data.pictures.Found`; errors are DataErrors."""
    return folder_files.find_pictures(place) if kind == "folder" else records.find_pictures(place)[0]


def look(place, kind):
    """Look at a data set, and decode every picture of it.

    Parameters
    ----------
    place : path
    kind : {"folder", "records", "idx"}

    Returns
    -------
    Look

    Raises
    ------
    DataError
        If there is nothing to be looked at.
    """
    if kind == "idx":
        return _look_at_arrays(place)
    found = find(place, kind)
    facts, unreadable, counts = [], [], {}
    for part, pictures in zip(PARTS, (found.train, found.test)):
        if pictures is not None:
            seen, errors = map_pictures(pictures, _facts, "looking at pictures")
            readable = [index for index in range(len(pictures)) if index not in errors]
            facts.append([seen[index] for index in readable])
            unreadable += [printable(errors[index]) for index in sorted(errors)]
            counts[part] = _count(pictures.labels[readable], found.classes)
    if not any(facts):
        raise DataError(f"{found.where} has no picture that can be read: {unreadable[0]}", "data_dir")
    return _look(kind, found.name, found.classes, counts, facts, unreadable, found.notes)


def _facts(encoded, name):
    image = upright(encoded, name, 3)
    pixels = np.asarray(image)
    grey = bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 1] == pixels[..., 2]).all())
    shown = hashlib.sha256(repr(image.size).encode())
    shown.update(pixels)
    return _Facts(
        printable(name), image.size, form_of(encoded, name), grey, hashlib.sha256(encoded).digest(), shown.digest()
    )


def _look_at_arrays(place):
    dataset = read_idx(place)
    facts, counts, side = [], {}, dataset.info.side
    for part, (images, labels) in zip(PARTS, (dataset.train, dataset.test)):
        hashes = [hashlib.sha256(image).digest() for image in np.ascontiguousarray(images)]
        names = (f"{part} image {index}" for index in range(len(images)))
        facts.append([_Facts(name, (side, side), "IDX L", True, same, same) for name, same in zip(names, hashes)])
        counts[part] = _count(labels, dataset.info.classes)
    return _look("idx", dataset.info.name, dataset.info.classes, counts, facts, [], dataset.notes)


def _count(labels, classes):
    return np.bincount(labels, minlength=len(classes)).tolist()


def _look(kind, name, classes, counts, facts, unreadable, notes):
    every = [fact for part in facts for fact in part]
    sizes = sorted((fact.size for fact in every), key=lambda size: (size[0] * size[1], size))
    same_bytes = _pairs(facts, "bytes")
    known = set(same_bytes)
    return Look(
        kind=kind,
        name=name,
        classes=classes,
        counts=counts,
        sizes=[sizes[0], sizes[len(sizes) // 2], sizes[-1]],
        forms=dict(collections.Counter(fact.form for fact in every).most_common()),
        channels=1 if all(fact.grey for fact in every) else 3,
        unreadable=unreadable,
        same_bytes=same_bytes,
        same_pixels=[pair for pair in _pairs(facts, "pixels") if pair not in known],
        notes=notes,
    )


def _pairs(facts, what):
    """The names of pictures that are the same, one of each part, or two of the only one."""
    first, pairs = {}, []
    for number, part in enumerate(facts):
        for fact in part:
            if number == len(facts) - 1 and getattr(fact, what) in first:
                pairs.append((first[getattr(fact, what)], fact.name))
            elif number == 0:
                first.setdefault(getattr(fact, what), fact.name)
    return pairs

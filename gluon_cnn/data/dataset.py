"""A data set of labelled pictures: what it is, and its parts."""

import dataclasses
from typing import Any, Callable, Dict, NamedTuple, Optional, Tuple

import numpy as np

from gluon_cnn.decoding import Finite, Names, refuse_repeated, within

__all__ = ["DataSource", "Dataset", "DatasetInfo", "Part", "in_order"]

_SMALLEST = 1e-9  # deviation, by which float32 can be divided


@dataclasses.dataclass(frozen=True)
class DatasetInfo:
    """What a run keeps of the data set that it was trained on.

    Attributes
    ----------
    name : str
    classes : tuple of str
        The name of each class, in the order of the labels.
    channels : int
        1 for grey pictures, 3 for colour.
    side : int
        Height and width in pixels of the stored images.
    sha256 : str or None
        Of the files; None where no files were looked at.
    license : str or None
        Of the pictures, as far as it is known.
    mean, deviation : tuple of float, or None
        Of each channel, of numbers in [0, 1]: what a network's images are normalised with, ``(x - mean) / deviation``.
        None if they are not normalised.
    cropped : bool
        Whether the images of a network are cut out of the stored ones. Otherwise those are resized.
    """

    name: str
    classes: Names
    channels: within("channels")
    side: within("side")
    sha256: Optional[str] = None
    license: Optional[str] = None
    mean: Optional[Tuple[Finite, ...]] = None
    deviation: Optional[Tuple[Finite, ...]] = None
    cropped: bool = False

    def __post_init__(self):
        refuse_repeated(self.classes)
        if self.channels not in (1, 3):
            raise ValueError(f"it has {self.channels} channels, not 1 or 3")
        if (self.mean is None) != (self.deviation is None):
            raise ValueError("it has a mean without a deviation, or a deviation without a mean")
        if self.mean is None:
            return
        if not len(self.mean) == len(self.deviation) == self.channels:
            raise ValueError(f"its mean and deviation are not of {self.channels} channels")
        if not (all(0 <= x <= 1 for x in self.mean) and all(_SMALLEST <= x <= 1 for x in self.deviation)):
            raise ValueError("its mean and deviation are not those of numbers in [0, 1]")

    def is_like(self, other):
        """Whether another DatasetInfo has the same kind of images, and the same classes."""
        return (self.classes, self.channels, self.side) == (other.classes, other.channels, other.side)

    def names_of(self, labels):
        """The names of classes that are given by their numbers; ``class 10`` for one beyond those of the data set."""
        # MXNet's arrays hold arrays of one number.
        numbers = [int(np.ravel(n.asnumpy() if hasattr(n, "asnumpy") else n)[0]) for n in labels]
        return [self.classes[n] if n < len(self.classes) else f"class {n}" for n in numbers]


class Part(NamedTuple):
    """One part of a data set.

    Attributes
    ----------
    images : np.ndarray or ReadAhead
        Grey ones are uint8 N×H×W, those in colour N×H×W×3; read-only. All of one part have one size.

        An array, or anything else that has

        - ``len(images)``;
        - ``images[indices]``, an array of those images, for an array of numbers, or for a slice;
        - if it can prepare them, ``images.batches(wanted)``: for a list of arrays of numbers, an iterator that gives
          ``images[indices]`` for each in this order. Whoever iterates may stop early, and closes it then.

        It gives the same bytes for the same numbers whenever it is asked.
    labels : np.ndarray
        int32 N.
    """

    images: Any
    labels: np.ndarray


def in_order(images, wanted):
    """A generator of ``images[indices]`` for each array of numbers in a list; the images of a Part prepare them if they
    can."""
    if hasattr(images, "batches"):
        yield from images.batches(wanted)
    else:
        for indices in wanted:
            yield images[indices]


class Dataset(NamedTuple):
    """A data set that was read: its images are in memory, or ready to be read ahead.

    Attributes
    ----------
    info : DatasetInfo
    train, test : Part
    notes : tuple of str
        What is to be said of how it was read, and of each picture that cannot be.
    left_out : str
        How many pictures cannot be read, in words; empty if all can.
    files : dict or None
        Of a data set of one's own the SHA-256 of each file, by its name in the folder.
    stored : tuple of str
        Where its pictures are kept, and how much memory they take.
    """

    info: DatasetInfo
    train: Part
    test: Part
    notes: Tuple[str, ...] = ()
    left_out: str = ""
    files: Optional[Dict[str, str]] = None
    stored: Tuple[str, ...] = ()


class DataSource(NamedTuple):
    """Where a recipe's data set comes from.

    Attributes
    ----------
    words : str
        For a list of the data sets.
    info : DatasetInfo or None
        What is known of it before its files are read; None for data sets of one's own.
    read : callable
        Gives the Dataset, from the directory in the settings, or None to find it; the recipe; the bytes of memory
        that pictures from files may take, or None; and ``check``, which is called with the SHA-256 of the data set, and
        with those of its files by their names, before any picture is decoded, or None.
    releases : tuple of str
        The releases that it has, by name; empty for a data set that has no releases.
    choose : callable, optional
        Gives the release to train on, from the directory and the release that is preferred where both are found.
    matches : callable, optional
        Of data sets of one's own: whether a path, which exists, leads to one of this kind.
    has_pictures : bool
        Whether it is of pictures in files, which are resized to what a recipe says.
    training_images : callable, optional
        Of data sets of one's own: how many images are trained on, from the path and the share for the test.
    """

    words: str
    info: Optional[DatasetInfo]
    read: Callable
    releases: Tuple[str, ...] = ()
    choose: Optional[Callable] = None
    matches: Optional[Callable] = None
    has_pictures: bool = False
    training_images: Optional[Callable] = None

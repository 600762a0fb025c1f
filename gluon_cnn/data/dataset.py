"""A data set of labelled pictures in memory."""

import dataclasses
from typing import Callable, NamedTuple, Optional, Tuple

import numpy as np

from gluon_cnn.decoding import Names, within

__all__ = ["DataSource", "Dataset", "DatasetInfo", "Part"]


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
    """

    name: str
    classes: Names
    channels: within("channels")
    side: within("side")
    sha256: Optional[str] = None
    license: Optional[str] = None

    def names_of(self, labels):
        """The names of classes that are given by their numbers; ``class 10`` for one beyond those of the data set."""
        # MXNet's arrays hold arrays of one number.
        numbers = [int(np.ravel(n.asnumpy() if hasattr(n, "asnumpy") else n)[0]) for n in labels]
        return [self.classes[n] if n < len(self.classes) else f"class {n}" for n in numbers]


class Part(NamedTuple):
    """One part of a data set: images uint8 N×H×W, labels int32 N; both read-only."""

    images: np.ndarray
    labels: np.ndarray


class Dataset(NamedTuple):
    """A data set: what it is, its training part and its test part."""

    info: DatasetInfo
    train: Part
    test: Part


class DataSource(NamedTuple):
    """Where a recipe's data set comes from.

    Attributes
    ----------
    words : str
        For a list of the data sets.
    info : DatasetInfo
        What is known of it before its files are read.
    read : callable
        Gives the Dataset, from the directory in the settings, or None to find it, and the release.
    releases : tuple of str
        The releases that it has, by name; empty for a data set that has no releases.
    choose : callable, optional
        Gives the release to train on, from the directory and the release that is preferred where both are found.
    """

    words: str
    info: DatasetInfo
    read: Callable
    releases: Tuple[str, ...] = ()
    choose: Optional[Callable] = None

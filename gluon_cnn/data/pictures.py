"""Encoded pictures with their labels, wherever they are stored."""

import abc
import os
from pathlib import Path
from typing import NamedTuple, Optional, Tuple

import numpy as np

from gluon_cnn.data.image_formats import LARGEST, unreadable
from gluon_cnn.errors import DataError
from gluon_cnn.files import open_regular, reason_of

__all__ = ["FolderPictures", "Found", "Pictures"]


class Pictures(abc.ABC):
    """The encoded pictures of one part of a data set.

    Parameters
    ----------
    names : list of str
        Of the pictures, such as ``train/cat/1.png``, for messages.
    labels : array of int
        The number of each picture's class.

    Attributes
    ----------
    names : list of str
    labels : np.ndarray
        int32 N.
    """

    def __init__(self, names, labels):
        self.names, self.labels = list(names), np.array(labels, np.int32).reshape(-1)

    def __len__(self):
        return len(self.names)

    @property
    def keys(self):
        """What decides, with the seed, to which part a picture belongs: the same wherever the data set is."""
        return self.names

    @abc.abstractmethod
    def encoded(self, index):
        """The bytes of a picture's file.

        Raises
        ------
        ImageError
            If it is too large to be read.
        DataError
            If it is not there, or not as it was when the data set was looked at.
        """

    @abc.abstractmethod
    def take(self, indices):
        """Those of the pictures that are at ``indices``, of the same kind."""


class FolderPictures(Pictures):
    """Pictures in files of their own.

    Parameters
    ----------
    root : path
        The folder in which they are.
    names, labels
        As for :class:`Pictures`; the names are the files' paths in ``root``, with a slash between folders.
    seen : list of (int, int)
        Size in bytes and time of the last change, in nanoseconds, of each file when it was looked at.
    """

    def __init__(self, root, names, labels, seen):
        super().__init__(names, labels)
        self.root, self.seen = Path(root), list(seen)

    def encoded(self, index):
        path = self.root / self.names[index]
        try:
            with open_regular(path) as file:
                status = os.fstat(file.fileno())
                if status.st_size > LARGEST:
                    raise unreadable(path, f"it is larger than {LARGEST >> 20} MiB")
                content = file.read(status.st_size + 1)
        except OSError as error:
            raise DataError(f"{path} cannot be read ({reason_of(error)}): restore it.", "data_dir") from None
        if (status.st_size, status.st_mtime_ns) != self.seen[index] or len(content) != status.st_size:
            raise DataError(f"{path} has changed since the training began: begin it again.", "data_dir")
        return content

    def take(self, indices):
        names, labels, seen = ([of[index] for index in indices] for of in (self.names, self.labels, self.seen))
        return FolderPictures(self.root, names, labels, seen)


class Found(NamedTuple):
    """The pictures of a data set of one's own by their classes, not looked into.

    Attributes
    ----------
    name : str
        Of the folder or file.
    classes : tuple of str
        In the order of the labels.
    train : Pictures
    test : Pictures or None
        None where there is no test part.
    notes : tuple of str
        What is not used.
    where : Path
        Where they are.
    """

    name: str
    classes: Tuple[str, ...]
    train: Pictures
    test: Optional[Pictures]
    notes: Tuple[str, ...]
    where: Path

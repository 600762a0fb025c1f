"""Data sets, from wherever they are to batches on a device.

Only ``scaled``, those that use it, and ``gluon_class`` need MXNet.
"""

import os

from gluon_cnn.data.dataset import Dataset, DatasetInfo, DataSource, Part
from gluon_cnn.data.fashion_mnist import (
    FASHION_MNIST,
    get_fashion_mnist_labels,
    read_fashion_mnist,
    read_full,
    read_sample,
)
from gluon_cnn.data.folder import read_folder, read_folder_of, training_images
from gluon_cnn.data.folder_files import is_folder
from gluon_cnn.data.idx_sets import is_idx, read_idx, training_labels
from gluon_cnn.data.places import find_fashion_mnist, release_found
from gluon_cnn.data.records import is_records, read_records, training_records
from gluon_cnn.data.releases import RELEASES
from gluon_cnn.data.verified import SAMPLE
from gluon_cnn.errors import DataError

__all__ = [
    "DATA_SETS",
    "FASHION_MNIST",
    "RELEASES",
    "SAMPLE",
    "DataSource",
    "Dataset",
    "DatasetInfo",
    "Part",
    "find_fashion_mnist",
    "get_fashion_mnist_labels",
    "kind_of",
    "read_fashion_mnist",
    "read_folder",
]

#: The data sets, by a recipe's word for each. To add one, add a file that reads it and an entry here.
DATA_SETS = {
    "full": DataSource("all 70,000 images of Fashion-MNIST", FASHION_MNIST, read_full, tuple(RELEASES), release_found),
    "sample": DataSource("2,500 of them, which are in this package", FASHION_MNIST, read_sample, ("second",)),
    "records": DataSource(
        "a .rec file of pictures",
        None,
        read_records,
        matches=is_records,
        has_pictures=True,
        training_images=training_records,
    ),
    "idx": DataSource(
        "a folder with four IDX files, as those of MNIST",
        None,
        read_idx,
        matches=is_idx,
        training_images=training_labels,
    ),
    "folder": DataSource(
        "a folder with a folder of pictures for each class",
        None,
        read_folder_of,
        matches=is_folder,
        has_pictures=True,
        training_images=training_images,
    ),
}


def kind_of(path):
    """The word in :data:`DATA_SETS` for the data set of one's own that a path leads to.

    Parameters
    ----------
    path : path

    Raises
    ------
    DataError
        If it leads to none.
    """
    if not os.path.exists(path):  # noqa: PTH110 (a path can be too long for Path's)
        known = ", ".join(word for word, source in DATA_SETS.items() if source.info)
        raise DataError(
            f"There is no data set {path}: name one of {known}, a folder of pictures, or a .rec file.",
            "data",
        )
    for word, source in DATA_SETS.items():
        if source.matches and source.matches(path):
            return word
    raise DataError(
        f"{path} is no data set: name a folder with a folder of pictures for each class, a "
        ".rec file, or a folder with four IDX files.",
        "data",
    )

"""Data sets, from wherever they are to batches on a device. Only ``scaled``, those
that use it, and ``gluon_class`` need MXNet."""

from gluon_cnn.data.dataset import Dataset, DatasetInfo, DataSource, Part
from gluon_cnn.data.fashion_mnist import (
    FASHION_MNIST,
    get_fashion_mnist_labels,
    read_fashion_mnist,
    read_full,
    read_sample,
)
from gluon_cnn.data.places import find_fashion_mnist, release_found
from gluon_cnn.data.releases import RELEASES
from gluon_cnn.data.verified import SAMPLE

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
    "read_fashion_mnist",
]

#: The data sets, by a recipe's word for each. To add one, add a file that reads it and an entry here.
DATA_SETS = {
    "full": DataSource("all 70,000 images of Fashion-MNIST", FASHION_MNIST, read_full, tuple(RELEASES), release_found),
    "sample": DataSource("2,500 of them, which are in this package", FASHION_MNIST, read_sample, ("second",)),
}

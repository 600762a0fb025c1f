"""Fashion-MNIST, from wherever it is to batches on a device."""

from gluon_cnn.data.fashion_mnist import (
    CLASSES,
    SAMPLE,
    find_fashion_mnist,
    get_fashion_mnist_labels,
    read_fashion_mnist,
)
from gluon_cnn.data.loader import Batches, load_data_fashion_mnist, to_batch

__all__ = [
    "CLASSES",
    "SAMPLE",
    "Batches",
    "find_fashion_mnist",
    "get_fashion_mnist_labels",
    "load_data_fashion_mnist",
    "read_fashion_mnist",
    "to_batch",
]

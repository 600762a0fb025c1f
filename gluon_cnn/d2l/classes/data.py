"""Data as the English edition's classes give them: a training part and a validation part."""

import mxnet as mx
from mxnet import gluon

from gluon_cnn.checks import brief, whole_number, whole_numbers
from gluon_cnn.d2l.classes.hyperparameters import HyperParameters
from gluon_cnn.d2l.figures import show_images
from gluon_cnn.d2l.linear import load_array
from gluon_cnn.d2l.measures import is_sequence, numbers
from gluon_cnn.data import FASHION_MNIST, get_fashion_mnist_labels
from gluon_cnn.data.batches import Batches, load_data_fashion_mnist
from gluon_cnn.data.scaled import to_batch
from gluon_cnn.errors import DataError, SettingError

__all__ = ["DataModule", "FashionMNIST"]

_MOST_IMAGES = 100  # in a row, and in a column


class DataModule(HyperParameters):
    """Data with their loaders (book, section 3.2 of the English edition since 1.0).

    Parameters
    ----------
    root : path
    num_workers : int
        Kept for loaders that want them.
    """

    def __init__(self, root="../data", num_workers=4):
        self.save_hyperparameters()

    def get_dataloader(self, train):
        """The loader of the training part or of the validation part: an iterable of batches with a ``len()``."""
        raise DataError(
            f"{type(self).__name__} has no data: define get_dataloader(self, train), which gives a loader of batches."
        )

    def train_dataloader(self):
        """The loader of the training part."""
        return self.get_dataloader(train=True)

    def val_dataloader(self):
        """The loader of the validation part; None for data without one."""
        return self.get_dataloader(train=False)

    def get_tensorloader(self, tensors, train, indices=slice(0, None)):
        """A loader of batches of ``self.batch_size`` from arrays of one length, of which it takes ``indices``.

        Raises
        ------
        DataError
            If they are no such arrays.
        SettingError
            If there is no batch size, or these are no indices.
        """
        if not hasattr(self, "batch_size"):
            raise SettingError(f"{type(self).__name__} has no batch_size: keep it with save_hyperparameters.")
        lengths = [getattr(each, "shape", ())[:1] for each in tensors] if isinstance(tensors, (list, tuple)) else []
        if not lengths or () in lengths or len(set(lengths)) > 1:
            raise DataError(f"The tensors are {brief(tensors)}: give a tuple of arrays of one length.")
        try:
            parts = tuple(array[indices] for array in tensors)
            if any(len(part.shape) != len(array.shape) for part, array in zip(parts, tensors)):
                raise IndexError("one example, not several")
        except (IndexError, TypeError, ValueError, mx.MXNetError):
            raise SettingError(
                f"indices is {brief(indices)}; it must be a slice, or a list of numbers below {lengths[0][0]}."
            ) from None
        return load_array(parts, self.batch_size, train)


class FashionMNIST(DataModule):
    """Fashion-MNIST (book, section 4.2 of the English edition since 1.0), whose validation part is the test images.

    Batches are those of :func:`gluon_cnn.load_data_fashion_mnist`.

    Parameters
    ----------
    batch_size : int
    resize : (int, int) or int
        Width and height in pixels to which the 28×28 images are resized, bilinearly.
    root, release, train_size, test_size, seed
        As for :func:`gluon_cnn.load_data_fashion_mnist`.

    Attributes
    ----------
    train, val : gluon.data.Dataset
        Of pairs: an image, float32 1×H×W in [0, 1], and its label, int32.

    Raises
    ------
    DataError
        If the data are missing or damaged.
    SettingError
        If a setting has an invalid value.
    """

    def __init__(
        self,
        batch_size=64,
        resize=(28, 28),
        *,
        root=None,
        release=None,
        train_size=None,
        test_size=None,
        seed=None,
    ):
        super().__init__()
        self.save_hyperparameters()
        sizes = {"train_size": train_size, "test_size": test_size}
        parts = load_data_fashion_mnist(batch_size, self._size, root, release=release, seed=seed, **sizes)
        self.train, self.val = (_Images(part.images, part.labels, part.resize) for part in parts)

    @property
    def _size(self):
        """What to resize the images to; None if they have that size."""
        side = FASHION_MNIST.side
        return None if whole_numbers("resize", self.resize) in (side, (side, side)) else self.resize

    def get_dataloader(self, train):
        """The batches of the training images, in another order in each epoch, or of the test images."""
        part = self.train if train else self.val
        options = {"resize": self._size, "shuffle": train, "seed": self.seed}
        return Batches(part.images, part.labels, self.batch_size, **options)

    def text_labels(self, indices):
        """The names of classes that are given by their numbers from 0 to 9; a SettingError for anything else."""
        if not is_sequence(indices) or any(index not in range(10) for index in numbers(indices)):
            raise SettingError(f"indices is {brief(indices)}; it must be a sequence of whole numbers from 0 to 9.")
        return get_fashion_mnist_labels(indices)

    def visualize(self, batch, nrows=1, ncols=8, labels=()):
        """Show the first images of a batch in a grid, under the names of their classes or under ``labels``.

        Returns
        -------
        np.ndarray of matplotlib.axes.Axes

        Raises
        ------
        DataError
            If this is no batch of images with one channel.
        SettingError
            If a number is out of range, or there are too few ``labels``.
        """
        nrows, ncols = (whole_number(*each, largest=_MOST_IMAGES) for each in (("nrows", nrows), ("ncols", ncols)))
        shapes = [getattr(each, "shape", ()) for each in batch] if isinstance(batch, (list, tuple)) else []
        if len(shapes) != 2 or len(shapes[0]) not in (3, 4) or shapes[0][1:-2] not in ((), (1,)):
            raise DataError(f"{brief(batch)} is no batch of images: give one of a loader's, with N×1×H×W and N labels.")
        if shapes[0][:1] != shapes[1][:1]:
            raise DataError(f"Images of shape {shapes[0]} do not fit labels of shape {shapes[1]}: give one for each.")
        X, y = batch
        shown = min(len(y), nrows * ncols)
        if not isinstance(labels, (list, tuple)) or 0 < len(labels) < shown:
            raise SettingError(f"labels is {brief(labels)}; it must be a list of a name for each of {shown} images.")
        images = X[:shown].reshape((shown, *X.shape[-2:]))
        return show_images(images, nrows, ncols, labels or self.text_labels(y[:shown]))


class _Images(gluon.data.Dataset):
    """Images, uint8 N×H×W, and their labels, in pairs as a network takes them."""

    def __init__(self, images, labels, resize):
        self.images, self.labels, self._resize = images, labels, resize

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return to_batch(self.images[index][None], self._resize)[0], self.labels[index]

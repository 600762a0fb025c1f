"""Batches on a device from stored images."""

import contextlib
import math

import numpy as np

from gluon_cnn.checks import brief, whole_number, whole_numbers
from gluon_cnn.data.augment import Augmentation
from gluon_cnn.data.dataset import Part, in_order
from gluon_cnn.data.fashion_mnist import read_fashion_mnist
from gluon_cnn.data.moments import Moments
from gluon_cnn.data.scaled import in_array_mode, on_device, to_batch
from gluon_cnn.errors import SettingError
from gluon_cnn.image_settings import check_augment
from gluon_cnn.seeding import AUGMENTATION, ORDER, numpy_stream

__all__ = ["Batches", "first_of", "load_data_fashion_mnist", "make_batches"]


def load_data_fashion_mnist(
    batch_size,
    resize=None,
    root=None,
    *,
    release=None,
    train_size=None,
    test_size=None,
    augment=None,
    seed=None,
    ctx=None,
    part=(0, 1),
):
    """Fashion-MNIST as the book loads it (section 3.5), ready for a network.

    Parameters
    ----------
    batch_size : int
        Images in a batch; the last batch of an epoch may be shorter.
    resize : int or (int, int), optional
        Height and width in pixels to which the 28×28 images are resized, bilinearly; of a pair the width comes first,
        as in Gluon.
    root : path, optional
        The directory with the four files; by default they are looked for, then downloaded, see
        :func:`gluon_cnn.data.find_fashion_mnist`. ``gluon_cnn.data.SAMPLE`` is the sample in the package.
    release : {"first", "second"}, optional
        Which release of Fashion-MNIST, see docs/two-releases.md; by default the one that is there, and the second
        where both are or none is.
    train_size, test_size : int, optional
        Take only the first images of a part.
    augment : bool or str, optional
        Change the training images at random, see :mod:`gluon_cnn.image_settings`.
    seed : int, optional
        Decides the order of the training images and their augmentation in every epoch. Without it both
        come from NumPy's global generator, as in the book.
    ctx : mx.Context, optional
        Where the batches are made; MXNet's current context by default.
    part : (int, int)
        Which part of each batch, from 0, of how many: ``(1, 4)`` is for the second of four workers. The batches of all
        parts together have ``batch_size`` times their number of images.

    Returns
    -------
    (Batches, Batches)
        The shuffled training part and the test part: iterables of ``(X, y)`` with a ``len()``, X float32
        N×1×H×W in [0, 1] and y int32 N, ``mx.np`` arrays under ``npx.set_np()``. On the CPU they
        equal, to the bit, what MXNet's ``DataLoader`` gives with ``Resize`` and ``ToTensor``.

    Raises
    ------
    DataError
        If the data are missing or damaged.
    SettingError
        If a setting has an invalid value.
    """
    sizes = {"train_size": train_size, "test_size": test_size}
    return make_batches(
        read_fashion_mnist(root, release), batch_size, resize, **sizes, augment=augment, seed=seed, ctx=ctx, part=part
    )


def make_batches(
    dataset,
    batch_size,
    resize=None,
    *,
    crop=None,
    train_size=None,
    test_size=None,
    augment=None,
    seed=None,
    ctx=None,
    part=(0, 1),
    moments=None,
):
    """The batches of a :class:`gluon_cnn.data.Dataset`, normalised with its mean and deviation if it has them.

    Parameters
    ----------
    dataset : Dataset
    crop : int, optional
        Height and width in pixels of what is cut out of the stored images: the middle, of training images that are
        cropped at random another part.
    batch_size, resize, train_size, test_size, augment, seed, ctx, part
        As for :func:`load_data_fashion_mnist`.
    moments : Moments, optional
        Of the training images, if they are known already.
    """
    options = {"batch_size": batch_size, "resize": resize, "crop": crop, "ctx": ctx, "part": part}
    options.update(mean=dataset.info.mean, deviation=dataset.info.deviation)
    train, test = first_of(dataset.train, "train_size", train_size), first_of(dataset.test, "test_size", test_size)
    training = {"shuffle": True, "augment": augment, "seed": seed, "moments": moments}
    return Batches(*train, **training, **options), Batches(*test, **options)


def first_of(part, name, size):
    """The first images of a Part, as many as the setting ``name`` says; all if it is None."""
    if size is None:
        return part
    if whole_number(name, size) > len(part.labels):
        raise SettingError(f"{name} is {size}, but there are only {len(part.labels)} images.", name)
    images = part.images[:size] if isinstance(part.images, np.ndarray) else part.images  # the labels say how many
    return Part(images, part.labels[:size])


def _checked_part(part):
    try:
        number, parts = part
    except (TypeError, ValueError):
        raise SettingError(f"part is {brief(part)}; it must be a number and how many there are.", "part") from None
    if whole_number("part", number, smallest=0) >= whole_number("part", parts):
        raise SettingError(f"part is {part}; the first number counts from 0 and must be below the second.", "part")
    return int(number), int(parts)


class Batches:
    """Iterable of batches ``(X, y)``; each iteration is one epoch.

    The images stay where they are, as they are stored. A batch is cut out, resized on the CPU, moved to the device as
    bytes and scaled there. On the CPU NumPy scales what needs no resizing.

    Parameters
    ----------
    images, labels
        As in :class:`gluon_cnn.data.Part`. There may be more images than labels: the first ones count.
    batch_size, resize, augment, seed, ctx, part
        As in :func:`load_data_fashion_mnist`.
    crop, mean, deviation
        As in :func:`gluon_cnn.data.scaled.to_batch`.
    moments : Moments, optional
        Of the images, for ``pca``, if they are known already.
    shuffle : bool, default False
        Whether each epoch has an order of its own.
    """

    def __init__(
        self,
        images,
        labels,
        batch_size,
        *,
        resize=None,
        crop=None,
        mean=None,
        deviation=None,
        moments=None,
        shuffle=False,
        augment=None,
        seed=None,
        ctx=None,
        part=(0, 1),
    ):
        self.images, self.labels = images, labels
        self.batch_size = whole_number("batch_size", batch_size)
        self.resize = None if resize is None else whole_numbers("resize", resize)
        self.crop, self.mean, self.deviation = crop, mean, deviation
        self.shuffle, self.ctx = shuffle, ctx
        self.augment = augment if augment is None else check_augment("augment", augment)
        self._augmentation = None
        if self.augment:
            self._augmentation = Augmentation(self.augment, crop, moments or Moments(images, len(labels)))
        self.seed = None if seed is None else whole_number("seed", seed)
        self._part, self._parts = _checked_part(part)
        self._next_epoch = 0

    def __len__(self):
        return math.ceil(len(self.labels) / self._whole)

    @property
    def _whole(self):
        """Images in the batches of all parts together."""
        return self.batch_size * self._parts

    def size_of(self, batch):
        """Images in one batch, counted from 0, of all parts together."""
        return min(self._whole, len(self.labels) - batch * self._whole)

    def __iter__(self):
        epoch, self._next_epoch = self._next_epoch, self._next_epoch + 1
        return self.epoch(epoch)

    def epoch(self, epoch, first_batch=0):
        """The batches of one epoch, counted from 0, from ``first_batch`` on.

        Of a batch with fewer images than there are parts some get none: one image, and an empty list of labels.
        """
        for number, images, labels in self.stored(epoch, first_batch):
            if self._augmentation:
                whole = self.size_of(number)
                stream = self._stream(AUGMENTATION, epoch, number)
                images = self._augmentation(images, stream, whole, self._part * whole // self._parts)
            yield self.to_batch(images), in_array_mode(on_device(labels, self.ctx)) if len(labels) else []

    def stored(self, epoch=0, first_batch=0):
        """The same as they are stored: the number of each batch, its images and its labels as NumPy arrays, of this
        part."""
        order, numbers = self._order(epoch), range(first_batch, len(self))
        ends = [self._ends(number) for number in numbers]
        wanted = [order[first : max(end, first + 1)] for first, end in ends]
        with contextlib.closing(in_order(self.images, wanted)) as prepared:
            for number, (first, end), images in zip(numbers, ends, prepared):
                yield number, images, self.labels[order[first:end]]

    def _ends(self, batch):
        """Where this part of a batch begins and ends in the order of the epoch."""
        size, start = self.size_of(batch), batch * self._whole
        return tuple(start + part * size // self._parts for part in (self._part, self._part + 1))

    def to_batch(self, images):
        """Stored images, or augmented ones, as :func:`to_batch` makes them what a network takes."""
        return to_batch(images, self.resize, self.ctx, crop=self.crop, mean=self.mean, deviation=self.deviation)

    def _order(self, epoch):
        order = np.arange(len(self.labels))
        if self.shuffle:
            self._stream(ORDER, epoch).shuffle(order)
        return order

    def _stream(self, purpose, *position):
        return np.random if self.seed is None else numpy_stream(self.seed, purpose, *position)

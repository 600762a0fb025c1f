"""Batches on a device from images in memory."""

import functools
import math

import mxnet as mx
import numpy as np

from gluon_cnn.checks import brief, whole_number, whole_numbers
from gluon_cnn.data.augment import augment as augment_images
from gluon_cnn.data.fashion_mnist import read_fashion_mnist
from gluon_cnn.errors import SettingError
from gluon_cnn.seeding import AUGMENTATION, ORDER, numpy_stream

__all__ = ["Batches", "load_data_fashion_mnist", "make_batches", "to_batch"]


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
    augment : bool, optional
        Crop, mirror and re-light the training images at random, see :mod:`gluon_cnn.data.augment`.
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
    dataset, batch_size, resize=None, *, train_size=None, test_size=None, augment=None, seed=None, ctx=None, part=(0, 1)
):
    """The batches of a :class:`gluon_cnn.data.Dataset`; all else as for :func:`load_data_fashion_mnist`."""
    options = {"batch_size": batch_size, "resize": resize, "ctx": ctx, "part": part}
    train, test = _first(dataset.train, "train_size", train_size), _first(dataset.test, "test_size", test_size)
    return Batches(*train, shuffle=True, augment=augment, seed=seed, **options), Batches(*test, **options)


def _first(part, name, size):
    if size is None:
        return part
    if whole_number(name, size) > len(part.labels):
        raise SettingError(f"{name} is {size}, but there are only {len(part.labels)} images.", name)
    return part.images[:size], part.labels[:size]


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

    The images stay in memory as they are stored. A batch is cut out, resized on the CPU, moved to the device as bytes
    and scaled there. On the CPU NumPy scales what needs no resizing.

    Parameters
    ----------
    images : np.ndarray
        uint8 N×H×W.
    labels : np.ndarray
        int32 N.
    batch_size, resize, augment, seed, ctx, part
        As in :func:`load_data_fashion_mnist`.
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
        shuffle=False,
        augment=None,
        seed=None,
        ctx=None,
        part=(0, 1),
    ):
        self.images, self.labels = images, labels
        self.batch_size = whole_number("batch_size", batch_size)
        self.resize = None if resize is None else whole_numbers("resize", resize)
        self.shuffle, self.augment, self.ctx = shuffle, augment, ctx
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
        order = self._order(epoch)
        for batch in range(first_batch, len(self)):
            chosen = order[batch * self._whole : (batch + 1) * self._whole]
            images = self.images[chosen]
            if self.augment:  # all parts' images, so that each is changed as it would be in one part
                images = augment_images(images, self._stream(AUGMENTATION, epoch, batch))
            first, end = (number * len(chosen) // self._parts for number in (self._part, self._part + 1))
            labels = self.labels[chosen[first:end]]
            X = to_batch(images[first : max(end, first + 1)], self.resize, self.ctx)
            yield X, _in_array_mode(_on_device(labels, self.ctx)) if len(labels) else []

    def _order(self, epoch):
        order = np.arange(len(self.labels))
        if self.shuffle:
            self._stream(ORDER, epoch).shuffle(order)
        return order

    def _stream(self, purpose, *position):
        return np.random if self.seed is None else numpy_stream(self.seed, purpose, *position)


def to_batch(images, resize=None, ctx=None):
    """Turn images, uint8 N×H×W or N×H×W×3, into what a network takes: float32 N×C×H'×W' in [0, 1], on a device."""
    ctx = ctx or mx.context.current_context()
    if resize is None and ctx.device_type == "cpu":  # NumPy takes a sixth of MXNet's time
        planes = images[:, np.newaxis] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
        return _in_array_mode(_on_device(np.true_divide(planes, 255, dtype=np.float32), ctx))
    # On a GPU MXNet's resize cuts grey levels off where the CPU's rounds them: 2 of 5 pixels that are not black come
    # out one level darker. So the CPU resizes, as the book's loader did.
    channels_last = images[..., np.newaxis] if images.ndim == 3 else images
    batch = _on_device(channels_last, ctx if resize is None or ctx.device_type == "cpu" else mx.cpu())
    if resize is not None:
        size = resize if isinstance(resize, tuple) else (resize, resize)
        batch = mx.nd.image.resize(batch, size=size, interp=1)  # bilinear, as Resize does it
    batch = batch.as_in_context(ctx)
    # What ToTensor computes, looked up: a cast and a division take twice as long.
    batch = mx.nd.take(_grey_levels(ctx), _planes(batch))
    return _in_array_mode(batch)


def _planes(batch):
    """N×C×H×W from N×H×W×C; of one channel nothing is moved."""
    if batch.shape[3] == 1:
        return batch.reshape((0, 1, batch.shape[1], batch.shape[2]))
    return mx.nd.transpose(batch, (0, 3, 1, 2))


@functools.lru_cache(maxsize=None)
def _grey_levels(ctx):
    """The float32 number in [0, 1] for each byte."""
    return (mx.nd.arange(256, ctx=mx.cpu()) / 255).as_in_context(ctx)  # as the CPU divides


def _on_device(values, ctx):
    # Without a copy on the CPU: mx.nd.array would copy on this thread, and wait its turn behind the
    # steps under way.
    array = mx.nd.from_numpy(np.ascontiguousarray(values), zero_copy=True)
    return array.as_in_context(ctx or mx.context.current_context())


def _in_array_mode(array):
    return array.as_np_ndarray() if mx.util.is_np_array() else array

"""The loader's batches on a device, against those on the CPU and against NumPy."""

import mxnet as mx
import numpy as np

from gluon_cnn.data import SAMPLE, read_fashion_mnist
from gluon_cnn.data.batches import load_data_fashion_mnist
from gluon_cnn.data.scaled import to_batch
from gluon_cnn.selftest.check import Seen, tried

__all__ = ["check_batches"]

_IMAGES = 256
#: The share of pixels that may be another grey level than the exact one, rounded. OpenCV, which resizes with whole
#: numbers, has 6 % of such pixels; where levels are cut off instead of rounded, it is more than every fourth.
_MOST_OTHERS = 0.15


def check_batches(device):
    """Yield a Check of the batches at each of the book's sizes, of augmented ones, and of images in colour."""
    meaning = (
        "The networks would see other images on this device than the book's did, and the runs cannot be compared: "
        "train on the CPU, and report it."
    )
    yield tried("batches", "28 pixels", meaning, _small, device)
    for side in (96, 224):
        yield tried("batches", f"28 pixels resized to {side}", meaning, _resized, device, side)
    yield tried("batches", "augmented", meaning, _augmented, device)
    yield tried("batches", "in colour, normalised", meaning, _in_colour, device)


def _small(device):
    found, expected = _batches(device), _batches(mx.cpu())
    part = read_fashion_mnist(SAMPLE).test
    own = [part.images[:, np.newaxis].astype(np.float32) / np.float32(255), part.labels]
    return _same([*found, *found[2:]], [*expected, *own])


def _augmented(device):
    return _same(_batches(device, augment=True), _batches(mx.cpu(), augment=True))


def _in_colour(device):
    grey = read_fashion_mnist(SAMPLE).test.images
    images = np.stack([grey, grey[::-1], 255 - grey], axis=3)
    options = {"crop": 24, "mean": (0.485, 0.456, 0.406), "deviation": (0.229, 0.224, 0.225)}
    found, expected = ([to_batch(images, ctx=where, **options).asnumpy()] for where in (device, mx.cpu()))
    return _same(found, expected)


def _resized(device, side):
    images, labels = (_batches(where, resize=side, first=_IMAGES)[2:] for where in (device, mx.cpu()))
    seen = _same(images, labels)
    exact = _bilinear(read_fashion_mnist(SAMPLE).test.images[:_IMAGES], side)
    others = float((np.rint(images[0][:, 0] * 255) != np.rint(exact)).mean())
    numbers = {**seen.numbers, "levels_not_rounded": others}
    if seen.ok and others > _MOST_OTHERS:
        words = f"{others:.0%} of the pixels are not the rounded grey level (on the CPUs that were tried 6 %)"
        return Seen(False, words, numbers)
    return seen._replace(numbers=numbers)


def _batches(device, first=None, **options):
    """Images and labels of an epoch of the sample: shuffled training part, then test part; NumPy arrays."""
    parts = load_data_fashion_mnist(
        _IMAGES, root=SAMPLE, seed=0, ctx=device, train_size=first, test_size=first, **options
    )
    arrays = []
    for part in parts:
        images, labels = zip(*((X.asnumpy(), y.asnumpy()) for X, y in part))
        arrays += [np.concatenate(images), np.concatenate(labels)]
    return arrays


def _same(found, expected):
    """Whether arrays are equal to the bit."""
    others = sum(int((a != b).sum()) for a, b in zip(found, expected))
    wrong = [a.dtype != b.dtype or a.shape != b.shape for a, b in zip(found, expected)]
    number = sum(a.size for a in found)
    words = "equal to the bit" if not others else f"{others:,} of {number:,} numbers differ"
    return Seen(not (others or any(wrong)), words, {"numbers": number, "differing": others})


def _bilinear(images, side):
    """Images resized bilinearly, N×28×28 to N×side×side, in float64 and not rounded."""
    size = images.shape[-1]
    at = np.clip((np.arange(side) + 0.5) * size / side - 0.5, 0, size - 1)
    low = np.minimum(at.astype(int), size - 2)
    share = at - low
    rows = images[:, low] * (1 - share)[:, np.newaxis] + images[:, low + 1] * share[:, np.newaxis]
    return rows[:, :, low] * (1 - share) + rows[:, :, low + 1] * share

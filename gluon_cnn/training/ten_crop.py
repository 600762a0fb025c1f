"""The test of AlexNet's paper: ten views of each image, whose probabilities are averaged."""

import numpy as np

from gluon_cnn.errors import SettingError

__all__ = ["refuse_one_view", "ten_crop_accuracy", "ten_views"]


def ten_views(images, side):
    """The four corners and the middle of images, and their mirror images (Krizhevsky et al., 2012, section 4.1).

    Parameters
    ----------
    images : np.ndarray
        uint8 N×H×W, or N×H×W×3.
    side : int
        Height and width of each view in pixels.

    Yields
    ------
    np.ndarray
        uint8 N×side×side, or N×side×side×3: ten times.
    """
    bottom, right = (size - side for size in images.shape[1:3])
    for top, left in ((0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)):
        view = images[:, top : top + side, left : left + side]
        yield view
        yield view[:, :, ::-1]


def refuse_one_view(dataset, side):
    """SettingError if images of ``side`` are not cut out of larger ones, so that there are no ten views."""
    if not dataset.cropped or dataset.side <= side:
        raise SettingError(
            f"ten_crop is on, but images of {side}×{side} are not cut out of larger ones: leave it out, or train a "
            "network with a short_side above its side.",
            "ten_crop",
            "short_side",
        )


def ten_crop_accuracy(probabilities_of, batches):
    """The share of test images whose class has the highest mean probability over the ten views.

    Parameters
    ----------
    probabilities_of : callable
        Gives probabilities, a NumPy array N×classes, for a batch.
    batches : Batches
        Their ``crop`` is the side of the views.
    """
    correct = 0
    for _, images, labels in batches.stored():
        views = (batches.to_batch(view) for view in ten_views(images, batches.crop))
        mean = sum(probabilities_of(view).astype(np.float64) for view in views) / 10
        correct += int((mean.argmax(axis=1)[: len(labels)] == labels).sum())
    return correct / len(batches.labels)

"""Whether an exported network answers as the one it came from."""

from typing import NamedTuple

import numpy as np

from gluon_cnn.data import to_batch
from gluon_cnn.errors import InteropError

__all__ = ["CHECKED", "TOLERANCE", "Difference", "compare", "refuse_difference"]

CHECKED = 256  # test images
#: Between two logits, for logits up to 1; of larger ones, this share of the largest. A float32 of 30 has steps of 2e-6.
TOLERANCE = 1e-5
# Where the images are cut: batches of 1, 6, 57 and 64, so that a batch's size is seen to be free.
CUTS = (1, 7, 64, 128, 192)


class Difference(NamedTuple):
    """The largest absolute difference between the logits of two networks, and the largest absolute logit."""

    largest: float
    largest_logit: float


def compare(exported, net, images, resize=None):
    """The Difference between an exported network and the one it came from.

    Parameters
    ----------
    exported : callable
        Images uint8 N×28×28 to logits, NumPy float32 N×10, for every N.
    net : Block
        Takes what :func:`gluon_cnn.data.to_batch` makes of the images and ``resize``.
    images : np.ndarray
        uint8 N×28×28.
    """
    parts = [part for part in np.split(images, CUTS) if len(part)]
    expected = [net(to_batch(part, resize)).asnumpy() for part in parts]
    found = np.concatenate([exported(part) for part in parts])
    expected = np.concatenate(expected)
    return Difference(float(np.abs(found - expected).max()), float(np.abs(expected).max()))


def refuse_difference(difference, path):
    """InteropError if a Difference is more than :data:`TOLERANCE` allows, or no number."""
    if not difference.largest <= TOLERANCE * max(1, difference.largest_logit):
        raise InteropError(
            f"{path} is not written, for its logits would differ from MXNet's by up to {difference.largest:.3g} where "
            f"the largest is {difference.largest_logit:.3g}: export the network in another format."
        )

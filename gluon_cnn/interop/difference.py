"""How far the logits of an exported network are from those of the network that it came from."""

from typing import NamedTuple

import numpy as np

from gluon_cnn.errors import InteropError

__all__ = ["TOLERANCE", "Difference", "measure_difference", "refuse_difference"]

#: The largest difference of two logits, where logits are at most 1. Where they are larger, it is this share of the
#: largest, because neighbouring float32 numbers around 30 are 2e-6 apart.
TOLERANCE = 1e-5
# Where the images are divided: batches of 1, 6, 57 and 64 show that the exported network takes any size.
_CUTS = (1, 7, 64, 128, 192)


class Difference(NamedTuple):
    """The largest absolute difference between the logits of two networks, the largest absolute logit, and the number of
    images that were compared."""

    largest: float
    largest_logit: float
    images: int

    def __str__(self):
        return f"{self.largest:.3g}"


def measure_difference(exported, net, inputs, images):
    """The :class:`Difference` between an exported network and the one it came from.

    Parameters
    ----------
    exported : callable
        Takes images as the data set stores them, for any N, and gives logits, a NumPy array N×classes.
    net : Block
        Takes batches of ``inputs``.
    inputs : Inputs
    images : np.ndarray
        uint8 N×H×W or N×H×W×3, as the data set stores them.
    """
    parts = [part for part in np.split(images, _CUTS) if len(part)]
    expected = [net(inputs.batch(part)).asnumpy() for part in parts]
    found = np.concatenate([exported(part) for part in parts])
    expected = np.concatenate(expected)
    return Difference(float(np.abs(found - expected).max()), float(np.abs(expected).max()), len(images))


def refuse_difference(difference, path):
    """Raise an InteropError if a Difference exceeds :data:`TOLERANCE` or is not a number."""
    if not difference.largest <= TOLERANCE * max(1, difference.largest_logit):
        raise InteropError(
            f"{path} is not written, because its logits would differ from MXNet's by up to {difference} where the "
            f"largest is {difference.largest_logit:.3g}: export the network in another format.",
            "format",
        )

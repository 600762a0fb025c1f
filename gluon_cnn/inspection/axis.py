"""What the positions of an array see of an image along one of its two axes."""

from typing import NamedTuple, Optional, Sequence

import numpy as np

__all__ = ["Axis", "joined", "of_image", "spread", "through_window", "whole"]


class Axis(NamedTuple):
    """The stretch of an image that each position along an axis sees.

    Attributes
    ----------
    low, high : np.ndarray
        int, one for each position: the first pixel that it sees, and the one after the last. ``low`` is above ``high``
        for a position that sees only padding.
    size, stride, start : int or None
        Position i sees ``size`` pixels from ``start + i * stride`` on, where no border cuts them. None if no such
        numbers hold for all positions.
    """

    low: np.ndarray
    high: np.ndarray
    size: Optional[int] = None
    stride: Optional[int] = None
    start: Optional[int] = None

    @property
    def is_regular(self):
        """Whether all positions see equally much."""
        return self.size is not None


def of_image(pixels):
    """The axis of an image, on which each pixel sees itself."""
    positions = np.arange(pixels)
    return Axis(positions, positions + 1, 1, 1, 0)


def through_window(axis, positions, kernel, stride, padding, dilation=1):
    """What a number of positions see through a window of ``kernel`` that moves by ``stride``."""
    begin = np.arange(positions) * stride - padding
    seen = begin[:, np.newaxis] + np.arange(kernel) * dilation  # positions of the axis, by window
    there = (seen >= 0) & (seen < len(axis.low))
    seen = seen.clip(0, len(axis.low) - 1)
    nothing = np.iinfo(int).max, 0
    low = np.where(there, axis.low[seen], nothing[0]).min(axis=1)
    high = np.where(there, axis.high[seen], nothing[1]).max(axis=1)
    if not axis.is_regular:
        return Axis(low, high)
    size = axis.size + (kernel - 1) * dilation * axis.stride
    return Axis(low, high, size, axis.stride * stride, axis.start - padding * axis.stride)


def whole(axis, positions=1):
    """What a number of positions see that each see what all positions of an axis do."""
    low, high = int(axis.low.min()), int(axis.high.max())
    return Axis(np.full(positions, low), np.full(positions, high), high - low, 0, low)


def joined(axes: Sequence[Axis]):
    """What positions see that see what those of several axes do."""
    low, high = np.min([axis.low for axis in axes], axis=0), np.max([axis.high for axis in axes], axis=0)
    for axis in axes:  # one of them may see what all others do, as where a block can be skipped
        if np.array_equal(low, axis.low) and np.array_equal(high, axis.high) and axis.stride == 0:
            return axis
    if len({axis.stride for axis in axes}) > 1 or not all(axis.is_regular for axis in axes):
        return Axis(low, high)
    start = min(axis.start for axis in axes)
    size = max(axis.start + axis.size for axis in axes) - start
    return Axis(low, high, size, axes[0].stride, start)


def spread(axis, positions):
    """The axis, or its only position as often as there are positions."""
    if len(axis.low) == positions:
        return axis
    return whole(axis, positions)

"""The book's small tools for measuring."""

import time

from gluon_cnn.errors import SettingError
from gluon_cnn.training.metrics import answers

__all__ = ["Accumulator", "Timer", "accuracy", "number_of"]


class Timer:
    """Seconds of several stretches of time (book, section 9.2 of the English edition)."""

    def __init__(self):
        self.times = []
        self.start()

    def start(self):
        """Begin a stretch."""
        self._began = time.perf_counter()

    def stop(self):
        """End the stretch and return its seconds."""
        self.times.append(time.perf_counter() - self._began)
        return self.times[-1]

    def avg(self):
        """Mean seconds of a stretch; a SettingError if there is none."""
        if not self.times:
            raise SettingError("No stretch of time has ended: call stop() first.")
        return sum(self.times) / len(self.times)

    def sum(self):
        """Seconds of all stretches."""
        return sum(self.times)

    def cumsum(self):
        """For each stretch the seconds up to its end, as a list."""
        return [sum(self.times[: i + 1]) for i in range(len(self.times))]


class Accumulator:
    """``n`` sums side by side (book, section 3.6 of the English edition)."""

    def __init__(self, n):
        self.data = [0.0] * n

    def add(self, *args):
        """Add one number to each sum; an array of one number is a number."""
        if len(args) != len(self.data):
            raise SettingError(f"{len(args)} numbers cannot be added to {len(self.data)} sums: give one for each.")
        self.data = [total + number_of(value) for total, value in zip(self.data, args)]

    def reset(self):
        """Set every sum to 0."""
        self.data = [0.0] * len(self.data)

    def __getitem__(self, index):
        return self.data[index]


def accuracy(y_hat, y):
    """How many predictions are right (book, section 3.6 of the English edition).

    Parameters
    ----------
    y_hat : array
        N×classes scores, or N predicted classes.
    y : array
        N labels. If they have more axes, such as N×H×W, ``y_hat`` has them too, after the classes.

    Returns
    -------
    float
        A number of predictions, not a share.

    Raises
    ------
    ModelError
        If there is not one prediction for each label.
    """
    if y_hat.size == y.size and (y_hat.ndim < 2 or y_hat.shape[1] == 1):
        y_hat = y_hat.reshape(y.shape)
    else:
        y_hat = answers(y_hat, y)
    return number_of((y_hat.astype(y.dtype) == y).sum())


def number_of(value):
    """A number, or an array of one, as a float; a SettingError for anything else."""
    array = value.asnumpy() if hasattr(value, "asnumpy") else value
    try:
        return float(array.item() if hasattr(array, "item") else array)
    except (TypeError, ValueError):
        shape = getattr(array, "shape", None)
        what = f"an array of shape {shape}" if shape is not None else repr(value)
        raise SettingError(f"A single number is needed, not {what}.") from None

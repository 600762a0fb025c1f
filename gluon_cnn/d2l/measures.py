"""The book's small tools for measuring."""

import contextlib
import time

from gluon_cnn.checks import brief, whole_number
from gluon_cnn.errors import SettingError
from gluon_cnn.training.metrics import answers

__all__ = ["Accumulator", "Benchmark", "Timer", "accuracy", "benchmark", "is_sequence", "number_of", "numbers"]


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


class Benchmark:
    """A block that prints its seconds: ``with Benchmark("on the CPU"):`` (book, section 12.2 of the English edition).

    Parameters
    ----------
    description : str
        What stands before the seconds.
    prefix : str, optional
        The same, as the first edition calls it (section 8.2).
    """

    def __init__(self, description="Done", prefix=None):
        self.description = f"{prefix} time" if prefix else description or "Done"

    def __enter__(self):
        self.timer = Timer()
        return self

    def __exit__(self, *error):
        print(f"{self.description}: {self.timer.stop():.4f} sec")


@contextlib.contextmanager
def benchmark(description="Done in %.4f sec"):
    """As :class:`Benchmark`, with a place for the seconds (English 0.7)."""
    timer = Timer()
    try:
        yield
    finally:
        print(description % timer.stop())


class Accumulator:
    """``n`` sums side by side (book, section 3.6 of the English edition)."""

    def __init__(self, n):
        self.data = [0.0] * whole_number("n", n)

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
    return number_of((y_hat.astype("float32") == y.astype("float32")).sum())


def number_of(value):
    """A number, or an array of one, as a float; a SettingError for anything else."""
    array = value.asnumpy() if hasattr(value, "asnumpy") else value
    try:
        return float(array.item() if hasattr(array, "item") else array)
    except (OverflowError, TypeError, ValueError):
        shape = getattr(array, "shape", None)
        what = f"an array of shape {shape}" if shape is not None else brief(value)
        raise SettingError(f"A single number is needed, not {what}.") from None


def numbers(values):
    """A number, an array or a sequence as a list of floats, or of None where there is none."""
    if not is_sequence(values):
        values = [values]
    elif hasattr(values, "shape"):
        values = (values.asnumpy() if hasattr(values, "asnumpy") else values).ravel()
    return [None if value is None else number_of(value) for value in values]


def is_sequence(value):
    """Whether this has several numbers, or could have."""
    return len(value.shape) > 0 if hasattr(value, "shape") else hasattr(value, "__len__")

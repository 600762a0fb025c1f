"""The book's small tools for measuring."""

import time

__all__ = ["Accumulator", "Timer", "accuracy"]


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
        """Mean seconds of a stretch."""
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
        """Add one number to each sum."""
        self.data = [total + float(value) for total, value in zip(self.data, args)]

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
        N labels.

    Returns
    -------
    float
        A number of predictions, not a share.
    """
    if y_hat.ndim > 1 and y_hat.shape[1] > 1:
        y_hat = y_hat.argmax(axis=1)
    return float((y_hat.astype(y.dtype) == y).sum().asnumpy().item())

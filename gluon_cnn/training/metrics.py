"""What is measured while a network trains: sums that stay on the device, and when to fetch them."""

import math
import time
from typing import TypedDict

import mxnet as mx
import numpy as np

from gluon_cnn.decoding import Count, Finite
from gluon_cnn.errors import DataError, ModelError

__all__ = ["Pace", "Sums", "WorkerSums", "answers"]


class WorkerSums(TypedDict):
    """What a worker's :class:`Sums` of a training begin with, where its run is resumed."""

    loss: Finite
    correct: Count
    images: Count


def answers(output, label):
    """Which class each score of an output speaks for, in the shape of its labels.

    Parameters
    ----------
    output : array
        Scores of N×classes, or N×classes×... with labels of N×..., such as one for each pixel.
    label : array
        Of that shape, where axes of size 1 do not count: N×1 is N labels.

    Raises
    ------
    ModelError
        If there is not one answer for each label.
    """
    _check_shapes(output, label)
    # argmax gives a number of the output's type, and float16 has not every whole number above 2,048.
    answer = (output.astype("float32") if output.dtype == np.float16 else output).argmax(axis=1)
    return answer if answer.shape == label.shape else answer.reshape(label.shape)


def _check_shapes(output, label):
    rest = (*output.shape[:1], *output.shape[2:])
    if len(output.shape) < 2 or [size for size in rest if size != 1] != [size for size in label.shape if size != 1]:
        raise ModelError(
            f"An output of {_shape(output)} does not fit labels of {_shape(label)}: accuracy needs the classes along "
            "the second axis of the output, and a label for each place along the others."
        )


def _shape(array):
    return "×".join(map(str, array.shape)) or "no axes"


class Sums:
    """Loss, correct answers and images of some steps, as they come off one or more devices.

    A step leaves its arrays where they are, so that adding costs no operation. :meth:`read` lets each
    device put them together and fetches the result, which is when Python waits. Steps are added one
    after another in float64, so that the total does not depend on when they were read.

    Attributes
    ----------
    loss : float
        Sum over the images read so far.
    correct : int
        Of their labels, how many have the largest logit.
    images, labels, steps : int
        What was added, read or not. An image may have several labels, such as one for each pixel.
    losses : int
        How many numbers ``loss`` is the sum of.
    bad_step : int or None
        The first step, from 1, whose loss was not finite.
    """

    def __init__(self, loss=0.0, correct=0, images=0, steps=0):
        self.loss, self.correct, self.images, self.steps = loss, correct, images, steps
        self.labels = self.losses = images  # a run's images have one of each
        self.bad_step = None
        self._largest = None  # absolute logit of each class
        self._pending = []  # (step, loss, output, label) of each part of each step

    def add(self, losses, outputs, labels):
        """Take one step's per-image losses (or None), logits and labels, a list of each with one entry a device.

        Raises
        ------
        ModelError
            If there is not one answer for each label.
        """
        for output, label in zip(outputs, labels):
            _check_shapes(output, label)
        self.steps += 1
        for loss, output, label in zip(losses, outputs, labels):
            self.images += len(label)
            self.labels += math.prod(label.shape)
            if loss is not None:
                loss = loss if len(loss.shape) == 1 else loss.reshape(-1)
                self.losses += math.prod(loss.shape)
            label = label.astype("float32") if np.dtype(label.dtype) == bool else label  # MXNet joins no bools
            self._pending.append((self.steps, loss, output, label))

    def read(self):
        """Wait for the devices, take over what they have computed, and return self."""
        pending, self._pending = self._pending, []
        together = {}  # by device and, for images of several sizes, by shape
        for part in pending:
            together.setdefault((part[2].ctx, part[2].shape[1:], part[3].shape[1:]), []).append(part)
        results = [(parts, *_put_together(parts)) for parts in together.values()]  # every device begins
        step_losses = {}
        for parts, losses, counted in results:
            correct, *largest = counted.asnumpy()
            self.correct += int(correct)
            self._largest = largest if self._largest is None else np.maximum(self._largest, largest)
            if losses is not None:
                values, start = losses.asnumpy().astype("float64"), 0
                for step, loss, _, _ in parts:
                    total = values[start : start + loss.size].sum()
                    step_losses[step] = step_losses.get(step, 0.0) + total
                    start += loss.size
        for step, loss in sorted(step_losses.items()):
            self.loss += float(loss)
            if self.bad_step is None and not math.isfinite(loss):
                self.bad_step = step
        return self

    def of_all(self, job, classes):
        """The sums of all workers of a job; this worker's must have been read."""
        largest = np.zeros(classes) if self._largest is None else self._largest
        bad_step = math.inf if self.bad_step is None else self.bad_step
        rows = np.array(job.gather([self.loss, self.correct, self.images, bad_step, *largest]))
        total = Sums(sum(rows[:, 0].tolist()), int(rows[:, 1].sum()), int(rows[:, 2].sum()), self.steps)
        total.bad_step = None if math.isinf(rows[:, 3].min()) else int(rows[:, 3].min())
        total._largest = rows[:, 4:].max(axis=0)
        return total

    @property
    def mean_loss(self):
        """Mean of the losses of what was read."""
        return self.loss / self.losses if self.losses else math.nan

    @property
    def dead_classes(self):
        """Classes whose logit was 0 for every image that this object has read.

        Where only an average follows a network's last ReLU, as in NiN, such a class no longer gets a gradient.
        """
        return [] if self._largest is None else np.flatnonzero(np.equal(self._largest, 0)).tolist()

    @property
    def accuracy(self):
        """Share of the labels that have the largest logit, of what was read; a DataError if there is none."""
        if not self.labels:
            raise DataError("There were no images, so there is no accuracy: the data are empty or were used up.")
        return self.correct / self.labels


def _put_together(parts):
    """All per-image losses (or None), and the number of correct answers followed by each class's largest absolute
    logit: two arrays on the parts' device, since to fetch one is to wait."""
    _, losses, outputs, labels = zip(*parts)
    label, output = _concatenate(labels), _concatenate(outputs)
    # In float32, which has the numbers of all classes: as a label of a byte, class 300 would be 44.
    right = answers(output, label).astype("float32") == label.astype("float32")
    dtype = "float32" if label.size < 2**24 else "float64"  # which counts further, as the pixels of pictures do
    correct = (right if dtype == "float32" else right.astype(dtype)).sum()
    all_but_classes = (0, *range(2, len(output.shape)))
    largest = abs(output).max(axis=all_but_classes if len(output.shape) > 2 else 0)
    counted = [part.reshape(-1).astype(dtype) for part in (correct, largest)]
    return (None if losses[0] is None else _concatenate(losses)), _concatenate(counted)


def _concatenate(arrays):
    return mx.np.concatenate(arrays) if mx.util.is_np_array() else mx.nd.concat(*arrays, dim=0)


class Pace:
    """When to wait for the device, so that about ``seconds`` of work lie between two waits.

    MXNet's calls return before the work is done. Without a wait now and then Python would queue
    hours of it, and neither show where it stands nor hear Ctrl-C. And every step that it is ahead
    keeps a batch in memory.
    """

    def __init__(self, seconds=0.5):
        self.seconds = seconds
        self._allowed = 1  # steps between two waits; the first wait shows how long a step takes
        self.start()

    def start(self):
        """Begin to count, with nothing queued."""
        self._steps, self._since = 0, time.monotonic()

    def due(self):
        """Count one more step; whether it is time to wait."""
        self._steps += 1
        return self._steps >= self._allowed

    def waited(self):
        """Take note that everything so far is done."""
        seconds_per_step = max(time.monotonic() - self._since, 1e-6) / max(self._steps, 1)
        self._allowed = max(1, int(self.seconds / seconds_per_step))
        self.start()

    def reader(self, sums):
        """A function to call after each step: it reads ``sums`` when it is time to wait."""
        self.start()

        def after_step():
            if self.due():
                sums.read()
                self.waited()

        return after_step

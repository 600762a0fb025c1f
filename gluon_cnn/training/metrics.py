"""What is measured while a network trains: sums that stay on the device, and when to fetch them."""

import math
import time

import mxnet as mx
import numpy as np

__all__ = ["Pace", "Sums"]


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
        Of these, how many have their largest logit at their label.
    images, steps : int
        What was added, read or not.
    bad_step : int or None
        The first step, from 1, whose loss was not finite.
    """

    def __init__(self, loss=0.0, correct=0, images=0, steps=0):
        self.loss, self.correct, self.images, self.steps = loss, correct, images, steps
        self.bad_step = None
        self._largest = None  # absolute logit of each class
        self._pending = []  # (step, loss, output, label) of each part of each step

    def add(self, losses, outputs, labels):
        """Take one step's per-image losses (or None), logits and labels, a list of each with one entry a device."""
        self.steps += 1
        for loss, output, label in zip(losses, outputs, labels):
            self.images += len(label)
            self._pending.append((self.steps, loss, output, label))

    def read(self):
        """Wait for the devices, take over what they have computed, and return self."""
        pending, self._pending = self._pending, []
        by_device = {}
        for part in pending:
            by_device.setdefault(part[2].ctx, []).append(part)
        results = [(parts, *_put_together(parts)) for parts in by_device.values()]  # every device begins
        step_losses = {}
        for parts, losses, answers in results:
            correct, *largest = answers.asnumpy()
            self.correct += int(correct)
            self._largest = largest if self._largest is None else np.maximum(self._largest, largest)
            if losses is not None:
                values, start = losses.asnumpy().astype("float64"), 0
                for step, _, _, label in parts:
                    total = values[start : start + len(label)].sum()
                    step_losses[step] = step_losses.get(step, 0.0) + total
                    start += len(label)
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
        """Mean loss per image of what was read."""
        return self.loss / self.images if self.images else math.nan

    @property
    def dead_classes(self):
        """Classes whose logit was 0 for every image that this object has read.

        Where only an average follows a network's last ReLU, as in NiN, such a class no longer gets a gradient.
        """
        return [] if self._largest is None else np.flatnonzero(np.equal(self._largest, 0)).tolist()

    @property
    def accuracy(self):
        """Share of the images whose largest logit is that of their label, of what was read."""
        return self.correct / self.images


def _put_together(parts):
    """All per-image losses (or None), and the number of correct answers followed by each class's largest absolute
    logit: two arrays on the parts' device, since to fetch one is to wait."""
    _, losses, outputs, labels = zip(*parts)
    label, output = _concatenate(labels), _concatenate(outputs)
    correct = (output.argmax(axis=1).astype(label.dtype) == label).sum()
    answers = [part.reshape(-1).astype("float32") for part in (correct, abs(output).max(axis=0))]
    return (None if losses[0] is None else _concatenate(losses)), _concatenate(answers)


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

"""One epoch: the loop over the steps that every training here takes, and the one over the test batches."""

from mxnet import autograd, gluon

from gluon_cnn.errors import DataError
from gluon_cnn.training.metrics import Pace, Sums
from gluon_cnn.training.mixed_precision import backward

__all__ = ["count_correct", "one_ahead", "split_evenly", "test_epoch", "train_epoch"]


def train_epoch(
    net, batches, trainer, devices, sums, *, after_step, before_step=None, batch_size=None, loss=None, split=None
):
    """Train on batches, one step each.

    Nothing in it waits for the devices, except for MXNet itself in mixed precision, and the next batch is made before
    ``after_step`` can wait for a step.

    Parameters
    ----------
    net : Block
        N×C×H×W to N×classes logits, initialised on ``devices``.
    batches : iterable of (X, y)
    trainer : gluon.Trainer
    devices : list of mx.Context
        A batch is split over them as evenly as possible.
    sums : Sums
        Takes each step's loss and correct answers.
    after_step : callable
        Called without arguments after each step; the epoch ends early where it returns True.
    before_step : callable, optional
        Called with the number of each step, from 0, before it.
    batch_size : int or callable, optional
        What a step's gradient is divided by, or what gives it for the number of a step, from 0; each batch's real size
        by default.
    loss : callable, optional
        Of logits and labels, a number for each image; Gluon's softmax and cross-entropy by default.
    split : callable, optional
        Takes X, y and the devices, and gives the parts of X and those of y, one for each device.
    """
    if loss is None:
        loss = gluon.loss.SoftmaxCrossEntropyLoss()
        loss.hybridize()
    for X, y in one_ahead(batches, after_step):
        step = sums.steps
        if before_step is not None:
            before_step(step)
        parts, idle = _parts(X, y, devices, split)
        with autograd.record():
            outputs = [net(part) for part, _ in parts]
            losses = [loss(output, label) for output, (_, label) in zip(outputs, parts)]
            # The trainer wants a gradient from every device, also where a short batch left none an image.
            unused = [net(X[:1].as_in_context(device)) * 0 for device in idle]
        backward(losses, unused, trainer)
        trainer.step(batch_size(step) if callable(batch_size) else batch_size or len(y))
        sums.add(losses, outputs, [label for _, label in parts])


def one_ahead(batches, after_step):
    """Yield batches, of which the next is made before ``after_step`` can wait for the step; ends early where that
    returns True."""
    batches = iter(batches)
    batch = next(batches, None)
    while batch is not None:
        yield batch
        batch = next(batches, None)
        if after_step():
            return


def test_epoch(net, batches, devices, sums, *, after_step, split):
    """Count the correct answers batch by batch; all else as in :func:`train_epoch`."""
    for X, y in batches:
        parts, _ = _parts(X, y, devices, split)
        outputs = [net(part) for part, _ in parts]
        sums.add([None] * len(parts), outputs, [label for _, label in parts])
        if after_step():
            return


def count_correct(net, batches, devices, split=None):
    """The :class:`Sums` of a whole test pass, read."""
    sums = Sums()
    test_epoch(net, batches, devices, sums, after_step=Pace().reader(sums), split=split)
    return sums.read()


def _parts(X, y, devices, split):
    """The batch in parts, one a device; and the devices left without."""
    parts = list(zip(*(split or split_evenly)(X, y, devices)))
    return parts, devices[len(parts) :]


def split_evenly(X, y, devices):
    """The parts of X and those of y, on devices, with sizes that differ by at most one; none for a device without."""
    if len(y) and len(X) != len(y):
        raise DataError(f"A batch has {len(X)} images and {len(y)} labels: give one label for each image.")
    size, longer = divmod(len(y), len(devices))
    images, labels, start = [], [], 0
    for i, device in enumerate(devices):
        stop = start + size + (i < longer)
        if stop > start:
            images.append(X[start:stop].as_in_context(device))
            labels.append(y[start:stop].as_in_context(device))
        start = stop
    return images, labels

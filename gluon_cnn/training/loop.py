"""The book's training functions, over one loop."""

import time

import mxnet as mx
from mxnet import autograd, gluon

from gluon_cnn.device import try_gpu
from gluon_cnn.training.metrics import EpochResult, Pace, Sums
from gluon_cnn.training.mixed_precision import backward

__all__ = ["evaluate_accuracy", "evaluate_accuracy_gpu", "test_steps", "train", "train_ch5", "train_ch6", "train_steps"]


def train_steps(net, batches, trainer, devices, sums, *, batch_size=None, loss=None, before_step=None):
    """Train on batches, one step each: the core of every training here.

    A generator: it goes on when asked for the next step, so its caller decides what happens between
    two steps. Nothing in it waits for the devices, but for MXNet itself in mixed precision, and the next batch is asked
    for before anybody waits for a step.

    Parameters
    ----------
    net : Block
        N×C×H×W to N×classes logits, initialised on ``devices``.
    batches : iterable of (X, y)
    trainer : gluon.Trainer
    devices : list of mx.Context
        A batch is split over them as evenly as it goes.
    sums : Sums
        Takes each step's loss and correct answers.
    batch_size : int or callable, optional
        What a step's gradient is divided by, or what gives it for the number of a step, from 0; each batch's real size
        by default.
    loss : callable, optional
        Of logits and labels, a number for each image; Gluon's softmax and cross-entropy by default.
    before_step : callable, optional
        Called with the number of each step, from 0, before it.

    Yields
    ------
    Sums
        ``sums``, after each step.
    """
    if loss is None:
        loss = gluon.loss.SoftmaxCrossEntropyLoss()
        loss.hybridize()
    batches = iter(batches)
    batch = next(batches, None)
    while batch is not None:
        step, (X, y) = sums.steps, batch
        if before_step is not None:
            before_step(step)
        parts, idle = _split(X, y, devices)
        with autograd.record():
            outputs = [net(part) for part, _ in parts]
            losses = [loss(output, label) for output, (_, label) in zip(outputs, parts)]
            # The trainer wants a gradient from every device, also where a short batch left none an image.
            unused = [net(X[:1].as_in_context(device)) * 0 for device in idle]
        backward(losses, unused, trainer)
        trainer.step(batch_size(step) if callable(batch_size) else batch_size or len(y))
        sums.add(losses, outputs, [label for _, label in parts])
        batch = next(batches, None)  # before the caller waits for this step
        yield sums


def test_steps(net, batches, devices, sums):
    """Count correct answers batch by batch: a generator like :func:`train_steps`, without the training."""
    for X, y in batches:
        parts, _ = _split(X, y, devices)
        outputs = [net(part) for part, _ in parts]
        sums.add([None] * len(parts), outputs, [label for _, label in parts])
        yield sums


def train_ch5(net, train_iter, test_iter, batch_size, trainer, ctx, num_epochs):
    """Train and evaluate a network as the first edition does (section 5.5), printing a line each epoch.

    Within an epoch Python waits for the device after the first step, and then after about half a second of work
    each, so that Ctrl-C is heard.

    Parameters
    ----------
    net : Block
        Initialised on ``ctx``.
    train_iter, test_iter : iterable of (X, y)
        As from :func:`gluon_cnn.load_data_fashion_mnist`.
    batch_size : int
        By which every step's gradient is divided, that of a last, shorter batch as well.
    trainer : gluon.Trainer
    ctx : mx.Context or list of mx.Context
    num_epochs : int

    Returns
    -------
    list of EpochResult
    """
    print("training on", ctx)
    return _printed(_epochs(num_epochs, net, train_iter, test_iter, trainer, _as_list(ctx), batch_size))


def train(train_iter, test_iter, net, loss, trainer, ctx, num_epochs):
    """Train and evaluate on one device or several as the first edition does (section 9.1), printing a line each epoch.

    Parameters
    ----------
    train_iter, test_iter : iterable of (X, y)
    net : Block
        Initialised on ``ctx``.
    loss : callable
        Of logits and labels, a number for each image.
    trainer : gluon.Trainer
        Its step is divided by each batch's real size.
    ctx : mx.Context or list of mx.Context
        Every batch is split over them.
    num_epochs : int

    Returns
    -------
    list of EpochResult
    """
    print("training on", ctx)
    return _printed(_epochs(num_epochs, net, train_iter, test_iter, trainer, _as_list(ctx), None, loss))


def _printed(results):
    history = []
    for r in results:
        history.append(r)
        print(
            f"epoch {r.epoch}, loss {r.train_loss:.4f}, train acc {r.train_acc:.3f}, "
            f"test acc {r.test_acc:.3f}, time {r.seconds:.1f} sec"
        )
    return history


def train_ch6(net, train_iter, test_iter, num_epochs, lr, device=None):
    """Train a network from Xavier's weights as the English edition does (section 6.6).

    Parameters
    ----------
    net : Block
        Initialised anew.
    train_iter, test_iter : iterable of (X, y)
        As from :func:`gluon_cnn.load_data_fashion_mnist`.
    num_epochs : int
    lr : float
        Learning rate of plain SGD.
    device : mx.Context or list of mx.Context, optional
        :func:`gluon_cnn.try_gpu` by default.

    Returns
    -------
    list of EpochResult
        Whose last entry is printed.
    """
    device = device or try_gpu()
    net.initialize(force_reinit=True, ctx=_as_list(device), init=mx.init.Xavier())
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": lr})
    history = list(_epochs(num_epochs, net, train_iter, test_iter, trainer, _as_list(device), None))
    r = history[-1]
    print(f"loss {r.train_loss:.3f}, train acc {r.train_acc:.3f}, test acc {r.test_acc:.3f}")
    speed = len(history) / sum(1 / result.examples_per_sec for result in history)
    print(f"{speed:.1f} examples/sec on {device}")
    return history


def evaluate_accuracy(data_iter, net, ctx=None):
    """Top-1 accuracy of a network on a data set, as a fraction (book, section 5.5 of the first edition).

    Parameters
    ----------
    data_iter : iterable of (X, y)
    net : Block
        These two also in the other order, which is the English edition's.
    ctx : mx.Context or list of mx.Context, optional
        Where the network's parameters are, by default.

    Returns
    -------
    float
    """
    if isinstance(data_iter, gluon.Block):
        data_iter, net = net, data_iter
    devices = _as_list(ctx or next(iter(net.collect_params().values())).list_ctx())
    return _run(test_steps, net, data_iter, devices=devices, pace=Pace()).accuracy


def evaluate_accuracy_gpu(net, data_iter, device=None):
    """:func:`evaluate_accuracy` in the English edition's order (section 6.6)."""
    return evaluate_accuracy(data_iter, net, device)


def _epochs(num_epochs, net, train_iter, test_iter, trainer, devices, batch_size, loss=None):
    """Train and evaluate; yields each epoch's result."""
    train_pace, test_pace = Pace(), Pace()
    for epoch in range(1, num_epochs + 1):
        start = time.perf_counter()
        options = {"pace": train_pace, "batch_size": batch_size, "loss": loss}
        trained_on = _run(train_steps, net, train_iter, trainer, devices=devices, **options)
        trained = time.perf_counter() - start
        test = _run(test_steps, net, test_iter, devices=devices, pace=test_pace)
        seconds = time.perf_counter() - start
        speed, dead = trained_on.images / trained, len(test.dead_classes)
        yield EpochResult(epoch, trained_on.mean_loss, trained_on.accuracy, test.accuracy, seconds, speed, dead)


def _run(steps, net, data_iter, *args, devices, pace, **options):
    """Take all of some steps, waiting for the devices only as often as ``pace`` asks; their sums, read."""
    sums = Sums()
    pace.start()
    for _ in steps(net, data_iter, *args, devices, sums, **options):
        if pace.due():
            sums.read()
            pace.waited()
    return sums.read()


def _as_list(ctx):
    return list(ctx) if isinstance(ctx, (list, tuple)) else [ctx]


def _split(X, y, devices):
    """The batch in parts, one a device, whose sizes differ by at most one; and the devices left without."""
    size, longer = divmod(len(y), len(devices))
    parts, start = [], 0
    for i, device in enumerate(devices):
        stop = start + size + (i < longer)
        if stop > start:
            parts.append((X[start:stop].as_in_context(device), y[start:stop].as_in_context(device)))
        start = stop
    return parts, devices[len(parts) :]

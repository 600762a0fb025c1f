"""The book's training functions, on the same loop as runs (:mod:`gluon_cnn.training.loop`)."""

import time

import mxnet as mx
from mxnet import gluon

from gluon_cnn.checks import whole_number
from gluon_cnn.errors import DataError
from gluon_cnn.runtime.devices import try_gpu
from gluon_cnn.training.history import EpochResult
from gluon_cnn.training.loop import count_correct, test_epoch, train_epoch
from gluon_cnn.training.metrics import Pace, Sums

__all__ = ["evaluate_accuracy", "evaluate_accuracy_gpu", "train", "train_ch5", "train_ch6"]

_AGAIN = "pass a list of batches or a loader, which begin anew in every epoch"


def train_ch5(net, train_iter, test_iter, batch_size, trainer, ctx, num_epochs):
    """Train and evaluate a network as the first edition does (section 5.5), printing a line each epoch.

    Within an epoch Python waits for the device after the first step, and from then on after every half second or so
    of work, so that it hears Ctrl-C.

    Parameters
    ----------
    net : Block
        Initialised on ``ctx``.
    train_iter, test_iter : iterable of (X, y)
        As from :func:`gluon_cnn.load_data_fashion_mnist`.
    batch_size : int
        What every step's gradient is divided by, including that of a shorter last batch.
    trainer : gluon.Trainer
    ctx : mx.Context or list of mx.Context
    num_epochs : int

    Returns
    -------
    list of EpochResult
    """
    whole_number("num_epochs", num_epochs, smallest=0)
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
        Takes logits and labels, and gives a number for each image.
    trainer : gluon.Trainer
        Its step is divided by each batch's real size.
    ctx : mx.Context or list of mx.Context
        Every batch is split over them.
    num_epochs : int

    Returns
    -------
    list of EpochResult
    """
    whole_number("num_epochs", num_epochs, smallest=0)
    print("training on", ctx)
    return _printed(_epochs(num_epochs, net, train_iter, test_iter, trainer, _as_list(ctx), None, loss))


def _printed(results):
    history = []
    for r in results:
        history.append(r)
        print(r)
    return history


def train_ch6(net, train_iter, test_iter, num_epochs, lr, device=None):
    """Train a network from Xavier's weights as the English edition does (section 6.6).

    Parameters
    ----------
    net : Block
        Initialised again.
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
        The last one is printed.
    """
    whole_number("num_epochs", num_epochs)
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
    net : Block or function
        These two may also come in the English edition's order, the network first.
    ctx : mx.Context or list of mx.Context, optional
        By default, where the network's parameters are; MXNet's current context for a network without any.

    Returns
    -------
    float
        The share of the labels that have the largest score.

    Raises
    ------
    DataError
        If there are no images, as in an iterator that has been used up.
    ModelError
        If the scores do not fit the labels.
    """
    if isinstance(data_iter, gluon.Block) or (callable(data_iter) and not callable(net)):
        data_iter, net = net, data_iter
    parameters = list(net.collect_params().values()) if isinstance(net, gluon.Block) else []
    here = parameters[0].list_ctx() if parameters else mx.context.current_context()
    return count_correct(net, data_iter, _as_list(ctx or here)).accuracy


def evaluate_accuracy_gpu(net, data_iter, device=None):
    """:func:`evaluate_accuracy` in the English edition's order (section 6.6)."""
    return evaluate_accuracy(data_iter, net, device)


def _epochs(num_epochs, net, train_iter, test_iter, trainer, devices, batch_size, loss=None):
    """Train and evaluate; yields each epoch's result."""
    for name, images in (("train_iter", train_iter), ("test_iter", test_iter)):
        if num_epochs > 1 and _gives_out_once(images):
            raise DataError(f"{name} gives its images only once, and there are {num_epochs} epochs: {_AGAIN}.", name)
    train_pace, test_pace = Pace(), Pace()
    for epoch in range(1, num_epochs + 1):
        start = time.perf_counter()
        trained, tested = Sums(), Sums()
        options = {"after_step": train_pace.reader(trained), "batch_size": batch_size, "loss": loss}
        train_epoch(net, train_iter, trainer, devices, trained, **options)
        _refuse_empty("train_iter", trained.read(), epoch)
        train_seconds = time.perf_counter() - start
        test_epoch(net, test_iter, devices, tested, after_step=test_pace.reader(tested))
        _refuse_empty("test_iter", tested.read(), epoch)
        seconds = time.perf_counter() - start
        speed, dead = trained.images / train_seconds, len(tested.dead_classes)
        yield EpochResult(epoch, trained.mean_loss, trained.accuracy, tested.accuracy, seconds, speed, dead)


def _gives_out_once(images):
    """Whether this is one of Python's own iterators, such as a generator; others may begin anew by themselves.

    Nothing is iterated for it: a loader would draw the order of an epoch.
    """
    return hasattr(images, "__next__") and type(images).__module__ in ("builtins", "itertools")


def _refuse_empty(name, sums, epoch):
    if not sums.images:
        raise DataError(f"{name} gave no images in epoch {epoch}, being empty or used up: {_AGAIN}.", name)


def _as_list(ctx):
    return list(ctx) if isinstance(ctx, (list, tuple)) else [ctx]

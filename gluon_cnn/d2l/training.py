"""The functions with which the book's chapters on convolutional networks train and evaluate."""

import functools
import inspect

import mxnet as mx
from mxnet import gluon

from gluon_cnn.checks import number, whole_number
from gluon_cnn.d2l.epochs import devices_of, epochs, printed, summarized
from gluon_cnn.errors import SettingError
from gluon_cnn.runtime.devices import as_list, try_gpu
from gluon_cnn.training.loop import count_correct

__all__ = ["evaluate_accuracy", "evaluate_accuracy_gpu", "train", "train_ch5", "train_ch6"]


def _in_every_order(train_ch5):
    """``train_ch5`` with the arguments of three editions, told apart by what is given."""

    @functools.wraps(train_ch5)
    def in_every_order(*given, **named):
        if len(given) > 3 and callable(given[3]):
            named["loss"] = given[3]
            given = given[:3] + given[4:]
        has_trainer = any(hasattr(value, "step") for value in (*given[3:], *named.values()))
        function = train_ch5 if has_trainer else train_ch6
        try:
            inspect.signature(function).bind(*given, **named)
        except TypeError as error:
            raise SettingError(
                f"train_ch5 cannot tell its arguments apart ({error}): give it net, train_iter, test_iter, batch_size, "
                "trainer, ctx, num_epochs, or without a trainer net, train_iter, test_iter, num_epochs, lr, ctx."
            ) from None
        return function(*given, **named)

    return in_every_order


@_in_every_order
def train_ch5(net, train_iter, test_iter, batch_size, trainer, ctx, num_epochs, *, loss=None):
    """Train and evaluate a network as the first edition does (section 5.5), printing a line each epoch.

    Two other orders of the arguments are told apart by what is given: with a loss function after ``test_iter``, which
    takes logits and labels and gives a number for each image, as the first edition had it until August 2018; and
    ``(net, train_iter, test_iter, num_epochs, lr, ctx)``, without a trainer, as in English 0.7, which is
    :func:`train_ch6`.

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
    History
        A list of EpochResult.

    Raises
    ------
    SettingError
        If ``num_epochs`` is out of range.
    DataError
        If ``train_iter`` or ``test_iter`` has no images in an epoch, or gives them only once for several.
    ModelError
        If the scores do not fit the labels.
    """
    whole_number("num_epochs", num_epochs, smallest=0)
    options = {"batch_size": whole_number("batch_size", batch_size), "loss": loss}
    print("training on", ctx)
    return printed(epochs(num_epochs, net, train_iter, test_iter, trainer, as_list(ctx), **options))


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
    History
        A list of EpochResult.

    Raises
    ------
    SettingError
        If ``num_epochs`` is out of range.
    DataError
        If ``train_iter`` or ``test_iter`` has no images in an epoch, or gives them only once for several.
    ModelError
        If the scores do not fit the labels.
    """
    whole_number("num_epochs", num_epochs, smallest=0)
    print("training on", ctx)
    return printed(epochs(num_epochs, net, train_iter, test_iter, trainer, as_list(ctx), loss=loss))


def train_ch6(net, train_iter, test_iter, num_epochs, lr, device=None, *, ctx=None):
    """Train a network from Xavier's weights as the English edition does (section 6.6).

    In a notebook the curves are drawn while it trains.

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
        :func:`gluon_cnn.try_gpu` by default. Until 0.14 the edition called it ``ctx``.

    Returns
    -------
    History
        A list of EpochResult. The last one is printed.

    Raises
    ------
    SettingError
        If ``num_epochs`` is out of range.
    DataError
        If ``train_iter`` or ``test_iter`` has no images in an epoch, or gives them only once for several.
    ModelError
        If the scores do not fit the labels.
    """
    whole_number("num_epochs", num_epochs)
    device = device or ctx or try_gpu()
    net.initialize(force_reinit=True, ctx=as_list(device), init=mx.init.Xavier())
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": number("lr", lr)})
    results = epochs(num_epochs, net, train_iter, test_iter, trainer, as_list(device), draw=True)
    return summarized(results, device)


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
    return count_correct(net, data_iter, as_list(ctx or devices_of(net))).accuracy


def evaluate_accuracy_gpu(net, data_iter, device=None, *, ctx=None):
    """:func:`evaluate_accuracy` in the English edition's order (section 6.6); ``device`` was ``ctx`` until 0.14."""
    return evaluate_accuracy(data_iter, net, device or ctx)

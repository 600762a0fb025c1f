"""Training on several devices, and what the book's chapters on it share."""

import sys

from gluon_cnn.checks import whole_number
from gluon_cnn.d2l.epochs import devices_of, epochs, summarized
from gluon_cnn.runtime.devices import as_list, try_all_gpus
from gluon_cnn.training.loop import count_correct, split_evenly, train_epoch
from gluon_cnn.training.metrics import Sums

__all__ = ["evaluate_accuracy_gpus", "get_dataloader_workers", "split_batch", "train_batch_ch13", "train_ch13"]


def split_batch(X, y, devices):
    """Cut a batch into parts, one on each device (book, section 12.6 of the English edition).

    Parameters
    ----------
    X, y : array
        N images and N labels.
    devices : list of mx.Context

    Returns
    -------
    (list of array, list of array)
        The parts of X and those of y. Their sizes differ by at most one; with fewer images than devices there are as
        many parts as images.
    """
    return split_evenly(X, y, as_list(devices))


def train_ch13(net, train_iter, test_iter, loss, trainer, num_epochs, devices=None, split_f=split_batch):
    """Train and evaluate on several devices (book, section 13.1 of the English edition).

    In a notebook the curves are drawn while it trains.

    Parameters
    ----------
    net : Block
        Initialised on ``devices``.
    train_iter, test_iter : iterable of (X, y)
    loss : callable
        Takes scores and labels, and gives a number for each image.
    trainer : gluon.Trainer
        Its step is divided by each batch's real size.
    num_epochs : int
    devices : list of mx.Context, optional
        :func:`gluon_cnn.try_all_gpus` by default.
    split_f : callable
        Cuts a batch as :func:`split_batch` does.

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
    devices = as_list(devices or try_all_gpus())
    results = epochs(num_epochs, net, train_iter, test_iter, trainer, devices, loss=loss, split=split_f, draw=True)
    return summarized(results, devices)


def train_batch_ch13(net, features, labels, loss, trainer, devices, split_f=split_batch):
    """Take one step on several devices; arguments as of :func:`train_ch13`.

    Returns
    -------
    (float, float)
        The sum of the losses and the number of right answers.
    """
    sums = Sums()
    batches, devices = [(features, labels)], as_list(devices)
    train_epoch(net, batches, trainer, devices, sums, after_step=lambda: None, loss=loss, split=split_f)
    sums.read()
    return sums.loss, float(sums.correct)


def evaluate_accuracy_gpus(net, data_iter, split_f=split_batch):
    """Top-1 accuracy, as a fraction, on every device that has the network's parameters (book, section 13.1 of the
    English edition); else as :func:`gluon_cnn.evaluate_accuracy`."""
    return count_correct(net, data_iter, devices_of(net), split_f).accuracy


def get_dataloader_workers():
    """How many processes the book's loaders read with (book, section 3.5 of the English edition); 0 on Windows."""
    return 0 if sys.platform.startswith("win") else 4

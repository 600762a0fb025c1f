"""Training in the book's chapters before the convolutional networks, of a network or of functions."""

import numbers
from types import SimpleNamespace

from gluon_cnn.checks import whole_number
from gluon_cnn.d2l.epochs import History, devices_of, epochs, printed
from gluon_cnn.d2l.figures import show_images
from gluon_cnn.d2l.linear import sgd
from gluon_cnn.data import FASHION_MNIST, get_fashion_mnist_labels
from gluon_cnn.errors import DataError, SettingError
from gluon_cnn.runtime.notebook import in_notebook
from gluon_cnn.training.loop import train_epoch
from gluon_cnn.training.metrics import Pace, Sums

__all__ = ["predict_ch3", "train_ch3", "train_epoch_ch3"]


def train_ch3(
    net, train_iter, test_iter, loss, num_epochs, batch_size=None, params=None, lr=None, trainer=None, *, updater=None
):
    """Train and evaluate (book, section 3.6), printing a line each epoch.

    In the English edition an updater stands in the place of the batch size. With it the curves are drawn in a notebook,
    and no lines are printed there.

    Parameters
    ----------
    net : Block or function
        X to N×classes scores.
    train_iter, test_iter : iterable of (X, y)
    loss : callable
        Takes scores and labels, and gives a number for each image.
    num_epochs : int
    batch_size : int
        What every step's gradient is divided by, including that of a shorter last batch.
    params, lr : sequence of array and float
        What :func:`sgd` updates, and its learning rate.
    trainer : gluon.Trainer, optional
        In place of these.
    updater : gluon.Trainer or callable, optional
        In place of all of these: it, or its ``step``, is called with each batch's real size.

    Returns
    -------
    History
        A list of EpochResult.

    Raises
    ------
    SettingError
        If ``num_epochs`` or ``batch_size`` is out of range, or there is nothing to train with.
    DataError
        If ``train_iter`` or ``test_iter`` has no images in an epoch, or gives them only once for several.
    ModelError
        If the scores do not fit the labels.
    """
    whole_number("num_epochs", num_epochs, smallest=0)
    if batch_size is not None and not isinstance(batch_size, numbers.Number):
        batch_size, updater = None, batch_size
    draw = updater is not None
    if not draw:
        whole_number("batch_size", batch_size)
        if trainer is None and (params is None or lr is None):
            raise SettingError("train_ch3 has nothing to train with: give it a trainer, or params and lr.", "trainer")
        updater = (lambda size: sgd(params, lr, size)) if trainer is None else trainer
    options = {"batch_size": batch_size, "loss": loss, "draw": draw}
    results = epochs(num_epochs, net, train_iter, test_iter, _trainer(updater), devices_of(net), **options)
    return History(results) if draw and in_notebook() else printed(results)


def train_epoch_ch3(net, train_iter, loss, updater):
    """Train for one epoch (book, section 3.6 of the English edition); arguments as of :func:`train_ch3`.

    Returns
    -------
    (float, float)
        Mean loss and accuracy.
    """
    sums = Sums()
    train_epoch(net, train_iter, _trainer(updater), devices_of(net), sums, after_step=Pace().reader(sums), loss=loss)
    sums.read()
    return sums.mean_loss, sums.accuracy


def _trainer(updater):
    """A trainer, or a function of the batch's size as one."""
    return updater if hasattr(updater, "step") else SimpleNamespace(step=updater)


def predict_ch3(net, test_iter, n=6):
    """Show the first images of a test set under their classes and the predicted ones (book, section 3.6 of the English
    edition).

    Returns
    -------
    np.ndarray of matplotlib.axes.Axes

    Raises
    ------
    SettingError
        If ``n`` is not a whole number of 1 or more.
    DataError
        If there are no images, as in an iterator that has been used up.
    """
    X, y = next(iter(test_iter), (None, None))
    if X is None:
        raise DataError("There are no images to show: the data are empty or were used up.", "test_iter")
    n, side = min(whole_number("n", n), len(y)), FASHION_MNIST.side
    answers = net(X[:n]).argmax(axis=1)
    true, predicted = (get_fashion_mnist_labels(labels.asnumpy().astype("int32")) for labels in (y[:n], answers))
    titles = [f"{name}\n{answer}" for name, answer in zip(true, predicted)]
    return show_images(X[:n].reshape((n, side, side)), 1, n, titles)

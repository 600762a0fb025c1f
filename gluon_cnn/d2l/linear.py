"""Linear regression, in the book's two ways: its data, model, loss and optimiser."""

import mxnet as mx
from mxnet import gluon

from gluon_cnn.checks import whole_number
from gluon_cnn.d2l.measures import Accumulator
from gluon_cnn.errors import DataError

__all__ = ["evaluate_loss", "linreg", "load_array", "normal", "sgd", "squared_loss", "synthetic_data"]


def synthetic_data(w, b, num_examples):
    """Examples of a line with a little noise (book, section 3.2 of the English edition).

    Parameters
    ----------
    w : array
        d weights, as (d,) or (d, 1).
    b : number or array
    num_examples : int

    Returns
    -------
    (array, array)
        X of shape (num_examples, d), normal with a deviation of 1, and y of shape (num_examples, 1), which is w·X + b
        and noise with a deviation of 0.01.

    Raises
    ------
    SettingError
        If ``num_examples`` is out of range.
    """
    X = normal(1, (whole_number("num_examples", num_examples), len(w)))
    y = linreg(X, w, b)
    return X, (y + normal(0.01, y.shape)).reshape((-1, 1))


def normal(deviation, shape):
    """Normal numbers around 0, in an array of the mode's kind."""
    if mx.util.is_np_array():
        return mx.np.random.normal(0, deviation, size=shape)
    return mx.nd.random.normal(0, deviation, shape=shape)


def linreg(X, w, b):
    """Linear regression: X·w + b (book, section 3.2).

    Parameters
    ----------
    X : array
        N×d.
    w : array
        d×1, or d.
    b : number or array
        Added to each.

    Returns
    -------
    array
        N×1, or N, as ``w``.
    """
    return (mx.np if isinstance(X, mx.np.ndarray) else mx.nd).dot(X, w) + b


def squared_loss(y_hat, y):
    """Half of the squared difference, for each example (book, section 3.2).

    Parameters
    ----------
    y_hat, y : array
        As many numbers in any two shapes, such as N×1 and N.

    Returns
    -------
    array
        In the shape of ``y_hat``.
    """
    return 0.5 * (y_hat - y.reshape(y_hat.shape)) ** 2


def sgd(params, lr, batch_size):
    """A step of stochastic gradient descent, in place (book, section 3.2).

    Parameters
    ----------
    params : sequence of array
        With gradients.
    lr : float
    batch_size : int
        What the gradients, which are sums over a batch, are divided by.
    """
    for param in params:
        param[:] = param - lr * param.grad / batch_size


def load_array(data_arrays, batch_size, is_train=True):
    """A loader of batches from arrays of one length (book, section 3.3 of the English edition).

    Parameters
    ----------
    data_arrays : sequence of array
        Such as features and labels.
    batch_size : int
    is_train : bool
        Whether each epoch has an order of its own.

    Returns
    -------
    gluon.data.DataLoader
        Of tuples of arrays, as many as ``data_arrays``; the last batch may be shorter.

    Raises
    ------
    SettingError
        If ``batch_size`` is out of range.
    """
    dataset = gluon.data.ArrayDataset(*data_arrays)
    return gluon.data.DataLoader(dataset, whole_number("batch_size", batch_size), shuffle=is_train)


def evaluate_loss(net, data_iter, loss):
    """Mean loss of a network on a data set (book, section 4.4 of the English edition).

    Raises
    ------
    DataError
        If there are no examples, as in an iterator that has been used up.
    """
    sums = Accumulator(2)
    for X, y in data_iter:
        losses = loss(net(X), y)
        sums.add(losses.sum(), losses.size)
    if not sums[1]:
        raise DataError("There were no examples, so there is no loss: the data are empty or were used up.")
    return sums[0] / sums[1]

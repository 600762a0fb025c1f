"""Linear regression as models, and its data."""

import numbers

import mxnet as mx
from mxnet import gluon
from mxnet.gluon import nn

from gluon_cnn.checks import brief, number, whole_number
from gluon_cnn.d2l.classes.data import DataModule
from gluon_cnn.d2l.classes.module import SGD, Module
from gluon_cnn.d2l.linear import linreg, normal
from gluon_cnn.errors import ModelError, SettingError

__all__ = ["LinearRegression", "LinearRegressionScratch", "SyntheticRegressionData"]


class SyntheticRegressionData(DataModule):
    """Examples of a line with some noise (book, section 3.3 of the English edition since 1.0).

    Parameters
    ----------
    w : array
        d weights.
    b : number or array of one
    noise : float
        Standard deviation.
    num_train, num_val, batch_size : int

    Attributes
    ----------
    X, y : array
        Features, N×d and normal with a deviation of 1, and labels, N×1; the training part comes first.

    Raises
    ------
    SettingError
        If an argument is of another kind or out of range.
    """

    def __init__(self, w, b, noise=0.01, num_train=1000, num_val=1000, batch_size=32):
        super().__init__()
        self.save_hyperparameters()
        size = whole_number("num_train", num_train) + whole_number("num_val", num_val)
        if not isinstance(w, mx.nd.NDArray) or not w.size or w.shape[:1] != (w.size,):
            raise SettingError(f"w is {brief(w)}; it must be an array of MXNet with a weight for each feature.")
        if getattr(b, "size", 1) != 1 or not (isinstance(b, mx.nd.NDArray) or _is_finite(b)):
            raise SettingError(f"b is {brief(b)}; it must be a number, or an array of one.")
        self.X = normal(1, (size, len(w)))
        self.y = linreg(self.X, w.reshape((-1, 1)), b) + number("noise", noise) * normal(1, (size, 1))

    def get_dataloader(self, train):
        """The training part in another order in each epoch, or the validation part."""
        indices = slice(0, self.num_train) if train else slice(self.num_train, None)
        return self.get_tensorloader((self.X, self.y), train, indices)


def _is_finite(value):
    return isinstance(value, numbers.Real) and abs(value) < 1e30  # with which MXNet computes in float32


class LinearRegressionScratch(Module):
    """Linear regression on arrays (book, section 3.4 of the English edition since 1.0).

    Parameters
    ----------
    num_inputs : int
    lr : float
    sigma : float
        Standard deviation of the first weights.
    """

    def __init__(self, num_inputs, lr, sigma=0.01):
        super().__init__()
        self.save_hyperparameters()
        self.w = number("sigma", sigma) * normal(1, (whole_number("num_inputs", num_inputs), 1))
        self.b = self.w[0] * 0
        self.w.attach_grad()
        self.b.attach_grad()

    def forward(self, X):
        """N×1 predictions; a ModelError for what is not N×num_inputs."""
        if not isinstance(X, mx.nd.NDArray) or X.shape[-1:] != self.w.shape[:1]:
            raise ModelError(f"The input is {brief(X)}; it must be an array of MXNet, N×{len(self.w)}.")
        return linreg(X, self.w, self.b)

    def loss(self, y_hat, y):
        """Mean of half of the squared differences."""
        return ((y_hat - y) ** 2 / 2).mean()

    def configure_optimizers(self):
        """:class:`SGD`."""
        return SGD([self.w, self.b], self.lr)


class LinearRegression(Module):
    """Linear regression as a dense layer (book, section 3.5 of the English edition since 1.0).

    Parameters
    ----------
    lr : float
    """

    def __init__(self, lr):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Dense(1)
        self.net.initialize(mx.init.Normal(sigma=0.01))

    def loss(self, y_hat, y):
        """Mean of half of the squared differences."""
        return gluon.loss.L2Loss()(y_hat, y).mean()

    def get_w_b(self):
        """The weights, 1×d, and the bias; a ModelError before the first batch, which decides d."""
        try:
            return self.net.weight.data(), self.net.bias.data()
        except RuntimeError:  # Gluon's
            raise ModelError("LinearRegression has no weights yet: show it a batch first.") from None

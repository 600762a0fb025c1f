"""Batch normalisation (book, section 5.10 of the first edition and 7.5 of the English one; Ioffe and Szegedy, 2015)."""

import mxnet as mx
from mxnet import autograd
from mxnet.gluon import nn

from gluon_cnn.checks import choice, whole_number
from gluon_cnn.errors import ModelError
from gluon_cnn.models.lenet import POOLINGS
from gluon_cnn.models.network import Network
from gluon_cnn.models.sequential import named_sequential
from gluon_cnn.recipe import EDITIONS

__all__ = ["NETWORK", "BatchNorm", "lenet_bn"]

EPSILON, MOMENTUM = 1e-5, 0.9


class BatchNorm(nn.Block):
    """Batch normalisation written out, as the book's chapter does before it takes Gluon's.

    In training, each feature of a batch gets mean 0 and variance 1, and then a scale and a shift that are learned. In
    prediction, the moving averages of the batches' means and variances take their place. Those are parameters here, so
    that they are saved with the others; they begin at 0 and 1. If ``gamma`` is not trained, with the ``grad_req``
    "null", they are used in training too, and stay as they are.

    Parameters
    ----------
    num_features : int
        Outputs of the dense layer before it, or channels of the convolution.
    num_dims : {2, 4}
        2 for N×num_features, as a dense layer gives it; 4 for N×num_features×H×W.

    Raises
    ------
    SettingError
        For other numbers.
    ModelError
        For an input of another shape, or where it has no values yet.
    """

    def __init__(self, num_features, num_dims, **kwargs):
        super().__init__(**kwargs)
        num_features, num_dims = whole_number("num_features", num_features), choice("num_dims", num_dims, (2, 4))
        shape = self._shape = (1, num_features) + (1,) * (num_dims - 2)
        self._others = (0,) if num_dims == 2 else (0, 2, 3)  # the axes over which a feature's mean is taken

        def parameter(name, init, **options):
            new = mx.gluon.Parameter(name, shape=shape, init=init, **options)
            if hasattr(self, "_params"):  # MXNet 1 finds them by name in the block's dictionary
                new = self.params.get(name, shape=shape, init=init, **options)
            return new

        self.gamma, self.beta = parameter("gamma", mx.init.One()), parameter("beta", mx.init.Zero())
        self.moving_mean = parameter("moving_mean", mx.init.Zero(), grad_req="null")
        self.moving_var = parameter("moving_var", mx.init.One(), grad_req="null")

    def forward(self, X):
        """The batch normalised."""
        if not isinstance(X, mx.nd.NDArray) or X.ndim != len(self._shape) or X.shape[1] != self._shape[1]:
            wanted = "×".join(["N", str(self._shape[1]), "H", "W"][: len(self._shape)])
            found = f"shape {X.shape}" if isinstance(X, mx.nd.NDArray) else f"type {type(X).__name__}"
            raise ModelError(f"BatchNorm takes an array of MXNet, {wanted}, not {found}: make it for its input.")
        ctx = X.ctx
        try:
            mean, var = self.moving_mean.data(ctx), self.moving_var.data(ctx)
        except RuntimeError:  # Gluon's for a parameter that has no values there
            raise ModelError(f"BatchNorm has no values on {ctx}: call the network's initialize(ctx=...).") from None
        if autograd.is_training() and self.gamma.grad_req != "null":  # a frozen one stays as it is
            moving_mean, moving_var = mean, var
            mean = X.mean(axis=self._others, keepdims=True)
            var = ((X - mean) ** 2).mean(axis=self._others, keepdims=True)
            with autograd.pause():
                moving_mean[:] = MOMENTUM * moving_mean + (1 - MOMENTUM) * mean
                moving_var[:] = MOMENTUM * moving_var + (1 - MOMENTUM) * var
        normalised = (X - mean) / (var + EPSILON) ** 0.5
        return self.gamma.data(ctx) * normalised + self.beta.data(ctx)


def lenet_bn(*, num_classes=10, edition="zh-v1", hybrid=False):
    """LeNet with Gluon's batch normalisation before each sigmoid.

    Parameters
    ----------
    edition : {"zh-v1", "en", "adam"}, default "zh-v1"
        The first Chinese edition pools by maximum, the others by average.
    num_classes, hybrid
        As in :func:`gluon_cnn.models.lenet.lenet`.

    Returns
    -------
    nn.Sequential or nn.HybridSequential
        Takes N×C×H×W (C×28×28 in the book), gives N×num_classes logits.

    Raises
    ------
    SettingError
        For another edition, or a number of classes out of range.
    """
    num_classes, edition = whole_number("num_classes", num_classes), choice("edition", edition, EDITIONS)
    pool = POOLINGS[EDITIONS[edition].lenet_pooling]
    net = named_sequential("LeNet with batch normalisation", hybrid)
    for channels in (6, 16):
        net.add(nn.Conv2D(channels, kernel_size=5), nn.BatchNorm(), nn.Activation("sigmoid"))
        net.add(pool(pool_size=2, strides=2))
    for units in (120, 84):
        net.add(nn.Dense(units), nn.BatchNorm(), nn.Activation("sigmoid"))
    net.add(nn.Dense(num_classes))
    return net


NETWORK = Network("LeNet with batch normalisation", lenet_bn, batch_size=256, lr=1.0, side=28)

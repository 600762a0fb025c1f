"""AlexNet as it was in 2012 (Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural
networks", 2012)."""

import mxnet as mx
from mxnet.gluon import nn

from gluon_cnn.checks import number, whole_number
from gluon_cnn.models.dropout import Dropout
from gluon_cnn.models.local_response import LocalResponseNorm
from gluon_cnn.models.network import Network
from gluon_cnn.models.sequential import named_sequential

__all__ = ["NETWORK", "alexnet2012"]

_DEVIATION = 0.01  # of the initial weights
_FEW = 1000  # classes: fewer than the paper's


def alexnet2012(*, num_classes=1000, bias=None, hybrid=False):
    """AlexNet of the paper: two streams, local response normalisation, poolings that overlap.

    The network did not fit into one GPU's 3 GB, so each of two had half of every layer, and they exchanged what they
    had computed only where it was worth the time: the third convolution sees all channels, the second, the fourth and
    the fifth those of their own stream. Here that is a convolution in two groups, which computes the same on one
    device. The streams save 38 % of the convolutions' parameters, and each learns filters of its own: in the paper one
    is blind to colour. To train on two GPUs there is no need for them, since each takes half of a batch (``ctx`` as
    ``gpu:0,1``).

    The layers bring the paper's initial weights, whatever ``net.initialize`` is given: normal ones of deviation 0.01;
    biases are 0, but ``bias`` in the second, fourth and fifth convolution and the hidden dense layers, so that their
    ReLUs begin with positive inputs.

    The paper's ``bias`` of 1 is for its 1,000 classes. All images give the last layer nearly the same 4,096 inputs of
    about 1, so that a step moves a logit 4,096 times as far as its bias alone would. With ten classes that overshoots,
    and puts out the units below: docs/papers.md has what was tried. Caffe's AlexNet begins with 0.1.

    Parameters
    ----------
    num_classes : int, default 1000
        Number of logits.
    bias : float, optional
        1, as in the paper, for 1,000 classes or more, and 0.1 for fewer.
    hybrid : bool, default False
        Build on ``nn.HybridSequential`` instead of ``nn.Sequential``.

    Returns
    -------
    nn.Sequential or nn.HybridSequential
        Takes N×C×H×W (3×227×227 gives the paper's maps of 55×55, and 60,965,224 parameters; the paper says 224), gives
        N×num_classes logits.

    Raises
    ------
    SettingError
        If a number is out of range.
    """
    num_classes = whole_number("num_classes", num_classes)
    bias = (0.1 if num_classes < _FEW else 1) if bias is None else number("bias", bias)
    net = named_sequential("AlexNet of 2012", hybrid)
    net.add(
        _convolution(96, 11, strides=4),
        LocalResponseNorm(),
        nn.MaxPool2D(pool_size=3, strides=2),
        _convolution(256, 5, padding=2, groups=2, bias=bias),
        LocalResponseNorm(),
        nn.MaxPool2D(pool_size=3, strides=2),
        _convolution(384, 3, padding=1),
        _convolution(384, 3, padding=1, groups=2, bias=bias),
        _convolution(256, 3, padding=1, groups=2, bias=bias),
        nn.MaxPool2D(pool_size=3, strides=2),
        _dense(4096, bias=bias),
        Dropout(0.5),
        _dense(4096, bias=bias),
        Dropout(0.5),
        _dense(num_classes, activation=None),
    )
    return net


def _convolution(channels, kernel_size, *, bias=0, **options):
    return nn.Conv2D(channels, kernel_size, activation="relu", **_initial(bias), **options)


def _dense(units, *, activation="relu", bias=0):
    return nn.Dense(units, activation=activation, **_initial(bias))


def _initial(bias):
    return {"weight_initializer": mx.init.Normal(_DEVIATION), "bias_initializer": mx.init.Constant(bias)}


NETWORK = Network(
    "AlexNet of 2012",
    alexnet2012,
    lr=0.01,
    side=227,
    channels=3,
    quick_side=67,
    # The paper divides the rate by 10 when the validation error stops falling. Its rule of decay names no exception, so
    # that biases have it too.
    # The paper says 224 pixels of 256, of which its maps of 55×55 could not be made.
    recipe={
        "epochs": 90,
        "momentum": 0.9,
        "weight_decay": 0.0005,
        "lr_schedule": "plateau",
        "short_side": 256,
        "augment": "crop,mirror,pca",
        "normalize": "mean",
    },
)

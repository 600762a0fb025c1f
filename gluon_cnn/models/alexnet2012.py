"""AlexNet as it was in 2012 (Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural
networks", 2012)."""

import mxnet as mx
from mxnet.gluon import nn

from gluon_cnn.checks import whole_number
from gluon_cnn.models.dropout import Dropout
from gluon_cnn.models.local_response import LocalResponseNorm
from gluon_cnn.models.network import Network
from gluon_cnn.models.sequential import named_sequential

__all__ = ["NETWORK", "alexnet2012"]

_DEVIATION = 0.01  # of the initial weights


def alexnet2012(*, num_classes=1000, hybrid=False):
    """AlexNet of the paper: two streams, local response normalisation, poolings that overlap.

    The network did not fit into one GPU's 3 GB, so each of two had half of every layer, and they exchanged what they
    had computed only where it was worth the time: the third convolution sees all channels, the second, the fourth and
    the fifth those of their own stream. Here that is a convolution in two groups, which computes the same on one
    device. The streams save 38 % of the convolutions' parameters, and each learns filters of its own: in the paper one
    is blind to colour. To train on two GPUs there is no need for them, since each takes half of a batch (``ctx`` as
    ``gpu:0,1``).

    The layers bring the paper's initial weights, whatever ``net.initialize`` is given: normal ones of deviation 0.01;
    biases are 1 in the second, fourth and fifth convolution and the hidden dense layers, so that their ReLUs begin with
    positive inputs, and 0 elsewhere.

    The paper's learning rate is for its 1,000 classes. With few the first steps are too large, because all images give
    the last layer nearly the same positive inputs: of Fashion-MNIST's 10 classes, at 67 pixels, a rate of 0.01 leaves
    0.2 % of the last hidden layer's units active after 40 steps, and nothing is learned any more; 0.001 leaves 91 %.

    Parameters
    ----------
    num_classes : int, default 1000
        Number of logits.
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
        If the number of classes is out of range.
    """
    num_classes = whole_number("num_classes", num_classes)
    net = named_sequential("AlexNet of 2012", hybrid)
    net.add(
        _convolution(96, 11, strides=4),
        LocalResponseNorm(),
        nn.MaxPool2D(pool_size=3, strides=2),
        _convolution(256, 5, padding=2, groups=2, bias="ones"),
        LocalResponseNorm(),
        nn.MaxPool2D(pool_size=3, strides=2),
        _convolution(384, 3, padding=1),
        _convolution(384, 3, padding=1, groups=2, bias="ones"),
        _convolution(256, 3, padding=1, groups=2, bias="ones"),
        nn.MaxPool2D(pool_size=3, strides=2),
        _dense(4096, bias="ones"),
        Dropout(0.5),
        _dense(4096, bias="ones"),
        Dropout(0.5),
        _dense(num_classes, activation=None),
    )
    return net


def _convolution(channels, kernel_size, *, bias="zeros", **options):
    return nn.Conv2D(channels, kernel_size, activation="relu", **_initial(bias), **options)


def _dense(units, *, activation="relu", bias="zeros"):
    return nn.Dense(units, activation=activation, **_initial(bias))


def _initial(bias):
    return {"weight_initializer": mx.init.Normal(_DEVIATION), "bias_initializer": bias}


NETWORK = Network(
    "AlexNet of 2012",
    alexnet2012,
    lr=0.01,
    side=227,
    channels=3,
    quick_side=67,
    # The paper divides the rate by 10 when the validation error stops falling, and decays biases as it does weights.
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

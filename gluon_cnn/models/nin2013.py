"""Network in Network for small colour images, as its authors trained it (Lin, Chen and Yan, "Network in network",
2013)."""

import mxnet as mx
from mxnet.gluon import nn

from gluon_cnn.checks import whole_number
from gluon_cnn.models.dropout import Dropout
from gluon_cnn.models.network import Network
from gluon_cnn.models.nin import mlpconv
from gluon_cnn.models.sequential import named_sequential

__all__ = ["NETWORK", "nin2013"]

_DEVIATION = 0.05  # of the initial weights
_LAST_RATE = 0.1  # share of the learning rate for the last convolution


def nin2013(*, num_classes=10, hybrid=False):
    """Network in Network for CIFAR-10 in the form of its authors' model for Caffe.

    Three convolutions with perceptrons of 1×1 convolutions: 192, 160, 96 channels; 192, 192, 192; 192, 192 and one for
    each class, which is averaged. A window of a pooling may end outside the image, so that 32 pixels become 16 and 8,
    and the average is of the pixels inside. The layers bring the authors' initial weights, whatever ``net.initialize``
    is given: normal ones of deviation 0.05, and biases of 0. The last convolution learns at a tenth of the rate, as
    theirs did (but not with ``dist_async``, whose servers have one rate): it ends with a ReLU, and at the full rate all
    classes can die, see docs/papers.md.

    Parameters
    ----------
    num_classes : int, default 10
        Channels of the last convolution, each of which is averaged to one logit.
    hybrid : bool, default False
        Build on ``nn.HybridSequential`` instead of ``nn.Sequential``.

    Returns
    -------
    nn.Sequential or nn.HybridSequential
        Takes N×C×H×W (3×32×32 in the paper, then 966,986 parameters), gives N×num_classes logits.

    Raises
    ------
    SettingError
        If the number of classes is out of range.
    """
    num_classes = whole_number("num_classes", num_classes)
    options = {"strides": 1, "weight_initializer": mx.init.Normal(_DEVIATION), "hybrid": hybrid}
    net = named_sequential("NiN of 2013", hybrid)
    net.add(
        mlpconv((192, 160, 96), kernel_size=5, padding=2, **options),
        nn.MaxPool2D(pool_size=3, strides=2, ceil_mode=True),
        Dropout(0.5),
        mlpconv((192, 192, 192), kernel_size=5, padding=2, **options),
        nn.AvgPool2D(pool_size=3, strides=2, ceil_mode=True, count_include_pad=False),
        Dropout(0.5),
        mlpconv((192, 192, num_classes), kernel_size=3, padding=1, **options),
        nn.GlobalAvgPool2D(),
        nn.Flatten(),
    )
    last = net[6][-1]
    last.weight.lr_mult = last.bias.lr_mult = _LAST_RATE
    return net


NETWORK = Network(
    "NiN of 2013",
    nin2013,
    lr=0.1,
    side=32,
    channels=3,
    # As in the authors' solver, whose 120,000 steps are 307 epochs of CIFAR-10. The rate is that of the paper's text: a
    # tenth when the accuracy stops rising.
    recipe={
        "epochs": 307,
        "momentum": 0.9,
        "weight_decay": 0.0001,
        "lr_schedule": "plateau",
        "normalize": "measured",
    },
)

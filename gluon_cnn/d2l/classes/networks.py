"""Networks that the English edition keeps as classes for later chapters."""

import mxnet as mx
from mxnet.gluon import nn

from gluon_cnn.checks import brief, number, whole_number, whole_numbers
from gluon_cnn.d2l.classes.module import Classifier
from gluon_cnn.errors import SettingError
from gluon_cnn.models.lenet import lenet

__all__ = ["LeNet", "ResNeXtBlock", "SoftmaxRegression"]


class LeNet(Classifier):
    """:func:`gluon_cnn.lenet` of the English edition as a model (book, section 7.6 of its version since 1.0).

    Parameters
    ----------
    lr : float
    num_classes : int
    """

    def __init__(self, lr=0.1, num_classes=10):
        super().__init__()
        self.save_hyperparameters()
        self.net = lenet(num_classes=num_classes, edition="en")
        self.net.initialize(mx.init.Xavier())


class SoftmaxRegression(Classifier):
    """Softmax regression as a model (book, section 4.5 of the English edition since 1.0).

    Parameters
    ----------
    num_outputs : int
    lr : float
    """

    def __init__(self, num_outputs, lr):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Dense(whole_number("num_outputs", num_outputs))
        self.net.initialize()


class ResNeXtBlock(nn.HybridBlock):
    """ResNeXt's block: 1×1, grouped 3×3 and 1×1 convolutions with batch normalisation, whose output is added to their
    input (book, section 8.6 of the English edition since 1.0; Xie et al., 2017).

    Parameters
    ----------
    num_channels : int
        Output channels.
    groups : int
        Channels in a group of the 3×3 convolution, as the book's MXNet cells have it.
    bot_mul : float
        The channels of the 3×3 convolution are ``num_channels`` times this.
    use_1x1conv : bool, default False
        Change the input's channels and size by a 1×1 convolution before the addition.
    strides : int, default 1
        Of the 3×3 convolution and of that 1×1 one.

    Takes N×C×H×W, gives N×num_channels×⌈H/strides⌉×⌈W/strides⌉.

    Raises
    ------
    SettingError
        If a number is out of range, or the channels cannot be cut into such groups.
    """

    def __init__(self, num_channels, groups, bot_mul, use_1x1conv=False, strides=1, **kwargs):
        super().__init__(**kwargs)
        num_channels, strides = whole_number("num_channels", num_channels), whole_numbers("strides", strides)
        inside = whole_number("num_channels", round(num_channels * number("bot_mul", bot_mul)))
        parts = inside // whole_number("groups", groups)
        if parts < 1 or inside % parts:
            raise SettingError(
                f"{num_channels} channels times bot_mul {brief(bot_mul)} are {inside}, which cannot be cut into equal "
                f"groups of about {groups}: choose a divisor of {inside} for groups.",
                "groups",
            )
        self.conv1 = nn.Conv2D(inside, kernel_size=1)
        self.conv2 = nn.Conv2D(inside, kernel_size=3, strides=strides, padding=1, groups=parts)
        self.conv3 = nn.Conv2D(num_channels, kernel_size=1)
        self.bn1, self.bn2, self.bn3 = nn.BatchNorm(), nn.BatchNorm(), nn.BatchNorm()
        self.conv4 = nn.Conv2D(num_channels, kernel_size=1, strides=strides) if use_1x1conv else None
        self.bn4 = nn.BatchNorm() if use_1x1conv else None
        self.relu = nn.Activation("relu")

    def forward(self, X):  # made of layers only, so it takes arrays of either kind and symbols
        """The block's output for a batch."""
        Y = self.relu(self.bn1(self.conv1(X)))
        Y = self.relu(self.bn2(self.conv2(Y)))
        Y = self.bn3(self.conv3(Y))
        return self.relu(Y + (self.bn4(self.conv4(X)) if self.conv4 else X))

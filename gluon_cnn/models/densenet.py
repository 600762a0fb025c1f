"""DenseNet (book, section 5.12 of the first edition and 7.7 of the English one; Huang et al., 2017)."""

from mxnet.gluon import nn

from gluon_cnn.checks import choice, whole_number
from gluon_cnn.models.concatenation import dense
from gluon_cnn.models.network import Network
from gluon_cnn.models.resnet import first_layers
from gluon_cnn.models.sequential import named_sequential, sequential
from gluon_cnn.recipe import EDITIONS

__all__ = ["NETWORK", "conv_block", "dense_block", "densenet", "transition_block"]


def conv_block(num_channels, *, hybrid=False):
    """Batch normalisation, ReLU, and a 3×3 convolution that keeps the size.

    Parameters
    ----------
    num_channels : int
        Output channels.
    hybrid : bool, default False
        Build on ``nn.HybridSequential``, as a ``HybridSequential`` asks of its children.

    Returns
    -------
    nn.Sequential or nn.HybridSequential
        N×C×H×W to N×num_channels×H×W.

    Raises
    ------
    SettingError
        If ``num_channels`` is out of range.
    """
    block = sequential(hybrid)
    num_channels = whole_number("num_channels", num_channels)
    block.add(nn.BatchNorm(), nn.Activation("relu"), nn.Conv2D(num_channels, kernel_size=3, padding=1))
    return block


def dense_block(num_convs, num_channels, *, hybrid=False):
    """A dense block: each :func:`conv_block` takes the input and the outputs of all before it.

    Parameters
    ----------
    num_convs : int
        Number of them.
    num_channels : int
        Output channels of each, the growth rate.
    hybrid : bool, default False
        As for :func:`conv_block`.

    Returns
    -------
    nn.Sequential or nn.HybridSequential
        N×C×H×W to N×(C + num_convs·num_channels)×H×W.

    Raises
    ------
    SettingError
        If a number is out of range.
    """
    block = dense(hybrid)
    for _ in range(whole_number("num_convs", num_convs)):
        block.add(conv_block(num_channels, hybrid=hybrid))
    return block


def transition_block(num_channels, *, hybrid=False):
    """A transition: batch normalisation, ReLU, a 1×1 convolution, and an average pooling that halves the size.

    Parameters
    ----------
    num_channels : int
        Output channels.
    hybrid : bool, default False
        As for :func:`conv_block`.

    Returns
    -------
    nn.Sequential or nn.HybridSequential
        N×C×H×W to N×num_channels×⌊H/2⌋×⌊W/2⌋.

    Raises
    ------
    SettingError
        If ``num_channels`` is out of range.
    """
    block = sequential(hybrid)
    num_channels = whole_number("num_channels", num_channels)
    block.add(
        nn.BatchNorm(),
        nn.Activation("relu"),
        nn.Conv2D(num_channels, kernel_size=1),
        nn.AvgPool2D(pool_size=2, strides=2),
    )
    return block


def densenet(*, num_classes=10, edition="zh-v1", hybrid=False):
    """DenseNet of four dense blocks, each of four convolutions with 32 channels.

    Parameters
    ----------
    edition : {"zh-v1", "en", "adam"}, default "zh-v1"
        The first Chinese edition's notebooks, until April 2019, count on as if a transition did not halve the channels:
        their transitions have 96, 160 and 224 of them, the others' 96, 112 and 120.
    num_classes, hybrid
        As in :func:`gluon_cnn.models.lenet.lenet`.

    Returns
    -------
    nn.Sequential or nn.HybridSequential
        Takes N×C×H×W (1×96×96 in the book), gives N×num_classes logits.

    Raises
    ------
    SettingError
        For another edition, or a number of classes out of range.
    """
    num_classes, edition = whole_number("num_classes", num_classes), choice("edition", edition, EDITIONS)
    net = named_sequential("DenseNet", hybrid)
    net.add(*first_layers())
    num_channels, num_convs, growth_rate = 64, 4, 32
    for number in range(4):
        if number > 0:
            net.add(transition_block(num_channels // 2, hybrid=hybrid))
            if EDITIONS[edition].revised:
                num_channels //= 2
        net.add(dense_block(num_convs, growth_rate, hybrid=hybrid))
        num_channels += num_convs * growth_rate
    net.add(nn.BatchNorm(), nn.Activation("relu"), nn.GlobalAvgPool2D(), nn.Dense(num_classes))
    return net


NETWORK = Network("DenseNet", densenet, batch_size=256, side=96, quick_side=48, published_as="densenet", optimized=True)

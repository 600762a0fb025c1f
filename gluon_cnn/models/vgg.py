"""VGG (book, section 5.7 of the first edition and 7.2 of the English one; Simonyan and Zisserman, 2014)."""

from mxnet.gluon import nn

from gluon_cnn.checks import brief, whole_number
from gluon_cnn.errors import ModelError
from gluon_cnn.models.dropout import Dropout
from gluon_cnn.models.network import Network
from gluon_cnn.models.sequential import named_sequential, sequential

__all__ = ["NETWORK", "vgg", "vgg11", "vgg_block"]

# VGG-11: (number of convolutions, number of channels) of each block
_VGG11 = ((1, 64), (1, 128), (2, 256), (2, 512), (2, 512))


def vgg_block(num_convs, num_channels, *, hybrid=False):
    """A block of VGG: 3×3 convolutions with ReLU that keep the size, then a pooling that halves it.

    Parameters
    ----------
    num_convs : int
        Number of convolutions.
    num_channels : int
        Output channels of each.
    hybrid : bool, default False
        Build on ``nn.HybridSequential``, as a ``HybridSequential`` asks of its children.

    Returns
    -------
    nn.Sequential or nn.HybridSequential
        N×C×H×W to N×num_channels×⌊H/2⌋×⌊W/2⌋.

    Raises
    ------
    SettingError
        If a number is out of range.
    """
    num_convs, num_channels = whole_number("num_convs", num_convs), whole_number("num_channels", num_channels)
    block = sequential(hybrid)
    for _ in range(num_convs):
        block.add(nn.Conv2D(num_channels, kernel_size=3, padding=1, activation="relu"))
    block.add(nn.MaxPool2D(pool_size=2, strides=2))
    return block


def vgg(conv_arch, *, num_classes=10, hybrid=False):
    """A VGG network of the blocks in ``conv_arch`` and three dense layers.

    Parameters
    ----------
    conv_arch : sequence of (int, int)
        ``(num_convs, num_channels)`` of each :func:`vgg_block`.
    num_classes : int, default 10
        Number of logits.
    hybrid : bool, default False
        Build on ``nn.HybridSequential`` instead of ``nn.Sequential``.

    Returns
    -------
    nn.Sequential or nn.HybridSequential
        Takes N×C×H×W (1×224×224 in the book), gives N×num_classes logits.

    Raises
    ------
    SettingError
        If a number is out of range.
    ModelError
        If ``conv_arch`` is not a sequence of pairs.
    """
    num_classes = whole_number("num_classes", num_classes)
    try:
        conv_arch = [(num_convs, num_channels) for num_convs, num_channels in conv_arch]
    except (TypeError, ValueError):
        raise ModelError(
            f"conv_arch is {brief(conv_arch)}; it must be pairs of whole numbers, (num_convs, num_channels).",
            "conv_arch",
        ) from None
    net = named_sequential("VGG", hybrid)
    for num_convs, num_channels in conv_arch:
        net.add(vgg_block(num_convs, num_channels, hybrid=hybrid))
    net.add(
        nn.Dense(4096, activation="relu"),
        Dropout(0.5),
        nn.Dense(4096, activation="relu"),
        Dropout(0.5),
        nn.Dense(num_classes),
    )
    return net


def vgg11(*, ratio=4, num_classes=10, hybrid=False):
    """The VGG-11 that the book trains, with a quarter of the channels.

    Parameters
    ----------
    ratio : int, default 4
        Divides 64, 128, 256, 512 and 512 channels; 1 gives the VGG-11 of the paper.
    num_classes, hybrid
        As in :func:`vgg`.

    Returns
    -------
    nn.Sequential or nn.HybridSequential
        As :func:`vgg`.

    Raises
    ------
    SettingError
        If ``ratio`` is not from 1 to 64, or the number of classes out of range.
    """
    ratio = whole_number("ratio", ratio)
    conv_arch = [(num_convs, num_channels // ratio) for num_convs, num_channels in _VGG11]
    return vgg(conv_arch, num_classes=num_classes, hybrid=hybrid)


NETWORK = Network("VGG", vgg11, lr=0.05, quick_side=96, published_as="vgg", rearranged=True, optimized=True)

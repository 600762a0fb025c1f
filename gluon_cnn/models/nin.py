"""Network in Network (book, section 5.8 of the first edition and 7.3 of the English one; Lin et al., 2013)."""

from mxnet.gluon import nn

from gluon_cnn.checks import whole_number, whole_numbers
from gluon_cnn.models.dropout import Dropout
from gluon_cnn.models.network import Network
from gluon_cnn.models.sequential import named_sequential, sequential

__all__ = ["NETWORK", "mlpconv", "nin", "nin_block"]


def mlpconv(channels, kernel_size, strides, padding, *, final_relu=True, hybrid=False, **options):
    """A convolution and, pixel by pixel, a small perceptron of 1×1 convolutions over its channels.

    Parameters
    ----------
    channels : sequence of int
        Output channels of the convolution, and of each 1×1 convolution after it.
    kernel_size, strides, padding, final_relu, hybrid
        As in :func:`nin_block`.
    **options
        Of every ``nn.Conv2D``.

    Returns
    -------
    nn.Sequential or nn.HybridSequential
        N×C×H×W to N×channels[-1]×H'×W'.
    """
    activations = ["relu"] * (len(channels) - 1) + ["relu" if final_relu else None]
    windows = [(kernel_size, strides, padding)] + [(1, 1, 0)] * (len(channels) - 1)
    block = sequential(hybrid)
    for number, window, activation in zip(channels, windows, activations):
        block.add(nn.Conv2D(number, *window, activation=activation, **options))
    return block


def nin_block(num_channels, kernel_size, strides, padding, *, num_mlp_layers=2, final_relu=True, hybrid=False):
    """A convolution and, pixel by pixel, a small perceptron of 1×1 convolutions over its channels.

    Parameters
    ----------
    num_channels : int
        Output channels of every convolution in the block.
    kernel_size, strides, padding : int or tuple of int
        Of the first convolution, in pixels.
    num_mlp_layers : int, default 2
        Number of 1×1 convolutions; the book's exercise asks what happens with one.
    final_relu : bool, default True
        Whether the block's last convolution has a ReLU. False leaves the values of a last block free
        to be negative, as logits should be.
    hybrid : bool, default False
        Build on ``nn.HybridSequential``, as a ``HybridSequential`` asks of its children.

    Returns
    -------
    nn.Sequential or nn.HybridSequential
        N×C×H×W to N×num_channels×H'×W', where H' = ⌊(H + 2·padding − kernel_size) / strides⌋ + 1.

    Raises
    ------
    SettingError
        If a number is out of range.
    """
    num_channels = whole_number("num_channels", num_channels)
    kernel_size, strides = whole_numbers("kernel_size", kernel_size), whole_numbers("strides", strides)
    padding, num_mlp_layers = whole_numbers("padding", padding), whole_number("num_mlp_layers", num_mlp_layers)
    channels = [num_channels] * (1 + num_mlp_layers)
    return mlpconv(channels, kernel_size, strides, padding, final_relu=final_relu, hybrid=hybrid)


def nin(*, num_classes=10, num_mlp_layers=2, final_relu=True, hybrid=False):
    """Network in Network: AlexNet's windows in NiN blocks, and an average instead of dense layers.

    Parameters
    ----------
    num_classes : int, default 10
        Channels of the last block, each of which is averaged to one logit.
    num_mlp_layers : int, default 2
        1×1 convolutions in each block; see :func:`nin_block`.
    final_relu : bool, default True
        True as in the book: no logit is ever below 0, and a class whose channel dies gets no gradient.
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
    """
    num_classes = whole_number("num_classes", num_classes)
    options = {"num_mlp_layers": num_mlp_layers, "hybrid": hybrid}
    net = named_sequential("NiN", hybrid)
    net.add(
        nin_block(96, kernel_size=11, strides=4, padding=0, **options),
        nn.MaxPool2D(pool_size=3, strides=2),
        nin_block(256, kernel_size=5, strides=1, padding=2, **options),
        nn.MaxPool2D(pool_size=3, strides=2),
        nin_block(384, kernel_size=3, strides=1, padding=1, **options),
        nn.MaxPool2D(pool_size=3, strides=2),
        Dropout(0.5),
        nin_block(num_classes, kernel_size=3, strides=1, padding=1, final_relu=final_relu, **options),
        nn.GlobalAvgPool2D(),
        nn.Flatten(),
    )
    return net


NETWORK = Network("NiN", nin, quick_side=96, same_weights=("final_relu",), published_as="nin", optimized=True)

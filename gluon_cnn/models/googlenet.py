"""GoogLeNet (book, section 5.9 of the first edition and 7.4 of the English one; Szegedy et al., 2015)."""

from mxnet.gluon import nn

from gluon_cnn.checks import brief, choice, whole_number
from gluon_cnn.errors import ModelError
from gluon_cnn.models.concatenation import parallel
from gluon_cnn.models.network import Network
from gluon_cnn.models.sequential import named_sequential, sequential
from gluon_cnn.recipe import EDITIONS

__all__ = ["NETWORK", "googlenet", "inception"]

# The Inception blocks of the third, fourth and fifth module: channels of their four paths
_MODULES = (
    ((64, (96, 128), (16, 32), 32), (128, (128, 192), (32, 96), 64)),
    (
        (192, (96, 208), (16, 48), 64),
        (160, (112, 224), (24, 64), 64),
        (128, (128, 256), (24, 64), 64),
        (112, (144, 288), (32, 64), 64),
        (256, (160, 320), (32, 128), 128),
    ),
    ((256, (160, 320), (32, 128), 128), (384, (192, 384), (48, 128), 128)),
)


def inception(c1, c2, c3, c4, *, hybrid=False):
    """An Inception block: four paths side by side, whose outputs are joined along the channels.

    Parameters
    ----------
    c1 : int
        Output channels of the first path, a 1×1 convolution.
    c2, c3 : (int, int)
        Of the second and third path: of a 1×1 convolution, and of the convolution after it, 3×3 and 5×5.
    c4 : int
        Of the fourth path: a 3×3 max pooling, then a 1×1 convolution with these channels.
    hybrid : bool, default False
        Build on ``nn.HybridSequential``, as a ``HybridSequential`` asks of its children.

    Returns
    -------
    nn.Sequential or nn.HybridSequential
        N×C×H×W to N×(c1 + c2[1] + c3[1] + c4)×H×W. Its four children are the paths.

    Raises
    ------
    SettingError
        If a number is out of range.
    ModelError
        If ``c2`` or ``c3`` is not a pair.
    """
    c1, c2, c3, c4 = whole_number("c1", c1), _pair("c2", c2), _pair("c3", c3), whole_number("c4", c4)
    paths = [sequential(hybrid) for _ in range(4)]
    paths[0].add(_convolution(c1, 1))
    paths[1].add(_convolution(c2[0], 1), _convolution(c2[1], 3))
    paths[2].add(_convolution(c3[0], 1), _convolution(c3[1], 5))
    paths[3].add(nn.MaxPool2D(pool_size=3, strides=1, padding=1), _convolution(c4, 1))
    block = parallel(hybrid)
    block.add(*paths)
    return block


def _pair(name, channels):
    try:
        first, second = channels
    except (TypeError, ValueError):
        raise ModelError(f"{name} is {brief(channels)}; it must be two whole numbers.", name) from None
    return whole_number(name, first), whole_number(name, second)


def _convolution(num_channels, kernel_size, activation="relu"):
    """One that keeps the size."""
    return nn.Conv2D(num_channels, kernel_size, padding=kernel_size // 2, activation=activation)


def googlenet(*, num_classes=10, edition="zh-v1", hybrid=False):
    """GoogLeNet without the original's two extra outputs and local response normalisation.

    Parameters
    ----------
    edition : {"zh-v1", "en", "adam"}, default "zh-v1"
        In the first Chinese edition's notebooks, until April 2019, the second and third convolution have no ReLU; in
        the others they have one.
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
    activation = "relu" if EDITIONS[edition].revised else None
    modules = [sequential(hybrid) for _ in range(5)]
    modules[0].add(nn.Conv2D(64, kernel_size=7, strides=2, padding=3, activation="relu"))
    modules[1].add(_convolution(64, 1, activation), _convolution(192, 3, activation))
    for module, blocks in zip(modules[2:], _MODULES):
        module.add(*(inception(*channels, hybrid=hybrid) for channels in blocks))
    for module in modules[:4]:
        module.add(nn.MaxPool2D(pool_size=3, strides=2, padding=1))
    modules[4].add(nn.GlobalAvgPool2D())
    net = named_sequential("GoogLeNet", hybrid)
    net.add(*modules, nn.Dense(num_classes))
    return net


NETWORK = Network("GoogLeNet", googlenet, side=96, quick_side=48, published_as="googlenet")

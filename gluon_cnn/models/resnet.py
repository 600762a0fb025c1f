"""ResNet as the book builds it (section 5.11 of the first edition, 7.6 of the English one; He et al., 2016)."""

from mxnet.gluon import nn

from gluon_cnn.checks import whole_number, whole_numbers
from gluon_cnn.models.network import Network
from gluon_cnn.models.sequential import named_sequential, sequential

__all__ = ["NETWORK", "Residual", "first_layers", "resnet", "resnet18", "resnet_block"]


class Residual(nn.HybridBlock):
    """Two 3×3 convolutions with batch normalisation, whose output is added to their input.

    Parameters
    ----------
    num_channels : int
        Output channels.
    use_1x1conv : bool, default False
        Change the input's channels and size by a 1×1 convolution before the addition.
    strides : int, default 1
        Of the first convolution and of the 1×1 one.

    Takes N×C×H×W, gives N×num_channels×⌈H/strides⌉×⌈W/strides⌉.
    """

    def __init__(self, num_channels, use_1x1conv=False, strides=1, **kwargs):
        super().__init__(**kwargs)
        num_channels, strides = whole_number("num_channels", num_channels), whole_numbers("strides", strides)
        self.conv1 = nn.Conv2D(num_channels, kernel_size=3, padding=1, strides=strides)
        self.conv2 = nn.Conv2D(num_channels, kernel_size=3, padding=1)
        self.conv3 = nn.Conv2D(num_channels, kernel_size=1, strides=strides) if use_1x1conv else None
        self.bn1 = nn.BatchNorm()
        self.bn2 = nn.BatchNorm()
        self.relu = nn.Activation("relu")

    def forward(self, X):  # made of layers only, so it takes arrays of either kind and symbols
        """The block's output for a batch."""
        Y = self.relu(self.bn1(self.conv1(X)))
        Y = self.bn2(self.conv2(Y))
        return self.relu(Y + (self.conv3(X) if self.conv3 else X))


def resnet_block(num_channels, num_residuals, first_block=False, *, hybrid=False):
    """Residual blocks in a row, of which the first halves the size.

    Parameters
    ----------
    num_channels : int
        Output channels of each.
    num_residuals : int
        Number of them.
    first_block : bool, default False
        Keep the size, because the layers before have made it small.
    hybrid : bool, default False
        Build on ``nn.HybridSequential``, as a ``HybridSequential`` asks of its children.

    Returns
    -------
    nn.Sequential or nn.HybridSequential
        N×C×H×W to N×num_channels×⌈H/2⌉×⌈W/2⌉; in a first block C must be ``num_channels``.

    Raises
    ------
    SettingError
        If a number is out of range.
    """
    block = sequential(hybrid)
    for number in range(whole_number("num_residuals", num_residuals)):
        if number == 0 and not first_block:
            block.add(Residual(num_channels, use_1x1conv=True, strides=2))
        else:
            block.add(Residual(num_channels))
    return block


def first_layers():
    """The layers before the blocks, of ResNet and of DenseNet: N×C×H×W to N×64×⌈H/4⌉×⌈W/4⌉."""
    return (
        nn.Conv2D(64, kernel_size=7, strides=2, padding=3),
        nn.BatchNorm(),
        nn.Activation("relu"),
        nn.MaxPool2D(pool_size=3, strides=2, padding=1),
    )


def resnet(*, num_classes=10, hybrid=False):
    """ResNet-18, as the book trains it.

    Parameters
    ----------
    num_classes, hybrid
        As in :func:`gluon_cnn.models.lenet.lenet`.

    Returns
    -------
    nn.Sequential or nn.HybridSequential
        Takes N×C×H×W (1×96×96 in the book), gives N×num_classes logits.

    Raises
    ------
    SettingError
        If ``num_classes`` is out of range.
    """
    num_classes = whole_number("num_classes", num_classes)
    net = named_sequential("ResNet-18", hybrid)
    net.add(*first_layers(), *_blocks(hybrid), nn.GlobalAvgPool2D(), nn.Dense(num_classes))
    return net


def resnet18(num_classes, *, hybrid=False):
    """The ResNet-18 of the book's chapter on several GPUs, for small images.

    Unlike :func:`resnet` it begins with a convolution of 3×3 at stride 1, and has no max pooling.

    Parameters
    ----------
    num_classes : int
    hybrid : bool, default False
        Build on ``nn.HybridSequential`` instead of ``nn.Sequential``.

    Returns
    -------
    nn.Sequential or nn.HybridSequential
        Takes N×C×H×W, gives N×num_classes logits.

    Raises
    ------
    SettingError
        If ``num_classes`` is out of range.
    """
    num_classes = whole_number("num_classes", num_classes)
    net = named_sequential("ResNet-18", hybrid)
    net.add(nn.Conv2D(64, kernel_size=3, strides=1, padding=1), nn.BatchNorm(), nn.Activation("relu"))
    net.add(*_blocks(hybrid), nn.GlobalAvgPool2D(), nn.Dense(num_classes))
    return net


def _blocks(hybrid):
    """The four blocks of ResNet-18."""
    for number, num_channels in enumerate((64, 128, 256, 512)):
        yield resnet_block(num_channels, 2, first_block=number == 0, hybrid=hybrid)


NETWORK = Network(
    "ResNet-18", resnet, batch_size=256, lr=0.05, side=96, quick_side=48, published_as="resnet", optimized=True
)

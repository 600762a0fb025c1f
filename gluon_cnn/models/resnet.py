"""ResNet as the book builds it (section 5.11 of the first edition, 7.6 of the English one; He et al., 2016)."""

from mxnet.gluon import nn

from gluon_cnn.checks import whole_number, whole_numbers
from gluon_cnn.models.sequential import named_sequential, sequential

__all__ = ["Residual", "resnet18"]


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


def resnet18(num_classes, *, hybrid=False):
    """ResNet-18 for small images: a first convolution of 3×3 at stride 1, and no max-pooling.

    The book has it in its chapter on several GPUs.

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
    for number, num_channels in enumerate((64, 128, 256, 512)):
        block = sequential(hybrid)
        halves = number > 0
        block.add(Residual(num_channels, use_1x1conv=halves, strides=2 if halves else 1), Residual(num_channels))
        net.add(block)
    net.add(nn.GlobalAvgPool2D(), nn.Dense(num_classes))
    return net

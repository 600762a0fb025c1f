"""AlexNet (book, section 5.6 of the first edition and 7.1 of the English one; Krizhevsky et al., 2012)."""

from mxnet.gluon import nn

from gluon_cnn.checks import whole_number
from gluon_cnn.models.dropout import Dropout
from gluon_cnn.models.network import Network
from gluon_cnn.models.sequential import named_sequential

__all__ = ["NETWORK", "alexnet"]


def alexnet(*, num_classes=10, padding=0, hybrid=False):
    """AlexNet on one device, for Fashion-MNIST.

    Parameters
    ----------
    num_classes : int, default 10
        Number of logits.
    padding : int, default 0
        Pixels of padding around the first convolution: 0 in every MXNet edition of the book, 1 in its
        PyTorch edition.
    hybrid : bool, default False
        Build on ``nn.HybridSequential`` instead of ``nn.Sequential``.

    Returns
    -------
    nn.Sequential or nn.HybridSequential
        Takes N×C×H×W (1×224×224 in the book, then 46,764,746 parameters), gives N×num_classes logits.

    Raises
    ------
    SettingError
        If a number is out of range.
    """
    num_classes, padding = whole_number("num_classes", num_classes), whole_number("padding", padding)
    net = named_sequential("AlexNet", hybrid)
    net.add(
        # A window of 11 and a stride of 4: the garments fill far more pixels than LeNet's digits.
        nn.Conv2D(96, kernel_size=11, strides=4, padding=padding, activation="relu"),
        nn.MaxPool2D(pool_size=3, strides=2),
        nn.Conv2D(256, kernel_size=5, padding=2, activation="relu"),
        nn.MaxPool2D(pool_size=3, strides=2),
        nn.Conv2D(384, kernel_size=3, padding=1, activation="relu"),
        nn.Conv2D(384, kernel_size=3, padding=1, activation="relu"),
        nn.Conv2D(256, kernel_size=3, padding=1, activation="relu"),
        nn.MaxPool2D(pool_size=3, strides=2),
        # Nine tenths of the parameters are in the next two layers, hence the dropout.
        nn.Dense(4096, activation="relu"),
        Dropout(0.5),
        nn.Dense(4096, activation="relu"),
        Dropout(0.5),
        nn.Dense(num_classes),
    )
    return net


NETWORK = Network("AlexNet", alexnet, lr=0.01, quick_side=96, published_as="alexnet", optimized=True)

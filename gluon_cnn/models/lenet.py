"""LeNet (book, section 5.5 of the first edition and 6.6 of the English one; LeCun et al., 1998)."""

from mxnet.gluon import nn

from gluon_cnn.checks import choice, whole_number
from gluon_cnn.models.network import Network
from gluon_cnn.models.sequential import named_sequential
from gluon_cnn.recipe import EDITIONS

__all__ = ["NETWORK", "POOLINGS", "lenet"]

#: How an edition pools.
POOLINGS = {"max": nn.MaxPool2D, "avg": nn.AvgPool2D}


def lenet(*, num_classes=10, edition="zh-v1", hybrid=False):
    """LeNet with sigmoids and without the original's Gaussian output.

    Parameters
    ----------
    num_classes : int, default 10
        Number of logits.
    edition : {"zh-v1", "en", "adam"}, default "zh-v1"
        The book's first Chinese edition pools by maximum and does not pad; the others pool by average and pad the
        first convolution by 2.
    hybrid : bool, default False
        Build on ``nn.HybridSequential`` instead of ``nn.Sequential``.

    Returns
    -------
    nn.Sequential or nn.HybridSequential
        Takes N×C×H×W (C×28×28 in the book), gives N×num_classes logits.

    Raises
    ------
    SettingError
        For another edition, or a number of classes out of range.
    """
    num_classes, edition = whole_number("num_classes", num_classes), choice("edition", edition, EDITIONS)
    padding, pool = EDITIONS[edition].lenet_padding, POOLINGS[EDITIONS[edition].lenet_pooling]
    net = named_sequential("LeNet", hybrid)
    net.add(
        nn.Conv2D(channels=6, kernel_size=5, padding=padding, activation="sigmoid"),
        pool(pool_size=2, strides=2),
        nn.Conv2D(channels=16, kernel_size=5, activation="sigmoid"),
        pool(pool_size=2, strides=2),
        nn.Dense(120, activation="sigmoid"),  # a dense layer flattens N×C×H×W by itself
        nn.Dense(84, activation="sigmoid"),
        nn.Dense(num_classes),
    )
    return net


NETWORK = Network("LeNet", lenet, batch_size=256, lr=0.9, side=28, published_as="lenet", rearranged=True)

"""LeNet (book, section 5.5 of the first edition and 6.6 of the English one; LeCun et al., 1998)."""

from mxnet.gluon import nn

from gluon_cnn.errors import ModelError
from gluon_cnn.models.sequential import network

__all__ = ["lenet"]

# edition: padding of the first convolution, pooling
_EDITIONS = {
    "zh-v1": (0, nn.MaxPool2D),
    "en": (2, nn.AvgPool2D),
}


def lenet(*, num_classes=10, edition="zh-v1", hybrid=False):
    """LeNet with sigmoids and without the original's Gaussian output.

    Parameters
    ----------
    num_classes : int, default 10
        Number of logits.
    edition : {"zh-v1", "en"}, default "zh-v1"
        The book's first Chinese edition pools by maximum and does not pad; the English one pools by
        average and pads the first convolution by 2.
    hybrid : bool, default False
        Build on ``nn.HybridSequential`` instead of ``nn.Sequential``.

    Returns
    -------
    nn.Sequential or nn.HybridSequential
        Takes N×C×H×W (C×28×28 in the book), gives N×num_classes logits.

    Raises
    ------
    ModelError
        For another edition.
    """
    if edition not in _EDITIONS:
        raise ModelError(f"LeNet has no edition {edition!r}; use one of {', '.join(_EDITIONS)}.")
    padding, pool = _EDITIONS[edition]
    net = network("LeNet", hybrid)
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

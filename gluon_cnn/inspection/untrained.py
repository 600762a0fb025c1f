"""The network that a training began with."""

import mxnet as mx

from gluon_cnn.data import FASHION_MNIST
from gluon_cnn.training.recipes import check_recipe
from gluon_cnn.training.setup import build_network, initialize

__all__ = ["untrained_network"]


def untrained_network(recipe, dataset=None, ctx=None):
    """A recipe's network with the weights that its training begins from: the published ones, or its seed's.

    Parameters
    ----------
    recipe : Recipe
        Such as ``load_run(directory).recipe``.
    dataset : DatasetInfo, optional
        What it is trained on; Fashion-MNIST by default.
    ctx : mx.Context, optional
        Where its parameters are put; the CPU by default.

    Returns
    -------
    Block
        Not compiled.

    Raises
    ------
    SettingError, ModelError
        If the recipe cannot be trained.
    """
    check_recipe(recipe)
    dataset = dataset or FASHION_MNIST
    net = build_network(recipe, dataset, hybrid=True)
    initialize(net, recipe, dataset, [ctx or mx.cpu()])
    return net

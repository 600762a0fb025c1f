"""The filters of a network: the first layer's as they are, the strength of all, and how much each is like a Gabor."""

from typing import NamedTuple

import numpy as np
from mxnet.gluon import nn
from mxnet.gluon.nn.conv_layers import _Conv

from gluon_cnn.errors import ModelError
from gluon_cnn.inspection.layers import innermost_layers, title_of
from gluon_cnn.models.parameters import copied

__all__ = ["Filters", "filter_norms", "first_filters"]


class Filters(NamedTuple):
    """The filters of one convolution, the strongest first.

    Attributes
    ----------
    path : str
        Of the layer.
    weights : np.ndarray
        filters×channels×height×width.
    channels : np.ndarray
        int: which output channel of the layer each filter is.
    norms : np.ndarray
        The strength of each: the square root of the sum of its squared weights.
    """

    path: str
    weights: np.ndarray
    channels: np.ndarray
    norms: np.ndarray


def first_filters(net):
    """The filters of a network's first convolution, sorted by strength.

    Parameters
    ----------
    net : Block
        Of any kind, whose parameters have values.

    Returns
    -------
    Filters

    Raises
    ------
    ModelError
        If it has no convolution over rows and columns, or its parameters have no values.
    """
    for path, layer in innermost_layers(net).items():
        if _filters_first(layer) and len(layer.weight.shape) == 4:
            weights = copied(layer.weight).asnumpy()
            norms = _norms(weights)
            order = np.argsort(-norms, kind="stable")
            return Filters(path, weights[order], order, norms[order])
    raise ModelError(f"{title_of(net)} has no convolution, so it has no filters to look at.")


def filter_norms(net):
    """The strength of each output channel of each convolution and dense layer.

    Parameters
    ----------
    net : Block
        As for :func:`first_filters`.

    Returns
    -------
    dict
        Path to float array, one number for each output channel: the square root of the sum of the squared weights that
        lead to it.
    """
    layers = innermost_layers(net).items()
    return {path: _norms(copied(layer.weight).asnumpy()) for path, layer in layers if _filters_first(layer)}


def _filters_first(layer):
    """Whether a layer's weight has a filter for each output channel along its first axis."""
    transposed = getattr(layer, "_op_name", "").lower() == "deconvolution"
    return isinstance(layer, nn.Dense) or (isinstance(layer, _Conv) and not transposed)


def _norms(weights):
    return np.sqrt((weights.astype(float) ** 2).sum(axis=tuple(range(1, weights.ndim))))

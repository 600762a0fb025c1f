"""First values of a network's parameters, and whether they have any."""

import mxnet as mx
from mxnet.gluon import nn
from mxnet.gluon.nn.conv_layers import _Conv

from gluon_cnn.checks import brief
from gluon_cnn.errors import ModelError, SettingError

__all__ = ["check_initialized", "init_cnn", "is_initialized"]


def init_cnn(module):
    """Draw Xavier's weights for a convolution or a dense layer, for ``net.apply(init_cnn)`` (book, section 7.6 of the
    English edition since 1.0).

    Other blocks and biases stay as they are, and get Gluon's usual values if they have none. A SettingError for what is
    no block.
    """
    if not isinstance(module, nn.Block):
        raise SettingError(f"{brief(module)} is no block: write net.apply(init_cnn), which gives each of its blocks.")
    for parameter in module._reg_params.values():
        if isinstance(module, (nn.Dense, _Conv)) and parameter is module.weight:
            ctx = parameter.list_ctx() if is_initialized(parameter) else None
            parameter.initialize(mx.init.Xavier(), ctx=ctx, force_reinit=True)
        elif not is_initialized(parameter):
            parameter.initialize()


def is_initialized(parameter):
    """Whether a parameter has values, or will have them when its shape is known."""
    try:
        return bool(parameter.list_ctx())
    except RuntimeError:  # Gluon's for one that was never initialised
        return False


def check_initialized(module):
    """Raise a ModelError if a parameter of a module was never initialised."""
    parameters = module.parameters()
    for name, parameter in () if isinstance(parameters, list) else parameters.items():
        if not is_initialized(parameter):
            raise ModelError(f"{type(module).__name__}'s {name} has no values: call initialize() in __init__.")

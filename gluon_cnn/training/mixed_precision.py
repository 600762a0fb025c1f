"""Mixed precision: convolutions and dense layers in half precision, by MXNet's ``mx.contrib.amp``.

The parameters stay in float32. The loss is multiplied by a scale, so that small gradients are not lost in half
precision; a step whose gradients are not finite is left out and the scale halved, and after 2,000 steps it is doubled.
"""

import logging
from typing import TypedDict

from mxnet import autograd

from gluon_cnn.decoding import Count, Finite
from gluon_cnn.errors import SettingError

try:
    from mxnet import amp  # in MXNet 2
except ImportError:
    from mxnet.contrib import amp

__all__ = ["ScalerState", "backward", "begin", "load_scaler", "scaler_state"]


class ScalerState(TypedDict):
    """What of MXNet's loss scaler changes from step to step, where each name begins with an underscore."""

    loss_scale: Finite
    next_loss_scale: Finite
    unskipped: Count


def begin(wanted, devices, synchronous=True):
    """Let MXNet compute in mixed precision from now on, if that is ``wanted``; before the network is made.

    Raises
    ------
    SettingError
        If it cannot: on the CPU, with servers that update by themselves (not ``synchronous``), or, where it is not
        wanted, after another training of this process has begun it, because MXNet cannot end it.
    """
    if not wanted:
        if amp.amp._amp_initialized:
            raise SettingError(
                "amp is off, but this process has begun to compute in mixed precision, which MXNet cannot end: train "
                "in a process of its own.",
                "amp",
            )
        return
    on_cpu = next((device for device in devices if device.device_type == "cpu"), None)
    if on_cpu is not None:
        raise SettingError(
            f"amp is for GPUs, and this run would be on {on_cpu}: leave it out, or name a GPU.", "amp", "ctx"
        )
    if not synchronous:
        raise SettingError(
            "amp leaves out steps whose gradients overflow, but the servers of dist_async take in all: use dist_sync.",
            "amp",
            "kvstore",
        )
    if not logging.getLogger().handlers:  # else the first line that MXNet logs would set up a handler for all lines
        logging.getLogger().addHandler(logging.NullHandler())
    amp.init()


def backward(losses, others, trainer):
    """Compute the gradients of losses, scaled if the trainer was given a scaler, and of other arrays as they are."""
    if hasattr(trainer, "_amp_loss_scaler"):
        with autograd.record(), amp.scale_loss(losses, trainer) as scaled:
            losses = scaled
    autograd.backward(losses + others)


def scaler_state(trainer):
    """The state of a trainer's loss scaler, for JSON; None if it has none."""
    scaler = getattr(trainer, "_amp_loss_scaler", None)
    return scaler and {name: getattr(scaler, f"_{name}") for name in ScalerState.__annotations__}


def load_scaler(trainer, state=None):
    """Give a trainer a loss scaler, in the state that :func:`scaler_state` gave."""
    amp.init_trainer(trainer)
    for name, value in (state or {}).items():
        setattr(trainer._amp_loss_scaler, f"_{name}", value)

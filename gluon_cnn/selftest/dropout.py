"""Dropout on a device: which units it drops follows from the seed and the step, and the gradient goes the same way."""

import mxnet as mx
import numpy as np
from mxnet import autograd
from mxnet.gluon import nn

from gluon_cnn.models import get_model, list_models
from gluon_cnn.models.dropout import Dropout
from gluon_cnn.models.sequential import layers_of
from gluon_cnn.seeding import seed_mxnet
from gluon_cnn.selftest.check import Seen, tried

__all__ = ["check_dropout"]

_SHAPE = 64, 1024


def check_dropout(device):
    """Yield a Check of what dropout computes, and of what decides the units that it drops."""
    yield tried(
        "dropout",
        "values and gradients",
        "Dropout computes something else than x / (1 - p) or 0: do not trust what is trained here, and report it.",
        _values,
        device,
    )
    yield tried(
        "dropout",
        "decided by the seed",
        "Two runs of one seed would drop other units, and so would a run that is resumed: the results cannot be had "
        "again. Report it.",
        _seeded,
        device,
    )


def _values(device):
    x, masks = np.random.RandomState(0).uniform(0.5, 1.5, _SHAPE).astype(np.float32), []
    for layer in _forms(Dropout(0.25)):
        output, gradient = _run(layer, device, x)
        kept = output != 0
        for found, expected in ((output, np.where(kept, x / 0.75, 0)), (gradient, np.where(kept, 1 / 0.75, 0))):
            if not np.allclose(found, expected, rtol=1e-6):
                return Seen(False, f"differs by {np.abs(found - expected).max():.1e}")
        masks.append(kept.mean())
    share = 1 - float(np.mean(masks))
    return Seen(abs(share - 0.25) < 0.02, f"{share:.1%} of the units dropped for p = 0.25", {"dropped": share})


def _seeded(device):
    """Every network's dropout, as it is and compiled: the same twice, another for another seed and step."""
    layers = (layer for name in list_models() for layer in layers_of(get_model(name)))
    kinds = {Dropout, *(type(layer) for layer in layers if isinstance(layer, nn.Dropout))}
    wrong = {_decided(layer, device) for kind in kinds for layer in _forms(kind(0.5))} - {None}
    if wrong:
        return Seen(False, " and ".join(sorted(wrong)))
    equal = bool((_mask(Dropout(0.5), device, 0, 0) == _mask(Dropout(0.5), mx.cpu(), 0, 0)).all())
    whose = "those of cpu(0)" if equal else "not those of cpu(0), whose generator is another one"
    return Seen(True, f"the same units for the same seed, {whose}", {"as_on_cpu": equal})


def _decided(layer, device):
    """What is wrong with the units that a layer drops, in words; None if nothing is."""
    first, again = _mask(layer, device, 0, 0), _mask(layer, device, 0, 0)
    if (first != again).any():
        return "other units for the same seed"
    if (first == _mask(layer, device, 1, 0)).all():
        return "the same units for another seed"
    return "the same units for another step" if (first == _mask(layer, device, 0, 1)).all() else None


def _mask(layer, device, seed, step):
    seed_mxnet(seed, 0, step)
    return _run(layer, device, np.ones(_SHAPE, dtype=np.float32))[0] != 0


def _forms(layer):
    """A layer as it is, and one like it that is compiled."""
    compiled = type(layer)(layer._rate)
    compiled.hybridize(static_alloc=True, static_shape=True)
    return layer, compiled


def _run(layer, device, values):
    """Output and gradient of a layer in training."""
    x = (mx.np.array if mx.util.is_np_array() else mx.nd.array)(values, ctx=device)
    x.attach_grad()
    with autograd.record():
        output = layer(x)
    output.backward()
    return output.asnumpy(), x.grad.asnumpy()

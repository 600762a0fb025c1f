"""Every kind of layer, forward and backward, on a device against NumPy in float64."""

from types import MappingProxyType
from typing import Any, Callable, Mapping, NamedTuple, Tuple

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon
from mxnet.gluon import nn

from gluon_cnn.models.local_response import LocalResponseNorm
from gluon_cnn.selftest import references
from gluon_cnn.selftest.check import Seen, difference, tried

__all__ = ["CASES", "HALF", "TOLERANCES", "Case", "check_layers"]

#: The largest difference over the largest value. Full float32 is about 1e-5 at most, and TF32, which rounds to 11 bits,
#: above 1e-4; half precision, which rounds as far, is below 2e-3 where it is added up in float32.
TOLERANCES = {"float32": 5e-5, "float16": 5e-3}


class Case(NamedTuple):
    """A layer: how it is made, the shape of its input, the reference, and what the latter is told of the layer.

    A layer with ``training=False`` is compared as it predicts. A plain function has no compiled form.
    """

    name: str
    make: Callable
    shape: Tuple[int, ...]
    reference: Callable
    options: Mapping[str, Any] = MappingProxyType({})
    training: bool = True
    labels: bool = False


def _conv(name, shape, filters, size, stride=1, padding=0, groups=1):
    def make():
        return nn.Conv2D(filters, size, strides=stride, padding=padding, groups=groups)

    options = {"stride": stride, "padding": padding, "groups": groups}
    return Case(f"convolution {name}", make, shape, references.convolution, options)


def _pool(kind, reference, name, shape, size, stride, padding=0):
    options = {"size": size, "stride": stride, "padding": padding}
    return Case(name, lambda: kind(size, stride, padding), shape, reference, options)


def _cut(kind, reference, name, shape, **options):
    """A pooling with a last window that ends outside the image."""
    window = {"size": 3, "stride": 2, "ceil": True}
    return Case(name, lambda: kind(3, 2, ceil_mode=True, **options), shape, reference, window)


def _concat(x):
    concatenate = mx.np.concatenate if mx.util.is_np_array() else lambda arrays, axis: mx.nd.concat(*arrays, dim=axis)
    return concatenate([x[:, :3], x], axis=1)


def _local():
    return LocalResponseNorm(**_LOCAL)


_WHOLE = {"size": 5, "stride": 1}
_LOCAL = {"size": 5, "alpha": 0.2, "beta": 0.75, "k": 2}
_INSIDE = {"count_include_pad": False}
#: The shapes are those of the book's networks, with fewer images or channels.
CASES = (
    _conv("5×5, padding 2", (4, 16, 14, 14), 32, 5, padding=2),
    _conv("11×11, stride 4", (2, 1, 224, 224), 96, 11, stride=4),
    _conv("3×3, padding 1", (4, 32, 28, 28), 64, 3, padding=1),
    _conv("1×1", (4, 96, 26, 26), 96, 1),
    _conv("7×7, stride 2, padding 3", (2, 1, 96, 96), 64, 7, stride=2, padding=3),
    _conv("3×3, stride 2, padding 1", (4, 32, 28, 28), 64, 3, stride=2, padding=1),
    _conv("1×1, stride 2", (4, 64, 14, 14), 128, 1, stride=2),
    _conv("3×3, 2 groups", (4, 16, 14, 14), 32, 3, padding=1, groups=2),
    Case("dense, 400 to 120", lambda: nn.Dense(120), (64, 16, 5, 5), references.dense),
    Case("dense, 6400 to 512", lambda: nn.Dense(512), (8, 6400), references.dense),
    _pool(nn.MaxPool2D, references.max_pooling, "max pooling 2×2", (4, 16, 28, 28), 2, 2),
    _pool(nn.MaxPool2D, references.max_pooling, "max pooling 3×3, stride 2", (4, 16, 54, 54), 3, 2),
    _pool(nn.MaxPool2D, references.max_pooling, "max pooling 3×3, padding 1", (4, 16, 14, 14), 3, 1, 1),
    _pool(nn.AvgPool2D, references.average_pooling, "average pooling 2×2", (4, 16, 28, 28), 2, 2),
    _pool(nn.AvgPool2D, references.average_pooling, "average pooling 3×3, padding 1", (4, 16, 14, 14), 3, 2, 1),
    _cut(nn.MaxPool2D, references.max_pooling, "max pooling 3×3, cut", (4, 16, 14, 14)),
    _cut(nn.AvgPool2D, references.average_pooling, "average pooling 3×3, cut", (4, 16, 14, 14), **_INSIDE),
    Case("global average pooling", nn.GlobalAvgPool2D, (8, 10, 5, 5), references.average_pooling, _WHOLE),
    Case("global max pooling", nn.GlobalMaxPool2D, (8, 10, 5, 5), references.max_pooling, _WHOLE),
    Case("relu", lambda: nn.Activation("relu"), (8, 16, 14, 14), references.relu),
    Case("sigmoid", lambda: nn.Activation("sigmoid"), (8, 16, 14, 14), references.sigmoid),
    Case("tanh", lambda: nn.Activation("tanh"), (8, 16, 14, 14), references.tanh),
    Case("batch normalisation, training", nn.BatchNorm, (8, 4, 56, 56), references.batch_norm),
    Case("batch normalisation, prediction", nn.BatchNorm, (4, 8, 9, 9), references.batch_norm_learned, training=False),
    Case("softmax cross-entropy", gluon.loss.SoftmaxCrossEntropyLoss, (64, 10), references.cross_entropy, labels=True),
    Case("concatenation", lambda: _concat, (4, 8, 14, 14), references.concatenation, {"channels": 3}),
    Case("local response normalisation", _local, (4, 8, 14, 14), references.local_response, _LOCAL),
)  # fmt: skip
#: Those that mixed precision computes in half precision.
HALF = tuple(case for case in CASES if case.name.startswith(("convolution", "dense")))


def check_layers(device, dtype, meaning):
    """Yield a Check of each layer on a device, in ``float32`` or, for those of mixed precision, in ``float16``."""
    for case in CASES if dtype == "float32" else HALF:
        yield tried(f"layers, {dtype}", case.name, meaning, _compare, case, device, dtype)


def _compare(case, device, dtype):
    """The largest difference of a layer from its reference, run operator by operator and compiled."""
    random = np.random.RandomState(0)
    # Numbers that the layer takes in without rounding, so that only what it computes is compared. In float32 they are
    # not those of half precision, which TF32 has too.
    X = _rounded(random.randn(*case.shape), dtype)
    labels = [random.randint(0, case.shape[1], case.shape[0])] if case.labels else []
    parameters = _parameters(case, random, dtype)
    expected, gradients = case.reference(X, *parameters, *labels, **case.options)
    G = _rounded(random.randn(*expected.shape), dtype)
    wanted = [expected, *gradients(G)]
    worst = 0.0
    for compiled in (False, True) if isinstance(case.make(), gluon.HybridBlock) else (False,):
        found = _run(case, device, dtype, compiled, X, labels, parameters, G)
        if len(found) < len(wanted):
            return Seen(False, "a gradient is missing")
        worst = max([worst, *(difference(a, b) for a, b in zip(found, wanted))])
    return Seen(worst <= TOLERANCES[dtype], f"{worst:.1e}", {"difference": worst, "tolerance": TOLERANCES[dtype]})


def _parameters(case, random, dtype):
    """Values for the layer's parameters, in their order."""
    layer = case.make()
    if not isinstance(layer, gluon.Block) or case.labels:
        return []
    layer.initialize()
    layer(_array(np.zeros(case.shape), mx.cpu(), "float32"))  # learns its shapes
    shapes = [(name, parameter.shape) for name, parameter in layer.collect_params().items()]
    return [_rounded(_drawn(random, name, shape), dtype) for name, shape in shapes]


def _drawn(random, name, shape):
    """Numbers for a parameter with which the outputs are about 1, so that a constant that a kernel adds shows."""
    if "var" in name:
        return random.uniform(0.5, 1.5, shape)
    return random.randn(*shape) / (np.prod(shape[1:]) ** 0.5 if len(shape) > 1 else 10)


def _rounded(values, dtype):
    return values.astype(dtype).astype(np.float64)


def _run(case, device, dtype, compiled, X, labels, parameters, G):
    """What a layer gives on a device: output, gradient of the input, and of the parameters or their new values."""
    layer = case.make()
    x = _array(X, device, dtype)
    labels = [_array(values, device, "float32") for values in labels]
    own = []
    if isinstance(layer, gluon.Block):
        layer.initialize(ctx=device)
        layer.cast(dtype)
        if compiled:
            layer.hybridize(static_alloc=True, static_shape=True)
        layer(x, *labels)
        own = list(layer.collect_params().values())
        for parameter, values in zip(own, parameters):
            parameter.set_data(_array(values, device, dtype))
    if not case.training:
        return [layer(x).asnumpy()]
    x.attach_grad()
    with autograd.record():
        output = layer(x, *labels)
    output.backward(_array(G, device, dtype))
    learned = [p.grad(device) if p.grad_req != "null" else p.data(device) for p in own]
    return [array.asnumpy() for array in (output, x.grad, *learned)]


def _array(values, device, dtype):
    array = mx.np.array if mx.util.is_np_array() else mx.nd.array
    return array(values, ctx=device, dtype=dtype)

"""Dropout without cuDNN, against Gluon's own layer."""

import gluon_cnn

# isort: split
import json

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd
from mxnet.gluon import nn

from gluon_cnn.models.dropout import Dropout
from gluon_cnn.models.sequential import layers_of


def mask(layer, x, hybrid):
    layer.initialize()
    if hybrid:
        layer.hybridize(static_alloc=True, static_shape=True)
    mx.random.seed(5)
    x.attach_grad()
    with autograd.record():
        y = layer(x)
    y.backward()
    return type(y), y.asnumpy(), x.grad.asnumpy()


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("options", [{"rate": 0.5}, {"rate": 0.25}, {"rate": 0.5, "axes": (2, 3)}, {"rate": 0}])
@pytest.mark.parametrize("numpy_arrays", [False, True])
def test_masks_and_gradients_are_gluons(options, hybrid, numpy_arrays, request):
    if numpy_arrays:
        request.getfixturevalue("np_arrays")
    ones = mx.np.ones if numpy_arrays else mx.nd.ones
    ours, theirs = (mask(kind(**options), ones((8, 16, 6, 6)), hybrid) for kind in (Dropout, nn.Dropout))
    assert ours[0] is theirs[0]
    assert all((a == b).all() for a, b in zip(ours[1:], theirs[1:]))
    assert repr(Dropout(**options)) == repr(nn.Dropout(**options))


def test_nothing_is_dropped_outside_training():
    x = mx.nd.array(np.random.rand(4, 8))
    assert (Dropout(0.5)(x).asnumpy() == x.asnumpy()).all()


@pytest.mark.parametrize(("name", "number"), [("alexnet", 2), ("vgg11", 2), ("nin", 1)])
@pytest.mark.parametrize("hybrid", [False, True])
def test_networks_do_not_use_cudnns_dropout(name, number, hybrid):
    dropouts = [layer for layer in layers_of(gluon_cnn.get_model(name, hybrid=hybrid)) if isinstance(layer, nn.Dropout)]
    assert [type(layer) for layer in dropouts] == [Dropout] * number
    for layer in dropouts:
        (node,) = (n for n in json.loads(layer(mx.sym.var("x")).tojson())["nodes"] if n["op"] == "Dropout")
        assert node["attrs"]["cudnn_off"] == "True"

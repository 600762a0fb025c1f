"""Receptive fields against what the gradient of one position touches."""

import mxnet as mx
import numpy as np
import pytest
from mxnet.gluon import nn

from gluon_cnn import get_model
from gluon_cnn.inspection.layers import innermost_layers
from gluon_cnn.inspection.receptive import Patch, receptive_fields


class AveragePooling(nn.HybridBlock):
    """Average pooling with the window of a max pooling: its gradient touches all that the window sees."""

    def __init__(self, window):
        super().__init__()
        self._window = {**window, "pool_type": "avg"}

    def hybrid_forward(self, F, x):
        return F.Pooling(x, **self._window)


def touching_everything(net, shape):
    """The network with weights of which no product cancels, and with average in place of max pooling."""
    net.initialize(mx.init.Constant(0.01))
    net(mx.nd.zeros(shape))
    for name, parameter in net.collect_params().items():
        if not name.endswith(("running_mean", "running_var", "gamma", "beta")):
            parameter.set_data(mx.nd.full(parameter.shape, 1 / np.prod(parameter.shape[1:])))

    def replace(block):
        for name, child in block._children.items():
            window = getattr(child, "_kwargs", {})
            if window.get("pool_type") == "max":
                block._children[name] = AveragePooling(window)
            else:
                replace(child)

    replace(net)
    return net


def touched(net, path, shape, row, column):
    """The rectangle around the pixels of which a position of a layer has a gradient."""
    X, given = mx.nd.full(shape, 0.5), []
    X.attach_grad()
    layer = net
    for name in path.split("."):
        layer = layer._children[name]
    hook = layer.register_forward_hook(lambda _, __, output: given.append(output))
    with mx.autograd.record(train_mode=False):
        net(X)
        seen = given[-1] if given[-1].ndim == 2 else given[-1][:, :, row, column]
        total = seen.sum()
    hook.detach()
    (gradient,) = mx.autograd.grad(total, [X], train_mode=False)
    rows, columns = np.nonzero(gradient.asnumpy()[0].sum(axis=0))
    return Patch(rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)


#: name: options, image size; each has more than one position in most layers
NETWORKS = {
    "lenet": ({}, 29),
    "lenet_bn": ({}, 28),
    "alexnet": ({}, 131),
    "vgg11": ({"ratio": 16}, 68),
    "nin": ({}, 131),
    "googlenet": ({}, 75),
    "resnet18": ({}, 75),
    "densenet": ({}, 75),
}


def paths_of(net):
    """A few layers from the first to the last."""
    paths = [path for path in innermost_layers(net) if not path.endswith("conv3")]
    return list(dict.fromkeys(paths[i] for i in np.linspace(0, len(paths) - 1, 7).astype(int)))


@pytest.mark.parametrize("name", NETWORKS)
def test_fields_equal_what_gradient_touches(name):
    options, side = NETWORKS[name]
    shape = (1, 1, side, side + 6)
    net = get_model(name, **options)
    touching_everything(net, shape)
    paths = paths_of(net)
    for path, field in receptive_fields(net, shape, paths).items():
        height, width = len(field.rows), len(field.columns)
        for row, column in {(0, 0), (height - 1, width - 1), (height // 2, width // 3)}:
            assert field.patch(row, column) == touched(net, path, shape, row, column), (path, row, column)

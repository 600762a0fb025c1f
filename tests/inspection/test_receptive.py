"""Receptive fields against what the gradient of one position touches."""

import mxnet as mx
import numpy as np
import pytest
from mxnet.gluon import nn

from gluon_cnn import get_model
from gluon_cnn.errors import ModelError
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
    X, given = mx.nd.full(shape, 1e-3), []  # small, so that a ReLU6 stays open
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
    "alexnet2012": ({"num_classes": 2}, 131),
    "nin2013": ({}, 31),
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


@pytest.mark.parametrize("name", ["gluoncv:cifar_resnet20_v1", "gluon:mobilenetv2_0.25"])
def test_fields_of_zoo_networks_equal_gradients(name):
    shape = (1, 1, 40, 40)
    net = touching_everything(get_model(name), shape)
    convolutions = [path for path, layer in innermost_layers(net).items() if isinstance(layer, nn.Conv2D)]
    paths = [path for path in convolutions[:: len(convolutions) // 4] if "downsample" not in path]
    for path, field in receptive_fields(net, shape, paths).items():
        row, column = len(field.rows) // 2, 0
        assert field.patch(row, column) == touched(net, path, shape, row, column), path


def test_sizes_of_known_fields():
    # The sizes by hand: a window adds (kernel - 1) times the product of the strides before it.
    fields = receptive_fields(get_model("lenet", hybrid=True), (1, 28, 28), ["0", "1", "2", "3", "4"])
    assert [fields[path].size for path in "01234"] == [(5, 5), (6, 6), (14, 14), (16, 16), (28, 28)]
    assert [fields[path].stride for path in "0123"] == [(1, 1), (2, 2), (2, 2), (4, 4)]
    assert fields["3"].offset == (0, 0)
    assert fields["3"].patch(1, 2) == Patch(4, 8, 20, 24)
    padded = receptive_fields(get_model("vgg11"), (1, 32, 32), ["0.0", "1.0"])
    assert (padded["0.0"].offset, padded["1.0"].offset) == ((-1, -1), (-3, -3))
    assert padded["1.0"].patch(0, 0) == Patch(0, 0, 5, 5)
    np.testing.assert_array_equal(padded["1.0"].rows[[0, 1, -1]], [[0, 5], [0, 7], [27, 32]])


def test_patch_is_cut_from_an_image():
    image = np.arange(30).reshape(1, 5, 6)
    np.testing.assert_array_equal(Patch(1, 2, 3, 5).cut(image), image[:, 1:3, 2:5])


@pytest.mark.parametrize(
    ("layers", "row", "patch"),
    [
        ([nn.Conv2D(1, 3, dilation=2)], 0, (0, 5)),
        ([nn.Conv2D(1, 3, padding=2, dilation=2)], 0, (0, 3)),
        ([nn.MaxPool2D(3, 2, ceil_mode=True)], 4, (8, 10)),
        ([nn.Conv2D(1, 1, padding=3)], 0, (0, 0)),  # sees only padding
        ([nn.Conv2D(1, 1, strides=3), nn.Conv2D(1, 2)], 1, (3, 7)),
        ([nn.GlobalMaxPool2D()], 0, (0, 10)),
        ([nn.Flatten(), nn.Dense(2)], 0, (0, 10)),
        ([nn.Conv2D(1, 3), nn.MaxPool2D(4, 4), nn.Dense(2, flatten=False)], 0, (0, 10)),
        ([nn.LeakyReLU(0.1), nn.InstanceNorm()], 3, (0, 10)),
        ([nn.HybridLambda(lambda F, x: F.pad(x, mode="constant", pad_width=(0, 0, 0, 0, 1, 1, 1, 1)))], 3, (2, 3)),
        ([nn.HybridLambda(lambda F, x: F.transpose(x, (0, 1, 3, 2)))], 3, (0, 10)),
        ([nn.HybridLambda(lambda F, x: F.concat(x, F.relu(x), dim=1) * 2)], 3, (3, 4)),
        ([nn.HybridLambda(lambda F, x: F.broadcast_mul(x, F.mean(x, axis=(2, 3), keepdims=True)))], 3, (0, 10)),
    ],
)
def test_positions_of_layers(layers, row, patch):
    net = nn.HybridSequential()
    net.add(*layers)
    path = str(len(layers) - 1)
    field = receptive_fields(net, (2, 10, 10), [path])[path]
    assert tuple(field.rows[row]) == patch
    np.testing.assert_array_equal(field.rows, field.columns)


class OnArrays(nn.Block):
    def forward(self, x):
        return x * float(x.shape[0])


def test_what_is_not_known_is_refused():
    net = nn.HybridSequential()
    net.add(nn.HybridLambda(lambda F, x: F.reverse(x, axis=2)), nn.Conv2D(1, 3))
    with pytest.raises(ModelError, match="because of its operator reverse"):
        receptive_fields(net, (1, 9, 9), ["1"])
    plain = nn.Sequential()
    plain.add(OnArrays(), nn.Conv2D(1, 3))
    with pytest.raises(ModelError, match="fails on symbols"):
        receptive_fields(plain, (1, 9, 9), ["1"])
    with pytest.raises(ModelError, match="no layer '12'"):
        receptive_fields(get_model("lenet"), (1, 28, 28), ["12"])
    with pytest.raises(ModelError, match="fails for a batch of 1×1×9×9"):
        receptive_fields(get_model("lenet"), (1, 9, 9), ["2"])
    with pytest.raises(ModelError, match="must be C×H×W"):
        receptive_fields(get_model("lenet"), (28, 28), ["2"])
    assert receptive_fields(get_model("lenet"), (1, 28, 28), []) == {}

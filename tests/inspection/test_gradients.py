"""Gradients of networks as they predict, against numeric differences in float64."""

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd
from mxnet.gluon import nn

from gluon_cnn import get_model
from gluon_cnn.errors import ModelError
from gluon_cnn.inspection.excitation import excitation
from gluon_cnn.inspection.gradients import gradients
from gluon_cnn.inspection.layers import activations, all_layers
from gluon_cnn.models.batch_norm import BatchNorm
from gluon_cnn.training.initial_weights import initialize_from_seed

#: name: options, size of an image, a layer in the middle
NETWORKS = {
    "lenet": ({}, 28, "1"),
    "lenet_bn": ({}, 28, "4"),
    "alexnet": ({}, 67, "4"),
    "vgg11": ({"ratio": 16}, 32, "1"),
    "nin": ({"final_relu": False}, 67, "2.0"),
    "googlenet": ({}, 33, "2.0"),
    "resnet18": ({}, 33, "5.0.conv1"),
    "densenet": ({}, 33, "4.1"),
    "alexnet2012": ({"num_classes": 10}, 67, "4"),
    "nin2013": ({}, 12, "3.0"),
    "gluoncv:cifar_resnet20_v1": ({}, 32, "1.features.2"),
    "gluon:resnet18_v1": ({}, 40, "1.features.4"),
}


def build(name, options, side, channels=1):
    """A network with Xavier's weights and running statistics that are not those of its batch."""
    net = get_model(name, hybrid=True, **options)
    initialize_from_seed(net, 0, (1, channels, side, side))
    mx.random.seed(0)
    for key, parameter in net.collect_params().items():
        if key.endswith(("running_mean", "running_var")):
            low, high = (-0.1, 0.1) if key.endswith("mean") else (0.5, 1.5)
            parameter.set_data(mx.nd.random.uniform(low, high, shape=parameter.shape))
    return net


def numeric(net, x, classes, directions, step=1e-5):
    """The derivatives of each image's logit along directions, by central differences of a float64 network."""
    found = []
    for direction in directions:
        ends = [net(mx.nd.array(x + sign * step * direction, dtype="float64")).asnumpy() for sign in (1, -1)]
        found.append(((ends[0] - ends[1]) / (2 * step))[np.arange(len(x)), classes])
    return np.array(found)


def unit(images):
    return images / np.linalg.norm(images.reshape(len(images), -1), axis=1).reshape(-1, 1, 1, 1)


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_equal_numeric_differences(name):
    options, side, path = NETWORKS[name]
    net = build(name, options, side)
    random = np.random.RandomState(0)
    X = random.rand(2, 1, side, side).astype("float32")
    net.hybridize(static_alloc=True, static_shape=True)
    before = net(mx.nd.array(X)).asnumpy()
    found, again = gradients(net, X), gradients(net, X)
    inside = gradients(net, X, path=path)
    np.testing.assert_array_equal(found.gradient, again.gradient)
    np.testing.assert_array_equal(net(mx.nd.array(X)).asnumpy(), before)
    assert found.classes.tolist() == before.argmax(axis=1).tolist()
    np.testing.assert_array_equal(inside.values, activations(net, X, [path]).layers[path])
    assert inside.gradient.shape == inside.values.shape
    net.hybridize(False)
    net.cast("float64")
    # Along the gradient itself, which tells its length, and along random directions.
    given = found.gradient.astype(float)
    directions = [unit(given), *(unit(random.randn(*X.shape)) for _ in range(6))]
    expected = numeric(net, X.astype(float), found.classes, directions)
    length = (unit(given) * given).sum(axis=(1, 2, 3))
    differences = np.abs([(given * d).sum(axis=(1, 2, 3)) for d in directions] - expected) / length
    assert (length > 0).all()
    assert np.median(differences) < 1e-5
    assert differences.max() < 1e-3  # rounding can turn a ReLU on that is off in float64


def test_inner_gradient_leads_to_the_input(images):
    # By the chain rule: of LeNet, what the layer's gradient becomes through the convolution before it.
    net = build("lenet", {}, 28)
    X = images[:2]
    whole, inner = gradients(net, X, 3), gradients(net, X, 3, "1")
    net.hybridize(False)
    x = X.copy()
    x.attach_grad()
    with autograd.record():
        pooled = net[1](net[0](x))
    pooled.backward(mx.nd.array(inner.gradient))
    np.testing.assert_allclose(x.grad.asnumpy(), whole.gradient, atol=1e-6 * np.abs(whole.gradient).max())


def state(net):
    """All that a forward pass could leave behind."""
    parameters = [parameter.data().asnumpy().tobytes() for parameter in net.collect_params().values()]
    parameters += [p.grad().asnumpy().tobytes() for p in net.collect_params().values() if p.grad_req != "null"]
    blocks = [net, *all_layers(net).values()]
    names = ("_cached_op", "_cached_graph", "_cached_op_args")
    flags = [(getattr(b, "_active", None), [id(getattr(b, name, None) or None) for name in names]) for b in blocks]
    return parameters, flags, [(len(b._forward_hooks), len(b._forward_pre_hooks)) for b in blocks]


@pytest.mark.parametrize("compiled", [False, True])
def test_network_is_as_before(compiled):
    net = build("resnet18", {}, 33)
    if compiled:
        net.hybridize(static_alloc=True)
    X = np.random.RandomState(0).rand(2, 1, 33, 33)
    net(mx.nd.array(X))
    net[0](mx.nd.array(X))  # which is then compiled by itself too
    before = state(net)
    gradients(net, X)
    gradients(net, X, path="7")
    activations(net, X, ["4.0.conv1"])
    excitation(net, [(X, [0, 1])], ["4.0.conv1"])
    with pytest.raises(ModelError):
        gradients(net, np.zeros((2, 3, 33, 33)))
    with pytest.raises(ModelError):
        excitation(net, [(X, [0, 1]), (np.zeros((2, 3, 33, 33)), [0, 1])], ["4.0.conv1"])
    assert state(net) == before
    assert not autograd.is_training()
    assert not autograd.is_recording()


def test_layer_by_hand_is_read_as_it_predicts():
    net = nn.Sequential()
    net.add(nn.Conv2D(4, 3), BatchNorm(4, 4), nn.Activation("relu"), nn.MaxPool2D(2), nn.Dropout(0.5), nn.Dense(3))
    net.initialize(mx.init.Xavier(magnitude=20))
    X = np.random.RandomState(0).rand(3, 1, 8, 8)
    net(mx.nd.array(X))
    with autograd.record():
        net(mx.nd.array(X))
    before = net[1].moving_mean.data().asnumpy().tobytes()
    together = gradients(net, X)
    for i in range(3):  # no image has a part in another's
        alone = gradients(net, X[i : i + 1])
        np.testing.assert_allclose(alone.gradient[0], together.gradient[i], atol=1e-6)
    assert net[1].moving_mean.data().asnumpy().tobytes() == before


class OwnPooling(nn.HybridBlock):
    def hybrid_forward(self, F, x):
        return F.Pooling(x, kernel=(2, 2), stride=(2, 2), pool_type=self.kind)


def test_max_pooling_of_ones_own_is_refused():
    net = nn.HybridSequential()
    net.add(nn.Conv2D(2, 3), OwnPooling(), nn.Dense(3))
    net.initialize()
    X = np.random.RandomState(0).rand(1, 1, 8, 8)
    net[1].kind = "avg"
    assert np.abs(gradients(net, X).gradient).max() > 0
    net[1].kind = "max"
    with pytest.raises(ModelError, match="pools by maximum in a block of its own"):
        gradients(net, X)


@pytest.mark.parametrize("classes", [10, -1, "a", 1.5, [1, 2, 3], None.__class__])
def test_unknown_classes_are_refused(images, classes):
    with pytest.raises(ModelError, match="from 0 to 9"):
        gradients(build("lenet", {}, 28), images[:2], classes)


def test_unreached_layer_is_refused():
    class Aside(nn.Block):
        def __init__(self):
            super().__init__()
            self.used, self.aside, self.unused = nn.Dense(3), nn.Dense(3), nn.Dense(3)

        def forward(self, x):
            self.aside(x)
            return self.used(x)

    net = Aside()
    net.initialize()
    X = np.ones((2, 4))
    assert np.abs(gradients(net, X, path="used").gradient).max() == 1
    net(mx.nd.array(X))
    net.unused(mx.nd.array(X))
    with pytest.raises(ModelError, match="does not run its layer unused"):
        gradients(net, X, path="unused")
    with pytest.raises(ModelError, match="aside"):
        gradients(net, X, path="aside")

"""Initial weights: the published ones in any network that has their shapes, and those of a seed."""

import mxnet as mx
import pytest
from mxnet.gluon import nn

from gluon_cnn import GluonCNNError, densenet, get_recipe, initialize_as_published, lenet, resnet18, vgg11
from gluon_cnn.data import FASHION_MNIST
from gluon_cnn.errors import DeviceError, ModelError
from gluon_cnn.models.batch_norm import lenet_bn
from gluon_cnn.models.parameters import copied_parameters
from gluon_cnn.published_weights import EDITIONS, MODELS, published_weights
from gluon_cnn.training.initial_weights import initialize_from_seed
from gluon_cnn.training.setup import build_network


def weight_tensors(net):
    return [p.list_data()[0].asnumpy() for name, p in net.collect_params().items() if name.endswith("weight")]


def parameters(net):
    return [array.asnumpy() for array in copied_parameters(net).values()]


def assert_published(net, model, edition):
    initialize_as_published(net, edition)
    for own, published in zip(parameters(net), published_weights(model, edition).values()):
        assert own.tobytes() == published.tobytes()


@pytest.mark.parametrize("edition", EDITIONS)
@pytest.mark.parametrize("model", MODELS)
def test_networks_get_their_published_weights(model, edition):
    net = build_network(get_recipe(model, edition), FASHION_MNIST, hybrid=edition == "en")
    mx.random.seed(123)  # nothing that was drawn before matters
    assert_published(net, model, edition)


def test_published_weights_in_either_array_mode(np_arrays):
    net = lenet()
    initialize_as_published(net, "zh-v1")
    assert isinstance(net[0].weight.data(), mx.np.ndarray)
    assert weight_tensors(net)[0].flat[0] == pytest.approx(-0.1665106, abs=6e-8)


def test_published_weights_on_devices_over_used_ones():
    net = lenet()
    net.initialize(mx.init.One())
    net(mx.nd.zeros((1, 1, 28, 28)))
    initialize_as_published(net, "zh-v1", ctx=[mx.cpu(0), mx.cpu(1)])
    first, second = net[0].weight.list_data()
    assert (first.context, second.context) == (mx.cpu(0), mx.cpu(1))
    assert (first.asnumpy() == second.asnumpy()).all()
    assert first.asnumpy().flat[0] == pytest.approx(-0.1665106, abs=6e-8)


def own_lenet(padding=0, channels=(6, 16), classes=10, activation="sigmoid"):
    """LeNet as somebody writes it, with layers of its own in a block of its own."""
    features, net = nn.HybridSequential(), nn.HybridSequential()
    for number in channels:
        features.add(nn.Conv2D(number, kernel_size=5, padding=padding), nn.Activation(activation), nn.MaxPool2D(2, 2))
        padding = 0
    net.add(features, nn.Flatten(), nn.Dense(120), nn.Activation(activation), nn.Dense(84), nn.Dense(classes))
    return net


def used(net, side, channels=1):
    net.initialize(mx.init.One())
    net(mx.nd.zeros((2, channels, side, side)))
    return net


@pytest.mark.parametrize(
    ("net", "edition"), [(own_lenet(), "zh-v1"), (own_lenet(2), "en"), (used(own_lenet(), 28), "zh-v1")]
)
def test_networks_built_by_hand_are_known(net, edition):
    assert_published(net, "lenet", edition)


@pytest.mark.parametrize(
    ("net", "edition"),
    [
        (lenet(edition="en"), "zh-v1"),
        (lenet(edition="zh-v1"), "en"),
        (own_lenet(0, (6, 17)), "zh-v1"),
        (lenet(num_classes=11), "zh-v1"),
        (used(lenet(), 28, channels=3), "zh-v1"),
        (used(lenet(), 32), "zh-v1"),
        (densenet(edition="en"), "zh-v1"),
        (vgg11(ratio=8), "zh-v1"),
        (resnet18(10), "zh-v1"),
        (lenet_bn(), "en"),
        (nn.Dense(10), "en"),
        (nn.HybridSequential(), "en"),
    ],
)
def test_networks_without_published_weights_are_refused(net, edition):
    with pytest.raises(
        ModelError, match=rf"not one whose runs were published in edition {edition}: build lenet, .*\.$"
    ):
        initialize_as_published(net, edition)


@pytest.mark.parametrize("net", [None, 3, "lenet", [], lenet, nn.Dense, mx.nd.zeros(2)])
def test_what_is_no_network_is_refused(net):
    with pytest.raises(ModelError, match=r"^.+ is not a Gluon block: give one of the book's networks\.$"):
        initialize_as_published(net)


@pytest.mark.parametrize(
    "ctx", [3, "cpu", ["cpu"], [], [mx.cpu(), None], mx.cpu(-1), [mx.cpu(), mx.cpu()], [mx.cpu(), mx.gpu()], {}]
)
def test_what_is_no_device_is_refused(ctx):
    with pytest.raises(
        DeviceError, match=r"^(ctx is .*; it must be a context.*|ctx names.*|There is no context.*|The context.*)\.$"
    ):
        initialize_as_published(lenet(), ctx=ctx)


@pytest.mark.parametrize("ctx", [mx.gpu(999), [mx.gpu(999)], None])
def test_gpu_that_cannot_be_used_is_refused(ctx):
    with pytest.raises(DeviceError, match=r"^gpu:999 cannot be used, because .+\.$"), mx.gpu(999):
        initialize_as_published(lenet(), ctx=ctx)


def test_edition_without_published_runs():
    with pytest.raises(GluonCNNError, match="one of zh-v1, en"):
        initialize_as_published(lenet(), "adam")


def test_seed_decides_the_weights():
    def first_weights(seed):
        net = lenet()
        initialize_from_seed(net, seed, (1, 1, 28, 28))
        return weight_tensors(net)

    again, other = first_weights(0), first_weights(1)
    for a, b, c in zip(first_weights(0), again, other):
        assert (a == b).all()
        assert (a != c).any()

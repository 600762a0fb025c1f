"""Initial weights: the published ones by their check figures, and those of a seed."""

import mxnet as mx
import numpy as np
import pytest

from gluon_cnn import GluonCNNError, get_recipe, initialize_as_published, lenet, vgg
from gluon_cnn.data import FASHION_MNIST
from gluon_cnn.training.initial_weights import initialize_from_seed
from gluon_cnn.training.setup import build_network

# mean, mean of absolute values and first element of the first and of the last weight tensor, as the
# notebooks' own statements draw them (VGG's show the example to the whole VGG-11 before they train a narrow one)
PUBLISHED = {
    "lenet": ((0.0070088, 0.0944966, -0.1665106), (-0.0050832, 0.1253205, -0.0507823)),
    "alexnet": ((0.0001107, 0.0113085, 0.0130082), (-0.0000984, 0.0191086, 0.0053172)),
    "vgg11": ((-0.0025892, 0.1027283, -0.1518278), (0.0000562, 0.0190236, 0.0206216)),
    "nin": ((-0.0000760, 0.0113277, -0.0214985), (0.0418167, 0.2648851, -0.5417033)),
}


def weight_tensors(net):
    return [p.list_data()[0].asnumpy() for name, p in net.collect_params().items() if name.endswith("weight")]


def biases(net):
    return [p.list_data()[0].asnumpy() for name, p in net.collect_params().items() if name.endswith("bias")]


def assert_published_weights(model, hybrid):
    """Make a network of the first edition with the published weights, and look at them; the weight tensors."""
    net = build_network(get_recipe(model, "zh-v1"), FASHION_MNIST, hybrid)
    mx.random.seed(123)  # nothing that was drawn before matters
    initialize_as_published(net, "zh-v1")
    tensors = weight_tensors(net)
    for tensor, expected in zip((tensors[0], tensors[-1]), PUBLISHED[model]):
        found = (tensor.mean(), np.abs(tensor).mean(), tensor.flat[0])
        assert found == pytest.approx(expected, abs=6e-8)
    assert not any(bias.any() for bias in biases(net))
    return tensors


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("model", ["lenet", "alexnet", "nin"])
def test_published_weights_of_the_first_edition(model, hybrid):
    assert_published_weights(model, hybrid)


def test_vggs_weights_are_those_of_the_notebooks_statements():
    """Which show the example to the whole VGG-11: that takes seconds, here and in them."""
    ours = assert_published_weights("vgg11", True)
    conv_arch = ((1, 64), (1, 128), (2, 256), (2, 512), (2, 512))
    mx.random.seed(0)
    net = vgg(conv_arch)
    net.initialize()
    X = mx.nd.random.uniform(shape=(1, 1, 224, 224))
    for layer in net:
        X = layer(X)
    del net, layer
    books = vgg([(num_convs, num_channels // 4) for num_convs, num_channels in conv_arch])
    books.initialize(init=mx.init.Xavier())
    books(mx.nd.zeros((1, 1, 224, 224)))
    assert all((a == b).all() for a, b in zip(ours, weight_tensors(books)))


def test_published_weights_of_the_english_lenet():
    net = lenet(edition="en")
    initialize_as_published(net, "en")
    assert weight_tensors(net)[0].mean() == pytest.approx(0.0054580, abs=6e-8)
    assert np.abs(weight_tensors(net)[0]).mean() == pytest.approx(0.0956521, abs=6e-8)


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

"""Layers by their paths, and what they give, read where they are."""

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon
from mxnet.gluon import nn

from gluon_cnn import get_model, lenet
from gluon_cnn.errors import ModelError
from gluon_cnn.inspection.layers import activations, all_layers, innermost_layers, run
from gluon_cnn.models import list_models
from gluon_cnn.models.sequential import layers_of
from gluon_cnn.training.initial_weights import initialize_from_seed


def built(name, side, compiled, **options):
    net = get_model(name, hybrid=compiled, **options)
    initialize_from_seed(net, 0, (1, 1, side, side))
    if compiled:
        net.hybridize(static_alloc=True, static_shape=True)
    return net


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", list_models())
def test_activations_equal_the_first_layers(name, compiled):
    side, options = (28, {}) if name.startswith("lenet") else (67, {"ratio": 16} if name == "vgg11" else {})
    net = built(name, side, compiled, **options)
    X = mx.nd.random.uniform(shape=(2, 1, side, side))
    places = sorted({0, 1, len(net) // 2, len(net) - 1})
    expected = {str(k): X for k in places}
    for k in places:
        for layer in net[: k + 1]:
            expected[str(k)] = layer(expected[str(k)])
    found = activations(net, X, list(expected))
    for path, array in expected.items():
        np.testing.assert_allclose(found.layers[path], array.asnumpy(), rtol=1e-5, atol=1e-6, err_msg=path)
    np.testing.assert_allclose(found.output, net(X).asnumpy(), rtol=1e-5, atol=1e-6)


def test_chain_gives_the_same_bits_as_its_beginning(images):
    net = built("lenet", 28, False)
    for k in range(1, 8):
        found = activations(net, images, [str(k - 1)])
        np.testing.assert_array_equal(found.layers[str(k - 1)], net[:k](images).asnumpy())


def test_paths_lead_into_blocks():
    assert list(all_layers(lenet()))[:4] == ["0", "0.act", "1", "2"]
    assert list(innermost_layers(lenet())) == list("0123456")
    googlenet = all_layers(get_model("googlenet"))
    assert {"2", "2.0", "2.0.1.0", "2.0.3.1"} <= set(googlenet)
    assert "4.0.conv1" in innermost_layers(get_model("resnet18"))
    for name in list_models():
        net = get_model(name)
        assert list(map(id, innermost_layers(net).values())) == list(map(id, layers_of(net)))
    zoo = innermost_layers(get_model("gluoncv:cifar_resnet20_v1"))
    assert sum(isinstance(layer, nn.Conv2D) for layer in zoo.values()) == 21


def test_inner_layers_of_branches_add_up():
    net = built("googlenet", 33, True)
    X = np.random.RandomState(0).rand(2, 1, 33, 33)
    paths = [f"2.0.{branch}" for branch in range(4)]
    found = activations(net, X, [*paths, "2.0"]).layers
    np.testing.assert_array_equal(np.concatenate([found[path] for path in paths], axis=1), found["2.0"])


def test_layer_that_runs_twice_gives_its_last_output():
    net = built("resnet18", 33, True)
    X = np.random.RandomState(0).rand(1, 1, 33, 33)
    found = activations(net, X, ["4.0", "4.0.relu"]).layers
    np.testing.assert_array_equal(found["4.0"], found["4.0.relu"])


@pytest.mark.parametrize("compiled", [False, True])
def test_zoo_network_is_read_unchanged(compiled):
    net = get_model("gluoncv:cifar_resnet20_v1")
    initialize_from_seed(net, 0, (1, 1, 32, 32))
    if compiled:
        net.hybridize()
    X = mx.nd.random.uniform(shape=(3, 1, 32, 32))
    before = net(X).asnumpy()
    cached = net._cached_op
    found = activations(net, X, ["0", "1.features", "1.output"])
    assert found.layers["0"].shape == (3, 3, 32, 32)
    np.testing.assert_array_equal(found.layers["1.output"], found.output)
    np.testing.assert_allclose(found.output, before, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(net(X).asnumpy(), before)
    assert net._cached_op is cached


@pytest.mark.usefixtures("np_arrays")
def test_numpy_arrays_are_taken():
    net = built("lenet", 28, True)
    X = np.random.RandomState(0).rand(2, 1, 28, 28).astype("float32")
    found = activations(net, X, ["0"])
    np.testing.assert_array_equal(activations(net, mx.np.array(X), ["0"]).output, found.output)
    np.testing.assert_array_equal(activations(net, mx.nd.array(X), ["0"]).output, found.output)
    np.testing.assert_allclose(net(mx.np.array(X)).asnumpy(), found.output, rtol=1e-5)


class TwoOutputs(nn.HybridBlock):
    def hybrid_forward(self, F, x):
        return x, x


class Takes(nn.Block):
    """Takes the first of two outputs."""

    def forward(self, pair):
        return pair[0].flatten()


class Raises(nn.Block):
    def forward(self, x):
        raise RuntimeError("no such\nluck:")


def chain(*layers):
    net = nn.Sequential()
    net.add(*layers)
    net.initialize()
    return net


@pytest.mark.parametrize(
    ("net", "paths", "message"),
    [
        (lambda x: x, ["0"], "is not a Gluon block"),
        (nn.Dense(2), ["0"], "has no layers inside"),
        (lenet(), ["0"], "has parameters that have no values yet"),
        (chain(nn.Dense(2)), ["1"], "has no layer '1'; of its 1 layers use one such as 0"),
        (chain(nn.Dense(2)), [0], "has no layer 0;"),
        (chain(TwoOutputs(), Takes()), ["0"], "The layer 0 of .* does not give one array"),
        (chain(nn.Dense(2), TwoOutputs()), ["0"], "does not give one array with a row for each image"),
        (chain(Raises()), ["0"], r"fails for a batch of 2×1×4×4 \(luck\)"),
        (chain(nn.Conv2D(2, 9)), ["0"], "fails for a batch of 2×1×4×4"),
    ],
)
def test_what_cannot_be_read_is_refused(net, paths, message):
    with pytest.raises(ModelError, match=message) as error:
        activations(net, np.ones((2, 1, 4, 4)), paths)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("X", ["picture.png", [["a"]], None, [[1, 2], [3]]])
def test_batch_of_no_numbers_is_refused(X):
    with pytest.raises(ModelError, match="is not a batch of images"):
        activations(chain(nn.Dense(2)), X, ["0"])


@pytest.mark.filterwarnings("ignore::UserWarning")  # of MXNet's own reader
def test_imported_network_has_no_layers_to_read(tmp_path):
    net = built("lenet", 28, True)
    X = mx.nd.ones((1, 1, 28, 28))
    net(X)
    net.export(str(tmp_path / "net"))
    symbol = gluon.SymbolBlock.imports(str(tmp_path / "net-symbol.json"), ["data"], str(tmp_path / "net-0000.params"))
    with pytest.raises(ModelError, match="has no layers inside"):
        activations(symbol, X, ["0"])
    inside = chain(symbol)
    np.testing.assert_array_equal(activations(inside, X, ["0"]).layers["0"], symbol(X).asnumpy())


def test_receiver_sees_each_run_of_a_layer():
    seen = []
    run(built("resnet18", 33, False), np.ones((1, 1, 33, 33)), {"4.0.relu": seen.append})
    assert [array.shape for array in seen] == [(1, 64, 9, 9)] * 2

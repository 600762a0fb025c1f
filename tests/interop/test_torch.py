"""Weights and networks to PyTorch, and weights from it."""

import subprocess
import sys

import gluon_cnn  # before mxnet, which it makes ready

# isort: split
import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd
from mxnet.gluon import nn
from mxnet.gluon.contrib.nn import HybridConcurrent
from torch_networks import NETWORKS, OTHER_NAMES, ConvFc, lenet, nin, pair, real_batches, side_of, tnn, torch

from gluon_cnn.errors import InteropError, ModelError, SettingError
from gluon_cnn.interop.torch import from_torch, to_torch, torch_network
from gluon_cnn.training.initial_weights import initialize_from_seed

safetensors = pytest.importorskip("safetensors.torch")


@pytest.mark.parametrize("name", NETWORKS)
def test_translated_network_is_that_of_the_notes(name):
    side = side_of(name)
    net, other = pair(name, side)
    translated = torch_network(net).eval()
    X = next(real_batches(1, 2, side))[2]
    assert list(map(OTHER_NAMES.get(name, str), translated.state_dict())) == list(other.state_dict())
    assert torch.equal(translated(X), other.eval()(X))


@pytest.mark.parametrize("padding", [0, 1])
def test_alexnet_in_two_parts_and_back(padding):
    torch.manual_seed(0)
    other = ConvFc(padding, 96).eval()
    net = from_torch(gluon_cnn.alexnet(padding=padding), other.state_dict())
    X, _, X_torch, _ = next(real_batches(1, 2, 96))
    with torch.no_grad():
        logits = other(X_torch).numpy()
    np.testing.assert_allclose(net(X).asnumpy(), logits, rtol=0, atol=1e-5)

    back = to_torch(net, layout="conv-fc")
    assert list(back) == list(other.state_dict())
    assert all(torch.equal(back[name], tensor) for name, tensor in other.state_dict().items())
    with torch.no_grad():
        np.testing.assert_array_equal(torch_network(net, layout="conv-fc").eval()(X_torch).numpy(), logits)


def test_translated_network_drops_out_while_training():
    net = nn.Sequential()
    net.add(nn.Dense(8, in_units=4), nn.Dropout(0.25))
    net.initialize()
    translated = torch_network(net)
    assert translated.training
    assert translated[2].p == 0.25


def test_weights_load_into_network_in_any_state(images):
    state = lenet().state_dict()
    expected = lenet()
    expected.load_state_dict(state)
    with torch.no_grad():
        logits = expected(torch.from_numpy(images.asnumpy())).numpy()

    def initialised(net):
        initialize_from_seed(net, 0, images.shape)

    def compiled(net):
        initialised(net)
        net.hybridize(static_alloc=True, static_shape=True)
        net(images)

    def compiled_and_deferred(net):
        net.initialize()
        net.hybridize()

    for prepare in (lambda net: None, lambda net: net.initialize(), initialised, compiled, compiled_and_deferred):
        net = gluon_cnn.lenet(hybrid=True)
        prepare(net)
        assert from_torch(net, state) is net
        assert net[4].weight.shape == (120, 256)
        np.testing.assert_allclose(net(images).asnumpy(), logits, rtol=0, atol=1e-5)


def test_weights_reach_every_device_and_keep_grad_req(images):
    net = gluon_cnn.lenet()
    net.initialize(ctx=[mx.cpu(0), mx.cpu(1)])
    net[0].collect_params().setattr("grad_req", "null")
    state = lenet().state_dict()
    from_torch(net, state)
    assert net[4].weight.list_ctx() == [mx.cpu(0), mx.cpu(1)]
    assert [net[0].weight.grad_req, net[4].weight.grad_req] == ["null", "write"]
    for array in net[4].weight.list_data():
        np.testing.assert_array_equal(array.asnumpy(), state["7.weight"].numpy())


def test_weights_load_into_network_of_numpy_arrays(np_arrays):
    state = lenet().state_dict()
    net = from_torch(gluon_cnn.lenet(), state)
    assert isinstance(net[0].weight.data(), mx.np.ndarray)
    assert all(torch.equal(tensor, state[name]) for name, tensor in to_torch(net).items())


def test_weights_are_copied_in_both_directions(images):
    state = lenet().state_dict()
    net = from_torch(gluon_cnn.lenet(), state)
    logits, away = net(images).asnumpy(), to_torch(net)
    for tensor in (*state.values(), *away.values()):
        tensor.zero_()
    np.testing.assert_array_equal(net(images).asnumpy(), logits)


def test_batch_normalisation_survives_the_round_trip(tmp_path, images):
    net = nn.HybridSequential()
    net.add(nn.Conv2D(4, 3), nn.BatchNorm(), nn.Activation("relu"), nn.GlobalAvgPool2D(), nn.Dense(8), nn.BatchNorm())
    net.initialize(mx.init.Normal(1))
    with autograd.record():
        outputs = net(images)
    outputs.backward()  # which moves the running means
    assert net[1].running_mean.data().abs().max() > 0
    other = torch_network(net).eval()
    with torch.no_grad():
        logits = other(torch.from_numpy(images.asnumpy())).numpy()
    np.testing.assert_allclose(net(images).asnumpy(), logits, rtol=0, atol=1e-5)

    again = nn.HybridSequential()
    again.add(nn.Conv2D(4, 3), nn.BatchNorm(), nn.Activation("relu"), nn.GlobalAvgPool2D(), nn.Dense(8), nn.BatchNorm())
    state, path = other.state_dict(), tmp_path / "net.safetensors"
    assert "1.num_batches_tracked" in state
    safetensors.save_file(to_torch(net), path)  # as the documents do
    for source in (state, path):
        from_torch(again, source)
        np.testing.assert_array_equal(again(images).asnumpy(), net(images).asnumpy())


def changed(state, **changes):
    """A state dict without the names that are None, and with the others."""
    state = {**state, **{name.replace("_", ".", 1): tensor for name, tensor in changes.items()}}
    return {name: tensor for name, tensor in state.items() if tensor is not None}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"3_weight": None, "3_bias": None}, r"has 2.weight of shape \(16, 6, 5, 5\), .* no convolution left"),
        (
            {"0_weight": None},
            r"has 0.weight of shape \(6, 1, 5, 5\), but .* 3.weight .* has \(16, 6, 5, 5\)",
        ),
        ({"3_bias": None}, r"has 2.bias of shape \(16,?\), but the state dict has no bias beside 3.weight"),
        ({"11_weight": None, "11_bias": None}, r"has 6.weight of shape \(10, 84\), .* no dense layer left"),
        ({"12_weight": torch.zeros(10, 10)}, r"state dict has 12.weight, but the network has no layer left"),
        (
            {"0_running_mean": torch.zeros(6)},
            r"has 0.running_mean, but the network has no such .* beside 0.weight",
        ),
        ({"scale": torch.zeros(1)}, r"state dict has scale, but the network has no layer left"),
        (
            {"7_weight": torch.zeros(120, 400)},
            r"has 4.weight of shape \(120, 256\), but .* 7.weight .* has \(120, 400\)",
        ),
        ({"9_weight": torch.zeros(84, 119)}, r"has 5.weight of shape \(84, 120\), but its counterpart 9.weight"),
        (
            {"7_weight": torch.zeros(120, 256).long()},
            r"7.weight in the state dict is a Tensor of int64, not a tensor of",
        ),
        ({"7_weight": "weights"}, r"7.weight in the state dict is a str, not a tensor"),
    ],
)
def test_misfit_names_the_first_layer(images, changes, says):
    net = gluon_cnn.lenet()
    initialize_from_seed(net, 0, images.shape)
    before = net(images).asnumpy()
    with pytest.raises(InteropError, match=says) as caught:
        from_torch(net, changed(lenet().state_dict(), **changes))
    assert str(caught.value).endswith(".")
    np.testing.assert_array_equal(net(images).asnumpy(), before)


def test_misfit_shows_unknown_sizes(images):
    state = changed(lenet().state_dict(), **{"7_weight": torch.zeros(121, 256)})
    with pytest.raises(InteropError, match=r"has 4.weight of shape \(120, \?\), but .* 7.weight .* has \(121, 256\)"):
        from_torch(gluon_cnn.lenet(), state)


def test_another_network_is_refused():
    with pytest.raises(
        InteropError, match=r"has 0.weight of shape \(96, \?, 11, 11\), but its counterpart 0.weight in"
    ):
        from_torch(gluon_cnn.alexnet(), lenet().state_dict())


def test_layers_without_counterpart_are_refused():
    net = nn.Sequential()
    net.add(nn.PReLU())
    net.initialize()
    with pytest.raises(InteropError, match=r"has 0.alpha, which has no counterpart in PyTorch"):
        from_torch(net, {})
    with pytest.raises(InteropError, match=r"The layer 0 is a PReLU that has no counterpart"):
        torch_network(net)
    net = nn.Sequential()
    net.add(nn.BatchNorm(scale=False))
    with pytest.raises(InteropError, match=r"has 0.gamma, which has no counterpart in PyTorch"):
        from_torch(net, {})


def test_network_without_weights_is_refused():
    with pytest.raises(ModelError, match=r"conv\d+_weight has no values yet"):
        to_torch(gluon_cnn.lenet())
    net = gluon_cnn.lenet()
    net.initialize()
    with pytest.raises(ModelError, match="has no values yet"):
        to_torch(net)
    lazy, elsewhere = tnn.Sequential(tnn.LazyConv2d(6, 5)), tnn.Sequential(tnn.Conv2d(1, 6, 5, device="meta"))
    for state_dict in (lazy.state_dict(), elsewhere.state_dict(), {"0.weight": torch.eye(3).to_sparse()}):
        with pytest.raises(InteropError, match=r"0.weight in the state dict has no values"):
            from_torch(net, state_dict)


def test_layouts_that_do_not_fit_are_refused():
    net = from_torch(gluon_cnn.nin(), nin().state_dict())
    with pytest.raises(InteropError, match="no dense layers to put into fc"):
        to_torch(net, layout="conv-fc")
    with pytest.raises(SettingError, match="layout is 'keras'; it must be one of sequential, conv-fc"):
        to_torch(net, layout="keras")


def test_package_does_not_import_pytorch():
    code = "import sys, gluon_cnn.interop.torch; sys.exit('torch' in sys.modules or 'safetensors' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class Doubled(nn.Sequential):
    """A chain whose own forward does more than its layers."""

    def forward(self, x):
        return 2 * super().forward(x)


@pytest.mark.parametrize("kind", [Doubled, HybridConcurrent])
def test_container_that_is_no_chain_is_refused(kind, images):
    net = nn.Sequential()
    net.add(kind())
    net[0].add(nn.Conv2D(2, 1), nn.Conv2D(2, 1))
    net.initialize()
    net(images)
    with pytest.raises(InteropError, match="has no counterpart in PyTorch"):
        torch_network(net)

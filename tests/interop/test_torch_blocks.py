"""Branches, residual and dense blocks, and batch normalisation, in PyTorch and back."""

import gluon_cnn  # before mxnet, which it makes ready

# isort: split
import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd
from mxnet.gluon import contrib, nn
from torch_networks import NETWORKS, OTHER_NAMES, before_the_blocks, googlenet, resnet, tnn, torch

from gluon_cnn.errors import InteropError
from gluon_cnn.interop.torch import from_torch, to_torch, torch_network
from gluon_cnn.models.concatenation import dense, parallel

safetensors = pytest.importorskip("safetensors.torch")


def random_state(net):
    """A state dict of random numbers in the order of the network's."""
    torch.manual_seed(0)
    state = {name: torch.rand(tensor.shape) for name, tensor in net.state_dict().items()}
    return {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}


def assert_same(net, state, rename=str):
    """That the network's weights have a state dict's numbers, under names of which it has others."""
    found = {rename(name): tensor for name, tensor in to_torch(net).items()}
    assert all(torch.equal(found[name], tensor) for name, tensor in state.items())
    assert all(name in state for name in found if not name.endswith("num_batches_tracked"))


@pytest.mark.parametrize("name", ["lenet_bn", *OTHER_NAMES])
def test_books_weights_come_and_go(name, tmp_path):
    build, build_torch = NETWORKS[name]
    state = random_state(build_torch(48))
    safetensors.save_file(state, tmp_path / "net.safetensors")  # which sorts the names
    for source in (state, tmp_path / "net.safetensors"):
        assert_same(from_torch(build(), source), state, OTHER_NAMES.get(name, str))


def test_newer_inception_has_other_names(tmp_path):
    state = random_state(googlenet("b"))
    assert "2.0.b2_2.weight" in state
    safetensors.save_file(state, tmp_path / "net.safetensors")
    net = from_torch(gluon_cnn.googlenet(edition="en"), tmp_path / "net.safetensors")
    assert_same(
        net,
        {name.replace("b", "p", 1).replace("pias", "bias"): t for name, t in state.items()},
        OTHER_NAMES["googlenet"],
    )


def test_order_of_dense_blocks_and_transitions_is_given(tmp_path):
    """In the book's newer edition their names differ, so that sorting parts them."""
    state, names = random_state(NETWORKS["densenet en"][1](48)), {}
    for name, tensor in state.items():
        number, rest = name.split(".", 1)
        kind = (
            "0"
            if number == "0"
            else f"last.{number}"
            if int(number) > 7
            else ("tran_blk", "dense_blk")[int(number) % 2]
        )
        names[f"net.{kind}{(int(number) + 1) // 2 if kind.endswith('blk') else ''}.{rest}"] = tensor
    safetensors.save_file(names, tmp_path / "net.safetensors")
    with pytest.raises(InteropError, match="give order"):
        from_torch(gluon_cnn.densenet(edition="en"), tmp_path / "net.safetensors")
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in names))
    net = from_torch(gluon_cnn.densenet(edition="en"), tmp_path / "net.safetensors", order=layers)
    assert_same(net, state, OTHER_NAMES["densenet en"])


def test_resnet_of_the_several_gpus_chapter():
    state = random_state(resnet(lambda: tnn.Sequential(*list(before_the_blocks())[1:3])))
    state = {"first.weight": torch.rand(64, 3, 3, 3), "first.bias": torch.rand(64), **state}
    net = from_torch(gluon_cnn.resnet18(10), state)
    assert [tuple(t.shape) for t in to_torch(net).values() if t.ndim] == [tuple(t.shape) for t in state.values()]
    assert torch.equal(to_torch(net)["4.0.conv3.weight"], state["2.0.conv3.weight"])
    assert torch.equal(to_torch(net)["4.0.bn2.running_var"], state["2.0.bn2.running_var"])


def layers_of_the_book(images):
    """A network whose batch normalisations are the book's own, after a training step."""
    net = nn.Sequential()
    net.add(nn.Conv2D(6, 5), gluon_cnn.BatchNorm(6, 4), nn.Activation("sigmoid"))
    net.add(nn.Dense(8), gluon_cnn.BatchNorm(8, 2), nn.Dense(3))
    net.initialize(mx.init.Xavier())
    with autograd.record():
        net(images)
    return net


def test_books_own_batch_normalisation(images):
    net = layers_of_the_book(images)
    other = torch_network(net).eval()
    with torch.no_grad():
        found = other(torch.from_numpy(images.asnumpy())).numpy()
    np.testing.assert_allclose(found, net(images).asnumpy(), rtol=0, atol=1e-5)
    again = layers_of_the_book(images)
    from_torch(again, other.state_dict())
    np.testing.assert_array_equal(again(images).asnumpy(), net(images).asnumpy())
    with pytest.raises(InteropError, match=r"has 1.gamma of shape \(1, 6, 1, 1\), but its counterpart .* has \(5,\)"):
        from_torch(again, {**other.state_dict(), "1.weight": torch.ones(5)})


@pytest.mark.parametrize("shape", [(6, 3, 5, 5), (6, 8)])
def test_running_variances_differ_by_n_over_n_less_one(shape):
    net = nn.HybridSequential()
    net.add(nn.BatchNorm(in_channels=shape[1]))
    net.initialize()
    other = torch_network(net) if len(shape) == 4 else tnn.Sequential(tnn.BatchNorm1d(shape[1]))
    X = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    for _ in range(3):
        with autograd.record():
            ours = net(mx.nd.array(X))
        ours.backward()  # which moves the running statistics
        theirs = other(torch.from_numpy(X)).detach().numpy()
    np.testing.assert_allclose(ours.asnumpy(), theirs, rtol=0, atol=1e-5)
    np.testing.assert_allclose(net[0].running_mean.data().asnumpy(), other[0].running_mean.numpy(), atol=1e-6)
    n, old = X.size // shape[1], 0.9**3  # of the variance 1 at the beginning
    ours = (net[0].running_var.data().asnumpy() - old) * n / (n - 1)
    np.testing.assert_allclose(ours, other[0].running_var.numpy() - old, rtol=1e-5)


def predictions(net, X):
    translated = torch_network(net).eval()
    with torch.no_grad():
        return translated(torch.from_numpy(X.asnumpy())).numpy()


@pytest.mark.parametrize("hybrid", [False, True])
def test_blocks_of_other_layers(hybrid, images, tmp_path):
    paths, wide, kept = parallel(hybrid), parallel(hybrid), dense(hybrid)
    chain = nn.HybridSequential() if hybrid else nn.Sequential()
    chain.add(nn.Conv2D(3, 3, padding=1), nn.BatchNorm(), nn.Activation("tanh"))
    paths.add(nn.Conv2D(2, 1, activation="relu"), nn.HybridSequential(), chain)  # the second gives what it takes
    kept.add(nn.Conv2D(2, 1, activation="sigmoid"), gluon_cnn.inception(2, (2, 2), (2, 2), 2, hybrid=hybrid))
    wide.add(nn.Dense(3, activation="relu"), nn.Dense(2))
    net = nn.Sequential()
    net.add(paths, kept, gluon_cnn.Residual(4, True, 2), wide, nn.Dense(3))
    net.initialize(mx.init.Xavier())
    expected = net(images).asnumpy()
    np.testing.assert_allclose(predictions(net, images), expected, rtol=0, atol=1e-5)
    names = list(to_torch(net))
    assert {"0.p1_1.weight", "0.p3_2.running_var", "1.net.0.0.weight", "1.net.1.p2_2.bias", "2.conv3.bias"} < set(names)
    assert [name for name in names if name.startswith("3.")] == [
        f"3.p{n}_1.{what}" for n in (1, 2) for what in ("weight", "bias")
    ]
    model = torch_network(net).eval()
    torch.save(model, tmp_path / "net.pt")
    X = torch.from_numpy(images.asnumpy())
    assert torch.equal(torch.load(tmp_path / "net.pt", weights_only=False)(X), model(X))
    assert torch.equal(torch.jit.trace(model, X)(X), model(X))


class Doubled(gluon_cnn.Residual):
    def forward(self, X):
        return 2 * super().forward(X)


class Scaled(nn.Conv2D):
    def hybrid_forward(self, F, x, weight, bias=None):
        return 2 * super().hybrid_forward(F, x, weight, bias)


class Summed(type(parallel(True))):
    def forward(self, x):
        return sum(path(x) for path in self)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: Doubled(1),
        lambda: Scaled(1, 1),
        Summed,
        lambda: contrib.nn.SyncBatchNorm(num_devices=1),
        lambda: nn.BatchNormReLU(),
        lambda: nn.BatchNorm(axis=2),
        lambda: nn.MaxPool2D(2, 3, ceil_mode=True),  # of which PyTorch leaves out windows that begin outside
        lambda: nn.MaxPool2D(3, 2, 1, ceil_mode=True),
    ],
)
def test_layers_that_compute_something_else_are_refused(layer):
    net, block = nn.Sequential(), parallel(True)
    layer = layer()
    if isinstance(layer, Summed):
        layer.add(nn.Conv2D(1, 1))
    block.add(layer)
    net.add(block)
    net.initialize()
    net(mx.nd.ones((2, 1, 4, 4)))
    with pytest.raises(InteropError, match=rf"The layer 0\.0 is a {type(layer).__name__} that has no counterpart"):
        torch_network(net)


@pytest.mark.parametrize("size", [3, 6, 7, 8])
@pytest.mark.parametrize("counted", [False, True])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_windows_that_end_outside_are_cut_there_too(size, counted, stride):
    net, x = nn.HybridSequential(), np.random.RandomState(0).rand(2, 3, size, size).astype(np.float32)
    net.add(nn.AvgPool2D(3, stride, ceil_mode=True, count_include_pad=counted), nn.MaxPool2D(2, 1, ceil_mode=True))
    with torch.no_grad():
        found = torch_network(net[:1])(torch.from_numpy(x)), torch_network(net[1:])(torch.from_numpy(x))
    for layer, array in zip(net, found):
        np.testing.assert_allclose(array.numpy(), layer(mx.nd.array(x)).asnumpy(), rtol=1e-5)

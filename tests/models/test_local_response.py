"""Local response normalisation against the paper's formula, here and in every other software."""

import gluon_cnn  # before mxnet, which it makes ready

# isort: split
import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon
from mxnet.gluon import nn

from gluon_cnn.data import FASHION_MNIST, SAMPLE, read_fashion_mnist
from gluon_cnn.data.inputs import Inputs
from gluon_cnn.errors import SettingError
from gluon_cnn.interop import onnx, symbol
from gluon_cnn.interop.onnx_network import OnnxNetwork
from gluon_cnn.interop.torch import torch_network
from gluon_cnn.models.local_response import LocalResponseNorm
from gluon_cnn.selftest.references import local_response

#: Large numbers, so that the sum of squares is as large as k.
X = 200 * np.random.RandomState(0).randn(2, 12, 5, 6).astype(np.float32)


def papers(x, n=5, k=2.0, alpha=1e-4, beta=0.75):
    """Section 3.3 of the paper, number by number of the channels."""
    x, channels = x.astype(float), x.shape[1]
    normalised = np.empty_like(x)
    for i in range(channels):
        first, last = max(0, i - n // 2), min(channels - 1, i + n // 2)
        total = sum(x[:, j] ** 2 for j in range(first, last + 1))
        normalised[:, i] = x[:, i] / (k + alpha * total) ** beta
    return normalised


def assert_papers(found, **formula):
    expected = papers(X, **formula)
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
    assert np.abs(expected - papers(X, **{**formula, "alpha": 1e-9})).max() > 0.1 * np.abs(expected).max()


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("formula", [{}, {"n": 3, "k": 1.0, "alpha": 1e-3, "beta": 0.5}, {"n": 25}])
def test_formula_of_the_paper(formula, compiled):
    layer = LocalResponseNorm(**{"size" if name == "n" else name: value for name, value in formula.items()})
    if compiled:
        layer.hybridize()
    assert_papers(layer(mx.nd.array(X)).asnumpy(), **formula)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("after", [lambda: nn.Conv2D(16, 1, use_bias=False), lambda: nn.MaxPool2D(1)])
def test_gradient_between_convolutions_and_poolings(after, compiled):
    """Where oneDNN has arrays in its own layout, for which MXNet's LRN has a wrong gradient."""
    random = np.random.RandomState(0)
    values, above = (random.randn(2, 16, 9, 9) for _ in range(2))
    formula = {"size": 5, "alpha": 0.02, "beta": 0.75, "k": 2}
    net = nn.HybridSequential()
    net.add(nn.Conv2D(16, 1, use_bias=False), LocalResponseNorm(**formula), after())
    net.initialize(mx.init.Zero())
    x = mx.nd.array(values)
    net(x)
    for parameter in net.collect_params().values():
        parameter.set_data(mx.nd.eye(16).reshape(16, 16, 1, 1))
    if compiled:
        net.hybridize(static_alloc=True, static_shape=True)
    x.attach_grad()
    with mx.autograd.record():
        output = net(x)
    output.backward(mx.nd.array(above))
    expected, gradients = local_response(values, **formula)
    np.testing.assert_allclose(output.asnumpy(), expected, atol=1e-5)
    np.testing.assert_allclose(x.grad.asnumpy(), gradients(above)[0], atol=1e-5)


@pytest.mark.parametrize("dtype", ["float64", "float16"])
def test_formula_in_other_precisions(dtype):
    values = (X / 10).astype(dtype)
    found = LocalResponseNorm()(mx.nd.array(values, dtype=dtype)).asnumpy()
    np.testing.assert_allclose(found, papers(values), rtol=1e-10 if dtype == "float64" else 1e-2)


@pytest.mark.parametrize("compiled", [False, True])
def test_formula_on_numpy_arrays(np_arrays, compiled):
    net = nn.HybridSequential()
    net.add(LocalResponseNorm())
    if compiled:
        net.hybridize()
    assert isinstance(net(mx.np.array(X)), mx.np.ndarray)
    assert_papers(net(mx.np.array(X)).asnumpy())


def test_formula_in_pytorch():
    torch = pytest.importorskip("torch")
    net = nn.HybridSequential()
    net.add(LocalResponseNorm())
    assert_papers(torch_network(net)(torch.from_numpy(X)).numpy())


@pytest.fixture
def network():
    """For Fashion-MNIST, and what it computes by the paper's formula."""
    net = nn.HybridSequential()
    net.add(nn.Conv2D(12, 3, strides=2), LocalResponseNorm(), nn.Dense(10))
    net.initialize(mx.init.Normal(30))
    images = read_fashion_mnist(SAMPLE).test.images[:9]
    inputs = Inputs(FASHION_MNIST, 28)
    normalised = mx.nd.array(papers(net[0](inputs.batch(images)).asnumpy()))
    return net, inputs, images, net[2](normalised).asnumpy()


def assert_close(found, expected):
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


def test_formula_in_onnx_runtime(network, tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    net, inputs, images, expected = network
    onnx.write(net, tmp_path / "net.onnx", inputs, images)
    assert_close(OnnxNetwork(tmp_path / "net.onnx").logits(images), expected)


@pytest.mark.filterwarnings("ignore:Cannot decide type:UserWarning")  # MXNet says it of every SymbolBlock
def test_formula_in_a_symbol(network, tmp_path):
    net, inputs, images, expected = network
    symbol.write(net, tmp_path / "net", inputs, images)
    block = gluon.SymbolBlock.imports(f"{tmp_path / 'net'}-symbol.json", ["data"], f"{tmp_path / 'net'}-0000.params")
    assert_close(block(inputs.batch(images)).asnumpy(), expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 4}, "size is 4; it must be odd"),
        ({"size": 0}, "size is 0; it must be a whole number"),
        ({"alpha": float("nan")}, "alpha is nan; it must be a number"),
        ({"beta": -1}, "beta is -1; it must be a number"),
    ],
)
def test_numbers_out_of_range_are_refused(options, message):
    with pytest.raises(SettingError, match=message):
        gluon_cnn.LocalResponseNorm(**options)


def test_layer_shows_its_formula():
    assert repr(LocalResponseNorm()) == "LocalResponseNorm(size=5, alpha=0.0001, beta=0.75, k=2)"

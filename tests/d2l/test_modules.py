"""Models with their loss, accuracy, parameters and first weights."""

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon
from mxnet.gluon import nn

from gluon_cnn import SGD, Classifier, GluonCNNError, LeNet, Module, ResNeXtBlock, SoftmaxRegression, init_cnn

BOTH = pytest.mark.parametrize("array", [mx.nd.array, mx.np.array], ids=["nd", "np"])


@pytest.fixture
def mode(request):
    """Arrays of the kind that the test's parameter makes."""
    if request.getfixturevalue("array") is mx.np.array:
        request.getfixturevalue("np_arrays")


@BOTH
def test_loss_and_accuracy_of_a_classifier(array, mode):
    Y_hat, Y = array([[0, 1], [2, 0], [0.5, 0], [1, 0]]), array([1, 0, 1, 0], dtype="int32")
    model = Classifier()
    expected = -np.log(np.take_along_axis(*_softmax(Y_hat.asnumpy(), Y.asnumpy()), axis=1))[:, 0]
    np.testing.assert_allclose(model.loss(Y_hat, Y, averaged=False).asnumpy(), expected, rtol=1e-4)
    assert model.loss(Y_hat, Y).asnumpy() == pytest.approx(expected.mean(), rel=1e-4)
    assert model.accuracy(Y_hat, Y).asnumpy() == pytest.approx(0.75)
    assert model.accuracy(Y_hat, Y, averaged=False).asnumpy().tolist() == [1, 1, 0, 1]
    together = model.loss(Y_hat.reshape((2, 2, 2)), Y.reshape((2, 2)))  # such as one for each place
    assert together.asnumpy() == model.loss(Y_hat, Y).asnumpy()
    with pytest.raises(GluonCNNError, match="do not fit labels"):
        model.accuracy(Y_hat, Y[:3])


def _softmax(scores, labels):
    exponents = np.exp(scores)
    return exponents / exponents.sum(axis=1, keepdims=True), labels[:, None]


@BOTH
def test_layer_summary_prints_each_layers_output(array, mode, capsys):
    LeNet(num_classes=7).layer_summary((2, 1, 28, 28))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Conv2D output shape:\t (2, 6, 28, 28)"
    assert lines[1] == "AvgPool2D output shape:\t (2, 6, 14, 14)"
    assert lines[-1] == "Dense output shape:\t (2, 7)"
    assert len(lines) == 7


def test_layer_summary_of_what_does_not_fit():
    with pytest.raises(GluonCNNError, match=r"An input of shape \(1, 6, 1, 1\) does not fit AvgPool2D"):
        LeNet().layer_summary((1, 1, 1, 1))
    model = Classifier()
    model.net = nn.Sequential()
    model.net.add(nn.Dense(3))
    with pytest.raises(GluonCNNError, match=r"weight has no values: call initialize\(\)"):
        model.layer_summary((1, 4))


def test_parts_of_a_model_that_are_missing():
    with pytest.raises(GluonCNNError, match="Module has no loss"):
        Module().loss(1, 2)
    with pytest.raises(GluonCNNError, match="Classifier has no network"):
        Classifier()(mx.nd.zeros((1, 2)))
    with pytest.raises(GluonCNNError, match="LeNet has no trainer"):
        LeNet().plot("loss", 1, train=True)
    with pytest.raises(GluonCNNError, match="Module has no lr"):
        Module().configure_optimizers()
    with pytest.raises(GluonCNNError, match=r"lr is -1; it must be a number above 0"):
        LeNet(lr=-1).configure_optimizers()


def test_optimizer_of_parameters_and_of_arrays(np_arrays):
    assert isinstance(LeNet().configure_optimizers(), gluon.Trainer)
    inner, outer = Module(), Module()
    inner.w, outer.v, outer.running = mx.np.ones(2), mx.np.ones(3), mx.np.ones(4)
    outer.lr, outer.inner = 0.5, inner
    inner.w.attach_grad()
    outer.v.attach_grad()
    assert sorted(array.size for array in outer.get_scratch_params()) == [2, 3, 4]
    assert sorted(array.size for array in outer.parameters()) == [2, 3]
    optimizer = outer.configure_optimizers()
    assert isinstance(optimizer, SGD)
    with mx.autograd.record():
        loss = (outer.v * 2).sum() + inner.w.sum()
    loss.backward()
    optimizer.step(100)  # the loss is a mean
    assert (outer.v.tolist(), inner.w.tolist()) == ([0, 0, 0], [0.5, 0.5])


def test_arrays_move_with_their_gradients():
    inner, outer = Module(), Module()
    inner.w, outer.running = mx.np.ones(2), mx.np.ones(4)
    inner.w.attach_grad()
    outer.blocks = [inner]
    outer.set_scratch_params_device(mx.cpu(1))
    assert inner.w.context == outer.running.context == mx.cpu(1)
    assert (inner.w.grad.tolist(), outer.running.grad) == ([0, 0], None)


@pytest.mark.parametrize("initialized", [False, True])
def test_init_cnn_draws_convolutions_and_dense_layers(initialized):
    """With apply_init, as other frameworks' cells call it; batch normalisation and biases keep their values."""
    model, X = Classifier(), mx.nd.ones((2, 3, 8, 8))
    model.net = nn.Sequential()
    model.net.add(nn.Conv2D(4, kernel_size=3, padding=1), nn.BatchNorm(), nn.Dense(5))
    if initialized:
        model.initialize(mx.init.One())
        model(X)
        model.net[2].bias.set_data(mx.nd.ones(5))
    model.apply_init([X], init_cnn)
    for layer, limit in ((model.net[0], (3 / ((27 + 36) / 2)) ** 0.5), (model.net[2], (3 / ((256 + 5) / 2)) ** 0.5)):
        largest = abs(layer.weight.data()).max().asscalar()
        assert 0.8 * limit < largest <= limit * 1.0001
    assert (model.net[1].gamma.data() == 1).asnumpy().all()
    assert model.net[2].bias.data().sum().asscalar() == (5 if initialized else 0)


def test_models_of_the_book_have_its_sizes():
    def size_of(model, X):
        model(X)
        return sum(parameter.data().size for parameter in model.collect_params().values())

    assert size_of(LeNet(), mx.nd.zeros((1, 1, 28, 28))) == 61_706
    assert size_of(SoftmaxRegression(10, 0.1), mx.nd.zeros((1, 1, 28, 28))) == 7_850


@pytest.mark.parametrize(
    ("arguments", "shape", "parameters"),
    [
        ((32, 16, 1), (4, 32, 6, 6), 32 * 33 + 32 * 16 * 9 + 32 + 32 * 33 + 3 * 4 * 32),
        ((6, 2, 0.5, True, 2), (4, 6, 3, 3), 32 * 3 + 3 + 3 * 3 * 9 + 3 + 3 * 6 + 6 + 32 * 6 + 6 + 4 * (3 + 3 + 6 + 6)),
    ],
)
def test_resnext_block(arguments, shape, parameters):
    block = ResNeXtBlock(*arguments)
    block.initialize()
    X = mx.nd.random.normal(shape=(4, 32, 6, 6))
    output = block(X)
    assert output.shape == shape
    assert sum(parameter.data().size for parameter in block.collect_params().values()) == parameters
    block.hybridize()
    assert abs(block(X) - output).max().asscalar() < 1e-5


@pytest.mark.parametrize(
    "arguments", [(32, 64, 1), (32, 0, 1), (33, 8, 1), (32, 16, 0), (32, 16, "1"), (0, 1, 1), (32, 16, 1e20)]
)
def test_resnext_block_with_impossible_numbers(arguments):
    with pytest.raises(GluonCNNError, match=r"must be|cannot be cut"):
        ResNeXtBlock(*arguments)

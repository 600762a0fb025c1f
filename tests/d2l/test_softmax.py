"""Training in the chapters before the convolutional networks."""

import matplotlib
import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon
from mxnet.gluon import nn
from runs import measures_of

from gluon_cnn import GluonCNNError, evaluate_accuracy, predict_ch3, sgd, train_ch3, train_epoch_ch3

LOSS = gluon.loss.SoftmaxCrossEntropyLoss()


def batches():
    stream = np.random.RandomState(0)
    return [(mx.nd.array(stream.rand(size, 784)), mx.nd.array(stream.randint(0, 10, size))) for size in (4, 4, 2)]


class Scratch:
    """A network of functions, whose parameters are those of a layer."""

    def __init__(self):
        self.params = [mx.nd.ones((784, 10)) * 0.01, mx.nd.zeros(10)]
        for param in self.params:
            param.attach_grad()

    def __call__(self, X):
        return mx.nd.dot(X.reshape((-1, 784)), self.params[0]) + self.params[1]


def layer():
    net = nn.Dense(10)
    net.initialize(mx.init.Constant(0.01))
    return net


def books_epochs(net, batch_size, epochs):
    """What the book computes of an epoch, number by number."""
    for _ in range(epochs):
        total = right = 0
        for X, y in batches():
            with autograd.record():
                y_hat = net(X)
                loss = LOSS(y_hat, y).sum()
            loss.backward()
            sgd(net.params, 0.01, batch_size or len(y))
            total += loss.asscalar()
            right += (y_hat.argmax(axis=1) == y).sum().asscalar()
    return total / 10, right / 10, evaluate_accuracy(batches(), net)


@pytest.mark.parametrize("batch_size", [4, None])
def test_train_ch3_computes_what_the_book_does(batch_size, capsys):
    """By the nominal size of the first edition, and by each batch's own of the English one."""
    expected, net = books_epochs(Scratch(), batch_size, 3), Scratch()
    how = (batch_size, net.params, 0.01) if batch_size else (lambda size: sgd(net.params, 0.01, size),)
    history = train_ch3(net, batches(), batches(), LOSS, 3, *how)
    assert measures_of(history[-1]) == pytest.approx(expected, abs=1e-5)
    assert [line.split(",")[0] for line in capsys.readouterr().out.splitlines()] == ["epoch 1", "epoch 2", "epoch 3"]


def test_train_epoch_ch3_takes_trainer_or_function():
    scratch, net = Scratch(), layer()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.01})
    for _ in range(2):
        found = train_epoch_ch3(net, batches(), LOSS, trainer)
        assert found == pytest.approx(
            train_epoch_ch3(scratch, batches(), LOSS, lambda size: sgd(scratch.params, 0.01, size)), abs=1e-5
        )
    assert found == pytest.approx(books_epochs(Scratch(), None, 2)[:2], abs=1e-5)


@pytest.mark.parametrize("epochs", [0, 1])
def test_train_ch3_of_few_epochs(epochs):
    net = layer()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    assert len(train_ch3(net, batches(), iter(batches()), LOSS, epochs, trainer)) == epochs


def test_data_that_end_are_refused():
    net = Scratch()
    with pytest.raises(GluonCNNError, match="test_iter gave no images in epoch 1"):
        train_ch3(net, batches(), [], LOSS, 1, 4, net.params, 0.1)
    with pytest.raises(GluonCNNError, match="train_iter gives its images only once"):
        train_ch3(net, iter(batches()), batches(), LOSS, 2, 4, net.params, 0.1)
    with pytest.raises(GluonCNNError, match="There were no images"):
        train_epoch_ch3(net, [], LOSS, lambda size: None)
    with pytest.raises(GluonCNNError, match="no images to show"):
        predict_ch3(net, iter([]))
    with pytest.raises(GluonCNNError, match="num_epochs is -1"):
        train_ch3(net, batches(), batches(), LOSS, -1, 4, net.params, 0.1)


@pytest.mark.parametrize(("n", "shown"), [(6, 4), (2, 2)])
def test_predict_ch3_shows_true_and_predicted_names(n, shown):
    matplotlib.use("Agg")
    from matplotlib import pyplot

    net = Scratch()
    axes = predict_ch3(net, batches(), n)
    names = [axis.get_title().split("\n") for axis in axes]
    assert len(names) == shown
    assert {predicted for _, predicted in names} == {"t-shirt"}  # the first of ten equal scores
    assert all(len(axis.images) == 1 for axis in axes)
    pyplot.close("all")

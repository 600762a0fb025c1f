"""Training on several devices, with the book's functions or the loop's own."""

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon
from mxnet.gluon import nn
from runs import measures_of

from gluon_cnn import (
    GluonCNNError,
    evaluate_accuracy_gpus,
    split_batch,
    train,
    train_batch_ch13,
    train_ch13,
)

DEVICES = [mx.cpu(0), mx.cpu(1), mx.cpu(2)]
LOSS = gluon.loss.SoftmaxCrossEntropyLoss()


def batches(size=4):
    stream = np.random.RandomState(0)
    return [(mx.nd.array(stream.rand(size, 6)), mx.nd.array(stream.randint(0, 3, size))) for _ in range(3)]


def network(devices=DEVICES):
    net = nn.Dense(3)
    net.initialize(mx.init.Constant(0.01), ctx=devices)
    return net, gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.5})


@pytest.mark.parametrize(("images", "sizes"), [(6, [2, 2, 2]), (7, [3, 2, 2]), (3, [1, 1, 1]), (2, [1, 1]), (1, [1])])
def test_split_batch_is_as_even_as_can_be(images, sizes):
    X, y = mx.nd.arange(images * 2).reshape((images, 2)), mx.nd.arange(images)
    X_parts, y_parts = split_batch(X, y, DEVICES)
    assert [len(part) for part in X_parts] == [len(part) for part in y_parts] == sizes
    assert [part.ctx for part in X_parts] == [part.ctx for part in y_parts] == DEVICES[: len(sizes)]
    assert np.concatenate([part.asnumpy() for part in y_parts]).tolist() == list(range(images))
    assert len(split_batch(X, y, mx.cpu())[0]) == 1


def backwards(X, y, devices):
    """Another way to split, which gives the first device the last images."""
    X_parts, y_parts = split_batch(X[::-1], y[::-1], devices)
    return X_parts, y_parts


@pytest.mark.parametrize("split_f", [split_batch, backwards])
def test_train_ch13_trains_as_train_does(split_f, capsys):
    net, trainer = network()
    expected = train(batches(), batches(), net, LOSS, trainer, DEVICES, 2)
    net, trainer = network()
    history = train_ch13(net, batches(), batches(), LOSS, trainer, 2, DEVICES, split_f)
    for one, other in zip(history, expected):
        assert measures_of(one) == pytest.approx(measures_of(other), abs=1e-6)
    lines = capsys.readouterr().out.splitlines()[-2:]
    assert lines[0].startswith("loss ")
    assert lines[1].endswith(f" examples/sec on {DEVICES}")
    assert evaluate_accuracy_gpus(net, batches(), split_f) == pytest.approx(history[-1].test_acc)


def test_train_batch_ch13_is_one_step():
    net, trainer = network()
    X, y = batches()[0]
    before = LOSS(mx.nd.ones((4, 3)), y).sum().asscalar()  # all classes are equal at first
    found = [train_batch_ch13(net, X, y, LOSS, trainer, DEVICES)[0] for _ in range(2)]
    assert found[0] == pytest.approx(before)
    assert found[1] < found[0]
    net, trainer = network()
    assert len(train_batch_ch13(net, X, y, LOSS, trainer, DEVICES, split_f=backwards)) == 2


@pytest.mark.parametrize("part", ["train_iter", "test_iter"])
def test_data_that_end_are_refused(part):
    net, trainer = network()
    parts = {"train_iter": batches(), "test_iter": batches()}
    with pytest.raises(GluonCNNError, match=f"{part} gave no images in epoch 1"):
        train_ch13(net, **{**parts, part: []}, loss=LOSS, trainer=trainer, num_epochs=1, devices=DEVICES)
    with pytest.raises(GluonCNNError, match=f"{part} gives its images only once"):
        train_ch13(net, **{**parts, part: iter(batches())}, loss=LOSS, trainer=trainer, num_epochs=2, devices=DEVICES)
    with pytest.raises(GluonCNNError, match="There were no images"):
        evaluate_accuracy_gpus(net, [])
    with pytest.raises(GluonCNNError, match="num_epochs is 0"):
        train_ch13(net, **parts, loss=LOSS, trainer=trainer, num_epochs=0)

"""The book's training functions: what they print, compute, and how often they wait for the device."""

import collections
import re

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon
from mxnet.gluon import nn
from runs import measures_of

from gluon_cnn import (
    GluonCNNError,
    accuracy,
    evaluate_accuracy,
    evaluate_accuracy_gpu,
    lenet,
    train,
    train_ch5,
    train_ch6,
)
from gluon_cnn.errors import DataError


def initialized(net, ctx=None):
    mx.random.seed(1)
    net.initialize(mx.init.Xavier(), ctx=ctx, force_reinit=True)
    first = ctx[0] if isinstance(ctx, list) else ctx
    net(mx.nd.zeros((1, 1, 28, 28), ctx=first))
    return net


def trainer_of(net, lr=0.5):
    return gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": lr})


def weights(net):
    return [parameter.list_data()[0].asnumpy() for parameter in net.collect_params().values()]


def test_train_ch5_prints_the_books_lines(sample, capsys):
    """And returns the history."""
    train_iter, test_iter = sample(256, seed=0)
    net = initialized(lenet())
    history = train_ch5(net, train_iter, test_iter, 256, trainer_of(net, 0.9), mx.cpu(), 2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "training on cpu(0)"
    pattern = r"epoch (\d), loss (\d\.\d{4}), train acc (0\.\d{3}), test acc (0\.\d{3}), time \d+\.\d sec"
    for line, result in zip(lines[1:], history):
        epoch, loss, train_acc, test_acc = re.fullmatch(pattern, line).groups()
        assert int(epoch) == result.epoch
        assert float(loss) == pytest.approx(result.train_loss, abs=5e-5)
        assert float(train_acc) == pytest.approx(result.train_acc, abs=5.1e-4)
        assert float(test_acc) == pytest.approx(result.test_acc, abs=5.1e-4)
    assert len(history) == 2


def books_epoch(net, train_iter, test_iter, lr, batch_size=None):
    """One epoch as the book's code computes it, number by number."""
    trainer, loss = trainer_of(net, lr), gluon.loss.SoftmaxCrossEntropyLoss()
    loss_sum = correct = images = 0
    for X, y in train_iter:
        with autograd.record():
            y_hat = net(X)
            batch_loss = loss(y_hat, y).sum()
        batch_loss.backward()
        trainer.step(batch_size or len(y))
        loss_sum += batch_loss.asscalar()
        correct += (y_hat.argmax(axis=1) == y.astype("float32")).sum().asscalar()
        images += y.size
    right = sum((net(X).argmax(axis=1) == y.astype("float32")).sum().asscalar() for X, y in test_iter)
    return loss_sum / images, correct / images, right / len(test_iter.labels)


@pytest.mark.parametrize("hybrid", [False, True])
def test_train_ch5_computes_what_the_book_does(sample, hybrid):
    """Also in the last, shorter batch, which is stepped by the nominal size."""
    expected_net, net = initialized(lenet()), initialized(lenet(hybrid=hybrid))
    expected = books_epoch(expected_net, *sample(300, seed=3), lr=0.5, batch_size=300)
    if hybrid:
        net.hybridize(static_alloc=True, static_shape=True)
    (result,) = train_ch5(net, *sample(300, seed=3), 300, trainer_of(net), mx.cpu(), 1)
    assert measures_of(result) == pytest.approx(expected, abs=1e-6)
    for ours, books in zip(weights(net), weights(expected_net)):
        np.testing.assert_allclose(ours, books, atol=1e-6)


def test_train_ch6_computes_what_the_book_does(sample, capsys):
    """It starts over, steps by the real size, and prints the last epoch."""
    expected_net, net = lenet(edition="en"), lenet(edition="en")
    mx.random.seed(1)
    expected_net.initialize(mx.init.Xavier())
    expected = books_epoch(expected_net, *sample(300, seed=3), lr=0.9)
    net.initialize(mx.init.Constant(7))
    mx.random.seed(1)
    (result,) = train_ch6(net, *sample(300, seed=3), num_epochs=1, lr=0.9, device=mx.cpu())
    assert measures_of(result) == pytest.approx(expected, abs=1e-6)
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"loss {expected[0]:.3f}, train acc {expected[1]:.3f}, test acc {expected[2]:.3f}"
    assert re.fullmatch(r"\d+\.\d examples/sec on cpu\(0\)", second)


@pytest.mark.parametrize("devices", [2, 3])
def test_several_devices_compute_what_one_does(sample, devices):
    """With batches of 100 over 3 devices, and a last one of a single image."""
    ctx = [mx.cpu(i) for i in range(devices)]
    one, several = initialized(lenet()), initialized(lenet(), ctx)
    options = {"train_size": 301, "test_size": 101, "seed": 5}
    (expected,) = train_ch5(one, *sample(100, **options), 100, trainer_of(one), mx.cpu(), 1)
    (result,) = train_ch5(several, *sample(100, **options), 100, trainer_of(several), ctx, 1)
    assert measures_of(result) == pytest.approx(measures_of(expected), abs=1e-5)
    for a, b in zip(weights(one), weights(several)):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.fixture
def waits(monkeypatch):
    """Counts every call by which Python waits for the device, while time stands still."""
    count = collections.Counter()

    def counting(owner, name):
        original = getattr(owner, name)

        def call(*args, **kwargs):
            count[name] += 1
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, call)

    for name in ("asnumpy", "wait_to_read"):  # asscalar and item call asnumpy
        counting(mx.nd.NDArray, name)
    counting(mx.nd, "waitall")
    monkeypatch.setattr("gluon_cnn.training.metrics.time.monotonic", lambda: 0.0)
    return count


@pytest.mark.parametrize("batch_size", [400, 10])
def test_waits_do_not_grow_with_the_batches(sample, waits, batch_size):
    train_iter, test_iter = sample(batch_size, seed=0, train_size=800, test_size=400)
    net = initialized(lenet())
    waits.clear()
    train_ch5(net, train_iter, test_iter, batch_size, trainer_of(net), mx.cpu(), 1)
    # Twice at the end of the training and once of the test pass; and as often after the first step of each, which
    # shows how long a step takes. A test pass of one batch has nothing left to wait for.
    assert 5 <= sum(waits.values()) <= 6


def test_evaluate_accuracy_is_the_share_of_right_answers(sample):
    net = initialized(lenet())
    _, test_iter = sample(64)
    right = sum(accuracy(net(X), y) for X, y in test_iter)
    assert evaluate_accuracy(test_iter, net) == right / 500
    assert evaluate_accuracy(net, test_iter, mx.cpu()) == right / 500
    assert evaluate_accuracy_gpu(net, test_iter) == right / 500


def test_numpy_arrays_work(sample, np_arrays):
    net = lenet(edition="en")
    (result,) = train_ch6(net, *sample(250, seed=0), num_epochs=1, lr=0.1, device=mx.cpu())
    assert 2 < result.train_loss < 3
    assert 0 <= result.test_acc <= 1
    assert result.dead_classes == 0


def test_data_loaders_of_others_work(sample):
    loaders = [
        gluon.data.DataLoader(
            gluon.data.ArrayDataset(part.images[:200, None] / np.float32(255), part.labels[:200]), 100
        )
        for part in sample(100)
    ]
    net = initialized(lenet())
    assert len(train_ch5(net, *loaders, 100, trainer_of(net), mx.cpu(), 1)) == 1


def batches_of(number):
    return [(mx.nd.ones((4, 1, 28, 28)), mx.nd.zeros(4)) for _ in range(number)]


def trainings(net, train_iter, test_iter, epochs):
    """Each of the book's functions, ready to be called."""
    trainer, loss = trainer_of(net), gluon.loss.SoftmaxCrossEntropyLoss()
    return [
        lambda: train_ch5(net, train_iter, test_iter, 4, trainer, mx.cpu(), epochs),
        lambda: train_ch6(net, train_iter, test_iter, epochs, 0.1, mx.cpu()),
        lambda: train(train_iter, test_iter, net, loss, trainer, mx.cpu(), epochs),
    ]


class Once:
    """An iterator of one's own that gives out."""

    def __init__(self, batches):
        self.batches = iter(batches)

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.batches)


@pytest.mark.parametrize("which", range(3))
@pytest.mark.parametrize(
    "once", [iter, lambda batches: (batch for batch in batches), lambda batches: map(tuple, batches)]
)
@pytest.mark.parametrize("part", ["train_iter", "test_iter"])
def test_iterators_that_give_out_once(which, once, part):
    """For several epochs they are refused before the first."""
    parts = {name: batches_of(2) for name in ("train_iter", "test_iter")}
    parts[part] = once(parts[part])
    net = initialized(lenet())
    with pytest.raises(DataError, match=f"{part} gives its images only once, and there are 2 epochs"):
        trainings(net, **parts, epochs=2)[which]()
    assert len(trainings(net, **parts, epochs=1)[which]()) == 1


@pytest.mark.parametrize("which", range(3))
@pytest.mark.parametrize("part", ["train_iter", "test_iter"])
def test_data_that_are_empty_or_used_up(which, part):
    net = initialized(lenet())
    for images, epoch in (([], 1), (Once(batches_of(2)), 2)):
        parts = {**{name: batches_of(2) for name in ("train_iter", "test_iter")}, part: images}
        with pytest.raises(DataError, match=f"{part} gave no images in epoch {epoch}"):
            trainings(net, **parts, epochs=2)[which]()


class Counted(list):
    """Batches that count how often they were begun."""

    times = 0

    def __iter__(self):
        self.times += 1
        return super().__iter__()


@pytest.mark.parametrize("which", range(3))
def test_each_epoch_begins_the_data_once(which):
    """Because a loader draws the order of an epoch when it is begun."""
    parts = {name: Counted(batches_of(2)) for name in ("train_iter", "test_iter")}
    history = trainings(initialized(lenet()), **parts, epochs=2)[which]()
    assert [part.times for part in parts.values()] == [2, 2]
    assert all(type(number) is float for result in history for number in measures_of(result))


def test_accuracy_of_no_images():
    with pytest.raises(DataError, match="no images"):
        evaluate_accuracy([], initialized(lenet()))


@pytest.mark.parametrize("epochs", [-1, 1.5, "2", None, 10**18])
@pytest.mark.parametrize("which", range(3))
def test_numbers_of_epochs_that_there_are_not(which, epochs):
    with pytest.raises(GluonCNNError, match=r"^num_epochs is "):
        trainings(initialized(lenet()), batches_of(1), batches_of(1), epochs)[which]()


def test_no_epochs():
    """In the book two of the functions do nothing, and the third fails at what it prints."""
    net = initialized(lenet())
    before = weights(net)
    ch5, ch6, several_devices = trainings(net, batches_of(1), batches_of(1), 0)
    assert ch5() == several_devices() == []
    with pytest.raises(GluonCNNError, match="num_epochs is 0; it must be a whole number of 1 or more"):
        ch6()
    assert all((a == b).all() for a, b in zip(before, weights(net)))


def test_networks_without_parameters():
    """Also functions, as in the book's chapters before the networks."""
    pool = nn.HybridSequential()
    pool.add(nn.GlobalAvgPool2D(), nn.Flatten())
    images = [(mx.nd.array(np.eye(4, 3).reshape(4, 3, 1, 1)), mx.nd.array([0, 1, 2, 1]))]
    for net in (pool, lambda X: X.reshape((4, 3))):
        assert evaluate_accuracy(images, net) == evaluate_accuracy(net, images) == 0.75
        assert evaluate_accuracy_gpu(net, iter(images), mx.cpu()) == 0.75


def test_accuracy_of_pixels_and_of_labels_in_columns():
    """Shares of the labels, as the book computes them."""
    convolution = nn.Conv2D(2, 1)
    net = initialized(convolution)
    loss = gluon.loss.SoftmaxCrossEntropyLoss(axis=1)
    pixels = [(X, mx.nd.ones((4, 28, 28))) for X, _ in batches_of(2)]
    (result,) = train(pixels, pixels, net, loss, trainer_of(net, 1e-6), mx.cpu(), 1)
    right = np.mean([(net(X).argmax(axis=1) == y).asnumpy().mean() for X, y in pixels])
    assert (result.train_acc, result.test_acc) == (right, right)


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_labels_in_columns_are_labels(sample, shape):
    batches = [(X, y.reshape(shape)) for X, y in sample(100, seed=0, train_size=200)[0]]
    (result,) = train_ch5(net := initialized(lenet()), batches, batches, 100, trainer_of(net), mx.cpu(), 1)
    assert 0 <= result.train_acc <= 1
    assert evaluate_accuracy(batches, net) == result.test_acc <= 1

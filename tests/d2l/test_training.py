"""The book's training functions: what they print, compute, and how often they wait for the device."""

import collections
import re

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon
from runs import measures_of

from gluon_cnn import accuracy, evaluate_accuracy, evaluate_accuracy_gpu, lenet, train_ch5, train_ch6


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

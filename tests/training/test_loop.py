"""The book's training functions: what they print, compute, and how often they wait for the device."""

import collections
import re

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon

from gluon_cnn import accuracy, evaluate_accuracy, lenet, nin, train_ch5, train_ch6
from gluon_cnn.training.loop import test_steps as evaluation_steps
from gluon_cnn.training.loop import train_steps
from gluon_cnn.training.metrics import Accumulator, Pace, Sums, Timer


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


def test_train_ch5_prints_the_books_lines_and_returns_the_history(sample, capsys):
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
def test_train_ch5_computes_what_the_books_code_does(sample, hybrid):
    """Also in the last, shorter batch, which is stepped by the nominal size."""
    expected_net, net = initialized(lenet()), initialized(lenet(hybrid=hybrid))
    expected = books_epoch(expected_net, *sample(300, seed=3), lr=0.5, batch_size=300)
    if hybrid:
        net.hybridize(static_alloc=True, static_shape=True)
    (result,) = train_ch5(net, *sample(300, seed=3), 300, trainer_of(net), mx.cpu(), 1)
    assert result[1:4] == pytest.approx(expected, abs=1e-6)
    for ours, books in zip(weights(net), weights(expected_net)):
        np.testing.assert_allclose(ours, books, atol=1e-6)


def test_train_ch6_begins_anew_steps_by_the_real_size_and_prints_the_last_epoch(sample, capsys):
    expected_net, net = lenet(edition="en"), lenet(edition="en")
    mx.random.seed(1)
    expected_net.initialize(mx.init.Xavier())
    expected = books_epoch(expected_net, *sample(300, seed=3), lr=0.9)
    net.initialize(mx.init.Constant(7))
    mx.random.seed(1)
    (result,) = train_ch6(net, *sample(300, seed=3), num_epochs=1, lr=0.9, device=mx.cpu())
    assert result[1:4] == pytest.approx(expected, abs=1e-6)
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"loss {expected[0]:.3f}, train acc {expected[1]:.3f}, test acc {expected[2]:.3f}"
    assert re.fullmatch(r"\d+\.\d examples/sec on cpu\(0\)", second)


@pytest.mark.parametrize("devices", [2, 3])
def test_several_devices_compute_what_one_does(sample, devices):
    """With batches of 100 over 3 devices, and a last one of a single image."""
    ctx = [mx.cpu(i) for i in range(devices)]
    one, several = initialized(lenet()), initialized(lenet(), ctx)
    options = {"train_size": 301, "test_size": 101, "seed": 5}
    expected = train_ch5(one, *sample(100, **options), 100, trainer_of(one), mx.cpu(), 1)
    result = train_ch5(several, *sample(100, **options), 100, trainer_of(several), ctx, 1)
    assert result[0][1:4] == pytest.approx(expected[0][1:4], abs=1e-5)
    for a, b in zip(weights(one), weights(several)):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.fixture
def waits(monkeypatch):
    """Counts every call by which Python waits for the device."""
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
    return count


def test_an_epoch_waits_for_the_device_no_more_often_with_more_batches(sample, waits, capsys):
    counts = []
    for batch_size in (400, 10):
        train_iter, test_iter = sample(batch_size, seed=0, train_size=800, test_size=400)
        net = initialized(lenet())
        waits.clear()
        train_ch5(net, train_iter, test_iter, batch_size, trainer_of(net), mx.cpu(), 1)
        counts.append(sum(waits.values()))
    # Twice at the end of the training and once of the test pass; and as often after the first step of
    # each, which shows how long a step takes.
    assert counts[1] <= counts[0] + 3 <= 9


def test_a_batch_is_made_before_anyone_waits_for_the_step_before(sample):
    net, happened = initialized(lenet()), []

    def batches():
        for number, batch in enumerate(sample(256, seed=0)[0]):
            happened.append(f"batch {number}")
            yield batch

    def before_step(number):
        happened.append(f"before {number}")

    steps = train_steps(net, batches(), trainer_of(net), [mx.cpu()], Sums(steps=4), before_step=before_step)
    for _, sums in zip(range(2), steps):
        happened.append(f"step {sums.steps}")
    assert happened == ["batch 0", "before 4", "batch 1", "step 5", "before 5", "batch 2", "step 6"]


def test_evaluate_accuracy_is_the_share_of_right_answers(sample):
    net = initialized(lenet())
    _, test_iter = sample(64)
    right = sum(accuracy(net(X), y) for X, y in test_iter)
    assert evaluate_accuracy(test_iter, net) == right / 500
    assert evaluate_accuracy(test_iter, net, mx.cpu()) == right / 500


def test_works_on_numpy_arrays(sample, np_arrays):
    net = lenet(edition="en")
    (result,) = train_ch6(net, *sample(250, seed=0), num_epochs=1, lr=0.1, device=mx.cpu())
    assert 2 < result.train_loss < 3
    assert 0 <= result.test_acc <= 1


def test_data_loaders_of_others_work(sample):
    train, test = sample(100)
    loaders = [
        gluon.data.DataLoader(
            gluon.data.ArrayDataset(part.images[:200, None] / np.float32(255), part.labels[:200]), 100
        )
        for part in (train, test)
    ]
    net = initialized(lenet())
    assert len(train_ch5(net, *loaders, 100, trainer_of(net), mx.cpu(), 1)) == 1


def step(sums, losses, right):
    """Add a step of two images with these losses, of which so many are classified right."""
    outputs = mx.nd.array([[1, 0], [1, 0]])
    labels = mx.nd.array([0, 0] if right == 2 else [0, 1] if right == 1 else [1, 1], dtype="int32")
    sums.add([mx.nd.array(losses)], [outputs], [labels])


def test_sums_do_not_depend_on_when_they_are_read():
    once, often = Sums(), Sums()
    for i in range(50):
        for sums in (once, often):
            step(sums, [1 / (i + 3), 1e6 / (i + 1)], i % 3)
        if i % 7 == 0:
            often.read()
    assert once.read().loss == often.read().loss
    assert once.correct == often.correct == sum(i % 3 for i in range(50))
    assert once.images == 100


def test_first_step_with_a_loss_that_is_not_finite_is_known():
    sums = Sums(steps=10)
    for loss in (1.0, float("nan"), float("inf")):
        step(sums, [1.0, loss], 1)
    assert sums.read().bad_step == 12


def test_pace_waits_after_the_first_step_and_then_by_the_time_a_step_takes(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("gluon_cnn.training.metrics.time.monotonic", lambda: now[0])
    pace = Pace(seconds=1.0)
    waited = []
    for i in range(1, 41):
        now[0] += 0.125
        if pace.due():
            pace.waited()
            waited.append(i)
    assert waited == [1, 9, 17, 25, 33]


def test_books_accuracy_counts():
    scores = mx.nd.array([[0.1, 0.3, 0.6], [0.3, 0.2, 0.5]])
    assert accuracy(scores, mx.nd.array([0, 2])) == 1.0
    assert accuracy(mx.nd.array([0, 2]), mx.nd.array([0, 2])) == 2.0


def test_accumulator_and_timer():
    sums = Accumulator(2)
    sums.add(1, 2.5)
    sums.add(mx.nd.array([2]).asscalar(), 1)
    assert (sums[0], sums[1]) == (3.0, 3.5)
    sums.reset()
    assert sums.data == [0.0, 0.0]
    timer = Timer()
    first = timer.stop()
    timer.start()
    second = timer.stop()
    assert timer.sum() == first + second
    assert timer.avg() == (first + second) / 2
    assert timer.cumsum() == [first, first + second]


@pytest.mark.parametrize("devices", [[mx.cpu()], [mx.cpu(0), mx.cpu(1)]])
def test_classes_without_a_logit_for_any_image_are_counted_as_dead(sample, devices):
    net = nin()
    net.initialize(mx.init.Xavier(), ctx=devices)
    _, test_iter = sample(8, 96, test_size=16)
    net(next(iter(test_iter))[0].as_in_context(devices[0]))
    bias = mx.nd.ones(10)
    bias[[2, 6]] = -100
    net[-3][-1].bias.set_data(bias)
    sums = Sums()
    for _ in evaluation_steps(net, test_iter, devices, sums):
        pass
    assert sums.read().dead_classes == [2, 6]


def test_dead_classes_are_in_the_history(sample, np_arrays):
    net = lenet(edition="en")
    (result,) = train_ch6(net, *sample(250, seed=0), num_epochs=1, lr=0.1, device=mx.cpu())
    assert result.dead_classes == 0

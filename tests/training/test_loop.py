"""The loop over the steps of an epoch: in which order it works, where it ends, and what it counts."""

import mxnet as mx
import pytest
from mxnet import gluon

from gluon_cnn import lenet, nin
from gluon_cnn.training import loop
from gluon_cnn.training.metrics import Sums


@pytest.fixture
def training():
    """A network and its trainer."""
    net = lenet()
    net.initialize(mx.init.Xavier())
    net(mx.nd.zeros((1, 1, 28, 28)))
    return net, gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.5})


def test_batch_is_made_before_anybody_waits(sample, training):
    """For the step before, from which the epoch ends where it is asked to."""
    net, trainer = training
    sums, happened = Sums(steps=4), []

    def batches():
        for number, batch in enumerate(sample(256, seed=0)[0]):
            happened.append(f"batch {number}")
            yield batch

    def before_step(number):
        happened.append(f"before {number}")

    def after_step():
        happened.append(f"step {sums.steps}")
        return sums.steps == 6

    loop.train_epoch(net, batches(), trainer, [mx.cpu()], sums, before_step=before_step, after_step=after_step)
    assert happened == ["batch 0", "before 4", "batch 1", "step 5", "before 5", "batch 2", "step 6"]


@pytest.mark.parametrize("batch_size", [None, 40, lambda step: [40, 99][step]])
def test_gradient_is_divided_as_asked(sample, training, monkeypatch, batch_size):
    net, trainer = training
    divisors, step = [], gluon.Trainer.step

    def noting(trainer, size):
        divisors.append(size)
        step(trainer, size)

    monkeypatch.setattr(gluon.Trainer, "step", noting)
    batches = sample(40, train_size=60)[0]
    loop.train_epoch(net, batches, trainer, [mx.cpu()], Sums(), after_step=bool, batch_size=batch_size)
    expected = [40, 20] if batch_size is None else [40, 40] if batch_size == 40 else [40, 99]
    assert divisors == expected


def test_own_loss_is_used(sample, training):
    net, trainer = training
    sums = Sums()

    def loss(logits, labels):
        return mx.nd.ones(len(labels)) * 3 + 0 * logits.sum(axis=1)

    loop.train_epoch(net, sample(40, train_size=60)[0], trainer, [mx.cpu()], sums, after_step=bool, loss=loss)
    assert sums.read().mean_loss == 3.0
    assert (sums.images, sums.steps) == (60, 2)


def test_test_pass_ends_where_it_is_asked(sample, training):
    sums = Sums()
    loop.test_epoch(training[0], sample(64)[1], [mx.cpu()], sums, after_step=lambda: sums.steps == 2, split=None)
    assert (sums.read().images, sums.steps) == (128, 2)
    assert loop.count_correct(training[0], sample(64)[1], [mx.cpu()]).images == 500


@pytest.mark.parametrize("devices", [[mx.cpu()], [mx.cpu(0), mx.cpu(1)]])
def test_classes_without_any_logit_are_dead(sample, devices):
    net = nin()
    net.initialize(mx.init.Xavier(), ctx=devices)
    _, test_iter = sample(8, 96, test_size=16)
    net(next(iter(test_iter))[0].as_in_context(devices[0]))
    bias = mx.nd.ones(10)
    bias[[2, 6]] = -100
    net[-3][-1].bias.set_data(bias)
    assert loop.count_correct(net, test_iter, devices).dead_classes == [2, 6]

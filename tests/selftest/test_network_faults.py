"""A fault put into whole networks, their steps, and what is measured, and each is found; errors of any kind."""

import functools
import sys

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon

from gluon_cnn.selftest import networks
from gluon_cnn.selftest.check import Seen, difference, tried

DEVICE = mx.cpu(1)


def failed(checks):
    """The names of the checks that fail."""
    return [check.name for check in checks if not check.ok]


def changed(function, change):
    """A function whose result is changed."""
    return lambda *args, **options: change(function(*args, **options))


@pytest.fixture
def lenet_alone(monkeypatch):
    monkeypatch.setattr(networks, "list_models", lambda: ["lenet"])


def test_network_that_computes_something_else_is_found(lenet_alone, monkeypatch):
    monkeypatch.setattr(mx.sym, "Convolution", changed(mx.sym.Convolution, lambda y: 1.05 * y))
    assert failed(networks.check_networks(DEVICE)) == ["lenet against the CPU"]


def test_loss_that_is_not_finite_is_found(lenet_alone, monkeypatch):
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    train = functools.partial(networks.train_epoch, loss=lambda output, label: loss(output, label) * np.inf)
    monkeypatch.setattr(networks, "train_epoch", train)
    steps = list(networks.check_networks(DEVICE))[2]
    assert (steps.ok, steps.seen) == (False, "the loss is not a finite number")
    assert steps.numbers["losses"]


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_wrong_rate_of_an_optimiser_is_found(kind, lenet_alone, monkeypatch):
    def tripled(update, *args, **options):
        options.update({"lr": 3 * options["lr"]} if "lr" in options else {"lrs": [3 * lr for lr in options["lrs"]]})
        return update(*args, **options)

    module = sys.modules[getattr(mx.optimizer, kind).__module__]
    for name in [name for name in vars(module) if name.endswith("_update") and (kind == "Adam") == ("adam" in name)]:
        monkeypatch.setattr(module, name, functools.partial(tripled, getattr(module, name)))
    check = list(networks.check_networks(DEVICE))[1]
    assert (check.ok, check.untried, check.seen) == (False, False, "a step is off by 2.0e+00 of its size")


def test_answer_that_is_always_the_first_is_found(lenet_alone, monkeypatch):
    answers = changed(mx.nd.NDArray.argmax, lambda array: array * 0)
    monkeypatch.setattr(mx.nd.NDArray, "argmax", answers)
    assert failed(networks.check_networks(DEVICE)) == ["mean loss and correct answers"]


def test_mixed_precision_on_the_cpu_fails():
    (check,) = networks.check_mixed_precision(DEVICE)
    assert not check.ok
    assert (
        check.seen
        == "could not be tried: amp is for GPUs, and this run would be on cpu(1): leave it out, or name a GPU"
    )


def test_error_of_a_device_is_untried():
    def fails():
        raise mx.MXNetError("Traceback:\n  File x\nMXNetError: Check failed: e == cudaSuccess.")

    check = tried("layers", "relu", "It is broken.", fails)
    assert (check.ok, check.untried) == (False, True)
    assert check.seen == "could not be tried: MXNetError: Check failed: e == cudaSuccess"
    assert "says nothing about what the device computes" in check.meaning


def test_numbers_that_are_not_finite_are_none():
    check = tried("layers", "relu", "", lambda: Seen(False, "inf", {"difference": difference([np.nan], [1.0])}))
    assert check.numbers == {"difference": None}
    assert difference([1.0], [1.0, 2.0]) == np.inf

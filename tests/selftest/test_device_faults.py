"""A fault put into each thing that the self-test looks at, and each is found."""

import gluon_cnn

# isort: split
import errno

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon
from mxnet.gluon import nn

from gluon_cnn.data import scaled
from gluon_cnn.errors import RunStopped
from gluon_cnn.models.dropout import Dropout
from gluon_cnn.models.sequential import layers_of
from gluon_cnn.selftest import batches, dropout, layers, runs
from gluon_cnn.selftest.report import verdict

DEVICE = mx.cpu(1)


def failed(checks):
    """The names of the checks that fail."""
    return [check.name for check in checks if not check.ok]


def changed(function, change):
    """A function whose result is changed."""
    return lambda *args, **options: change(function(*args, **options))


def more(array):
    return array + 1e-3


def cases(monkeypatch, *names):
    """Let the self-test have these cases of layers alone."""
    monkeypatch.setattr(layers, "CASES", [case for case in layers.CASES if case.name.startswith(names)])


@pytest.mark.parametrize("number", [0, 1])
def test_every_layer_passes_on_the_cpu(number):
    found = list(layers.check_layers(mx.cpu(number), "float32", ""))
    assert failed(found) == []
    assert [check.name for check in found] == [case.name for case in layers.CASES]


@pytest.mark.parametrize(
    ("operator", "names"),
    [
        ("Convolution", ("convolution",)),
        ("FullyConnected", ("dense, 400", "dense, 6400")),
        ("Pooling", ("max pooling 2×2", "average pooling 2×2", "global average pooling", "global max pooling")),
        ("Activation", ("relu", "sigmoid", "tanh")),
        ("BatchNorm", ("batch normalisation, training", "batch normalisation, prediction")),
        ("log_softmax", ("softmax cross-entropy",)),
        ("concat", ("concatenation",)),
        ("LRN", ("local response normalisation",)),
    ],
)
def test_changed_kernel_is_found(operator, names, monkeypatch):
    others = ("relu", "concatenation") if operator not in ("Activation", "concat") else ("dense, 400",)
    cases(monkeypatch, *names, *others)
    monkeypatch.setattr(mx.nd, operator, changed(getattr(mx.nd, operator), more))
    found = list(layers.check_layers(DEVICE, "float32", "it is wrong"))
    assert sorted(failed(found)) == sorted(case.name for case in layers.CASES if case.name.startswith(names))
    assert {check.meaning for check in found} == {"it is wrong", ""}


@pytest.mark.parametrize("names", [("convolution 5×5",), ("dense, 400",), ("max pooling 2×2",)])
def test_changed_compiled_kernel_is_found(names, monkeypatch):
    cases(monkeypatch, *names)
    for operator in ("Convolution", "FullyConnected", "Pooling"):
        monkeypatch.setattr(mx.sym, operator, changed(getattr(mx.sym, operator), more))
    assert failed(layers.check_layers(DEVICE, "float32", "")) == [case.name for case in layers.CASES]


def test_changed_gradient_is_found(monkeypatch):
    cases(monkeypatch, "convolution 5×5", "relu")
    # The same output, and one part in a thousand less of the gradient.
    monkeypatch.setattr(
        mx.nd, "Activation", changed(mx.nd.Activation, lambda y: 0.999 * y + mx.nd.stop_gradient(0.001 * y))
    )
    assert failed(layers.check_layers(DEVICE, "float32", "")) == ["relu"]


def test_rounding_as_tf32_does_is_found(monkeypatch):
    def rounded(array):
        bits = array.asnumpy().view(np.int32)
        return mx.nd.array(((bits + (1 << 12)) & ~((1 << 13) - 1)).view(np.float32), ctx=array.ctx)

    def in_tf32(x, weight, bias, **options):
        return product(x + mx.nd.stop_gradient(rounded(x) - x), rounded(weight), bias, **options)

    product = mx.nd.FullyConnected
    cases(monkeypatch, "dense", "relu")
    monkeypatch.setattr(mx.nd, "FullyConnected", in_tf32)
    with_data = list(layers.check_layers(DEVICE, "float32", ""))
    assert failed(with_data) == ["dense, 400 to 120", "dense, 6400 to 512"]


def test_statistics_that_stay_are_found(monkeypatch):
    cases(monkeypatch, "batch normalisation, training")
    normalise = mx.nd.BatchNorm
    monkeypatch.setattr(
        mx.nd, "BatchNorm", lambda x, g, b, mean, var, **options: normalise(x, g, b, mean.copy(), var.copy(), **options)
    )
    assert failed(layers.check_layers(DEVICE, "float32", "")) == ["batch normalisation, training"]


def test_layers_of_all_networks_have_a_case():
    kinds = {type(case.make()) for case in layers.CASES}
    for name in gluon_cnn.list_models():
        for layer in layers_of(gluon_cnn.get_model(name)):
            assert type(layer) in {*kinds, Dropout, nn.Flatten}, name


def test_half_precision_is_of_products_alone(monkeypatch):
    assert {case.name.split()[0].rstrip(",") for case in layers.HALF} == {"convolution", "dense"}
    monkeypatch.setattr(layers, "HALF", layers.HALF[-3:])
    found = list(layers.check_layers(DEVICE, "float16", "not here"))
    assert [check.name for check in found] == [case.name for case in layers.HALF]
    assert all("could not be tried: MXNetError: " in check.seen for check in found)  # the CPU has no such kernels


@pytest.fixture
def few_images(monkeypatch):
    monkeypatch.setattr(batches, "_IMAGES", 32)


def cut_off(images, size, **options):
    """MXNet's resize on a GPU."""
    levels = batches._bilinear(images.asnumpy()[..., 0].astype(float), size[0])
    return mx.nd.array(np.floor(levels)[..., np.newaxis], dtype="uint8")


def test_resize_that_cuts_off_is_found(few_images, monkeypatch):
    monkeypatch.setattr(mx.nd.image, "resize", cut_off)
    found = list(batches.check_batches(DEVICE))
    assert failed(found) == ["28 pixels resized to 96", "28 pixels resized to 224"]
    assert "of the pixels are not the rounded grey level" in found[1].seen


def test_resize_that_cuts_off_there_is_found(few_images, monkeypatch):
    resize, load = mx.nd.image.resize, batches._batches

    def load_there(device, **options):
        monkeypatch.setattr(mx.nd.image, "resize", cut_off if device == DEVICE else resize)
        return load(device, **options)

    monkeypatch.setattr(batches, "_batches", load_there)
    found = list(batches.check_batches(DEVICE))
    assert failed(found) == ["28 pixels resized to 96", "28 pixels resized to 224"]
    assert "numbers differ" in found[1].seen


def test_other_grey_levels_are_found(few_images, monkeypatch):
    def divide(images, by, out, dtype):
        out[...] = images.astype(dtype) / 256
        return out

    scaled._levels.cache_clear()
    monkeypatch.setattr("gluon_cnn.data.scaled.np.true_divide", divide)
    assert "28 pixels" in failed(batches.check_batches(DEVICE))
    scaled._levels.cache_clear()  # or other tests would have them


def test_order_that_is_not_decided_is_found(few_images, monkeypatch):
    monkeypatch.setattr("gluon_cnn.data.batches.numpy_stream", lambda *_: np.random)
    assert failed(batches.check_batches(DEVICE))[0] == "28 pixels"


class Unseeded(Dropout):
    """As cuDNN's, which no seed reaches."""

    def hybrid_forward(self, F, x):
        mask = np.random.uniform(size=x.shape) > self._rate
        return x * mx.nd.array(mask, ctx=x.ctx) / (1 - self._rate)

    def hybridize(self, *args, **options):
        pass


def test_mask_that_is_not_seeded_is_found(monkeypatch):
    monkeypatch.setattr(dropout, "Dropout", Unseeded)
    found = list(dropout.check_dropout(DEVICE))
    assert failed(found) == ["decided by the seed"]
    assert found[1].seen == "other units for the same seed"


def test_dropout_of_one_network_is_looked_at(monkeypatch):
    monkeypatch.setattr("gluon_cnn.models.nin.Dropout", Unseeded)
    assert failed(dropout.check_dropout(DEVICE)) == ["decided by the seed"]


def test_seed_that_is_ignored_is_found(monkeypatch):
    seed = mx.random.seed
    monkeypatch.setattr(mx.random, "seed", lambda *_: seed(3))
    assert [check.seen for check in dropout.check_dropout(DEVICE)][1] == "the same units for another seed"
    monkeypatch.setattr(mx.random, "seed", lambda *_: None)
    assert failed(dropout.check_dropout(DEVICE)) == ["decided by the seed"]


def test_dropout_without_its_scale_is_found(monkeypatch):
    monkeypatch.setattr(mx.nd, "Dropout", changed(mx.nd.Dropout, lambda y: 0.75 * y))
    assert failed(dropout.check_dropout(DEVICE)) == ["values and gradients"]


@pytest.fixture
def nin_alone(monkeypatch):
    monkeypatch.delitem(runs._RUNS, "lenet")


def test_resume_that_loses_the_states_is_found(nin_alone, monkeypatch):
    monkeypatch.setattr("gluon_cnn.training.train_run.load_states", lambda trainer, states: None)
    found = list(runs.check_runs(DEVICE))
    assert failed(found) == ["nin, stopped and resumed"]
    assert "parameters, the optimiser's states, losses and accuracies differ, parameters by " in found[0].seen


def test_run_that_is_not_decided_is_found(nin_alone, monkeypatch):
    step = gluon.Trainer.step

    def noisy(trainer, *args):
        step(trainer, *args)
        parameter = trainer._params[0]
        parameter.set_data(parameter.data() * (1 + 1e-6 * np.random.randn()))

    monkeypatch.setattr(gluon.Trainer, "step", noisy)
    assert failed(runs.check_runs(DEVICE)) == ["nin, stopped and resumed", "nin, twice, in two processes"]


def test_unseeded_dropout_of_a_run_is_found(nin_alone, monkeypatch):
    monkeypatch.setattr("gluon_cnn.training.epochs.seed_mxnet", lambda *_: None)
    assert "nin, stopped and resumed" in failed(runs.check_runs(DEVICE))


@pytest.mark.parametrize(
    ("code", "seconds", "words"),
    [
        ("import sys; sys.exit('no such device')", 300, "ended with 1: no such device"),
        ("import os; os.kill(os.getpid(), 9)", 300, "ended with -9: without a word"),
        ("import time; time.sleep(60)", 0.1, "had not ended after 0.1 s"),
    ],
)
def test_process_that_ends_or_hangs_is_untried(code, seconds, words, nin_alone, monkeypatch):
    monkeypatch.setattr(runs, "_CODE", code)
    monkeypatch.setattr(runs, "_SECONDS", seconds)
    check = list(runs.check_runs(DEVICE))[1]
    assert (check.ok, check.untried, check.seen) == (False, True, f"could not be tried: the other process {words}")
    assert "bits" not in check.meaning


def test_no_place_for_the_runs_is_untried(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    found = list(runs.check_runs(DEVICE))
    assert len(failed(found)) == 4
    assert all(check.untried and "No such file or directory" in check.seen for check in found)
    assert all("set TMPDIR" in check.meaning for check in found)


def test_full_disk_is_no_other_result(nin_alone, monkeypatch):
    def full(*args, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("gluon_cnn.training.saver.write_checkpoint", full)
    found = list(runs.check_runs(DEVICE))
    assert all(check.untried and "No space left on device" in check.seen for check in found)
    assert verdict(found, DEVICE, 1) == "cpu(1) passes 0 of 2 checks, 2 could not be tried, in 1 s"


def test_stop_by_somebody_else_ends_the_test(nin_alone, monkeypatch):
    def stopped(*args, **options):
        raise RunStopped("stopped by SIGINT", 2)

    monkeypatch.setattr(runs, "train_run", stopped)
    with pytest.raises(KeyboardInterrupt):
        list(runs.check_runs(DEVICE))

"""Contexts, and what is said of a GPU that cannot be used."""

import mxnet as mx
import pytest

from gluon_cnn.errors import DeviceError
from gluon_cnn.runtime import devices
from gluon_cnn.runtime.devices import gpu_problem, parse_context, try_all_gpus, try_gpu

needs_cpu_wheel = pytest.mark.skipif(
    mx.runtime.Features().is_enabled("CUDA"), reason="the GPU build of MXNet is installed"
)


class Cuda:
    """MXNet's features with CUDA among them."""

    def is_enabled(self, feature):
        return True


@pytest.fixture
def gpus(monkeypatch):
    """A function that makes MXNet see so many GPUs, on which operations end with an error (or work)."""

    def pretend(number, error=None, capability=None):
        monkeypatch.setattr(mx.runtime, "Features", Cuda)
        monkeypatch.setattr(mx.context, "num_gpus", lambda: number)
        monkeypatch.setattr(devices, "_compute_capability", lambda index: capability)
        ones = mx.nd.ones

        def on_gpu(shape, ctx):
            if error:
                raise mx.MXNetError(error)
            return ones(shape)

        monkeypatch.setattr(mx.nd, "ones", on_gpu)

    return pretend


def test_cpus_are_read_from_a_list():
    assert parse_context("cpu") == [mx.cpu()]
    assert parse_context("cpu:0,1") == [mx.cpu(0), mx.cpu(1)]


@pytest.mark.parametrize("text", ["tpu", "", "gpu:", "gpu:-1", "cpu:0,", "cpu;0", "cpu:99999", "gpu:x"])
def test_text_that_is_no_context(text):
    with pytest.raises(DeviceError, match="There is no context") as caught:
        parse_context(text)
    assert caught.value.settings == ("ctx",)


def test_device_named_twice_is_refused():
    with pytest.raises(DeviceError, match="twice"):
        parse_context("cpu:0,0")


@needs_cpu_wheel
def test_cpu_wheel_is_named_and_auto_takes_cpu():
    with pytest.raises(DeviceError, match=r"CPU build of MXNet is installed.*\.\[cu112\]"):
        parse_context("gpu")
    assert parse_context("auto") == [mx.cpu()]
    assert try_gpu() == mx.cpu()
    assert try_all_gpus() == [mx.cpu()]


def test_missing_gpu_or_driver_is_named(gpus):
    gpus(0)
    with pytest.raises(DeviceError, match="no NVIDIA GPU or no driver"):
        parse_context("gpu")


def test_gpus_that_work_are_taken(gpus):
    gpus(2)
    assert parse_context("gpu:0,1") == [mx.gpu(0), mx.gpu(1)]
    assert try_gpu(1) == mx.gpu(1)
    assert try_all_gpus() == [mx.gpu(0), mx.gpu(1)]
    with pytest.raises(DeviceError, match=r"gpu:2 cannot be used, because there are only the GPUs 0 to 1"):
        parse_context("gpu:0,2")


def test_gpu_without_kernels_is_refused(gpus):
    gpus(1, error="CUDA: no kernel image is available for execution on the device", capability=(9, 0))
    with pytest.raises(DeviceError, match=r"its compute capability is 9.0, and .* 5.0 to 8.9 only"):
        parse_context("gpu")
    assert try_gpu() == mx.cpu()


def test_auto_says_why_it_takes_no_gpu(gpus, caplog):
    gpus(1, error="CUDA: no kernel image is available for execution on the device", capability=(12, 0))
    with caplog.at_level("INFO", logger="gluon_cnn"):
        assert parse_context("auto") == [mx.cpu()]
    assert "no GPU is used, because its compute capability is 12.0" in caplog.text


def test_gpu_that_fails_gives_mxnets_reason(gpus):
    gpus(1, error="Traceback:\n  CUDA: out of memory", capability=(8, 0))
    assert "CUDA: out of memory" in gpu_problem()


@needs_cpu_wheel
def test_training_never_replaces_a_gpu_silently(fails):
    assert "gpu:0 cannot be used" in fails("train", "lenet", "--ctx", "gpu", "--data", "sample")

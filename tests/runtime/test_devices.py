"""Contexts, and what is said of a GPU that cannot be used."""

import os

import mxnet as mx
import pytest
from libraries import CUDA_11_NEEDS, Driver, put_driver

from gluon_cnn.errors import DeviceError
from gluon_cnn.runtime import devices
from gluon_cnn.runtime.build import CUDA_11_WHEELS, Build, Kernels
from gluon_cnn.runtime.devices import gpu_problem, parse_context, try_all_gpus, try_gpu

needs_cpu_wheel = pytest.mark.skipif(
    mx.runtime.Features().is_enabled("CUDA"), reason="the GPU build of MXNet is installed"
)

HOPPER = Kernels(frozenset({(9, 0)}))


class Cuda:
    """MXNet's features with CUDA among them."""

    def is_enabled(self, feature):
        return True


@pytest.fixture
def gpus(monkeypatch):
    """A function that makes MXNet see so many GPUs, on which operations end with an error (or work)."""

    def pretend(number, error=None, kernels=CUDA_11_WHEELS, needs=CUDA_11_NEEDS, **driver):
        monkeypatch.setattr(mx.runtime, "Features", Cuda)
        monkeypatch.setattr(mx.context, "num_gpus", lambda: number)
        has = Build("libmxnet.so", needs, has_gpu_code=True)
        monkeypatch.setattr(Build, "kernels", kernels)
        monkeypatch.setattr(devices, "installed_build", lambda: has)
        put_driver(monkeypatch, Driver(**driver))
        devices._try_in_a_process.cache_clear()
        ones = mx.nd.ones

        def on_gpu(shape, ctx):
            if error:
                raise mx.MXNetError(error)
            return ones(shape)

        monkeypatch.setattr(mx.nd, "ones", on_gpu)

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    yield pretend
    devices._try_in_a_process.cache_clear()


@pytest.fixture
def no_operation(monkeypatch):
    """Let an operation of this process fail the test, as one on a GPU can end the process."""

    def never(index):
        raise AssertionError("an operation on a GPU that may end the process")

    monkeypatch.setattr(devices, "failure_on", never)


@pytest.fixture
def child(monkeypatch):
    """A function that lets the process that tries a GPU run some code instead."""
    return lambda code: monkeypatch.setattr(devices, "_TRIAL", code)


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
    with pytest.raises(DeviceError, match=r"CPU build of MXNet is installed.*\[cu112\]"):
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


@pytest.mark.parametrize(
    ("capability", "kernels", "words"),
    [
        (
            (9, 0),
            CUDA_11_WHEELS,
            "its compute capability is 9.0, and this build of MXNet has kernels for 5.0 to 8.9 only",
        ),
        (
            (3, 7),
            CUDA_11_WHEELS,
            "its compute capability is 3.7, and this build of MXNet has kernels for 5.0 to 8.9 only",
        ),
        ((8, 0), HOPPER, "its compute capability is 8.0, and this build of MXNet has kernels for 9.0 to 9.9 only"),
    ],
)
def test_gpu_without_kernels_is_never_tried(gpus, no_operation, capability, kernels, words):
    gpus(1, capability=capability, kernels=kernels)
    with pytest.raises(DeviceError, match=f"^gpu:0 cannot be used, because {words}"):
        parse_context("gpu")
    assert try_gpu() == mx.cpu()


def test_kernels_that_the_build_has_are_used(gpus):
    gpus(1, capability=(9, 0), kernels=HOPPER)
    assert parse_context("auto") == [mx.gpu()]


def test_auto_says_why_it_takes_no_gpu(gpus, no_operation, caplog):
    gpus(1, capability=(12, 0))
    with caplog.at_level("INFO", logger="gluon_cnn"):
        assert parse_context("auto") == [mx.cpu()]
    assert "no GPU is used, because its compute capability is 12.0" in caplog.text


def test_full_or_busy_gpu_is_never_tried(gpus, no_operation):
    gpus(1, errors={"cuDevicePrimaryCtxRetain": 2})
    assert gpu_problem().startswith("NVIDIA's driver says: out of memory: end another program")


def test_gpu_that_fails_gives_mxnets_reason(gpus):
    gpus(1, error="Traceback:\n  CUDA: out of memory")
    assert "CUDA: out of memory" in gpu_problem()


UNSURE = pytest.mark.parametrize(
    "unsure",
    [{"kernels": None}, {"errors": {"cuDeviceGetAttribute": 1}}, {"free": 100 << 20}],
    ids=["kernels", "capability", "memory"],
)


@UNSURE
def test_unsure_gpu_is_tried_in_another_process(gpus, no_operation, child, unsure):
    gpus(1, **unsure)
    child(f"print({devices._MARK!r})")
    assert parse_context("auto") == [mx.gpu()]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os; os.abort()", "it ended a process by SIGABRT: 'without a word'"),
        (
            "import os, sys; sys.stderr.write('terminate called\\n  what():  no kernel image\\n'); os.abort()",
            "this build of MXNet has no kernels for it (it ended a process by SIGABRT: 'what(): no kernel image')",
        ),
        (
            f"print({devices._MARK!r}, 'CUDA: an illegal memory access')",
            "an operation on it failed (CUDA: an illegal memory access)",
        ),
        ("pass", "an operation on it failed (a process that tried it gave no answer)"),
        ("raise SystemExit('gone')", "it ended a process by exit code 1: 'gone'"),
    ],
)
@UNSURE
def test_death_of_that_process_is_reported(gpus, no_operation, child, code, reason, unsure):
    gpus(1, **unsure)
    child(code)
    assert reason in gpu_problem()
    with pytest.raises(DeviceError):
        parse_context("gpu")


def test_other_words_of_that_process_are_no_failure(gpus, no_operation, child):
    gpus(1, kernels=None)
    child(f"print('welcome', end=''); print({chr(10) + devices._MARK!r}, ''); print('goodbye')")
    assert gpu_problem() is None


@needs_cpu_wheel
def test_sitecustomize_may_print(gpus, no_operation, tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text("print('welcome', end='')\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]))
    gpus(1, kernels=None)
    assert "welcome" not in gpu_problem()


def test_process_that_hangs_is_given_up(gpus, no_operation, child, monkeypatch):
    gpus(1, kernels=None)
    monkeypatch.setattr(devices, "_TRIAL_TIMEOUT", 0.2)
    child("import time; time.sleep(60)")
    assert "a trial took more than 0.2 seconds" in gpu_problem()


@needs_cpu_wheel
def test_process_tries_what_this_one_would(gpus, no_operation):
    gpus(1, kernels=None)
    assert "is not implemented for GPU" in gpu_problem()  # by MXNet itself, in the process


def test_driver_that_is_too_old_is_named(gpus):
    gpus(0, version=10020)
    assert gpu_problem() == (
        "NVIDIA's driver is too old: it runs CUDA 10.2, and this build of MXNet needs CUDA 11: update the driver"
    )
    gpus(0, version=12080, needs=("libcudart.so.13",))
    assert "it runs CUDA 12.8, and this build of MXNet needs CUDA 13" in gpu_problem()


def test_hidden_gpus_are_named_by_their_variable(gpus, monkeypatch):
    gpus(0)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    assert gpu_problem() == "CUDA_VISIBLE_DEVICES is '7', which shows MXNet no GPU: change or unset it"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpu_problem().startswith("CUDA_VISIBLE_DEVICES is ''")
    gpus(1)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    assert gpu_problem(1) == "there is only gpu:0 of those that CUDA_VISIBLE_DEVICES='3' shows"


def test_driver_that_does_not_start_says_why(gpus):
    gpus(0, errors={"cuInit": 100})  # it has no GPU, which is known
    assert gpu_problem() == "MXNet finds no NVIDIA GPU or no driver for it: check that nvidia-smi lists one"
    gpus(0, errors={"cuInit": 802})
    assert gpu_problem().startswith("NVIDIA's driver says: system not yet initialized: start NVIDIA's fabric manager")


@needs_cpu_wheel
def test_training_never_replaces_a_gpu_silently(fails):
    assert "gpu:0 cannot be used" in fails("train", "lenet", "--ctx", "gpu", "--data", "sample")

"""What NVIDIA's driver is asked before MXNet is, with a stand-in for its library."""

import libraries
import pytest
from libraries import Driver, put_driver

from gluon_cnn.runtime import driver


def test_driver_tells_version_and_compute_capability(monkeypatch):
    stand_in = Driver(version=11040, capability=(7, 5), free=5 << 20)
    put_driver(monkeypatch, stand_in)
    assert driver.cuda_version() == (11, 4)
    assert driver.capability(0) == (7, 5)
    assert driver.open_gpu(0) == (5 << 20, None)
    assert stand_in.held == 0  # or no other process could try a GPU that is for one alone
    assert driver.start() is None


def test_nothing_is_known_without_a_driver(monkeypatch):
    put_driver(monkeypatch, None)
    assert (driver.cuda_version(), driver.capability(0), driver.start()) == (None, None, None)
    assert driver.open_gpu(0) == (None, None)


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        (2, "NVIDIA's driver says: out of memory: end another program that has its memory"),
        (46, "NVIDIA's driver says: CUDA-capable device(s) is/are busy or unavailable: another program may have it"),
        (802, "NVIDIA's driver says: system not yet initialized: start NVIDIA's fabric manager"),
        (999, "NVIDIA's driver says: error 999: check that nvidia-smi lists it as healthy"),
    ],
)
def test_gpu_that_cannot_be_opened(monkeypatch, code, problem):
    put_driver(monkeypatch, Driver(errors={"cuDevicePrimaryCtxRetain": code}))
    free, found = driver.open_gpu(0)
    assert free is None
    assert found.startswith(problem)
    put_driver(monkeypatch, Driver(errors={"cuInit": code}))
    assert driver.start() == found
    assert driver.capability(0) is None


def test_answer_that_is_missing_is_none(monkeypatch):
    put_driver(monkeypatch, Driver(errors={"cuDriverGetVersion": 1, "cuDeviceGetAttribute": 1, "cuMemGetInfo_v2": 1}))
    assert (driver.cuda_version(), driver.capability(0), driver.open_gpu(0)) == (None, None, (None, None))
    put_driver(monkeypatch, Driver(errors={"cuDeviceGet": 101, "cuCtxPushCurrent_v2": 1}))
    assert driver.capability(0) is None
    assert driver.open_gpu(0).problem.startswith("NVIDIA's driver says: error 101")


def test_words_of_the_driver_stay_in_one_line(monkeypatch):
    said = b"out\n of \x1b[2J memory\xff"
    words = {"cuGetErrorString": lambda driver, code, text: setattr(text._obj, "value", said)}
    names = {
        "cuDeviceGetName": lambda driver, text, size, device: setattr(text, "value", b"GPU\r\n\x1b]0;x \xe2\x80\xae")
    }
    monkeypatch.setattr(libraries, "_FUNCTIONS", {**libraries._FUNCTIONS, **words, **names})
    put_driver(monkeypatch, Driver(errors={"cuInit": 2}))
    assert driver.start().startswith("NVIDIA's driver says: out of [2J memory\ufffd: end another")
    put_driver(monkeypatch, Driver())
    assert driver.name(0) == "GPU ]0;x"


def test_driver_without_a_function_says_nothing(monkeypatch):
    put_driver(monkeypatch, object())
    assert (driver.cuda_version(), driver.capability(0), driver.open_gpu(0)) == (None, None, (None, None))
    assert driver.start().startswith("NVIDIA's driver says: error 500")

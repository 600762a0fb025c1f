"""The CUDA libraries of a GPU build, and what is set before it is imported."""

import ctypes
import os
import sys
from pathlib import Path

import pytest
from libraries import CUDA_11_NEEDS, Driver, library, put_driver

from gluon_cnn.runtime import cuda
from gluon_cnn.runtime.build import Build

NEW = Driver(version=12040)
SET = (*cuda.VARIABLES, cuda.FUSION)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A function that lets a build be installed, with all of PyPI's CUDA 11 packages and NVIDIA's driver; and the list
    of the libraries that are loaded."""
    for package, name in cuda.CUDA_LIBRARIES:
        path = tmp_path / "nvidia" / package / "lib" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in SET:
        monkeypatch.setenv(name, "")  # restored at the end
        monkeypatch.delenv(name)
    loaded = []

    def put(needs=CUDA_11_NEEDS, has_gpu_code=True, compiler=(11, 8), driver=NEW):
        monkeypatch.setattr(cuda, "installed_build", lambda: Build("libmxnet.so", needs, has_gpu_code))
        monkeypatch.setattr(
            ctypes, "CDLL", lambda path, mode=None: loaded.append(Path(path).name) or Compiler(compiler)
        )
        put_driver(monkeypatch, driver)
        loaded.clear()
        return loaded

    return put


class Compiler:
    """NVRTC's library, which only tells its version."""

    def __init__(self, version):
        self.version = version

    def nvrtcVersion(self, major, minor):
        major._obj.value, minor._obj.value = self.version
        return 0


def values():
    return {name: os.environ[name] for name in SET if name in os.environ}


def test_libraries_are_loaded_for_cuda_11_only(installed):
    order = [library for _, library in cuda.CUDA_LIBRARIES]  # each after those it depends on
    loaded = installed()
    cuda.prepare_for_cuda()
    assert loaded[: len(order)] == order
    for needs, has_gpu_code in ((("libc.so.6",), False), (("libcudart.so.13", "libcudnn.so.9"), True)):
        loaded = installed(needs, has_gpu_code)
        cuda.prepare_for_cuda()
        assert loaded == []


def test_float32_and_determinism_with_any_gpu_build(installed, monkeypatch):
    installed(has_gpu_code=False)
    cuda.prepare_for_cuda()
    assert values() == {}
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "1")
    installed(("libcudart.so.13",))
    cuda.prepare_for_cuda()
    assert values() == {**cuda.VARIABLES, "NVIDIA_TF32_OVERRIDE": "1"}


@pytest.mark.parametrize(
    ("driver", "compiler", "fusion"),
    [
        (11040, (11, 8), "0"),  # a driver before 520
        (11070, (11, 8), "0"),
        (11080, (11, 8), None),
        (12040, (11, 8), None),
        (12040, (13, 3), "0"),
        (11040, (11, 2), None),
    ],
)
def test_fusion_needs_a_driver_for_its_compiler(installed, monkeypatch, driver, compiler, fusion):
    installed(compiler=compiler, driver=Driver(version=driver))
    cuda.prepare_for_cuda()
    assert values().get("MXNET_USE_FUSION") == fusion
    monkeypatch.setenv("MXNET_USE_FUSION", "1")
    cuda.prepare_for_cuda()
    assert os.environ["MXNET_USE_FUSION"] == "1"  # what the user has set stays


def test_fusion_stays_where_nothing_is_known(installed, monkeypatch):
    for options in ({"driver": None}, {"needs": ("libcudart.so.11.0",), "driver": Driver(version=11040)}):
        installed(**options)
        cuda.prepare_for_cuda()
        assert "MXNET_USE_FUSION" not in values()


def test_module_named_nvidia_has_no_libraries(tmp_path, monkeypatch):
    (tmp_path / "nvidia.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "nvidia", raising=False)
    assert set(cuda.cuda_libraries().values()) == {None}


def test_cuda_library_that_is_cut_off(installed, tmp_path):
    installed()
    path = library(tmp_path / "nvidia" / "cuda_runtime" / "lib" / "libcudart.so.11.0")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(OSError, match="cut off") as caught:
        cuda.prepare_for_cuda()
    advice = (
        f"libcudart.so.11.0 is cut off: pip uninstall -y nvidia-cuda-runtime-cu11, then {cuda.install_hint('cu112')}"
    )
    assert advice in cuda.explain_missing_library(str(caught.value))


@pytest.mark.parametrize("reason", ["file too short", "invalid ELF header", "ELF load command past end of file"])
def test_damaged_library_is_removed_first(reason):
    message = cuda.explain_missing_library(f"/a/mxnet/libmxnet.so: {reason}")
    assert message.startswith(
        f"MXNet cannot be loaded, because libmxnet.so is damaged ({reason}): pip uninstall -y mxnet"
    )
    message = cuda.explain_missing_library(f"/a/nvidia/cudnn/lib/libcudnn.so.8: {reason}")
    assert "pip uninstall -y nvidia-cudnn-cu11, then pip install" in message
    message = cuda.explain_missing_library(f"/lib/libgomp.so.1: {reason}")
    assert message.endswith(f"libgomp.so.1 is damaged ({reason}): install again what brings it.")


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("libcudnn.so.8", cuda.install_hint("cu112")),
        ("libcusolver.so.11", cuda.install_hint("cu112")),
        ("libcudart.so.13", "install the CUDA that this build was made for (docs/gpu.md), or another build"),
        ("libnccl.so.3", "install the CUDA that this build was made for (docs/gpu.md), or another build"),
        ("libgfortran.so.3", cuda.INSTALL_HINT),
    ],
)
def test_missing_library_says_what_brings_it(name, advice):
    message = cuda.explain_missing_library(f"{name}: cannot open shared object file: No such file or directory")
    assert message == f"MXNet cannot be loaded, because {name} is missing: {advice}."

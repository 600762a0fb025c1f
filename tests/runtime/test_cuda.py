"""The CUDA libraries of the GPU wheel, and the GPUs that it has kernels for."""

import os
from pathlib import Path

import pytest

from gluon_cnn.runtime import cuda


@pytest.fixture
def libraries(tmp_path, monkeypatch):
    """PyPI's folder ``nvidia`` with an empty file for each library."""
    for package, library in cuda.CUDA_LIBRARIES:
        path = tmp_path / "nvidia" / package / "lib" / library
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in cuda._VARIABLES:
        monkeypatch.setenv(name, "")  # restored at the end
        monkeypatch.delenv(name)


def test_libraries_are_loaded_for_the_gpu_wheel_only(libraries, monkeypatch):
    loaded = []
    monkeypatch.setattr(cuda.ctypes, "CDLL", lambda path, mode: loaded.append(Path(path).name))
    monkeypatch.setattr(cuda, "is_installed", lambda wheel: False)
    cuda.prepare_for_cuda()
    assert loaded == []
    monkeypatch.setattr(cuda, "is_installed", lambda wheel: wheel == "mxnet-cu112")
    cuda.prepare_for_cuda()
    assert loaded == [library for _, library in cuda.CUDA_LIBRARIES]  # each after those it depends on


def test_float32_and_determinism_with_the_gpu_wheel(libraries, monkeypatch):
    monkeypatch.setattr(cuda.ctypes, "CDLL", lambda path, mode: None)
    monkeypatch.setattr(cuda, "is_installed", lambda wheel: False)
    cuda.prepare_for_cuda()
    assert not set(cuda._VARIABLES) & set(os.environ)
    monkeypatch.setattr(cuda, "is_installed", lambda wheel: wheel == "mxnet-cu112")
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "1")
    cuda.prepare_for_cuda()
    assert {name: os.environ[name] for name in cuda._VARIABLES} == {**cuda._VARIABLES, "NVIDIA_TF32_OVERRIDE": "1"}


@pytest.mark.parametrize(
    ("capability", "expected"), [((3, 7), False), ((5, 0), True), ((7, 5), True), ((8, 9), True), ((9, 0), False)]
)
def test_wheels_have_kernels_up_to_8_9(capability, expected):
    assert cuda.has_kernels(capability) is expected

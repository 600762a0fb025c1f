"""The CUDA libraries of the GPU wheel, and the GPUs that it has kernels for."""

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


def test_libraries_are_loaded_for_the_gpu_wheel_only(libraries, monkeypatch):
    loaded = []
    monkeypatch.setattr(cuda.ctypes, "CDLL", lambda path, mode: loaded.append(Path(path).name))
    monkeypatch.setattr(cuda, "is_installed", lambda wheel: False)
    cuda.load_cuda_libraries()
    assert loaded == []
    monkeypatch.setattr(cuda, "is_installed", lambda wheel: wheel == "mxnet-cu112")
    cuda.load_cuda_libraries()
    assert loaded == [library for _, library in cuda.CUDA_LIBRARIES]  # each after those it depends on


@pytest.mark.parametrize(
    ("capability", "expected"), [((3, 7), False), ((5, 0), True), ((7, 5), True), ((8, 9), True), ((9, 0), False)]
)
def test_wheels_have_kernels_up_to_8_9(capability, expected):
    assert cuda.has_kernels(capability) is expected

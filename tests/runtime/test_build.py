"""What a build of MXNet is made for, read in its library."""

import struct

import mxnet as mx
import pytest
from libraries import CUDA_11_IMAGES, CUDA_11_NEEDS, library

from gluon_cnn.runtime import build, installation
from gluon_cnn.runtime.build import CUDA_11_WHEELS, Kernels, cpu_build, installed_build, is_cut_off, read_build


@pytest.mark.parametrize(
    ("images", "runs", "fails", "words"),
    [
        (CUDA_11_IMAGES, [(5, 0), (7, 5), (8, 6), (8, 9)], [(3, 7), (9, 0), (12, 0)], "5.0 to 8.9"),
        # With kernels for Hopper written over the others; a build for 8.0 to 12.0, and PTX; NVIDIA's container.
        ([(2, 90)], [(9, 0)], [(8, 0), (10, 0)], "9.0 to 9.9"),
        (
            [(2, 80), (2, 86), (2, 89), (2, 90), (2, 100), (2, 120), (1, 120)],
            [(8, 0), (9, 0), (10, 3), (12, 1), (13, 0)],
            [(7, 5), (11, 0)],
            "8.0 to 10.9, 12.0 and later",
        ),
        ([(2, 60), (2, 70), (2, 75), (2, 80), (2, 90)], [(6, 1), (9, 0)], [(5, 2), (10, 0)], "6.0 to 9.9"),
        ([(2, 75), (1, 75)], [(7, 5), (12, 0)], [(7, 0)], "7.5 and later"),
        ([(2, 75), (2, 86)], [(7, 5), (8, 9)], [(8, 0)], "7.5 to 7.9, 8.6 to 8.9"),
    ],
)
def test_kernels_are_read_in_the_library(tmp_path, images, runs, fails, words):
    found = read_build(library(tmp_path / "libmxnet.so", CUDA_11_NEEDS, images))
    assert (found.needs, found.cuda, found.has_gpu_code) == (CUDA_11_NEEDS, 11, True)
    assert str(found.kernels) == words
    assert all(map(found.kernels.run_on, runs))
    assert not any(map(found.kernels.run_on, fails))


def test_kernels_of_pypis_wheels_are_known(tmp_path):
    assert read_build(library(tmp_path / "libmxnet.so", (), CUDA_11_IMAGES)).kernels == CUDA_11_WHEELS


def test_build_without_cuda_has_no_kernels(tmp_path):
    found = read_build(library(tmp_path / "libmxnet.so", ("libc.so.6",)))
    assert (found.has_gpu_code, found.kernels, found.cuda) == (False, None, None)


@pytest.mark.parametrize("images", [(), None])
def test_unreadable_kernels_are_not_known(tmp_path, images):
    path = library(tmp_path / "libmxnet.so", (), [(2, 80)] if images is None else images)
    if images is None:
        path.write_bytes(path.read_bytes().replace(b"\x50\xed\x55\xba", bytes(4)))  # packed in another way
    assert (read_build(path).has_gpu_code, read_build(path).kernels) == (True, None)


def test_library_that_is_cut_off_is_known(tmp_path):
    path = library(tmp_path / "libmxnet.so", CUDA_11_NEEDS)
    whole = path.read_bytes()
    assert not is_cut_off(path)
    for size in range(64, len(whole), 8):
        path.write_bytes(whole[:size])
        assert is_cut_off(path)
    # One segment, whose last byte is missing, where the table of sections comes first or there is none.
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, 121, 121, 4096)
    header = whole[:32] + struct.pack("<QQ", 64, 0) + whole[48:54] + struct.pack("<HHHHH", 56, 1, 0, 0, 0)
    path.write_bytes(header + segment)
    assert is_cut_off(path)
    path.write_bytes(header + segment + b"\0")
    assert not is_cut_off(path)


def test_build_that_is_installed_is_read():
    found = installed_build()
    assert found.path == mx.libinfo.find_lib_path()[0]
    assert found.has_gpu_code is mx.runtime.Features().is_enabled("CUDA")
    assert "libc.so.6" in found.needs
    assert not is_cut_off(found.path)


def test_library_of_the_environment_comes_first(tmp_path, monkeypatch):
    path = library(tmp_path / "libmxnet.so", ("libcudart.so.13",), [(2, 120)])
    monkeypatch.setenv("MXNET_LIBRARY_PATH", str(path))
    assert (installed_build().path, installed_build().cuda) == (str(path), 13)
    for name, value in (("MXNET_LIBRARY_PATH", ""), ("LD_LIBRARY_PATH", f"/nowhere:{tmp_path}")):
        monkeypatch.setenv(name, value)
    assert mx.libinfo.find_lib_path()[0] == installed_build().path == str(path)
    monkeypatch.delenv("LD_LIBRARY_PATH")
    monkeypatch.setenv("MXNET_LIBRARY_PATH", str(tmp_path / "gone"))
    assert installed_build().path == mx.libinfo.find_lib_path()[0]


def test_damaged_library_is_no_build_or_another(tmp_path):
    path = library(tmp_path / "libmxnet.so", CUDA_11_NEEDS, CUDA_11_IMAGES)
    whole = path.read_bytes()
    for size in range(0, len(whole) - 64, 32):
        path.write_bytes(whole[:size])
        build.read_build.cache_clear()
        assert read_build(path) is None
    for place in range(0, len(whole), 4):  # each field, of 4 or 8 bytes
        path.write_bytes(whole[:place] + b"\xff" * 8 + whole[place + 8 :])
        build.read_build.cache_clear()
        build._kernels_of.cache_clear()
        found = read_build(path)
        assert found is None or isinstance(found.kernels, (Kernels, type(None)))


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"\xcf\xfa\xed\xfe" + bytes(200), b"\x7fELF\1\1" + bytes(200)])
def test_other_files_are_no_build(tmp_path, content):
    (tmp_path / "libmxnet.so").write_bytes(content)
    assert read_build(tmp_path / "libmxnet.so") is None
    assert read_build(tmp_path) is None


def test_cpu_build_is_told_which_wheel_helps(monkeypatch):
    monkeypatch.setattr(build, "mxnet_wheels", lambda: {"mxnet": "1.9.1"})
    for capability in (None, (8, 6)):
        assert cpu_build(capability) == (
            f"the CPU build of MXNet is installed: pip uninstall mxnet, then {installation.install_hint('cu112')}"
        )
    assert "GPU wheels have kernels for 5.0 to 8.9 only" in cpu_build((9, 0))
    assert cpu_build((9, 0)).endswith(installation.install_hint("own-mxnet"))
    monkeypatch.setattr(build, "mxnet_wheels", lambda: {"mxnet": "1.9.1", "mxnet-cu112": "1.9.1"})
    assert cpu_build().startswith("mxnet and mxnet-cu112 are installed over each other")

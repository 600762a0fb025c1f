"""What the doctor finds about CUDA, and about a driver that is not found."""

import platform

import mxnet as mx
import pytest
from libraries import Driver, put_driver

from gluon_cnn.runtime import cuda, gpu_findings, nvidia
from gluon_cnn.runtime.build import Build
from gluon_cnn.runtime.doctor import examine
from gluon_cnn.runtime.finding import Finding
from gluon_cnn.runtime.gpu_findings import cuda_findings, gpus
from gluon_cnn.runtime.installation import install_hint

pytestmark = pytest.mark.usefixtures("plain_machine")


def docker(monkeypatch, tmp_path):
    (tmp_path / ".dockerenv").touch()
    monkeypatch.setattr(nvidia, "_CONTAINERS", {str(tmp_path / ".dockerenv"): "--gpus all"})


def colab(monkeypatch, tmp_path):
    (tmp_path / "lib64-nvidia").mkdir()
    (tmp_path / "lib64-nvidia" / "libcuda.so.1").touch()
    monkeypatch.setattr(nvidia, "_LIBRARIES", (str(tmp_path / "lib64-nvidia"),))


def wsl(monkeypatch, tmp_path):
    monkeypatch.setattr(platform, "release", lambda: "5.15.153.1-microsoft-standard-WSL2")


@pytest.mark.parametrize(
    ("place", "says"),
    [
        (docker, "this container has no NVIDIA driver (libcuda.so.1): start it with --gpus all, on a host that has"),
        (
            colab,
            "where no program looks for it: export LD_LIBRARY_PATH={}/lib64-nvidia before Python starts, or install",
        ),
        (wsl, "this WSL has no NVIDIA driver (libcuda.so.1): install the driver in Windows, and none in WSL"),
        (
            lambda *_: None,
            "this machine has no NVIDIA driver (libcuda.so.1): install the driver, or the CPU build: pip",
        ),
    ],
    ids=["Docker", "Colab", "WSL", "other"],
)
def test_missing_driver_is_looked_for(monkeypatch, tmp_path, no_nvidia_smi, place, says):
    place(monkeypatch, tmp_path)
    message = cuda.explain_missing_library("libcuda.so.1: cannot open shared object file: No such file or directory")
    assert says.format(tmp_path) in message
    assert message.count("\n") == 0
    (finding,) = gpus(True)
    assert finding.advice[: -len(", or use the CPU")] in message


def test_cuda_libraries_are_looked_for_everywhere(tmp_path, monkeypatch):
    site = tmp_path / "site-packages"
    for package, library in cuda.CUDA_LIBRARIES:
        path = site / "nvidia" / package / "lib" / library
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.syspath_prepend(str(site))
    (finding,) = cuda_findings(None, imported=False)
    assert (finding.state, finding.value) == ("ok", f"11 of 11 libraries in {site / 'nvidia'}")
    (site / "nvidia" / "cudnn" / "lib" / "libcudnn.so.8").unlink()
    monkeypatch.setattr(gpu_findings.ctypes, "CDLL", lambda library: None)
    (finding,) = cuda_findings(None, imported=False)
    assert finding.value.endswith("; libcudnn.so.8 where the system looks")

    def missing(library):
        raise OSError(library)

    monkeypatch.setattr(gpu_findings.ctypes, "CDLL", missing)
    (finding,) = cuda_findings(None, imported=True)
    assert (finding.state, finding.value) == ("ok", f"10 of 11 libraries in {site / 'nvidia'}")
    (finding,) = cuda_findings(None, imported=False)
    assert (finding.state, finding.advice) == ("problem", install_hint("cu112"))
    assert finding.value == "libcudnn.so.8 missing"


def test_build_for_another_cuda_needs_no_cuda_11():
    build = Build("libmxnet.so", ("libcudart.so.13", "libcudnn.so.9"), has_gpu_code=True)
    (finding,) = cuda_findings(build, imported=True)
    assert finding == Finding("CUDA", "version 13, whose libraries this build has found itself")
    assert cuda_findings(build, imported=False) == []  # MXNet's own finding names what is missing


def put_package(site, name, *files):
    info = site / f"{name.replace('-', '_')}-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))


@pytest.mark.parametrize("others", ["cu12", "cu13"])
def test_packages_that_write_over_each_other(tmp_path, monkeypatch, others):
    put_package(tmp_path, "nvidia-nccl-cu11", "nvidia/nccl/lib/libnccl.so.2", "nvidia/nccl/__init__.py")
    put_package(tmp_path, f"nvidia-nccl-{others}", "nvidia/nccl/lib/libnccl.so.2", "nvidia/nccl/__init__.py")
    put_package(tmp_path, "nvidia-cudnn-cu11", "nvidia/cudnn/lib/libcudnn.so.8")
    put_package(tmp_path, f"nvidia-cudnn-{others}", "nvidia/cudnn/lib/libcudnn.so.9")
    monkeypatch.syspath_prepend(str(tmp_path))
    finding = cuda_findings(None, imported=True)[-1]
    assert (finding.name, finding.state) == ("CUDA packages", "warning")
    assert finding.value == f"nvidia-nccl-cu11 and nvidia-nccl-{others} bring the same libnccl.so.2"
    assert "give each a virtual environment (docs/gpu.md)" in finding.advice


@pytest.mark.parametrize(
    ("fusion", "state", "words"),
    [
        ("0", "ok", "off, because NVRTC is of CUDA 11.8, and the driver runs 11.4 at most"),
        ("1", "problem", "on, but NVRTC is of CUDA 11.8, and the driver runs 11.4 at most"),
    ],
)
def test_driver_too_old_for_fusion(monkeypatch, fusion, state, words):
    put_driver(monkeypatch, Driver(version=11040))
    monkeypatch.setattr(gpu_findings, "compiler_version", lambda build: (11, 8))
    monkeypatch.setenv("MXNET_USE_FUSION", fusion)
    finding = cuda_findings(Build("libmxnet.so", ("libcudart.so.13",), has_gpu_code=True), imported=True)[-1]
    assert (finding.name, finding.state, finding.value) == ("fusion", state, words)


def test_gpu_build_tries_each_gpu(no_nvidia_smi, monkeypatch):
    monkeypatch.setattr("gluon_cnn.runtime.doctor.mxnet_wheels", lambda: {"mxnet-cu112": "1.9.1"})
    monkeypatch.setattr("gluon_cnn.runtime.devices.number_of_gpus", lambda: 2)
    monkeypatch.setattr("gluon_cnn.runtime.devices.gpu_problem", lambda index: [None, "it is too hot: cool it"][index])
    monkeypatch.setattr(mx.runtime.Features, "is_enabled", lambda features, name: True)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,4")
    findings = {finding.name: finding for finding in examine()}
    assert findings["MXNet"].value == "1.9.1, the GPU build, from the wheel mxnet-cu112"
    assert findings["GPUs"].state == "problem"
    assert findings["gpu:0"] == Finding("gpu:0", "computes (CUDA_VISIBLE_DEVICES is '3,4')")
    assert (findings["gpu:1"].state, findings["gpu:1"].advice) == ("problem", "it is too hot: cool it")
    assert "CUDA" in findings


def test_another_build_is_no_problem(monkeypatch, no_nvidia_smi):
    monkeypatch.setattr(mx, "__version__", "2.0.0+cu133.bw.zombie.1")
    finding = next(finding for finding in examine() if finding.name == "MXNet")
    assert finding.state == "warning"
    assert (
        finding.advice == "gluon-cnn was tried with MXNet 1.9.1 and 2.0.0b1; docs/gpu.md says what is known of others"
    )

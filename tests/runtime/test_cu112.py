"""``.[cu112]`` from PyPI, in an environment of its own and without CUDA, a driver or a GPU.

It downloads 2.8 GB and takes 4.5 GB of the disk, so it has to be asked for: GLUON_CNN_TEST_ALL=1.
"""

import ctypes
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import gluon_cnn
from gluon_cnn.cli import main
from gluon_cnn.runtime import install_hint
from gluon_cnn.runtime.build import CUDA_11_WHEELS, read_build
from gluon_cnn.runtime.cuda import CUDA_LIBRARIES

pytestmark = [
    pytest.mark.skipif(os.environ.get("GLUON_CNN_TEST_ALL") != "1", reason="GLUON_CNN_TEST_ALL is not 1"),
    pytest.mark.timeout(3600),
]

TREE = Path(__file__).parents[2]
TRAIN = ["train", "lenet", "--data", "sample", "--epochs", "1"]

#: The driver's functions that libmxnet.so links to (``nm -D --undefined-only libmxnet.so``), and those by which CUDA's
#: runtime and gluon_cnn.runtime.devices look for GPUs. Each answers CUDA_ERROR_NO_DEVICE.
DRIVER = [
    "cuDeviceGet", "cuDevicePrimaryCtxRetain", "cuGetErrorString", "cuGraphKernelNodeGetParams", "cuGraphNodeGetType",
    "cuLaunchKernel", "cuModuleGetFunction", "cuModuleLoadData", "cuModuleLoadDataEx", "cuModuleUnload",
    "cuInit", "cuDeviceGetCount", "cuDriverGetVersion",
]  # fmt: skip


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A directory with an environment that has ``.[cu112]``, which is removed in the end."""
    directory = tmp_path_factory.mktemp("cu112")
    try:
        source = directory / "source"
        shutil.copytree(TREE / "gluon_cnn", source / "gluon_cnn")
        for name in ("setup.py", "pyproject.toml", "README.md"):
            shutil.copy(TREE / name, source)
        subprocess.run([sys.executable, "-m", "venv", directory / "venv"], check=True)
        pip = [directory / "venv" / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-cache-dir"]
        subprocess.run([*pip, f"{source}[cu112]"], check=True)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def stub(installed):
    """A directory with a ``libcuda.so.1`` that has no GPU."""
    directory = installed / "stub"
    directory.mkdir()
    source = directory / "cuda.c"
    source.write_text("".join(f"int {name}() {{ return 100; }}\n" for name in DRIVER))
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", directory / "libcuda.so.1", source], check=True)
    return directory


@pytest.fixture
def command(installed):
    """A function that runs ``gluon-cnn`` in that environment, with a directory of libraries or none."""

    def run(*arguments, libraries=None, program="gluon-cnn"):
        hidden = ("LD_LIBRARY_PATH", "PYTHONPATH", "OMP_NUM_THREADS")
        env = {name: value for name, value in os.environ.items() if name not in hidden}
        env["PATH"] = "/usr/bin:/bin"
        if libraries is not None:
            env["LD_LIBRARY_PATH"] = str(libraries)
        return subprocess.run(
            [installed / "venv" / "bin" / program, *map(str, arguments)],
            env=env,
            cwd=installed,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def measures(directory):
    """Loss and accuracies of a run's only epoch."""
    (result,) = gluon_cnn.load_run(directory).history
    return result.train_loss, result.train_acc, result.test_acc


def doctor(command, **options):
    """The doctor's exit code and its findings by name."""
    result = command("doctor", "--json", **options)
    assert result.stderr == ""
    return result.returncode, {finding["name"]: finding for finding in json.loads(result.stdout)["findings"]}


def test_import_has_cuda_and_finds_no_gpu(command, stub):
    code = "import gluon_cnn, mxnet as mx; print(mx.runtime.Features().is_enabled('CUDA'), mx.context.num_gpus())"
    result = command("-c", code, libraries=stub, program="python")
    assert (result.stdout, result.stderr) == ("True 0\n", "")


def test_training_takes_the_cpu_and_says_why(command, stub, installed, tmp_path):
    result = command(*TRAIN, "--out", "run", libraries=stub)
    assert result.returncode == 0
    assert result.stderr.endswith("No cuda driver detected.\n")  # which MXNet itself prints
    assert result.stderr.count("\n") == 1
    assert "training lenet on cpu(0): 2,000 images" in result.stdout
    assert "no GPU is used, because MXNet finds no NVIDIA GPU or no driver for it" in result.stdout
    assert main([*TRAIN, "--ctx", "cpu", "--out", str(tmp_path / "ours"), "--quiet"]) == 0
    # As many digits as are printed, by another build of MXNet.
    assert measures(installed / "run") == pytest.approx(measures(tmp_path / "ours"), abs=1e-4)


def test_asking_for_the_gpu_is_refused(command, stub):
    result = command(*TRAIN, "--ctx", "gpu", "--out", "gpu-run", libraries=stub)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        "gluon-cnn: gpu:0 cannot be used, because MXNet finds no NVIDIA GPU or no driver for it: check that "
        "nvidia-smi lists one (--ctx).\n"
    )


def test_doctor_finds_the_libraries_and_no_gpu(command, stub, installed):
    code, findings = doctor(command, libraries=stub)
    assert code == 1
    assert findings["MXNet"]["value"] == "1.9.1, the GPU build, from the wheel mxnet-cu112"
    assert findings["CUDA"]["state"] == "ok"
    assert findings["CUDA"]["value"].startswith(f"11 of 11 libraries in {installed / 'venv' / 'lib'}")
    assert {name for name, finding in findings.items() if finding["state"] == "problem"} == {"GPUs", "gpu:0"}


@pytest.fixture
def no_driver():
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return
    pytest.skip("this machine has NVIDIA's driver")


def test_without_a_driver_one_line_says_so(command, no_driver):
    result = command(*TRAIN)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("gluon-cnn: The GPU build of MXNet is installed, but this ")  # machine or container
    assert " has no NVIDIA driver (libcuda.so.1): " in result.stderr
    assert result.stderr.endswith(f"the CPU build: pip uninstall mxnet-cu112, then {install_hint('cpu')}.\n")
    assert result.stderr.count("\n") == 1


def test_kernels_are_those_that_are_said(installed):
    (library,) = (installed / "venv").glob("lib/python3*/site-packages/mxnet/libmxnet.so")
    build = read_build(library)
    assert (build.kernels, build.cuda) == (CUDA_11_WHEELS, 11)
    assert {name for _, name in CUDA_LIBRARIES} - set(build.needs) == {"libcublasLt.so.11", "libcusparse.so.11"}


def test_without_a_driver_the_doctor_works(command, no_driver):
    code, findings = doctor(command)
    assert code == 1
    assert findings["MXNet"]["value"] == "mxnet-cu112, cannot be imported"
    assert "NVIDIA driver (libcuda.so.1)" in findings["MXNet"]["advice"]
    assert findings["CUDA"]["state"] == "ok"


def test_cpu_wheel_installed_over_it_is_noticed(command, stub, installed):
    """The last test, because the CPU wheel overwrites files of the GPU's."""
    pip = [installed / "venv" / "bin" / "python", "-m", "pip"]
    subprocess.run([*pip, "install", "--quiet", "--no-cache-dir", "--no-deps", "mxnet==1.9.1"], check=True)
    for libraries in (stub, None):
        code, findings = doctor(command, libraries=libraries)
        assert code == 1
        assert findings["MXNet"]["value"].startswith("mxnet and mxnet-cu112 are installed over each other")
        assert findings["MXNet"]["advice"].startswith("pip uninstall -y mxnet mxnet-cu112, then pip install")
    subprocess.run([*pip, "uninstall", "--quiet", "--yes", "mxnet"], check=True)
    code, findings = doctor(command, libraries=stub)
    assert code == 1
    assert findings["MXNet"]["state"] == "problem"
    assert "mxnet-cu112" in findings["MXNet"]["value"]

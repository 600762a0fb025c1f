"""``gluon-cnn doctor``: what it says of GPUs, of wheels, of data and disks, and where MXNet cannot be imported."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import mxnet as mx
import pytest

import gluon_cnn
from gluon_cnn import _runtime, doctor, nvidia
from gluon_cnn.cli import main
from gluon_cnn.data import SAMPLE

T4 = "Tesla T4, 7.5, 15360, 312, 535.104.05"
A100 = "NVIDIA A100-SXM4-40GB, 8.0, 40960, 4, 535.104.05"
RTX_4090 = "NVIDIA GeForce RTX 4090, 8.9, 24564, 1201, 550.54.14"
H100 = "NVIDIA H100 80GB HBM3, 9.0, 81559, 3, 550.54.14"


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """A function that puts an ``nvidia-smi`` with a shell script's body first on the path."""

    def put(body):
        script = tmp_path / "bin" / "nvidia-smi"
        script.parent.mkdir(exist_ok=True)
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")

    return put


@pytest.fixture
def no_nvidia_smi(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.parametrize(
    ("answer", "capability"), [(T4, "7.5"), (A100, "8.0"), (RTX_4090, "8.9")], ids=["T4", "A100", "RTX 4090"]
)
def test_gpus_that_the_wheels_have_kernels_for(nvidia_smi, answer, capability):
    nvidia_smi(f"echo '{answer}'")
    (check,) = doctor._gpus(gpu_build=True)
    model, _, memory, used, driver = answer.split(", ")
    assert check == doctor.Check(
        "GPU 0",
        f"{model}, {memory} MiB of which {used} are used, driver {driver}, compute capability {capability}, "
        "for which MXNet has kernels",
    )
    (check,) = doctor._gpus(gpu_build=False)
    assert check.state == "warning"
    assert check.advice == (
        "not used, for the CPU build of MXNet is installed: pip uninstall mxnet, then pip install gluon-cnn[cu112]"
    )


def test_gpu_that_is_too_new(nvidia_smi):
    nvidia_smi(f"echo '{H100}'")
    for gpu_build, state in ((True, "problem"), (False, "warning")):
        (check,) = doctor._gpus(gpu_build)
        assert "compute capability 9.0, for which MXNet has no kernels" in check.value
        assert (check.state, check.advice) == (
            state,
            "MXNet 1.9.1's wheels have kernels for 5.0 to 8.9 only: use --ctx cpu or another GPU",
        )


def test_two_gpus_of_which_one_is_too_old(nvidia_smi):
    nvidia_smi(f"echo '{T4}'; echo 'Tesla K80, 3.7, 11441, [N/A], 470.57.02'")
    first, second = doctor._gpus(gpu_build=True)
    assert (first.name, first.state) == ("GPU 0", "ok")
    assert (second.name, second.state) == ("GPU 1", "problem")


def test_driver_that_does_not_know_the_field_of_the_compute_capability(nvidia_smi):
    nvidia_smi(
        'case "$1" in *compute_cap*) echo \'Field "compute_cap" is not a valid field to query.\'; exit 2;; esac\n'
        "echo 'Tesla M60, 7618, 0, 418.87.00'"
    )
    (check,) = doctor._gpus(gpu_build=True)
    assert check.value == "Tesla M60, 7618 MiB of which 0 are used, driver 418.87.00, compute capability unknown"
    assert check.state == "warning"
    assert "update the driver" in check.advice


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            "echo 'NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver.'; exit 9",
            "nvidia-smi says: NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver.",
        ),
        ("echo 'No devices were found'; exit 6", "nvidia-smi says: No devices were found"),
        ("exit 0", "nvidia-smi says: nothing"),
        ("echo 'segmentation fault'", "nvidia-smi's answer cannot be read: segmentation fault"),
        ("head -c 100000 /dev/zero", "nvidia-smi's answer cannot be read: "),
        ("sleep 60", "nvidia-smi gave no answer in 0.5 seconds"),
    ],
)
def test_nvidia_smi_that_shows_no_gpu(nvidia_smi, monkeypatch, body, reason):
    monkeypatch.setattr(nvidia, "PATIENCE", 0.5)
    nvidia_smi(body)
    (check,) = doctor._gpus(gpu_build=True)
    assert check.value.startswith(f"none: {reason}")
    assert (check.state, check.advice) == ("problem", "install or repair the NVIDIA driver, or train with --ctx cpu")
    (check,) = doctor._gpus(gpu_build=False)
    assert (check.state, check.advice) == ("ok", "")


def test_nvidia_smi_that_cannot_be_run(nvidia_smi):
    nvidia_smi("")
    Path(shutil.which("nvidia-smi")).write_bytes(b"\x7fELF")
    (check,) = doctor._gpus(gpu_build=True)
    assert "cannot be run" in check.value


def test_no_nvidia_smi(no_nvidia_smi):
    (check,) = doctor._gpus(gpu_build=True)
    assert check.value == "none: there is no nvidia-smi, which comes with NVIDIA's driver"


def test_every_line_has_80_columns_and_json_says_the_same(nvidia_smi, capsys):
    nvidia_smi(f"echo '{T4}'; echo '{H100}'")
    arguments = ["doctor", "--data-dir", str(SAMPLE)]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines if " /" not in line) <= 80  # a path is not cut
    assert main([*arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is True
    text = " ".join(" ".join(lines).replace("→", " ").split())
    for check in document["checks"]:
        assert sorted(check) == ["advice", "name", "state", "value"]
        assert f"{check['state']} {check['name']} {check['value']} {check['advice']}".strip() in text
    names = [check["name"] for check in document["checks"]]
    assert names[:3] == ["Python", "NumPy", "MXNet"]
    assert {"features", "threads", "GPU 0", "GPU 1", "data", "disk, runs", "optional"} <= set(names)
    assert lines[-1] == f"no problems, {sum(check['state'] == 'warning' for check in document['checks'])} warnings"


def test_a_problem_is_exit_code_1(no_nvidia_smi, tmp_path, capsys):
    assert main(["doctor", "--json", "--data-dir", str(tmp_path)]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is False
    (problem,) = (check for check in document["checks"] if check["state"] == "problem")
    assert problem["name"] == "data"
    assert "holds no train-images-idx3-ubyte" in problem["advice"]


def test_damaged_data(tmp_path):
    for path in SAMPLE.iterdir():
        shutil.copy(path, tmp_path)
    damaged = next(tmp_path.glob("t10k-labels*"))
    damaged.write_bytes(damaged.read_bytes()[:-7])
    check = doctor._data(tmp_path)
    assert check.state == "problem"
    assert "get it anew" in check.advice


def test_data_that_is_nowhere_is_not_downloaded(tmp_path, monkeypatch):
    monkeypatch.setenv("MXNET_HOME", str(tmp_path / "mxnet"))
    monkeypatch.setattr("gluon_cnn.data.fashion_mnist.DEBIAN_PLACE", tmp_path / "debian")
    monkeypatch.setattr("gluon_cnn.data.fashion_mnist._download", lambda directory: pytest.fail("a download"))
    assert doctor._data(None) == doctor.Check(
        "data", "Fashion-MNIST is not there yet", "warning", "gluon-cnn data gets it, as train does"
    )
    assert not (tmp_path / "mxnet").exists()


def test_disks(tmp_path):
    assert doctor._disk("runs", lambda: tmp_path / "not" / "yet", 1, "").state == "ok"
    full = doctor._disk("runs", lambda: tmp_path, 1e18, "a run is large")
    assert (full.state, full.advice) == ("warning", "make room: a run is large")
    (tmp_path / "file").touch()
    assert doctor._disk("runs", lambda: tmp_path / "file" / "runs", 1, "").state == "problem"


def test_a_disk_without_room_for_a_temporary_file(nvidia_smi, monkeypatch):
    def gettempdir():
        raise FileNotFoundError(2, "No usable temporary directory found")

    nvidia_smi(f"echo '{T4}'")
    monkeypatch.setattr("tempfile.gettempdir", gettempdir)
    checks = {check.name: check for check in doctor.examine(SAMPLE)}
    assert checks["disk, temporary"].state == "problem"
    assert checks["GPU 0"].value.startswith("Tesla T4")


def test_threads_and_cores(monkeypatch):
    cores = _runtime.usable_cores()
    for number, state in ((cores, "ok"), (cores + 1, "warning")):
        monkeypatch.setenv("OMP_NUM_THREADS", str(number))
        assert doctor._threads().state == state
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert doctor._threads().value == f"{cores} for MXNet, cores this process may use: {cores}"


def test_cuda_libraries(tmp_path, monkeypatch):
    site = tmp_path / "site-packages"
    for package, library in _runtime._CUDA_LIBRARIES:
        path = site / "nvidia" / package / "lib" / library
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.syspath_prepend(str(site))
    check = doctor._cuda_libraries()
    assert (check.state, check.value) == ("ok", f"11 of 11 libraries in {site / 'nvidia'}")
    (site / "nvidia" / "cudnn" / "lib" / "libcudnn.so.8").unlink()
    monkeypatch.setattr(doctor.ctypes, "CDLL", lambda library: None)
    assert doctor._cuda_libraries().value.endswith("; libcudnn.so.8 where the system looks")

    def missing(library):
        raise OSError(library)

    monkeypatch.setattr(doctor.ctypes, "CDLL", missing)
    check = doctor._cuda_libraries()
    assert (check.state, check.advice) == ("problem", "pip install gluon-cnn[cu112]")
    assert check.value == "libcudnn.so.8 missing"


def test_a_gpu_build_tries_each_gpu(no_nvidia_smi, monkeypatch, capsys):
    monkeypatch.setattr(doctor, "_wheels", lambda: {"mxnet-cu112": "1.9.1"})
    monkeypatch.setattr("gluon_cnn.device.number_of_gpus", lambda: 2)
    monkeypatch.setattr("gluon_cnn.device.gpu_problem", lambda index: [None, "it is too hot: cool it"][index])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,4")
    first, second = doctor._gpus_of_mxnet()
    assert (first.name, first.state, first.value) == ("gpu:0", "ok", "computes (CUDA_VISIBLE_DEVICES is '3,4')")
    assert (second.state, second.advice) == ("problem", "it is too hot: cool it")

    monkeypatch.setattr(mx.runtime.Features, "is_enabled", lambda features, name: True)
    assert main(["doctor", "--json"]) == 1
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert checks["MXNet"]["value"] == "1.9.1, the GPU build, from the wheel mxnet-cu112"
    assert checks["GPUs"]["state"] == "problem"
    assert {"CUDA", "gpu:0", "gpu:1"} <= set(checks)


# From here on in processes of their own, where what is installed is put together.


def wheel(folder, name, version="1.9.1"):
    """Let Python's metadata say that a wheel is installed in a folder."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


@pytest.fixture
def packages(tmp_path):
    """A folder with this package and NumPy alone; setuptools too, which MXNet needs on Python 3.12."""
    folder = tmp_path / "packages"
    folder.mkdir()
    (folder / "gluon_cnn").symlink_to(Path(gluon_cnn.__file__).parent)
    for name in ("numpy", "numpy.libs", "setuptools", "_distutils_hack"):
        installed = Path(sysconfig.get_path("purelib")) / name
        if installed.exists():
            (folder / name).symlink_to(installed)
    return folder


def gluon_cnn_command(packages, *arguments):
    """``python -m gluon_cnn.cli`` with some packages and no others."""
    return subprocess.run(
        [sys.executable, "-S", "-m", "gluon_cnn.cli", *arguments],
        env={"PYTHONPATH": str(packages), "PATH": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )


def broken_doctor(packages):
    """The problems that the doctor finds, by name, where MXNet cannot be imported, in both of its outputs."""
    text = gluon_cnn_command(packages, "doctor")
    assert (text.returncode, text.stderr) == (1, "")
    result = gluon_cnn_command(packages, "doctor", "--json")
    assert (result.returncode, result.stderr) == (1, "")
    document = json.loads(result.stdout)
    assert document["ok"] is False
    for check in document["checks"]:
        assert " ".join(check["value"].split()) in " ".join(text.stdout.split())
    return {check["name"]: check for check in document["checks"] if check["state"] == "problem"}


def test_mxnet_that_is_not_installed(packages):
    problems = broken_doctor(packages)
    assert list(problems) == ["MXNet"]
    assert problems["MXNet"]["advice"].endswith("pip install gluon-cnn[cpu], or gluon-cnn[cu112] for an NVIDIA GPU")
    # And every other command says it in one line.
    result = gluon_cnn_command(packages, "train", "lenet")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"gluon-cnn: MXNet is not installed: {_runtime.INSTALL_HINT}.\n"


def test_numpy_that_is_not_installed_or_too_new(packages):
    (packages / "numpy").unlink()
    assert list(broken_doctor(packages)) == ["NumPy", "MXNet"]
    (packages / "numpy").mkdir()
    (packages / "numpy" / "__init__.py").write_text("__version__ = '2.1.0'\n")
    problems = broken_doctor(packages)
    assert problems["NumPy"]["value"] == "2.1.0, too new for MXNet 1.9.1"
    assert problems["NumPy"]["advice"] == "pip install 'numpy<2'"


@pytest.mark.parametrize("library", ["libcuda.so.1", "libcudnn.so.8"])
def test_gpu_wheel_without_a_driver_or_a_library(packages, library):
    wheel(packages, "mxnet-cu112")
    (packages / "mxnet").mkdir()
    error = f"{library}: cannot open shared object file: No such file or directory"
    (packages / "mxnet" / "__init__.py").write_text(f"raise OSError({error!r})\n")
    problems = broken_doctor(packages)
    assert problems["MXNet"]["value"] == "mxnet-cu112, cannot be imported"
    advice = {"libcuda.so.1": "no NVIDIA driver (libcuda.so.1): install the driver", "libcudnn.so.8": "is missing"}
    assert advice[library] in problems["MXNet"]["advice"]
    assert problems["GPUs"]["advice"] == "install or repair the NVIDIA driver, or train with --ctx cpu"
    assert "libcudnn.so.8" in problems["CUDA"]["value"]


def test_wheels_over_each_other(packages):
    wheel(packages, "mxnet")
    wheel(packages, "mxnet-cu112")
    # As pip leaves it when one of the two was uninstalled: without the library that both had.
    (packages / "mxnet").mkdir()
    (packages / "mxnet" / "__init__.py").write_text("raise RuntimeError('Cannot find the MXNet library.\\nList: x')\n")
    problems = broken_doctor(packages)
    assert problems["MXNet"]["value"].startswith("mxnet and mxnet-cu112 are installed over each other")
    assert problems["MXNet"]["advice"] == f"pip uninstall -y mxnet mxnet-cu112, then {_runtime.INSTALL_HINT}"
    result = gluon_cnn_command(packages, "summary", "nin")
    assert result.stderr == (
        "gluon-cnn: MXNet cannot be imported (Cannot find the MXNet library.): gluon-cnn doctor says what to do.\n"
    )


def test_wheels_over_each_other_that_can_be_imported(tmp_path, monkeypatch, capsys):
    (tmp_path / "more").mkdir()
    wheel(tmp_path / "more", "mxnet-cu112")
    monkeypatch.syspath_prepend(str(tmp_path / "more"))
    assert main(["doctor"]) == 1
    assert "problem  MXNet            mxnet and mxnet-cu112 are installed over each other" in capsys.readouterr().out


def test_wheel_whose_files_are_gone(packages):
    wheel(packages, "mxnet-cu112")
    problem = broken_doctor(packages)["MXNet"]
    assert problem["value"] == "mxnet-cu112 is installed, but its files are gone"
    assert problem["advice"] == "pip install --force-reinstall --no-deps mxnet-cu112==1.9.1"


def test_program_that_imports_the_package_gets_an_import_error(packages):
    result = subprocess.run(
        [sys.executable, "-S", "-c", "import gluon_cnn", "doctor"],
        env={"PYTHONPATH": str(packages)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stderr.splitlines()[-1] == f"ImportError: MXNet is not installed: {_runtime.INSTALL_HINT}."

"""What the doctor finds where MXNet cannot be imported: processes in which what is installed is put together."""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import mxnet as mx
import pytest
from libraries import library

import gluon_cnn
from gluon_cnn.runtime import INSTALL_HINT
from gluon_cnn.runtime.doctor import examine

EXAMINE = """
from gluon_cnn.errors import InstallationError
from gluon_cnn.runtime import import_mxnet
from gluon_cnn.runtime.doctor import as_json, examine
try:
    import_mxnet()
except InstallationError as error:
    print(as_json(examine(error)))
"""


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


def put_wheel(folder, name):
    """Let Python's metadata say that a wheel is installed in a folder."""
    info = folder / f"{name.replace('-', '_')}-1.9.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.9.1\n")


def put_mxnet(folder, code):
    (folder / "mxnet").mkdir()
    (folder / "mxnet" / "__init__.py").write_text(code)


def problems_with(packages):
    """The problems that the doctor finds with these packages and no others, by name."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", EXAMINE],
        env={"PYTHONPATH": str(packages), "PATH": "/nowhere"},
        capture_output=True,
        text=True,
        check=True,
    )
    document = json.loads(done.stdout)
    assert document["ok"] is False
    return {finding["name"]: finding for finding in document["findings"] if finding["state"] == "problem"}


def test_missing_mxnet_is_the_only_problem(packages):
    problems = problems_with(packages)
    assert list(problems) == ["MXNet"]
    assert problems["MXNet"]["value"] == "none, cannot be imported"
    assert problems["MXNet"]["advice"] == f"MXNet is not installed: {INSTALL_HINT}"


def test_numpy_that_is_missing_or_too_new(packages):
    put_mxnet(packages, "")
    put_wheel(packages, "mxnet")
    (packages / "numpy").unlink()
    problems = problems_with(packages)
    assert list(problems) == ["NumPy", "MXNet"]
    assert problems["MXNet"]["value"] == "mxnet, cannot be imported"
    (packages / "numpy").mkdir()
    (packages / "numpy" / "__init__.py").write_text("__version__ = '2.1.0'\n")
    problems = problems_with(packages)
    assert problems["NumPy"]["value"] == "2.1.0, too new for MXNet 1.9.1"
    assert problems["NumPy"]["advice"] == "pip install 'numpy<2'"


def test_gpu_wheel_without_a_driver(packages):
    put_wheel(packages, "mxnet-cu112")
    put_mxnet(packages, "raise OSError('libcuda.so.1: cannot open shared object file: No such file or directory')\n")
    problems = problems_with(packages)
    assert problems["MXNet"]["value"] == "mxnet-cu112, cannot be imported"
    assert "NVIDIA driver (libcuda.so.1)" in problems["MXNet"]["advice"]
    assert problems["GPUs"]["advice"].endswith(", or use the CPU")
    assert "libcudnn.so.8" in problems["CUDA"]["value"]


@pytest.mark.parametrize("name", ["libmxnet.so", "libopenblas.so.0"])
def test_library_that_is_cut_off(packages, name):
    """As after a download that was cut, or on a disk that was full; to load it would end the process by SIGBUS."""
    put_wheel(packages, "mxnet")
    put_mxnet(packages, f"import ctypes, os\nctypes.CDLL(os.path.dirname(__file__) + '/{name}')\n")
    library(packages / "mxnet" / "libmxnet.so")
    whole = Path(mx.libinfo.find_lib_path()[0]).with_name(name)
    if not whole.exists():
        pytest.skip(f"this build of MXNet has no {name}")
    with open(whole, "rb") as file:
        (packages / "mxnet" / name).write_bytes(file.read(whole.stat().st_size // 3))
    problem = problems_with(packages)["MXNet"]
    assert problem["value"] == "mxnet, cannot be imported"
    assert problem["advice"] == (
        f"MXNet cannot be loaded, because {name} is cut off: pip uninstall -y mxnet, then {INSTALL_HINT}"
    )


def test_wheels_installed_over_each_other(packages):
    put_wheel(packages, "mxnet")
    put_wheel(packages, "mxnet-cu112")
    # As pip leaves it when one of the two was uninstalled: without the library that both had.
    put_mxnet(packages, "raise RuntimeError('Cannot find the MXNet library.\\nList: x')\n")
    problems = problems_with(packages)
    assert problems["MXNet"]["value"] == "mxnet and mxnet-cu112 are installed over each other, in the same folder"
    assert problems["MXNet"]["advice"] == f"pip uninstall -y mxnet mxnet-cu112, then {INSTALL_HINT}"


@pytest.mark.parametrize(
    "code",
    [
        "raise RuntimeError('Cannot find the MXNet library.\\nList: x')\n",
        "raise OSError('libcudnn.so.8: cannot open shared object file: No such file or directory')\n",
    ],
)
def test_import_names_wheels_over_each_other(packages, code):
    put_wheel(packages, "mxnet")
    put_wheel(packages, "mxnet-cu112")
    put_mxnet(packages, code)
    command = [sys.executable, "-S", "-c", "from gluon_cnn.runtime import import_mxnet; import_mxnet()"]
    done = subprocess.run(
        command, env={"PYTHONPATH": str(packages), "PATH": "/nowhere"}, capture_output=True, text=True, check=False
    )
    said = done.stderr.splitlines()[-1]
    assert "mxnet and mxnet-cu112 are installed over each other, in the same folder: pip uninstall -y mxnet" in said


def test_wheels_over_each_other_that_still_work(tmp_path, monkeypatch):
    put_wheel(tmp_path, "mxnet-cu112")
    monkeypatch.syspath_prepend(str(tmp_path))
    (finding,) = (finding for finding in examine() if finding.name == "MXNet")
    assert finding.state == "problem"
    assert finding.value.startswith("mxnet and mxnet-cu112 are installed over each other")


def test_wheel_whose_files_are_gone(packages):
    put_wheel(packages, "mxnet-cu112")
    problem = problems_with(packages)["MXNet"]
    assert problem["value"] == "mxnet-cu112 is installed, but its files are gone"
    assert problem["advice"] == "pip uninstall -y mxnet-cu112, then pip install mxnet-cu112==1.9.1"

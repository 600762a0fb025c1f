"""The CUDA libraries of a GPU build, and what it needs before it is imported."""

import ctypes
import importlib.util
import os
import re
from pathlib import Path

from gluon_cnn.runtime import driver
from gluon_cnn.runtime.build import LIBRARY, installed_build, installed_library, is_cut_off
from gluon_cnn.runtime.installation import INSTALL_HINT, install_hint, mxnet_wheels, reinstall_hint
from gluon_cnn.runtime.nvidia import missing_driver

__all__ = [
    "CUDA_LIBRARIES",
    "FUSION",
    "VARIABLES",
    "check_libraries",
    "compiler_version",
    "cuda_libraries",
    "explain_missing_library",
    "prepare_for_cuda",
]

# Folder of the PyPI package below site-packages/nvidia, and the libraries that PyPI's GPU wheels need from it, each
# after those it depends on itself.
CUDA_LIBRARIES = (
    ("cuda_runtime", "libcudart.so.11.0"),
    ("cuda_nvrtc", "libnvrtc.so.11.2"),
    ("nvtx", "libnvToolsExt.so.1"),
    ("cublas", "libcublasLt.so.11"),
    ("cublas", "libcublas.so.11"),
    ("cudnn", "libcudnn.so.8"),
    ("cufft", "libcufft.so.10"),
    ("curand", "libcurand.so.10"),
    ("cusparse", "libcusparse.so.11"),
    ("cusolver", "libcusolver.so.11"),
    ("nccl", "libnccl.so.2"),
)
# What MXNet's own wheel has beside each other.
_OF_THE_WHEEL = (LIBRARY, "libopenblas.so.0", "libgfortran.so.3")
# What libmxnet.so takes from the system, and a small image of a container may lack; and what its wheel for Linux on Arm
# links to, which is not in any package of PyPI.
_OF_THE_SYSTEM = ("libgomp.so.1", "libquadmath.so.0")
_OF_ARM = ("libarmpl_lp64_mp.so", "libamath.so", "libastring.so")
_CUDA_11 = 11  # the major version that they are for; builds for another find their libraries themselves

# With a GPU build, where the user has set nothing: no TF32, deterministic algorithms, and no warning of a cuDNN that
# is newer than the one that the wheel was built with. And no fusion, where the driver refuses what its compiler writes.
VARIABLES = {"NVIDIA_TF32_OVERRIDE": "0", "MXNET_ENFORCE_DETERMINISM": "1", "MXNET_CUDNN_LIB_CHECKING": "0"}
FUSION = "MXNET_USE_FUSION"


def check_libraries():
    """Raise OSError, as the loader does, if a library of the wheel is cut off, which would end the process."""
    path = installed_library()
    for name in _OF_THE_WHEEL if path else ():
        _check(Path(path).with_name(name))


def _check(path):
    if is_cut_off(path):
        raise OSError(f"{path}: cut off")


def prepare_for_cuda():
    """Set variables, and load the CUDA 11 libraries of PyPI's nvidia-*-cu11 packages, if a GPU build is installed.

    Once loaded with global visibility they satisfy libmxnet.so, whatever LD_LIBRARY_PATH says. A
    library that is not there is left to the system's own search.
    """
    build = installed_build()
    if build is None or not build.has_gpu_code:
        return
    for name, value in VARIABLES.items():
        os.environ.setdefault(name, value)
    if build.cuda == _CUDA_11:
        for path in cuda_libraries().values():
            if path is not None:
                _check(path)
                ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
    compiler, newest = compiler_version(build), driver.cuda_version()
    if compiler and newest and newest < compiler:
        os.environ.setdefault(FUSION, "0")


def cuda_libraries():
    """The file of each CUDA library that PyPI's GPU wheels need: a dictionary by the library's name, in the order in
    which they are loaded. The value is None if none of PyPI's packages has it."""
    spec = importlib.util.find_spec("nvidia")
    folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
    return {
        library: next((path for folder in folders if (path := folder / package / "lib" / library).is_file()), None)
        for package, library in CUDA_LIBRARIES
    }


def compiler_version(build):
    """The version, as (major, minor), of NVRTC, with which MXNet compiles operators that it has fused; None if the
    build needs none, or it is not found."""
    name = next((name for name in build.needs if name.startswith("libnvrtc.so.")), None)
    major, minor = ctypes.c_int(), ctypes.c_int()
    try:
        if name is None or ctypes.CDLL(name).nvrtcVersion(ctypes.byref(major), ctypes.byref(minor)):
            return None
    except (AttributeError, OSError):
        return None
    return major.value, minor.value


def explain_missing_library(message):
    """What is wrong and what to do, from the message of the OSError that loading libmxnet.so raised."""
    library, _, reason = message.partition(":")
    if re.match(" (cut off|file too short|cannot read file data|invalid ELF|ELF|object file has no)", reason):
        return f"MXNet cannot be loaded, because {_damaged(library, reason.strip())}."
    if library.startswith("libcuda.so"):
        missing, remedy = missing_driver()
        cpu_build = f"the CPU build: pip uninstall {' '.join(mxnet_wheels()) or 'mxnet'}, then {install_hint('cpu')}"
        between = "" if remedy.startswith("install") else "install "
        return f"The GPU build of MXNet is installed, but {missing}: {remedy}, or {between}{cpu_build}."
    if library in {name for _, name in CUDA_LIBRARIES}:
        return f"MXNet cannot be loaded, because {library} is missing: {install_hint('cu112')}."
    if re.match(r"lib(cu|nv|nccl)", library):
        return (
            f"MXNet cannot be loaded, because {library} is missing: install the CUDA that this build was made for "
            "(docs/gpu.md), or another build."
        )
    if library in _OF_THE_SYSTEM:
        return (
            f"MXNet cannot be loaded, because {library} is missing: install the system's packages libgomp1 and "
            "libquadmath0 (Debian's and Ubuntu's names), which come with gcc."
        )
    if library in _OF_ARM:
        return (
            f"MXNet cannot be loaded, because its wheel for Linux on Arm comes without Arm's libraries ({library}): "
            "put OpenBLAS in their place, as gluon-cnn's docs/platforms.md tells."
        )
    if library.startswith("lib") and ".so" in library:
        return f"MXNet cannot be loaded, because {library} is missing: {INSTALL_HINT}."
    reason = " ".join(message.split())  # macOS has several lines
    return f"MXNet cannot be loaded ({reason}): {INSTALL_HINT}."


def _damaged(path, reason):
    """What to do about a library's file that is damaged, as half a sentence."""
    library, how = Path(path).name, "cut off" if reason == "cut off" else f"damaged ({reason})"
    package = next((folder for folder, name in CUDA_LIBRARIES if name == library), None)
    if package:
        wheel = f"nvidia-{package.replace('_', '-')}-cu11"
        return f"{library} is {how}: pip uninstall -y {wheel}, then {install_hint('cu112')}"
    if library in _OF_THE_WHEEL:
        return f"{library} is {how}: {reinstall_hint(mxnet_wheels())}"
    return f"{library} is {how}: install again what brings it"

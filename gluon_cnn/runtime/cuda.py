"""The CUDA libraries of the GPU wheel, and the GPUs that it has kernels for."""

import ctypes
import importlib.util
import os
from pathlib import Path

from gluon_cnn.runtime.installation import INSTALL_HINT, install_hint, is_installed

__all__ = [
    "CPU_BUILD",
    "CUDA_LIBRARIES",
    "NO_KERNELS",
    "cuda_libraries",
    "explain_missing_library",
    "has_kernels",
    "prepare_for_cuda",
]

CPU_BUILD = f"the CPU build of MXNet is installed: pip uninstall mxnet, then {install_hint('cu112')}"
NO_KERNELS = "MXNet 1.9.1's wheels have kernels for 5.0 to 8.9 only: use the CPU or another GPU"

# Folder of the PyPI package below site-packages/nvidia, and the libraries MXNet needs from it, each
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
_GPU_WHEELS = ("mxnet-cu112", "mxnet-cu110")
# What libmxnet.so takes from the system, and a small image of a container may lack; and what its wheel for Linux on Arm
# links to, which is not in any package of PyPI.
_OF_THE_SYSTEM = ("libgomp.so.1", "libquadmath.so.0")
_OF_ARM = ("libarmpl_lp64_mp.so", "libamath.so", "libastring.so")


# With the GPU wheel, where the user has set nothing: no TF32, deterministic algorithms, and no warning of a cuDNN that
# is newer than the one that the wheel was built with.
_VARIABLES = {"NVIDIA_TF32_OVERRIDE": "0", "MXNET_ENFORCE_DETERMINISM": "1", "MXNET_CUDNN_LIB_CHECKING": "0"}


def prepare_for_cuda():
    """Set variables and load the CUDA 11 libraries of PyPI's nvidia-*-cu11 packages, if the GPU wheel is installed.

    Once loaded with global visibility they satisfy libmxnet.so, whatever LD_LIBRARY_PATH says. A
    library that is not there is left to the system's own search.
    """
    if any(is_installed(wheel) for wheel in _GPU_WHEELS):
        for name, value in _VARIABLES.items():
            os.environ.setdefault(name, value)
        for path in cuda_libraries().values():
            if path is not None:
                ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)


def cuda_libraries():
    """The file of each CUDA library that the GPU wheel needs: a dictionary by the library's name, in the order in which
    they are loaded. The value is None if none of PyPI's packages has it."""
    spec = importlib.util.find_spec("nvidia")
    folders = [Path(folder) for folder in spec.submodule_search_locations] if spec else []
    return {
        library: next((path for folder in folders if (path := folder / package / "lib" / library).is_file()), None)
        for package, library in CUDA_LIBRARIES
    }


def has_kernels(capability):
    """Whether MXNet 1.9.1's CUDA wheels have machine code for a compute capability, given as (major, minor).

    They have it for 5.0, 6.0, 7.0, 8.0 and 8.6, each of which later minor versions run as well, and no PTX, from which
    a driver could make code for a later major one (``cuobjdump --list-elf`` and ``--list-ptx`` of libmxnet.so).
    """
    return (5, 0) <= capability < (9, 0)


def explain_missing_library(message):
    """What is wrong and what to do, from the message of the OSError that loading libmxnet.so raised."""
    library = message.split(":")[0]
    if library.startswith("libcuda.so"):
        return (
            "The GPU build of MXNet is installed, but this machine has no NVIDIA driver (libcuda.so.1): install the "
            f"driver, or the CPU build: pip uninstall mxnet-cu112, then {install_hint('cpu')}."
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

"""What the doctor finds about GPUs: those that the driver shows, those that MXNet computes on, and CUDA's libraries."""

import ctypes
import os
import re
from importlib import metadata
from pathlib import PurePosixPath

from gluon_cnn.runtime import driver
from gluon_cnn.runtime.build import cpu_build, no_kernels
from gluon_cnn.runtime.cuda import CUDA_LIBRARIES, compiler_version, cuda_libraries
from gluon_cnn.runtime.finding import Finding
from gluon_cnn.runtime.installation import install_hint
from gluon_cnn.runtime.nvidia import NoAnswer, nvidia_smi

__all__ = ["cuda_findings", "gpus", "gpus_of_mxnet"]

_REMARKS = 5  # of nvidia-smi that are shown


def gpus(gpu_build, kernels=None):
    """A finding for each GPU that the driver shows, or one that says why it shows none.

    Parameters
    ----------
    gpu_build : bool
        Whether the MXNet that is installed is for GPUs.
    kernels : Kernels, optional
        Those of that build, if they are known.
    """
    try:
        shown, remarks = nvidia_smi()
    except NoAnswer as reason:
        state, advice = ("problem", reason.advice) if gpu_build else ("ok", "")
        return [Finding("GPUs", f"none: {reason}", state, advice)]
    findings = [_gpu(f"GPU {number}", gpu, gpu_build, kernels) for number, gpu in enumerate(shown)]
    advice = "see what the driver's documentation, or dmesg, says of this"
    said = (Finding("nvidia-smi", f"says: {remark[:200]}", "warning", advice) for remark in remarks[:_REMARKS])
    return [*findings, *said]


def _gpu(name, gpu, gpu_build, kernels):
    driver_version, capability = gpu.driver or "unknown", gpu.capability or "unknown"
    value = f"{gpu.name}, {_memory(gpu)}, driver {driver_version}, compute capability {capability}"
    if gpu.mig:
        value += ", in MIG mode"
    if gpu.fault:
        advice = "restart the machine; if that does not help, the GPU may be damaged"
        return Finding(name, f"{value}, but the driver says: {gpu.fault}", "warning", advice)
    known = re.fullmatch(r"(\d+)\.(\d+)", gpu.capability or "")
    if not known:
        if not gpu_build:
            return Finding(name, value, "warning", f"not used, because {cpu_build()}")
        advice = "nvidia-smi does not tell the compute capability: an update of the driver may, if it is old"
        return Finding(name, value, "warning", advice)
    capability = int(known[1]), int(known[2])
    if not gpu_build:
        return Finding(name, value, "warning", f"not used, because {cpu_build(capability)}")
    if kernels is None:
        return Finding(name, f"{value}; this build does not say whether it has kernels for it")
    if not kernels.run_on(capability):
        return Finding(name, f"{value}, for which MXNet has no kernels", "problem", no_kernels(kernels))
    value += ", for which MXNet has kernels"
    if gpu.mig and "MIG-" not in os.environ.get("CUDA_VISIBLE_DEVICES", ""):
        advice = "MXNet sees one instance: name another in CUDA_VISIBLE_DEVICES (nvidia-smi -L lists them)"
        return Finding(name, value, "ok", advice)
    return Finding(name, value)


def _memory(gpu):
    if gpu.memory is None:
        return "memory unknown"
    return f"{gpu.memory} MiB" + (f" of which {gpu.memory_used} are used" if gpu.memory_used is not None else "")


def cuda_findings(build, imported):
    """Whether a GPU build has the libraries that it needs, and whether others may be in their place.

    Parameters
    ----------
    build : Build or None
    imported : bool
        Whether MXNet could be imported, and so found every library.
    """
    findings = []
    if build is None or build.cuda in (None, 11):
        findings.append(_cuda_11_libraries(imported))
    elif imported:
        findings.append(Finding("CUDA", f"version {build.cuda}, whose libraries this build has found itself"))
    return [*findings, *_written_over(), *_fusion(build)]


def _fusion(build):
    """A finding if the driver is too old for what NVRTC writes, with which MXNet compiles operators that it fuses."""
    compiler, newest = (compiler_version(build) if build else None), driver.cuda_version()
    if not (compiler and newest and newest < compiler):
        return []
    value = "NVRTC is of CUDA {}.{}, and the driver runs {}.{} at most".format(*compiler, *newest)
    if os.environ.get("MXNET_USE_FUSION", "1").lower() in ("0", "false"):
        return [Finding("fusion", f"off, because {value}", "ok", "a newer driver can make networks faster")]
    advice = "MXNet fails where it fuses operators: unset MXNET_USE_FUSION, or update the driver"
    return [Finding("fusion", f"on, but {value}", "problem", advice)]


def _cuda_11_libraries(imported):
    """Whether each CUDA library of PyPI's GPU wheels is in one of PyPI's packages, or found by the system. Where MXNet
    could be imported, no library that is missing is needed."""
    paths = cuda_libraries()
    missing, elsewhere = [], []
    for library, path in paths.items():
        if path is None:
            try:
                ctypes.CDLL(library)
                elsewhere.append(library)
            except OSError:
                missing.append(library)
    if missing and not imported:
        return Finding("CUDA", f"{', '.join(missing)} missing", "problem", install_hint("cu112"))
    folders = {str(path.parents[2]) for path in paths.values() if path is not None}
    here = len(paths) - len(elsewhere) - len(missing)
    value = f"{here} of {len(paths)} libraries in {', '.join(sorted(folders)) or 'packages'}"
    return Finding("CUDA", value + (f"; {', '.join(elsewhere)} where the system looks" if elsewhere else ""))


def _written_over():
    """A finding if several packages bring the same file of NVIDIA's, of which the last one installed is there."""
    names = {library for _, library in CUDA_LIBRARIES}
    owners = {}
    for package in metadata.distributions():
        name = str(package.metadata["Name"]).lower()
        for file in (package.files or ()) if name.startswith("nvidia-") else ():
            if PurePosixPath(file).name in names:
                owners.setdefault(str(file), set()).add(name)
    several = {file: tuple(sorted(packages)) for file, packages in owners.items() if len(packages) > 1}
    clashes = {packages: PurePosixPath(file).name for file, packages in several.items()}
    if not clashes:
        return []
    value = "; ".join(f"{' and '.join(packages)} bring the same {file}" for packages, file in sorted(clashes.items()))
    advice = (
        "the one that was installed last is there, and MXNet or the other program may fail: give each a virtual "
        "environment (docs/gpu.md)"
    )
    return [Finding("CUDA packages", value, "warning", advice)]


def gpus_of_mxnet():
    """Whether MXNet's GPUs compute, tried on each."""
    from gluon_cnn.runtime.devices import gpu_problem, number_of_gpus

    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    note = f" (CUDA_VISIBLE_DEVICES is {visible!r})" if visible is not None else ""
    findings = []
    for index in range(number_of_gpus() or 1):
        problem = gpu_problem(index)
        name, value = f"gpu:{index}", ("cannot be used" if problem else "computes") + note
        findings.append(Finding(name, value, "problem" if problem else "ok", problem or ""))
    return findings

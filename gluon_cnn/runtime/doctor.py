"""What is installed, what the machine has, and what to do where something is wrong.

This works where MXNet cannot be imported, so what needs MXNet is imported only where it is used.
"""

import ctypes
import json
import os
import platform
import re
import shutil
import sys
import tempfile
import textwrap
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from gluon_cnn.errors import DataError
from gluon_cnn.runtime.cores import usable_cores
from gluon_cnn.runtime.cuda import CPU_BUILD, NO_KERNELS, cuda_libraries, has_kernels
from gluon_cnn.runtime.environment import wrong_variables
from gluon_cnn.runtime.installation import INSTALL_HINT, install_hint, mxnet_wheels
from gluon_cnn.runtime.nvidia import NoAnswer, nvidia_smi
from gluon_cnn.runtime.openmp import overruled_variables, thread_restriction, threads

__all__ = ["Finding", "as_json", "as_text", "disk", "examine", "healthy"]

# Bytes of room that the files need, and why.
_RUN = 1_200_000_000, "a run of AlexNet keeps up to five checkpoints of 187 MB and writes a sixth beside them"
_TEMPORARY = 400_000_000, "resuming a run of AlexNet trained by Adam takes 374 MB"

_FEATURES = ("CUDA", "CUDNN", "NCCL", "MKLDNN", "ONEDNN", "OPENMP", "LAPACK", "OPENCV", "DIST_KVSTORE")
_OPTIONAL = ("gluoncv", "onnx", "onnxruntime", "safetensors", "torch")


class Finding(NamedTuple):
    """One line: what was looked at, what was found, ``ok``, ``warning`` or ``problem``, and what to do."""

    name: str
    value: str
    state: str = "ok"
    advice: str = ""


def examine(import_error=None, extra=()):
    """Look at Python, NumPy, MXNet, threads, GPUs, CUDA, disks and optional packages, without a download.

    Parameters
    ----------
    import_error : InstallationError, optional
        Why :func:`gluon_cnn.runtime.import_mxnet` failed, if it did.
    extra : iterable of Finding
        The caller's own findings, for instance about a data set. They stand between the devices and the disks.

    Returns
    -------
    list of Finding
    """
    wheels = mxnet_wheels()
    if import_error is None:
        import mxnet as mx

        gpu_build = mx.runtime.Features().is_enabled("CUDA")
    else:
        gpu_build = any("-cu" in wheel for wheel in wheels)
    findings = [_python(), _numpy(), _mxnet(wheels, gpu_build, import_error)]
    if import_error is None:
        findings.append(_features())
    findings += [_threads(), _imports(), *_environment(), *_gpus(gpu_build)]
    if gpu_build:
        findings.append(_cuda_libraries())
        if import_error is None:
            findings += _gpus_of_mxnet()
    runs = disk("runs", lambda: Path("runs"), *_RUN)
    temporary = disk("temporary", lambda: Path(tempfile.gettempdir()), *_TEMPORARY)
    return [*findings, *extra, runs, temporary, _optional()]


def disk(what, find_place, needed, why):
    """Whether there is room for something that is written.

    Parameters
    ----------
    what : str
        What it is, for the finding's name.
    find_place : callable
        Returns the path that it will have, which need not exist; an OSError is a problem with the disk.
    needed : int
        Bytes.
    why : str
        Why it needs them, as half a sentence.

    Returns
    -------
    Finding
    """
    name = f"disk, {what}"
    try:
        place = find_place().absolute()
        folder = next(parent for parent in (place, *place.parents) if parent.exists())
        free = shutil.disk_usage(folder).free
    except DataError as error:  # the home directory of a user who has none
        return Finding(name, "not found", "problem", str(error).rstrip("."))
    except OSError as error:  # for instance where not even a temporary file can be written
        return Finding(name, f"not found ({error.strerror})", "problem", "make room, or check what is mounted")
    value = f"{free / 1e9:,.1f} GB free in {folder}"
    if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        return Finding(name, f"{folder} cannot be written", "problem", "allow it, or use another place")
    if free < needed:
        return Finding(name, value, "warning", f"make room: {why}")
    return Finding(name, value)


def healthy(findings):
    """Whether none of the findings is a problem."""
    return all(finding.state != "problem" for finding in findings)


def as_text(findings):
    """The findings as lines of at most 80 columns, as far as no word is longer."""
    lines = []
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        start, indent = f"{finding.state:<7}  {finding.name:<{width}}  ", " " * (11 + width)
        for text in (finding.value, finding.advice):
            if text:
                lines += textwrap.wrap(
                    text,
                    80,
                    initial_indent=start,
                    subsequent_indent=indent,
                    break_long_words=False,
                    break_on_hyphens=False,
                )
            start = indent + "→ "
            indent += "  "
    numbers = {state: sum(finding.state == state for finding in findings) for state in ("problem", "warning")}
    lines.append(", ".join(f"{number or 'no'} {state}{'s' * (number != 1)}" for state, number in numbers.items()))
    return "\n".join(lines)


def as_json(findings):
    """The findings as a JSON document: ``ok``, and ``findings`` with ``name``, ``value``, ``state`` and ``advice``."""
    document = {"ok": healthy(findings), "findings": [finding._asdict() for finding in findings]}
    return json.dumps(document, indent=1)


def _python():
    value = f"{platform.python_version()} in {sys.prefix}"
    if (3, 8) <= sys.version_info[:2] <= (3, 12):
        return Finding("Python", value)
    return Finding("Python", value, "problem", "MXNet 1.9.1 works on Python 3.8 to 3.12: use one of these")


def _numpy():
    try:
        import numpy
    except ImportError as error:
        return Finding("NumPy", f"cannot be imported ({error})", "problem", INSTALL_HINT)
    if int(numpy.__version__.split(".")[0]) >= 2:
        return Finding("NumPy", f"{numpy.__version__}, too new for MXNet 1.9.1", "problem", "pip install 'numpy<2'")
    return Finding("NumPy", numpy.__version__)


def _mxnet(wheels, gpu_build, import_error):
    names = " ".join(wheels)
    if len(wheels) > 1:
        value = f"{' and '.join(wheels)} are installed over each other, in the same folder"
        return Finding("MXNet", value, "problem", f"pip uninstall -y {names}, then {INSTALL_HINT}")
    if import_error is not None:
        if wheels and find_spec("mxnet") is None:
            repair = f"pip uninstall -y {names}, then pip install {names}=={wheels[names]}"
            return Finding("MXNet", f"{names} is installed, but its files are gone", "problem", repair)
        return Finding("MXNet", f"{names or 'none'}, cannot be imported", "problem", str(import_error).rstrip("."))
    import mxnet as mx

    source = f"the wheel {names}" if names else Path(mx.__file__).parent
    value = f"{mx.__version__}, the {'GPU' if gpu_build else 'CPU'} build, from {source}"
    if mx.__version__ not in ("1.9.1", "2.0.0beta1"):
        advice = f"gluon-cnn was tried with MXNet 1.9.1 and 2.0.0b1 only: {INSTALL_HINT}"
        return Finding("MXNet", value, "warning", advice)
    return Finding("MXNet", value)


def _features():
    import mxnet as mx

    features = mx.runtime.Features()
    known = [name for name in _FEATURES if name in features]  # MXNet 2 says ONEDNN for MKLDNN
    on = [name for name in known if features.is_enabled(name)]
    off = [name for name in known if name not in on]
    return Finding("features", f"with {', '.join(on)}; without {', '.join(off) or 'none'}")


def _imports():
    return Finding("imports", "in a program, import gluon_cnn before mxnet, which reads how its threads work only once")


def _environment():
    """A finding for each variable that keeps MXNet from working."""
    return [Finding("environment", wrong, "problem", "change or unset it") for wrong in wrong_variables()]


def _threads():
    number, cores = threads(), usable_cores()
    value = f"{number} for MXNet, cores this process may use: {cores}"
    overruled = [f"{name} is {before}, which is overruled" for name, before in overruled_variables().items()]
    value = "; ".join([value, *overruled])
    restriction = thread_restriction()
    if restriction:
        return Finding("threads", value, "warning", f"MXNet gets {restriction}: unset it")
    if number > cores:
        return Finding("threads", value, "warning", "more threads than cores make MXNet slower: unset OMP_NUM_THREADS")
    return Finding("threads", value)


def _gpus(gpu_build):
    """A finding for each GPU that the driver shows, or one that says why it shows none."""
    try:
        gpus = nvidia_smi()
    except NoAnswer as reason:
        if gpu_build:
            return [
                Finding("GPUs", f"none: {reason}", "problem", "install or repair the NVIDIA driver, or use the CPU")
            ]
        return [Finding("GPUs", f"none: {reason}")]
    return [_gpu(f"GPU {number}", gpu, gpu_build) for number, gpu in enumerate(gpus)]


def _gpu(name, gpu, gpu_build):
    value = (
        f"{gpu.name}, {gpu.memory} MiB of which {gpu.memory_used} are used, driver {gpu.driver}, "
        f"compute capability {gpu.capability or 'unknown'}"
    )
    known = re.fullmatch(r"(\d+)\.(\d+)", gpu.capability or "")
    if not known:
        advice = "nvidia-smi is too old to tell the compute capability: update the driver"
        return Finding(name, value, "warning", advice)
    if not has_kernels((int(known[1]), int(known[2]))):
        state = "problem" if gpu_build else "warning"
        return Finding(name, f"{value}, for which MXNet has no kernels", state, NO_KERNELS)
    value += ", for which MXNet has kernels"
    return Finding(name, value) if gpu_build else Finding(name, value, "warning", f"not used, because {CPU_BUILD}")


def _cuda_libraries():
    """Whether each CUDA library of the GPU wheel is in one of PyPI's packages, or found by the system."""
    paths = cuda_libraries()
    missing, elsewhere = [], []
    for library, path in paths.items():
        if path is None:
            try:
                ctypes.CDLL(library)
                elsewhere.append(library)
            except OSError:
                missing.append(library)
    if missing:
        return Finding("CUDA", f"{', '.join(missing)} missing", "problem", install_hint("cu112"))
    folders = {str(path.parents[2]) for path in paths.values() if path is not None}
    value = f"{len(paths) - len(elsewhere)} of {len(paths)} libraries in {', '.join(sorted(folders)) or 'packages'}"
    return Finding("CUDA", value + (f"; {', '.join(elsewhere)} where the system looks" if elsewhere else ""))


def _gpus_of_mxnet():
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


def _optional():
    found = {}
    for name in _OPTIONAL:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return Finding("optional", ", ".join(f"{name} {version}" for name, version in found.items()))

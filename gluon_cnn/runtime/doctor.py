"""What is installed, what the machine has, and what to do where something is wrong.

This works where MXNet cannot be imported, so what needs MXNet is imported only where it is used.
"""

import json
import os
import platform
import shutil
import sys
import tempfile
import textwrap
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from gluon_cnn.errors import DataError
from gluon_cnn.runtime.build import installed_build
from gluon_cnn.runtime.cores import usable_cores
from gluon_cnn.runtime.environment import wrong_variables
from gluon_cnn.runtime.finding import Finding
from gluon_cnn.runtime.gpu_findings import cuda_findings, gpus, gpus_of_mxnet
from gluon_cnn.runtime.installation import INSTALL_HINT, mxnet_wheels, two_wheels
from gluon_cnn.runtime.openmp import overruled_variables, thread_restriction, threads

__all__ = ["Finding", "as_json", "as_text", "disk", "examine", "healthy"]

# Bytes of room that the files need, and why.
_RUN = 1_200_000_000, "a run of AlexNet keeps up to five checkpoints of 187 MB and writes a sixth beside them"
_TEMPORARY = 400_000_000, "resuming a run of AlexNet trained by Adam takes 374 MB"

_FEATURES = ("CUDA", "CUDNN", "NCCL", "MKLDNN", "ONEDNN", "OPENMP", "LAPACK", "OPENCV", "DIST_KVSTORE")
_OPTIONAL = ("gluoncv", "onnx", "onnxruntime", "safetensors", "torch")


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
    wheels, build = mxnet_wheels(), installed_build()
    if import_error is None:
        import mxnet as mx

        gpu_build = mx.runtime.Features().is_enabled("CUDA")
    else:
        gpu_build = build.has_gpu_code if build else any("-cu" in wheel for wheel in wheels)
    findings = [_python(), _numpy(), _mxnet(wheels, gpu_build, import_error)]
    if import_error is None:
        findings.append(_features())
    findings += [_threads(), _imports(), *_environment(), *gpus(gpu_build, build and build.kernels)]
    if gpu_build:
        findings += cuda_findings(build, imported=import_error is None)
        if import_error is None:
            findings += gpus_of_mxnet()
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
    wrong = two_wheels(wheels)
    if wrong:
        return Finding("MXNet", wrong[0], "problem", wrong[1])
    if import_error is not None:
        if wheels and find_spec("mxnet") is None:
            repair = f"pip uninstall -y {names}, then pip install {names}=={wheels[names]}"
            return Finding("MXNet", f"{names} is installed, but its files are gone", "problem", repair)
        return Finding("MXNet", f"{names or 'none'}, cannot be imported", "problem", str(import_error).rstrip("."))
    import mxnet as mx

    source = f"the wheel {names}" if names else Path(mx.__file__).parent
    value = f"{mx.__version__}, the {'GPU' if gpu_build else 'CPU'} build, from {source}"
    if mx.__version__ not in ("1.9.1", "2.0.0beta1"):
        advice = "gluon-cnn was tried with MXNet 1.9.1 and 2.0.0b1; docs/gpu.md says what is known of others"
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


def _optional():
    found = {}
    for name in _OPTIONAL:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return Finding("optional", ", ".join(f"{name} {version}" for name, version in found.items()))

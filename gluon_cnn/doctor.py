"""What ``gluon-cnn doctor`` looks at: what is installed, what the machine has, and what to do where something is wrong.

It also works where MXNet cannot be imported, so what needs MXNet is imported only where it is used.
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
from pathlib import Path
from typing import NamedTuple

from gluon_cnn import _runtime
from gluon_cnn.errors import DataError
from gluon_cnn.nvidia import NoAnswer, nvidia_smi

__all__ = ["Check", "as_json", "describe", "end_without_mxnet", "examine", "healthy"]

# Room for what is written: bytes, and why as many.
_RUN = 1_200_000_000, "a run of AlexNet keeps up to five checkpoints of 187 MB and writes a sixth beside them"
_DATA = 50_000_000, "Fashion-MNIST takes 31 MB"
_TEMPORARY = 400_000_000, "to go on with a run of AlexNet by Adam takes 374 MB"

_FEATURES = ("CUDA", "CUDNN", "NCCL", "MKLDNN", "ONEDNN", "OPENMP", "LAPACK", "OPENCV", "DIST_KVSTORE")
_OPTIONAL = ("gluoncv", "onnx", "onnxruntime", "safetensors", "torch")


class Check(NamedTuple):
    """One line: what was looked at, what was found, ``ok``, ``warning`` or ``problem``, and what to do."""

    name: str
    value: str
    state: str = "ok"
    advice: str = ""


def examine(data_dir=None, import_error=None):
    """Look at everything, without a download.

    Parameters
    ----------
    data_dir : path, optional
        Where Fashion-MNIST is looked for, as in :func:`gluon_cnn.data.find_fashion_mnist`.
    import_error : ImportError, optional
        Why MXNet cannot be imported, if it cannot.

    Returns
    -------
    list of Check
    """
    wheels = _wheels()
    if import_error is None:
        import mxnet as mx

        gpu_build = mx.runtime.Features().is_enabled("CUDA")
    else:
        gpu_build = any("-cu" in wheel for wheel in wheels)
    checks = [_python(), _numpy(), _mxnet(wheels, gpu_build, import_error)]
    if import_error is None:
        checks.append(_features())
    checks += [_threads(), *_gpus(gpu_build)]
    if gpu_build:
        checks.append(_cuda_libraries())
        if import_error is None:
            checks += _gpus_of_mxnet()
    places = [("runs", lambda: Path("runs"), *_RUN), ("temporary", lambda: Path(tempfile.gettempdir()), *_TEMPORARY)]
    if import_error is None:
        from gluon_cnn.data.fashion_mnist import data_home

        checks.append(_data(data_dir))
        places.append(("data", data_home, *_DATA))
    else:
        checks.append(Check("data", "not looked at, for that needs MXNet", "warning", "repair MXNet first"))
    return [*checks, *(_disk(*place) for place in places), _optional()]


def healthy(checks):
    """Whether none of the checks is a problem."""
    return all(check.state != "problem" for check in checks)


def describe(checks):
    """The checks as lines of at most 80 columns, where no word of them is longer."""
    lines = []
    width = max(len(check.name) for check in checks)
    for check in checks:
        start, indent = f"{check.state:<7}  {check.name:<{width}}  ", " " * (11 + width)
        for text in (check.value, check.advice):
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
    numbers = {state: sum(check.state == state for check in checks) for state in ("problem", "warning")}
    lines.append(", ".join(f"{number or 'no'} {state}{'s' * (number != 1)}" for state, number in numbers.items()))
    return "\n".join(lines)


def as_json(checks):
    """The checks as a JSON document: ``ok``, and ``checks`` with ``name``, ``value``, ``state`` and ``advice`` each."""
    return json.dumps({"ok": healthy(checks), "checks": [check._asdict() for check in checks]}, indent=1)


def end_without_mxnet(error):
    """End the command line where MXNet cannot be imported: with the error's line, or with what the doctor finds."""
    if sys.argv[1:2] != ["doctor"]:
        sys.exit(f"gluon-cnn: {error}")
    checks = examine(import_error=error)
    print(as_json(checks) if "--json" in sys.argv else describe(checks))
    sys.exit(not healthy(checks))


def _python():
    value = f"{platform.python_version()} in {sys.prefix}"
    if (3, 8) <= sys.version_info[:2] <= (3, 12):
        return Check("Python", value)
    return Check("Python", value, "problem", "MXNet 1.9.1 works on Python 3.8 to 3.12: use one of these")


def _numpy():
    try:
        import numpy
    except ImportError as error:
        return Check("NumPy", f"cannot be imported ({error})", "problem", _runtime.INSTALL_HINT)
    if int(numpy.__version__.split(".")[0]) >= 2:
        return Check("NumPy", f"{numpy.__version__}, too new for MXNet 1.9.1", "problem", "pip install 'numpy<2'")
    return Check("NumPy", numpy.__version__)


def _wheels():
    """The versions of the installed wheels that bring the folder mxnet, by their names."""
    found = {str(wheel.metadata["Name"]).lower(): wheel.version for wheel in metadata.distributions()}
    return {name: found[name] for name in sorted(found) if re.fullmatch(r"mxnet(-cu\d+)?(-?mkl|-native)?", name)}


def _mxnet(wheels, gpu_build, import_error):
    names = " ".join(wheels)
    if len(wheels) > 1:
        value = f"{' and '.join(wheels)} are installed over each other, in one folder, of which they share the files"
        repair = f"pip uninstall -y {names}, then {_runtime.INSTALL_HINT}"
        return Check("MXNet", value, "problem", repair)
    if import_error is not None:
        if wheels and "not installed" in str(import_error):
            repair = f"pip install --force-reinstall --no-deps {names}=={wheels[names]}"
            return Check("MXNet", f"{names} is installed, but its files are gone", "problem", repair)
        return Check("MXNet", f"{names or 'none'}, cannot be imported", "problem", str(import_error).rstrip("."))
    import mxnet as mx

    source = f"the wheel {names}" if names else Path(mx.__file__).parent
    value = f"{mx.__version__}, the {'GPU' if gpu_build else 'CPU'} build, from {source}"
    if mx.__version__ not in ("1.9.1", "2.0.0beta1"):
        advice = "gluon-cnn was tried with MXNet 1.9.1 and 2.0.0b1 only: " + _runtime.INSTALL_HINT
        return Check("MXNet", value, "warning", advice)
    return Check("MXNet", value)


def _features():
    import mxnet as mx

    features = mx.runtime.Features()
    known = [name for name in _FEATURES if name in features]  # MXNet 2 says ONEDNN for MKLDNN
    on = [name for name in known if features.is_enabled(name)]
    off = [name for name in known if name not in on]
    return Check("features", f"with {', '.join(on)}; without {', '.join(off) or 'none'}")


def _threads():
    cores = _runtime.usable_cores()
    number = _runtime.threads() if "OMP_NUM_THREADS" in os.environ else cores
    value = f"{number} for MXNet, cores this process may use: {cores}"
    if number > cores:
        return Check("threads", value, "warning", "more threads than cores make MXNet slower: unset OMP_NUM_THREADS")
    return Check("threads", value)


def _gpus(gpu_build):
    """A check for each GPU that the driver shows, or one that says why it shows none."""
    try:
        rows = nvidia_smi()
    except NoAnswer as reason:
        if gpu_build:
            advice = "install or repair the NVIDIA driver, or train with --ctx cpu"
            return [Check("GPUs", f"none: {reason}", "problem", advice)]
        return [Check("GPUs", f"none: {reason}")]
    return [_gpu(f"GPU {number}", row, gpu_build) for number, row in enumerate(rows)]


def _gpu(name, row, gpu_build):
    model, capability, total, used, driver = row
    value = f"{model}, {total} MiB of which {used} are used, driver {driver}, compute capability {capability}"
    known = re.fullmatch(r"(\d+)\.(\d+)", capability)
    if not known:
        return Check(name, value, "warning", "nvidia-smi is too old to tell the compute capability: update the driver")
    if not _runtime.has_kernels((int(known[1]), int(known[2]))):
        state = "problem" if gpu_build else "warning"
        return Check(name, f"{value}, for which MXNet has no kernels", state, _runtime.NO_KERNELS)
    value += ", for which MXNet has kernels"
    return Check(name, value) if gpu_build else Check(name, value, "warning", f"not used, for {_runtime.CPU_BUILD}")


def _cuda_libraries():
    """Whether each CUDA library of the GPU wheel is in one of PyPI's packages, or found by the system."""
    paths = _runtime.cuda_libraries()
    missing, elsewhere = [], []
    for library, path in paths.items():
        if path is None:
            try:
                ctypes.CDLL(library)
                elsewhere.append(library)
            except OSError:
                missing.append(library)
    if missing:
        return Check("CUDA", f"{', '.join(missing)} missing", "problem", "pip install gluon-cnn[cu112]")
    folders = {str(path.parents[2]) for path in paths.values() if path is not None}
    value = f"{len(paths) - len(elsewhere)} of {len(paths)} libraries in {', '.join(sorted(folders)) or 'packages'}"
    return Check("CUDA", value + (f"; {', '.join(elsewhere)} where the system looks" if elsewhere else ""))


def _gpus_of_mxnet():
    """Whether MXNet's GPUs compute, tried on each."""
    from gluon_cnn.device import gpu_problem, number_of_gpus

    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    note = f" (CUDA_VISIBLE_DEVICES is {visible!r})" if visible is not None else ""
    checks = []
    for index in range(number_of_gpus() or 1):
        problem = gpu_problem(index)
        name, value = f"gpu:{index}", ("cannot be used" if problem else "computes") + note
        checks.append(Check(name, value, "problem" if problem else "ok", problem or ""))
    return checks


def _data(data_dir):
    from gluon_cnn.data import find_fashion_mnist, read_fashion_mnist

    try:
        directory = find_fashion_mnist(data_dir, get=False)
        if directory is None:
            return Check("data", "Fashion-MNIST is not there yet", "warning", "gluon-cnn data gets it, as train does")
        parts = read_fashion_mnist(directory)
    except (DataError, OSError) as error:
        return Check("data", "Fashion-MNIST cannot be used", "problem", str(error).rstrip("."))
    numbers = " and ".join(f"{len(part.labels):,}" for part in parts)
    return Check("data", f"Fashion-MNIST, {numbers} images, verified, in {directory}")


def _disk(what, find_place, needed, why):
    name = f"disk, {what}"
    try:
        place = find_place().absolute()
        folder = next(parent for parent in (place, *place.parents) if parent.exists())
        free = shutil.disk_usage(folder).free
    except OSError as error:  # as where not even a temporary file can be written
        return Check(name, f"not found ({error.strerror})", "problem", "make room, or look at what is mounted")
    value = f"{free / 1e9:,.1f} GB free in {folder}"
    if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        return Check(name, f"{folder} cannot be written", "problem", "allow it, or use another place")
    if free < needed:
        return Check(name, value, "warning", f"make room: {why}")
    return Check(name, value)


def _optional():
    found = {}
    for name in _OPTIONAL:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return Check("optional", ", ".join(f"{name} {version}" for name, version in found.items()))

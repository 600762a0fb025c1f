"""Which devices there are, and what is wrong with one that cannot be used."""

import functools
import logging
import os
import re
import signal
import subprocess
import sys

import mxnet as mx

from gluon_cnn.checks import brief
from gluon_cnn.errors import DeviceError
from gluon_cnn.runtime import driver
from gluon_cnn.runtime.build import cpu_build, installed_build, no_kernels

__all__ = [
    "as_list",
    "as_text",
    "describe",
    "failure_on",
    "gpu_problem",
    "number_of_gpus",
    "parse_context",
    "try_all_gpus",
    "try_gpu",
]

log = logging.getLogger(__name__)

#: Free bytes on a GPU with which MXNet can surely begin, and seconds that a trial may take: where a driver has to make
#: machine code of PTX, it can take minutes the first time.
_ROOM, _TRIAL_TIMEOUT = 1 << 30, 600
# A process that finds what this one finds, and prints why an operation on a GPU failed, on a line that begins with a
# mark: what it imports, such as a sitecustomize, may print too.
_MARK = "gluon-cnn's trial:"
_TRIAL = (
    "import sys; sys.path[:] = sys.argv[2:]; import gluon_cnn; from gluon_cnn.runtime.devices import failure_on; "
    f'print("\\n{_MARK}", failure_on(int(sys.argv[1])) or "")'
)


def try_gpu(i=0):
    """``mx.gpu(i)`` if it computes, else ``mx.cpu()`` (book, section 5.5 of the first edition)."""
    return mx.gpu(i) if _has_cuda() and not gpu_problem(i) else mx.cpu()


def try_all_gpus():
    """Every GPU that computes, or ``[mx.cpu()]`` if there is none."""
    gpus = [mx.gpu(i) for i in range(number_of_gpus() if _has_cuda() else 0) if not gpu_problem(i)]
    return gpus or [mx.cpu()]


def parse_context(text):
    """The devices that ``auto``, ``cpu``, ``gpu``, ``gpu:0,1`` or ``cpu:0,1`` stands for.

    Returns
    -------
    list of mx.Context
        For ``auto`` the first GPU if it computes, else the CPU.

    Raises
    ------
    DeviceError
        If the text is none of these, or names a GPU that cannot be used, saying what is missing.
    """
    if text == "auto":
        if not _has_cuda():
            return [mx.cpu()]
        problem = gpu_problem()
        if problem:
            log.info(f"no GPU is used, because {problem}")
        return [mx.cpu() if problem else mx.gpu()]
    match = re.fullmatch(r"(cpu|gpu)(?::(\d{1,4}(?:,\d{1,4})*))?", text)
    if not match:
        raise DeviceError(f"There is no context {text!r}; use auto, cpu, gpu, or a list such as gpu:0,1.", "ctx")
    kind, numbers = match.groups()
    indices = [int(number) for number in numbers.split(",")] if numbers else [0]
    if len(set(indices)) < len(indices):
        raise DeviceError(f"The context {text!r} names a device twice; name each once.", "ctx")
    if kind == "gpu":
        for index in indices:
            problem = gpu_problem(index)
            if problem:
                raise DeviceError(f"gpu:{index} cannot be used, because {problem}.", "ctx")
    return [getattr(mx, kind)(index) for index in indices]  # mx.Context warns in builds of 2026


def as_list(ctx):
    """One device or several as a list."""
    return list(ctx) if isinstance(ctx, (list, tuple)) else [ctx]


def as_text(ctx):
    """What :func:`parse_context` makes such devices of: a text as it is, and ``cpu:0`` or ``gpu:0,1`` for a context or
    a list of contexts of one kind; a DeviceError for anything else."""
    if isinstance(ctx, str):
        return ctx
    contexts = as_list(ctx)
    kind = type(mx.cpu())  # mx.Context is no class in MXNet 2
    if not contexts or not all(isinstance(context, kind) for context in contexts):
        raise DeviceError(f"ctx is {brief(ctx)}; it must be text such as gpu:0, a context or a list of them.", "ctx")
    kinds = {context.device_type for context in contexts}
    if len(kinds) > 1:
        raise DeviceError(f"ctx names devices of several kinds, {', '.join(sorted(kinds))}: name one kind.", "ctx")
    return f"{kinds.pop()}:{','.join(str(context.device_id) for context in contexts)}"


def gpu_problem(index=0):
    """Why ``mx.gpu(index)`` cannot be used, and what to do, as half a sentence; None if it can.

    A GPU can be used when an operation on it has succeeded. But a first operation that fails can end the process,
    because MXNet makes handles of CUDA's libraries on a thread of its own. So the driver is asked before it, whether
    the build has kernels for the GPU, and whether there is room; and where that does not tell, a process of its own
    takes the risk.
    """
    if not _has_cuda():
        return cpu_build(driver.capability(index))
    number = number_of_gpus()
    if number == 0:
        return _no_gpu()
    if index >= number:
        there = f"there are only the GPUs 0 to {number - 1}" if number > 1 else "there is only gpu:0"
        return there + _visible(" of those that CUDA_VISIBLE_DEVICES={} shows")
    build, capability = installed_build(), driver.capability(index)
    kernels = build and build.kernels
    if kernels and capability and not kernels.run_on(capability):
        return f"its compute capability is {capability[0]}.{capability[1]}, and {no_kernels(kernels)}"
    opened = driver.open_gpu(index)
    if opened.problem:
        return opened.problem
    told = kernels and capability and opened.free is not None and opened.free >= _ROOM
    reason = failure_on(index) if told else _try_in_a_process(index)
    if reason is None:
        return None
    if "no kernel image" in reason:
        return f"this build of MXNet has no kernels for it ({reason}): use the CPU or another GPU"
    return f"an operation on it failed ({reason}): check that nvidia-smi lists it as healthy, and with room"


def failure_on(index):
    """Why an operation on a GPU fails; None if it does not."""
    try:
        (mx.nd.ones((2,), ctx=mx.gpu(index)) + 1).wait_to_read()
    except mx.MXNetError as error:
        return str(error).strip().splitlines()[-1].strip()
    return None


@functools.lru_cache(maxsize=None)
def _try_in_a_process(index):
    """Why an operation on a GPU fails, or ends its process; None if it does neither."""
    command = [sys.executable, "-c", _TRIAL, str(index), *map(str, sys.path)]
    variables = {name: value for name, value in os.environ.items() if name != "DMLC_ROLE"}
    try:
        done = subprocess.run(
            command,
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            errors="replace",
            timeout=_TRIAL_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"a trial took more than {_TRIAL_TIMEOUT} seconds"
    except OSError as error:
        return f"no process could be started to try it: {error.strerror}"
    if done.returncode == 0:
        answer = re.search(rf"^{re.escape(_MARK)}(.*)$", done.stdout, re.MULTILINE)
        return (answer[1].strip() or None) if answer else "a process that tried it gave no answer"
    said = next((line.strip() for line in reversed(done.stderr.splitlines()) if line.strip()), "without a word")
    code = done.returncode
    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return f"it ended a process by {how}: {brief(said)}"


def _no_gpu():
    """Why MXNet sees no GPU, and what to do."""
    build, newest = installed_build(), driver.cuda_version()
    if build and build.cuda and newest and newest[0] < build.cuda:
        return (
            f"NVIDIA's driver is too old: it runs CUDA {newest[0]}.{newest[1]}, and this build of MXNet needs CUDA "
            f"{build.cuda}: update the driver"
        )
    visible = _visible("CUDA_VISIBLE_DEVICES is {}, which shows MXNet no GPU: change or unset it")
    return visible or driver.start() or _NO_GPU


_NO_GPU = "MXNet finds no NVIDIA GPU or no driver for it: check that nvidia-smi lists one"


def _visible(text):
    """A text with the value of CUDA_VISIBLE_DEVICES; empty if that is not set."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return "" if visible is None else text.format(brief(visible))


def _has_cuda():
    return mx.runtime.Features().is_enabled("CUDA")


def number_of_gpus():
    """How many GPUs MXNet sees, whether they can be used or not."""
    try:
        return mx.context.num_gpus()
    except mx.MXNetError:  # CUDA's own error where a driver is missing or too old
        return 0


def describe(device):
    """What NVIDIA's driver says of a GPU: a dictionary with ``name`` and ``compute_capability``, each None if it does
    not say. Of the CPU, ``{}``."""
    if device.device_type != "gpu":
        return {}
    capability = driver.capability(device.device_id)
    return {
        "name": driver.name(device.device_id),
        "compute_capability": capability and "{}.{}".format(*capability),
    }

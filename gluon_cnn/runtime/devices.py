"""Which devices there are, and what is wrong with one that cannot be used."""

import contextlib
import ctypes
import logging
import re

import mxnet as mx

from gluon_cnn.checks import brief
from gluon_cnn.errors import DeviceError
from gluon_cnn.runtime.cuda import CPU_BUILD, NO_KERNELS, has_kernels

__all__ = [
    "as_list",
    "as_text",
    "describe",
    "gpu_problem",
    "number_of_gpus",
    "parse_context",
    "try_all_gpus",
    "try_gpu",
]

log = logging.getLogger(__name__)


def try_gpu(i=0):
    """``mx.gpu(i)`` if it computes, else ``mx.cpu()`` (book, section 5.5 of the first edition)."""
    return mx.cpu() if gpu_problem(i) else mx.gpu(i)


def try_all_gpus():
    """Every GPU that computes, or ``[mx.cpu()]`` if there is none."""
    gpus = [mx.gpu(i) for i in range(number_of_gpus()) if not gpu_problem(i)]
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
        problem = gpu_problem()
        if problem and _has_cuda():
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
    return [mx.Context(kind, index) for index in indices]


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

    A GPU can be used when an operation on it has succeeded, because MXNet finds out only then that
    its wheel has no machine code for a GPU.
    """
    if not _has_cuda():
        return CPU_BUILD
    number = number_of_gpus()
    if number == 0:
        return "MXNet finds no NVIDIA GPU or no driver for it: check that nvidia-smi lists one"
    if index >= number:
        return f"there are only the GPUs 0 to {number - 1}" if number > 1 else "there is only gpu:0"
    try:
        (mx.nd.ones((2,), ctx=mx.gpu(index)) + 1).wait_to_read()
    except mx.MXNetError as error:
        return _explain(index, str(error))
    return None


def _has_cuda():
    return mx.runtime.Features().is_enabled("CUDA")


def number_of_gpus():
    """How many GPUs MXNet sees, whether they can be used or not."""
    try:
        return mx.context.num_gpus()
    except mx.MXNetError:  # CUDA's own error where a driver is missing or too old
        return 0


def _explain(index, error):
    capability = _compute_capability(index)
    if "no kernel image" in error or (capability and not has_kernels(capability)):
        found = (
            f"its compute capability is {capability[0]}.{capability[1]}" if capability else "it is too new or too old"
        )
        return f"{found}, and {NO_KERNELS}"
    reason = error.strip().splitlines()[-1].strip()
    return f"an operation on it failed ({reason}): check that nvidia-smi lists it as healthy"


def describe(device):
    """What a driver says of a GPU: a dictionary with ``name`` and ``compute_capability``, each None if it does not say.

    Of the CPU, ``{}``.
    """
    if device.device_type != "gpu":
        return {}
    capability, name = _compute_capability(device.device_id), None
    with contextlib.suppress(OSError):
        driver, handle, text = ctypes.CDLL("libcuda.so.1"), ctypes.c_int(), ctypes.create_string_buffer(100)
        failed = driver.cuDeviceGet(ctypes.byref(handle), device.device_id)
        if not failed and driver.cuDeviceGetName(text, len(text), handle) == 0:
            name = text.value.decode(errors="replace")
    return {"name": name, "compute_capability": capability and "{}.{}".format(*capability)}


def _compute_capability(index):
    """(major, minor) from the driver, or None."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    device, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    calls = (
        lambda: driver.cuInit(0),
        lambda: driver.cuDeviceGet(ctypes.byref(device), index),
        lambda: driver.cuDeviceGetAttribute(ctypes.byref(major), 75, device),  # compute capability, major
        lambda: driver.cuDeviceGetAttribute(ctypes.byref(minor), 76, device),  # and minor
    )
    return (major.value, minor.value) if all(call() == 0 for call in calls) else None

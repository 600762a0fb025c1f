"""NVIDIA's driver, asked through its library, which answers where MXNet would end the process.

The library counts GPUs as MXNet does: CUDA_VISIBLE_DEVICES and a MIG instance are heeded.
"""

import ctypes
from typing import NamedTuple, Optional, Tuple

__all__ = ["Opened", "capability", "cuda_version", "name", "open_gpu", "start"]

LIBRARY = "libcuda.so.1"

#: What to do about an error of the driver, by its number; for all others, ``_OTHERWISE``.
_ADVICE = {
    2: "end another program that has its memory, which nvidia-smi lists, or use another GPU",
    46: "another program may have it for itself, which nvidia-smi lists: end it, or use another GPU",
    802: "start NVIDIA's fabric manager, or wait until it has started",
    803: "restart the machine, whose driver was updated while it ran",
    804: "take CUDA's compat folder out of LD_LIBRARY_PATH",
}
_OTHERWISE = "check that nvidia-smi lists it as healthy, or restart the machine"
_NO_DEVICE, _NO_FUNCTION = 100, 500  # errors
_MAJOR, _MINOR = 75, 76  # attributes of a GPU: the compute capability's two numbers


class Opened(NamedTuple):
    """A GPU that was opened: its free memory in bytes, None if unknown; or why it cannot be, and what to do."""

    free: Optional[int] = None
    problem: Optional[str] = None


def cuda_version():
    """The newest CUDA that the driver runs, as (major, minor); None where there is no driver."""
    driver, version = _load(), ctypes.c_int()
    if driver is None or _call(driver, "cuDriverGetVersion", ctypes.byref(version)):
        return None
    return version.value // 1000, version.value % 1000 // 10


def start():
    """Why the driver cannot be used, and what to do, as half a sentence; None if it can, or finds no GPU, or there is
    none."""
    driver = _load()
    code = _call(driver, "cuInit", 0) if driver else 0
    return _in_words(driver, code) if code not in (0, _NO_DEVICE) else None


def capability(index) -> Optional[Tuple[int, int]]:
    """A GPU's compute capability as (major, minor); None where the driver does not say."""
    driver, device, numbers = _load(), ctypes.c_int(), (ctypes.c_int(), ctypes.c_int())
    if driver is None or _find(driver, device, index):
        return None
    for number, attribute in zip(numbers, (_MAJOR, _MINOR)):
        if _call(driver, "cuDeviceGetAttribute", ctypes.byref(number), attribute, device):
            return None
    return numbers[0].value, numbers[1].value


def name(index):
    """A GPU's name; None where the driver does not say."""
    driver, device, text = _load(), ctypes.c_int(), ctypes.create_string_buffer(100)
    if driver is None or _find(driver, device, index) or _call(driver, "cuDeviceGetName", text, len(text), device):
        return None
    return _one_line(text.value) or None


def open_gpu(index):
    """Make the context on a GPU that CUDA's libraries work in, as they do themselves, and give it back.

    Where the GPU's memory is full, or another program has the GPU for itself, MXNet fails at this on a thread of its
    own, and ends the process.
    """
    driver, device, context = _load(), ctypes.c_int(), ctypes.c_void_p()
    if driver is None:
        return Opened()
    code = _find(driver, device, index) or _call(driver, "cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
    if code:
        return Opened() if code == _NO_FUNCTION else Opened(problem=_in_words(driver, code))
    try:
        return Opened(_free_memory(driver, context))
    finally:  # so that a process of its own can try a GPU that one process alone may have
        _call(driver, "cuDevicePrimaryCtxRelease_v2", device)


def _free_memory(driver, context):
    """In bytes; None if the driver does not say."""
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    if _call(driver, "cuCtxPushCurrent_v2", context):
        return None
    code = _call(driver, "cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
    _call(driver, "cuCtxPopCurrent_v2", ctypes.byref(context))
    return None if code else free.value


def _load():
    try:
        return ctypes.CDLL(LIBRARY)
    except OSError:
        return None


def _find(driver, device, index):
    """Set a device's handle by its number; gives an error's number, or 0."""
    return _call(driver, "cuInit", 0) or _call(driver, "cuDeviceGet", ctypes.byref(device), index)


def _call(driver, function, *arguments):
    """An error's number, or 0."""
    try:
        return getattr(driver, function)(*arguments)
    except AttributeError:  # a driver that is too old, or no real one
        return _NO_FUNCTION


def _in_words(driver, code):
    text = ctypes.c_char_p()
    _call(driver, "cuGetErrorString", code, ctypes.byref(text))
    reason = _one_line(text.value or b"") or f"error {code}"
    return f"NVIDIA's driver says: {reason}: {_ADVICE.get(code, _OTHERWISE)}"


def _one_line(text):
    """Bytes as printable text in one line, whatever they are."""
    printable = "".join(c if c.isprintable() else " " for c in text.decode(errors="replace"))
    return " ".join(printable.split())

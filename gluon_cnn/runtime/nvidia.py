"""The GPUs that NVIDIA's driver shows, by its program ``nvidia-smi``, and where a driver may be that is not found."""

import contextlib
import os
import platform
import re
import selectors
import shutil
import subprocess
import time
from pathlib import Path
from typing import NamedTuple, Optional

__all__ = ["NVIDIA_SMI_TIMEOUT", "Gpu", "NoAnswer", "missing_driver", "nvidia_smi"]

#: Seconds. It takes one or two, with many GPUs that nobody keeps awake up to a minute, and hangs forever where the
#: driver does.
NVIDIA_SMI_TIMEOUT = 90
_LONGEST = 1 << 20  # bytes of an answer

#: Folders with the driver's libraries that a program may not look in: of WSL 2, Colab and Google's Kubernetes.
_LIBRARIES = ("/usr/lib/wsl/lib", "/usr/lib64-nvidia", "/usr/local/nvidia/lib64")
#: Folders with its programs that may not be on the path.
_PROGRAMS = ("/usr/lib/wsl/lib", "/opt/bin", "/usr/local/nvidia/bin", "/usr/bin")
#: What starts a container with GPUs, by the file that Docker, Podman or Apptainer puts into it.
_CONTAINERS = {
    "/.dockerenv": "--gpus all",
    "/run/.containerenv": "--device nvidia.com/gpu=all",
    "/.singularity.d": "--nv",
}

_WSL = "install the driver in Windows, and none in WSL, and update WSL (wsl --update)"
#: What to do where nvidia-smi fails, by a part of what it says, outside of a container.
_ADVICE = {
    "Driver/library version mismatch": "restart the machine, whose driver was updated while it ran",
    "blocked by the operating system": _WSL,
    "Insufficient Permissions": "let this user open /dev/nvidia*, for instance by the groups video and render",
    "communicate with the NVIDIA driver": "load the driver, or install it again, as after an update of the kernel",
    "libnvidia-ml": "install the driver again: its libraries are missing",
    "No devices were found": "check that a GPU is plugged in or passed on to this machine, and what dmesg says of it",
}
_REPAIR = "install or repair the NVIDIA driver, or use the CPU"
_SLOW = (
    "keep the GPUs awake (sudo nvidia-smi -pm 1) and try again; if it hangs then too, restart the machine, or use the "
    "CPU"
)


class NoAnswer(Exception):
    """nvidia-smi shows no GPU.

    Attributes
    ----------
    advice : str
    """

    def __init__(self, reason, advice=_REPAIR):
        super().__init__(reason)
        self.advice = advice


class Gpu(NamedTuple):
    """What nvidia-smi says of a GPU, as text: memory in MiB; None where it says nothing, or that it does not know.

    ``fault`` is what it says instead of what it would know of a healthy GPU, such as ``GPU is lost``.
    """

    name: str
    capability: Optional[str]
    memory: Optional[str]
    memory_used: Optional[str]
    driver: Optional[str]
    mig: bool = False
    fault: Optional[str] = None


_FIELDS = {
    "name": "name",
    "compute_cap": "capability",
    "memory.total": "memory",
    "memory.used": "memory_used",
    "driver_version": "driver",
    "mig.mode.current": "mig",
}
#: Every driver knows these, and a row is known by the last.
_ALWAYS = ("name", "driver_version")
#: What stands in brackets for a value that a healthy GPU need not have, or not tell.
_NOT_TOLD = (
    "N/A",
    "Not Supported",
    "Not Found",
    "Insufficient Permissions",
    "Deprecated",
    "Requested functionality has been deprecated",
)


def nvidia_smi():
    """What nvidia-smi shows.

    Returns
    -------
    (list of Gpu, list of str)
        The GPUs, at least one, and the lines that are about something else, such as warnings.

    Raises
    ------
    NoAnswer
        If there are none, saying why.
    """
    program = shutil.which("nvidia-smi") or shutil.which("nvidia-smi", path=os.pathsep.join(_PROGRAMS))
    if program is None:
        missing = missing_driver()
        raise NoAnswer("there is no nvidia-smi, which comes with NVIDIA's driver", f"{missing[1]}, or use the CPU")
    fields = list(_FIELDS)
    output = _ask(program, fields)
    for _ in _FIELDS:  # drivers before 510 do not know compute_cap, those before 450 know no MIG
        unknown = re.search(r'Field "([\w.]+)" is not a valid field', output)
        if unknown is None or unknown[1] not in fields or unknown[1] in _ALWAYS:
            break
        fields.remove(unknown[1])
        output = _ask(program, fields)
    # The exit code says little: it is 14 where the firmware of one of several GPUs is damaged.
    gpus, remarks = [], []
    for line in filter(None, map(str.strip, output.split("\n"))):
        values = dict(zip(fields, line.split(", ")))  # nvidia-smi quotes nothing
        is_row = line.count(", ") == len(fields) - 1 and re.fullmatch(r"\d+(\.\d+)+|\[.*\]", values["driver_version"])
        (gpus if is_row else remarks).append(_gpu(values) if is_row else line)
    if not gpus:
        known = re.match("[A-Z]|Field", output)
        reason = "nvidia-smi says" if known or not output else "nvidia-smi's answer cannot be read"
        raise NoAnswer(f"{reason}: {remarks[0][:80] if remarks else 'nothing'}", _advice(output))
    return gpus, remarks


def missing_driver():
    """What to say of a driver whose library is not found, and what to do, as two halves of a sentence."""
    place = next((folder for folder in _LIBRARIES if Path(folder, "libcuda.so.1").exists()), None)
    if place:
        return (
            f"NVIDIA's driver (libcuda.so.1) is in {place}, where no program looks for it",
            f"export LD_LIBRARY_PATH={place} before Python starts",
        )
    if "microsoft" in platform.release().lower():
        return "this WSL has no NVIDIA driver (libcuda.so.1)", _WSL
    if _container():
        return "this container has no NVIDIA driver (libcuda.so.1)", _container()
    return "this machine has no NVIDIA driver (libcuda.so.1)", "install the driver"


def _container():
    """What to do to get GPUs into the container that this is; None if it is none."""
    option = next((option for file, option in _CONTAINERS.items() if Path(file).exists()), None)
    return option and f"start it with {option}, on a host that has the driver and NVIDIA's container toolkit"


def _advice(output):
    """What to do where nvidia-smi shows no GPU, by what it says."""
    if _container():
        if "NVML: Unknown Error" in output:  # what systemd does to containers when it reads its units again
            return "restart the container, from which the host has taken the GPU, or use the CPU"
        if "version mismatch" not in output:
            return f"{_container()}, or use the CPU"
    return next((f"{advice}, or use the CPU" for words, advice in _ADVICE.items() if words in output), _REPAIR)


def _gpu(values):
    """The :class:`Gpu` of a row."""
    told = {_FIELDS[field]: value for field, value in values.items() if not re.fullmatch(r"\[.*\]", value)}
    faults = [value.strip("[]") for value in values.values() if value not in told.values()]
    fault = next((fault for fault in faults if fault not in _NOT_TOLD), None)
    told = {**dict.fromkeys(("name", "capability", "memory", "memory_used", "driver")), **told}
    return Gpu(**{**told, "name": told["name"] or "a GPU", "mig": told.get("mig") == "Enabled"}, fault=fault)


def _ask(program, fields):
    """What nvidia-smi says of some fields."""
    command = [program, f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"]
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0
        )
    except OSError as error:
        raise NoAnswer(f"{program} cannot be run ({error.strerror})") from None
    try:
        output = _read(process).decode(errors="replace")
    finally:
        process.kill()  # if it still runs
        process.stdout.close()  # a child of the program may still hold it
        with contextlib.suppress(subprocess.TimeoutExpired):  # within a driver that hangs it cannot even be killed
            process.wait(1)
    lines = ("".join(c if c.isprintable() else "?" for c in line) for line in output.splitlines())
    return "\n".join(lines).strip()


def _read(process):
    """What a program writes until it ends, or has written more than anybody reads; NoAnswer if it takes too long."""
    output, end = b"", time.monotonic() + NVIDIA_SMI_TIMEOUT
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while len(output) < _LONGEST:
            ended, left = process.poll() is not None, end - time.monotonic()
            if selector.select(0 if ended else min(left, 0.1)):
                part = process.stdout.read(1 << 16)
                if not part:
                    break
                output += part
            elif ended:  # and a child of it holds the pipe
                break
            elif left <= 0:
                raise NoAnswer(f"nvidia-smi gave no answer in {NVIDIA_SMI_TIMEOUT} seconds", _SLOW)
    return output

"""What ``config.json`` says of a process that trains a run: command, time, versions, machine."""

import contextlib
import os
import platform
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Dict, Optional

import msgspec

from gluon_cnn.decoding import Count
from gluon_cnn.runtime import usable_cores

__all__ = ["GPU_SETTINGS", "Machine", "Process", "this_process"]

#: The variables that decide what MXNet and NVIDIA's libraries compute on a GPU, and how.
GPU_SETTINGS = (
    "NVIDIA_TF32_OVERRIDE",
    "MXNET_ENFORCE_DETERMINISM",
    "MXNET_CUDNN_AUTOTUNE_DEFAULT",
    "MXNET_USE_FUSION",
)


class Machine(msgspec.Struct):
    """What a process ran on: the system, the processor's name, the cores it may use, and the threads it uses."""

    system: str = ""
    processor: str = "unknown processor"
    cores: Optional[Count] = None
    threads: Optional[Count] = None


class Process(msgspec.Struct):
    """A process that trained a run: its command, when it began, the versions that it used, and its machine; of one that
    trained on a GPU, the values of ``GPU_SETTINGS`` too, None for one that was not set."""

    command: str = ""
    started: str = ""
    versions: Dict[str, str] = {}
    machine: Machine = msgspec.field(default_factory=Machine)
    gpu_settings: Optional[Dict[str, Optional[str]]] = None


def this_process(command, threads, on_gpu=False):
    """A dictionary for JSON about this process, which ``command`` started and which uses ``threads`` threads."""
    gpu_settings = {name: os.environ.get(name) for name in GPU_SETTINGS}
    return {
        "command": command,
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "versions": {"python": platform.python_version(), **_versions("gluon-cnn", "gluoncv", "numpy")},
        "machine": {
            "system": " ".join(getattr(os.uname(), part) for part in ("sysname", "release", "machine")),
            "processor": _processor(),
            "cores": usable_cores(),
            "threads": threads,
        },
        **({"gpu_settings": gpu_settings} if on_gpu else {}),
    }


def _versions(*packages):
    """The versions of MXNet, which is imported by now, and of those packages that are installed."""
    found = {"mxnet": sys.modules["mxnet"].__version__} if "mxnet" in sys.modules else {}
    for name in packages:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _processor():
    """The processor's name, as Linux tells it, else as Python does."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()

"""How much memory this process may still take."""

import contextlib
import math
import re
import resource
from pathlib import Path

import psutil

from gluon_cnn.runtime.cgroup import groups

__all__ = ["free_memory"]


def free_memory():
    """Bytes that this process may still take: what the system has, its cgroups allow, and its own limits leave."""
    return max(0, min(psutil.virtual_memory().available, _cgroups(), _limits()))


def _cgroups(proc_file=Path("/proc/self/cgroup"), mount=Path("/sys/fs/cgroup")):
    """What the cgroups leave; pages of files, which make room where it is needed, count as free."""
    least = math.inf
    for folder, version in groups("memory", proc_file, mount):
        names = ("memory.max", "memory.current")
        if version == 1:
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
        with contextlib.suppress(OSError, ValueError):  # "max" is no number
            allowed, taken = (int((folder / name).read_text()) for name in names)
            files = re.search(r"^(?:total_)?inactive_file (\d+)", (folder / "memory.stat").read_text(), re.MULTILINE)
            least = min(least, allowed - taken + (int(files[1]) if files else 0))
    return least


def _limits():
    """What ``ulimit -v`` and ``ulimit -d`` leave."""
    least, taken = math.inf, psutil.Process().memory_info()
    for kind, field in ((resource.RLIMIT_AS, "vms"), (resource.RLIMIT_DATA, "data")):
        allowed = resource.getrlimit(kind)[0]
        if allowed != resource.RLIM_INFINITY:
            least = min(least, allowed - getattr(taken, field, 0))
    return least

"""How many cores this process may use."""

import math
import os
from pathlib import Path

__all__ = ["usable_cores"]


def usable_cores():
    """How many physical cores this process can keep busy, at least 1.

    The processors that it may run on are counted, those of one core once, up to the quota of its cgroup.
    """
    processors = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    cores = len({_siblings(processor) for processor in processors})
    return max(1, math.ceil(min(cores, _cgroup_quota())))


def _siblings(processor):
    """A name for the core that a logical processor belongs to; each is its own where the system does not tell."""
    topology = Path(f"/sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list")
    try:
        return topology.read_text().strip()
    except OSError:
        return str(processor)


def _cgroup_quota(proc_file=Path("/proc/self/cgroup"), mount=Path("/sys/fs/cgroup")):
    """CPUs that the process's cgroup, or one above it, allows; infinite where nothing limits it."""
    try:
        lines = proc_file.read_text(errors="surrogateescape").splitlines()
    except OSError:  # not on Linux
        return math.inf
    smallest = math.inf
    for line in lines:
        if line.count(":") < 2:  # where another system plays Linux
            continue
        _, controllers, path = line.split(":", 2)
        if controllers == "":  # version 2: one tree for every controller
            top, read = mount, _quota_v2
        elif "cpu" in controllers.split(","):
            top, read = mount / "cpu", _quota_v1
        else:
            continue
        group = top / path.lstrip("/")
        for folder in (group, *group.parents):
            smallest = min(smallest, read(folder))
            if folder == top:
                break
    return smallest


def _quota_v2(folder):
    try:
        quota, period = (folder / "cpu.max").read_text().split()
        return math.inf if quota == "max" else int(quota) / int(period)
    except (ArithmeticError, OSError, ValueError):
        return math.inf


def _quota_v1(folder):
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text())
        return math.inf if quota <= 0 else quota / int((folder / "cpu.cfs_period_us").read_text())
    except (ArithmeticError, OSError, ValueError):
        return math.inf

"""How many cores this process may use."""

import math
import os
from pathlib import Path

from gluon_cnn.runtime.cgroup import groups

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
    found = groups("cpu", proc_file, mount)
    return min(((_quota_v2 if version == 2 else _quota_v1)(folder) for folder, version in found), default=math.inf)


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

"""The cgroups that a process is in, with which Linux limits what it may use."""

from pathlib import Path

__all__ = ["groups"]


def groups(controller, proc_file=Path("/proc/self/cgroup"), mount=Path("/sys/fs/cgroup")):
    """The folder of each cgroup that has a controller, such as ``cpu`` or ``memory``, and of those above it.

    Yields
    ------
    (Path, int)
        The folder, and the version of cgroups, 1 or 2, which have files of other names.
    """
    try:
        lines = proc_file.read_text(errors="surrogateescape").splitlines()
    except OSError:  # not on Linux
        return
    for line in lines:
        if line.count(":") < 2:  # where another system plays Linux
            continue
        _, controllers, path = line.split(":", 2)
        if controllers == "":  # version 2: one tree for every controller
            top, version = mount, 2
        elif controller in controllers.split(","):
            top, version = mount / controller, 1
        else:
            continue
        group = top / path.lstrip("/")
        for folder in (group, *group.parents):
            yield folder, version
            if folder == top:
                break

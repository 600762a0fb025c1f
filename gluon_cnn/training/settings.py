"""How a run is computed, which decides at most the last bits of its result. Nothing here needs MXNet."""

import dataclasses
import os
from pathlib import Path
from typing import Optional, Union

from gluon_cnn.checks import brief, choice, number, whole_number
from gluon_cnn.errors import SettingError

__all__ = ["AUTO", "DIST_TIMEOUT", "KVSTORES", "Settings", "check_threads"]

KVSTORES = ("local", "device", "dist_sync", "dist_async")
#: The number of threads that is measured.
AUTO = "auto"
#: Seconds without a finished step after which a worker gives up.
DIST_TIMEOUT = 60.0


@dataclasses.dataclass
class Settings:
    """How a run is computed.

    Raises
    ------
    SettingError
        If a value is not one that the setting can have, on any machine.

    Attributes
    ----------
    ctx : str
        As for :func:`gluon_cnn.runtime.devices.parse_context`.
    hybrid : bool
        Whether the network is compiled.
    threads : int, "auto" or None
        Processor threads for MXNet; None for every core.
    measured_threads : int or None
        What ``auto`` chose.
    data_dir : str or None
        Where the data set is; None to find it.
    data_memory : float or None
        GB of memory that pictures from files may take; those that need more are read ahead, to the same bits. None for
        half of what is free.
    checkpoint_every : int or None
        Steps between two checkpoints; None for about two minutes.
    kvstore : {"device", "local", "dist_sync", "dist_async"}
        Where gradients are added up: on the devices or the CPU of this process, or on parameter servers, after each
        step of all workers, or whenever a worker has one.
    """

    ctx: str = "auto"
    hybrid: bool = True
    threads: Union[int, str, None] = None
    measured_threads: Optional[int] = None
    data_dir: Optional[str] = None
    data_memory: Optional[float] = None
    checkpoint_every: Optional[int] = None
    kvstore: str = "device"

    def __post_init__(self):
        choice("kvstore", self.kvstore, KVSTORES)
        for name in ("threads", "measured_threads", "checkpoint_every"):
            value = getattr(self, name)
            if value is not None and not (name == "threads" and isinstance(value, str) and value == AUTO):
                whole_number(name, value)
        if self.data_dir is not None:
            self.data_dir = _absolute(self.data_dir)
        if self.data_memory is not None:
            self.data_memory = number("data_memory", self.data_memory)

    @property
    def data_bytes(self):
        """``data_memory`` in bytes; None if nothing was asked for."""
        return None if self.data_memory is None else int(self.data_memory * 1e9)

    def check(self):
        """Raise a SettingError if a setting has a value that it cannot have on this machine."""
        if self.threads not in (None, AUTO):
            check_threads(self.threads)

    @property
    def distributed(self):
        """Whether several workers train on parameter servers."""
        return self.kvstore.startswith("dist")


def _absolute(place):
    """A path that leads to the same place from elsewhere, later."""
    try:
        return str(Path(place).expanduser().absolute())
    except (TypeError, ValueError, RuntimeError) as error:
        raise SettingError(f"data_dir is {brief(place)}, which is not a path ({error}).", "data_dir") from None


def check_threads(number, name="threads"):
    """SettingError unless a number of threads is a whole number from 1 to that of the processors here."""
    if whole_number(name, number) > os.cpu_count():
        raise SettingError(
            f"{name} is {number}, but there are {os.cpu_count()} processors: choose a smaller number.", "threads"
        )

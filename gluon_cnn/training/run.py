"""A run's directory, which a person can read.

config.json     every setting, the versions, the machine, the command
history.csv     one row an epoch
train.log       what was printed, with times
curves.png      loss and accuracies by epoch
checkpoint/     see gluon_cnn.training.checkpoint
"""

import contextlib
import csv
import dataclasses
import json
import math
import os
import platform
import time
from importlib import metadata
from pathlib import Path

import mxnet as mx
import portalocker

from gluon_cnn._runtime import usable_cores
from gluon_cnn.errors import GluonCNNError, RunError
from gluon_cnn.files import remove_leftovers, write_atomically
from gluon_cnn.training.checkpoint import best_checkpoint, last_checkpoint, load_network
from gluon_cnn.training.metrics import EpochResult
from gluon_cnn.training.recipe import PUBLISHED_EDITIONS, Recipe

__all__ = ["SETTINGS", "Run", "default_name", "read_history"]

CONFIG, HISTORY, LOG, CURVES, CHECKPOINTS, LOCK = (
    "config.json",
    "history.csv",
    "train.log",
    "curves.png",
    "checkpoint",
    "run.lock",
)


#: What a run's settings are if nobody says otherwise.
SETTINGS = {
    "ctx": "auto",
    "hybrid": True,
    "threads": None,
    "measured_threads": None,
    "data_dir": None,
    "checkpoint_every": None,
    "kvstore": "device",
}


class Run:
    """A run's directory.

    Attributes
    ----------
    directory : Path
    recipe : Recipe
        What the run computes.
    settings : dict
        How it computes it: ``ctx``, ``hybrid``, ``threads`` (a number, ``auto``, or None for every core),
        ``measured_threads`` (what ``auto`` chose), ``data_dir``, ``checkpoint_every`` (steps, or None for two minutes),
        ``kvstore``. Those that are not given are :data:`SETTINGS`.
    config : dict
        Of a run that was opened or has begun, all of ``config.json``.
    """

    def __init__(self, directory, recipe, settings):
        self.directory, self.recipe, self.settings = Path(directory), recipe, {**SETTINGS, **settings}
        self.config = {}

    @classmethod
    def open(cls, directory):
        """The run that a directory holds; RunError if it holds none."""
        directory = Path(directory)
        path = directory / CONFIG
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
            run = cls(directory, Recipe(**config["recipe"]), config["settings"])
            if not isinstance(config.get("command", ""), str):
                raise TypeError("its command is no text")
            if not all(isinstance(config.get(name, {}), dict) for name in ("machine", "versions")):
                raise TypeError("its machine and versions are no tables")
            run.config = config
            return run
        except (FileNotFoundError, NotADirectoryError):
            inside = next(directory.glob(f"*/{CONFIG}"), None)
            such_as = f", such as {inside.parent}" if inside else ""
            raise RunError(
                f"{directory} holds no run, for there is no {CONFIG} in it: name a run's directory{such_as}."
            ) from None
        except (OSError, ValueError, KeyError, TypeError, GluonCNNError) as error:
            raise RunError(f"{path} cannot be read as a run's settings ({error}): restore it or start anew.") from None

    def refuse_taken(self):
        """RunError if a new run cannot begin in this directory."""
        directory = self.directory
        if (directory / CONFIG).exists():
            raise RunError(f"{directory} holds another run: add --resume to go on with it, or choose another --out.")
        if directory.is_dir():
            remove_leftovers(directory)
        # A process that was killed before it could write its settings leaves a lock.
        if directory.is_dir() and any(path.name != LOCK for path in directory.iterdir()):
            raise RunError(f"{directory} is not empty and holds no run: choose another --out.")

    def refuse_other_recipe(self, wanted, advice="leave these out, or choose another --out"):
        """RunError if the run was begun with other values than a dictionary of some of its recipe's has."""
        differences = [
            f"{name} {getattr(self.recipe, name)!r}, not {value!r}"
            for name, value in wanted.items()
            if getattr(self.recipe, name) != value
        ]
        if differences:
            raise RunError(f"{self.directory} was begun with {'; '.join(differences)}: {advice}.")

    def write_config(self, command, threads):
        """Write ``config.json``: recipe, settings, and the command, versions, machine and number of threads that it
        began with; those of each process that went on with it follow under ``resumed``."""
        path = self.directory / CONFIG
        session = _session(command, threads)
        if path.exists():
            before = json.loads(path.read_text(encoding="utf-8"))
            config = {**before, "resumed": [*before.get("resumed", []), session]}
        else:
            config = session
        config.pop("diverged", None)
        self._write_config({**config, "recipe": dataclasses.asdict(self.recipe), "settings": self.settings})

    def note_divergence(self, what):
        """Write into ``config.json`` that and where the loss was no longer finite, until somebody goes on."""
        self._write_config({**self.config, "diverged": what})

    def _write_config(self, config):
        self.config = config
        with write_atomically(self.directory / CONFIG) as temporary:
            temporary.write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")

    @contextlib.contextmanager
    def locked(self):
        """Make the directory if it is not there, and hold it for this process.

        The lock is the operating system's, so that it ends with its process, however that ends.

        Raises
        ------
        RunError
            If another process holds the run, or the directory cannot be written.
        """
        path = self.directory / LOCK
        lock = portalocker.Lock(path, mode="a+", timeout=0, fail_when_locked=True)
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            file = lock.acquire()
        except portalocker.exceptions.LockException:
            owner = path.read_text().strip() or "unknown"
            raise RunError(f"{self.directory} is in use by process {owner}: wait for it or end it.") from None
        except OSError as error:
            raise RunError(
                f"The output directory {self.directory} cannot be written ({error.strerror}): choose another --out."
            ) from None
        try:
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
            remove_leftovers(self.directory)
            yield
        finally:
            lock.release()

    @property
    def checkpoints(self):
        """The directory of the run's checkpoints."""
        return self.directory / CHECKPOINTS

    @property
    def history_path(self):
        """The file of the run's history."""
        return self.directory / HISTORY

    @property
    def log_path(self):
        """The file of the run's log."""
        return self.directory / LOG

    @property
    def curves_path(self):
        """The file of the run's figure."""
        return self.directory / CURVES

    def write_history(self, history):
        """Write ``history.csv`` from a list of EpochResult."""
        with write_atomically(self.history_path) as path, open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(EpochResult._fields)
            for r in history:
                writer.writerow(
                    [
                        r.epoch,
                        *(f"{value:.6f}" for value in r[1:4]),
                        f"{r.seconds:.2f}",
                        f"{r.examples_per_sec:.1f}",
                        r.dead_classes,
                    ]
                )

    def network(self, devices, which="last"):
        """The run's network as a checkpoint has it, ready to use, and that checkpoint's state.

        ``which`` is ``last`` or ``best``, by test accuracy.
        """
        checkpoint = {"last": last_checkpoint, "best": best_checkpoint}[which](self.checkpoints)
        if checkpoint is None:
            raise RunError(f"{self.directory} has no checkpoint yet: go on with its training by --resume.")
        net = self.recipe.network(hybrid=True)
        state = load_network(checkpoint, net, devices)
        net.hybridize(static_alloc=True)
        return net, state


def default_name(recipe, quick=False):
    """What a run's directory is called if nobody says it: ``nin-zh-v1-seed0``."""
    kind = "quick-" if quick else "own-" if recipe.init == "seed" and recipe.edition in PUBLISHED_EDITIONS else ""
    name = recipe.model.replace(":", "-")  # a colon in a path has a meaning of its own to other systems and programs
    return f"{name}-{recipe.edition + '-' if recipe.edition else ''}{kind}seed{recipe.seed}"


def read_history(directory):
    """The rows of a run's ``history.csv`` as a list of EpochResult; RunError if it cannot be read."""
    path = Path(directory) / HISTORY
    try:
        with open(path, newline="", encoding="utf-8") as file:
            history = [
                EpochResult(
                    int(row["epoch"]),
                    *(float(row[name]) for name in EpochResult._fields[1:6]),
                    int(row["dead_classes"]) if row.get("dead_classes") else None,
                )
                for row in csv.DictReader(file)
            ]
        if [r.epoch for r in history] != list(range(1, len(history) + 1)):
            raise ValueError("its epochs are not 1, 2, 3, ...")
        if not all(math.isfinite(value) for r in history for value in r[1:6]):
            raise ValueError("one of its numbers is not finite")
        return history
    except FileNotFoundError:
        raise RunError(
            f"{directory} has no {HISTORY}: name the directory of a run that has finished an epoch."
        ) from None
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise RunError(f"{path} cannot be read as a run's history ({error}): name a run's directory.") from None


def _session(command, threads):
    return {
        "command": command,
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in ("gluon-cnn", "gluoncv", "numpy")},
            "mxnet": mx.__version__,
        },
        "machine": {
            "system": " ".join(getattr(os.uname(), part) for part in ("sysname", "release", "machine")),
            "processor": _processor(),
            "cores": usable_cores(),
            "threads": threads,
        },
    }


def _processor():
    """The processor's name, as Linux tells it, else as Python does."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()

"""A run's directory, which a person can read. Nothing here needs MXNet.

config.json     every setting, what the book's recipe is, the versions, the machine, the command
history.csv     one row an epoch
train.log       what was printed, with times
curves.png      loss and accuracies by epoch
checkpoint/     see gluon_cnn.training.checkpoint
mynet.py        the file that defines a network of your own, as it was when the run began
"""

import contextlib
import dataclasses
import json
import os
import re
from pathlib import Path

import portalocker

from gluon_cnn.errors import Malformed, RunError
from gluon_cnn.files import leftovers, open_own, refuse_foreign, remove_leftovers, sha256_of, write_atomically
from gluon_cnn.recipe import difference_in_words, in_words, shown
from gluon_cnn.training.config import read_config
from gluon_cnn.training.history import read_history, write_history
from gluon_cnn.training.process import this_process
from gluon_cnn.training.settings import Settings

__all__ = ["RunDirectory"]

CONFIG, HISTORY, LOG, CURVES, CHECKPOINTS, LOCK = (
    "config.json",
    "history.csv",
    "train.log",
    "curves.png",
    "checkpoint",
    "run.lock",
)


class RunDirectory:
    """A run's directory: what is to be computed, how, and what has been.

    Attributes
    ----------
    directory : Path
    recipe : Recipe
    settings : Settings
    dataset : DatasetInfo or None
        What the run is trained on, once it has begun.
    book : BookRecipe or None
        None where no run of the network and edition was published.
    config : dict
        Of a run that has begun, all of ``config.json``.
    """

    def __init__(self, directory, recipe, settings=None, *, book=None):
        self.directory, self.recipe, self.book = Path(directory), recipe, book
        self.settings = settings or Settings()
        self.dataset, self.config = None, {}

    @classmethod
    def open(cls, directory):
        """The run that a directory holds; RunError if it holds none."""
        directory = Path(directory)
        path = directory / CONFIG
        try:
            content, config = read_config(path)
            recipe = config.recipe
            if recipe.source:  # the file is the run's own copy
                recipe = dataclasses.replace(recipe, model=str(directory / recipe.name))
            run = cls(directory, recipe, config.settings, book=config.book)
            run.dataset, run.config = config.dataset, content
            return run
        except (FileNotFoundError, NotADirectoryError):
            inside = next(directory.glob(f"*/{CONFIG}"), None)
            such_as = f", such as {inside.parent}" if inside else ""
            raise RunError(
                f"{directory} holds no run, because it has no {CONFIG}: name a run's directory{such_as}."
            ) from None
        except Malformed as error:
            raise RunError(
                f"{path} cannot be read as a run's settings ({error}): restore it or start a new run."
            ) from None

    @property
    def history(self):
        """The epochs so far, a list of EpochResult; RunError if none is done or the file cannot be read."""
        return read_history(self.history_path, self.recipe.epochs)

    @property
    def epochs_done(self):
        """The epochs that the history has; 0 without a history."""
        return len(self.history) if self.history_path.exists() else 0

    @property
    def reasons_not_compared(self):
        """What keeps the recipe from being the book's, in words such as ``1 epoch instead of 5``; empty if nothing."""
        if self.book is None:
            edition = f" in edition {self.recipe.edition}" if self.recipe.edition else ""
            return [f"no run of {self.recipe.name}{edition} was published"]
        return [difference_in_words(name, own, book) for name, (own, book) in self.book.differences.items()]

    def refuse_taken(self):
        """RunError if a new run cannot begin in this directory."""
        directory = self.directory
        if (directory / CONFIG).exists():
            raise RunError(f"{directory} holds another run: resume it, or choose another directory.", "resume", "out")
        # A process that was killed before it could write its settings leaves a lock, the beginning of a file, and a
        # copy of this very network. Nothing is removed here, because the directory may be refused.
        left = {directory / LOCK, *leftovers(directory)}
        if self.source_path and self.source_path.is_file() and sha256_of(self.source_path) == self.recipe.source:
            left.add(self.source_path)
        if directory.is_dir() and not left.issuperset(directory.iterdir()):
            raise RunError(f"{directory} is not empty and holds no run: choose another directory.", "out")

    def refuse_other_recipe(self, wanted, advice="leave these out, or choose another directory"):
        """RunError if the run was begun with other values than a dictionary of some of its recipe's has."""
        begun = self.recipe.values()
        # Without a name it is whichever release the run began with.
        wanted = {name: value for name, value in wanted.items() if (name, value) != ("release", None)}
        differing = [name for name, value in wanted.items() if begun[name] != value]
        if differing:
            pairs = [f"{in_words(name, begun[name])}, not {shown(wanted[name])}" for name in differing]
            settings = [*differing, *(wanted["options"] if "options" in differing else ())]
            raise RunError(f"{self.directory} was begun with {'; '.join(pairs)}: {advice}.", *settings, "out")

    def refuse_other_data(self):
        """RunError if the run was begun with other images or labels than :attr:`dataset` has now."""
        begun = RunDirectory.open(self.directory).dataset
        if self.dataset.sha256 != begun.sha256:
            raise RunError(
                f"{self.directory} was begun with other files of {begun.name} than there are now: restore them, or "
                "choose another directory.",
                "data_dir",
                "out",
            )

    def write_config(self, command, threads):
        """Write ``config.json``: recipe, settings, data set, and the command, versions, machine and number of threads
        that the run began with. Those of each process that resumed it follow under ``resumed``."""
        path, process = self.directory / CONFIG, this_process(command, threads)
        if path.exists():
            before = RunDirectory.open(self.directory).config
            config = {**before, "resumed": [*before.get("resumed", []), process]}
        else:
            config = process
        config.pop("diverged", None)
        self._write_config(
            {
                **config,
                "recipe": self.recipe.values(),
                "settings": dataclasses.asdict(self.settings),
                "book": self.book and dataclasses.asdict(self.book),
                "dataset": dataclasses.asdict(self.dataset),
            }
        )

    def note_divergence(self, problem):
        """Write into ``config.json`` what is no longer finite, and where, until somebody resumes the run."""
        self._write_config({**self.config, "diverged": problem})

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
        with contextlib.ExitStack() as stack:
            try:
                self.directory.mkdir(parents=True, exist_ok=True)
                refuse_foreign(self.log_path)  # before anything is written
                self._lock(stack.enter_context(open_own(self.directory / LOCK, "ab+", buffering=0)), stack)
            except OSError as error:
                raise RunError(
                    f"The directory {self.directory} cannot be written ({error.strerror}): choose another one.", "out"
                ) from None
            remove_leftovers(self.directory)
            yield

    def _lock(self, file, stack):
        """Lock the file until ``stack`` ends, and write this process's number into it."""
        if not re.fullmatch(rb"\d*\n?", os.pread(file.fileno(), 32, 0)):
            raise RunError(f"{file.name} is not the lock of a run: move it away, or choose another directory.", "out")
        try:
            portalocker.lock(file, portalocker.LOCK_EX | portalocker.LOCK_NB)
        except portalocker.exceptions.LockException:
            owner = os.pread(file.fileno(), 32, 0).decode().strip() or "unknown"
            raise RunError(f"{self.directory} is in use by process {owner}: wait for it or end it.") from None
        stack.callback(portalocker.unlock, file)
        file.truncate(0)
        file.write(b"%d\n" % os.getpid())

    def write_history(self, history):
        """Write ``history.csv`` from a list of EpochResult."""
        write_history(self.history_path, history)

    @property
    def begun(self):
        """Whether the directory holds a run."""
        return (self.directory / CONFIG).exists()

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
    def source_path(self):
        """The run's copy of the file that defines a network of your own; None for other networks."""
        return self.directory / self.recipe.name.rpartition(":")[0] if self.recipe.source else None

    @property
    def curves_path(self):
        """The file of the run's figure."""
        return self.directory / CURVES

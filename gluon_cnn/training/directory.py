"""A run's directory, which a person can read. Nothing here needs MXNet.

config.json     every setting, what the book's recipe is, the versions, the machine, the command
history.csv     one row an epoch
train.log       what was printed, with times
curves.png      loss and accuracies by epoch
answers.json    which classes the network takes for which after the last epoch, and its worst mistakes
comparison.json where the run lies among the published ones, and comparison.png, the same as a picture
checkpoint/     see gluon_cnn.training.checkpoints
data.json       of a data set of your own the names and hashes of its files
mynet.py        the file that defines a network of your own, as it was when the run began
run.lock        the number of the process that trains, which has locked it, or of the last one that did
"""

import contextlib
import dataclasses
import errno
import json
import os
from pathlib import Path

from gluon_cnn.data import DATA_SETS
from gluon_cnn.data.fashion_mnist import release_hashing_to
from gluon_cnn.errors import Malformed, RunError
from gluon_cnn.files import (
    leftovers,
    reason_of,
    refuse_foreign,
    remedy,
    remove_leftovers,
    sha256_of,
    write_atomically,
)
from gluon_cnn.models import split_own
from gluon_cnn.recipe import difference_in_words, in_words, shown
from gluon_cnn.training.config import OWN_FRAMEWORK, read_config
from gluon_cnn.training.held import LOCK, HeldDirectory
from gluon_cnn.training.history import read_history, write_history
from gluon_cnn.training.process import this_process
from gluon_cnn.training.settings import Settings

__all__ = ["RunDirectory"]

CONFIG, HISTORY, LOG, CURVES, CHECKPOINTS = "config.json", "history.csv", "train.log", "curves.png", "checkpoint"
# A path in the directory that is longer than any that is used.
_LONGEST = f"{CHECKPOINTS}/.epoch-1000000-step-1000000.tmp/.gluon-cnn-4194304-1000000000000-trainer.states"


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
    config : Config or None
        Of a run that was opened, all of ``config.json``.
    needed : dict
        The bytes of the files, by name, without which the run that this process trains could not be resumed.
    """

    def __init__(self, directory, recipe, settings=None, *, book=None):
        self.directory, self.recipe, self.book = Path(directory), recipe, book
        self.settings = settings or Settings()
        self.dataset, self.config, self.needed = None, None, {}
        self._content, self._held = {}, None  # config.json as it is, and the directory

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
            if recipe.release is None:  # begun before a recipe named it
                recipe = dataclasses.replace(recipe, release=release_hashing_to(config.dataset.sha256))
            run = cls(directory, recipe, config.settings, book=config.book)
            run.dataset, run.config, run._content = config.dataset, config, content
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
    def name(self):
        """What the run is called where its place does not matter."""
        return self.directory.resolve().name or str(self.directory)

    @property
    def history(self):
        """The epochs so far, a list of EpochResult; RunError if none is done or the file cannot be read."""
        return read_history(self.history_path, self.recipe.epochs)

    @property
    def epochs_done(self):
        """The epochs that the history has; 0 without a history."""
        return len(self.history) if self.history_path.exists() else 0

    @property
    def diverged(self):
        """What was no longer finite when the run ended, and where; empty if nothing was."""
        return self._content.get("diverged", "")

    @property
    def processes(self):
        """Those that trained the run, from the first to the last, a list of Process; empty if it has not begun."""
        config = RunDirectory.open(self.directory).config if self.begun else None
        return [config, *config.resumed] if config else []

    @property
    def framework(self):
        """What trained the run: MXNet, or another framework, whose runs can be compared, but not resumed or loaded."""
        return self.config.framework if self.config else OWN_FRAMEWORK

    def refuse_other_framework(self):
        """RunError if another framework trained the run."""
        if self.framework != OWN_FRAMEWORK:
            raise RunError(
                f"{self.directory} was trained by {self.framework}, so it cannot be resumed or loaded: name another "
                "directory.",
                "out",
            )

    @property
    def reasons_not_compared(self):
        """What keeps the recipe from being the book's, in words such as ``1 epoch instead of 5``; empty if nothing."""
        if self.book is None:
            edition = f" in edition {self.recipe.edition}" if self.recipe.edition else ""
            return [f"no run of {self.recipe.name}{edition} was published"]
        differences = self.book.differences
        if self.dataset and differences.get("data") and DATA_SETS[self.recipe.data].info is None:
            return [f"another data set, {self.dataset.name}"]  # the rest follows from it
        return [difference_in_words(name, own, book) for name, (own, book) in differences.items()]

    def refuse_taken(self):
        """RunError if a new run cannot begin in this directory."""
        directory = self.directory
        self._refuse_name()
        if (directory / CONFIG).exists():
            raise RunError(f"{directory} holds another run: resume it, or choose another directory.", "resume", "out")
        # A process that was killed before it could write its settings leaves a lock, the beginning of a file, and a
        # copy of this very network. Nothing is removed here, because the directory may be refused.
        left = {directory / LOCK, *leftovers(directory)}
        if self.source_path and self.source_path.is_file() and sha256_of(self.source_path) == self.recipe.source:
            left.add(self.source_path)
        if directory.is_dir() and not left.issuperset(directory.iterdir()):
            raise RunError(f"{directory} is not empty and holds no run: choose another directory.", "out")

    def _refuse_name(self):
        """RunError if there can be no directory of this name, or no run's files in it."""
        for path in (self.directory, *self.directory.parents):
            if os.path.lexists(path):
                if not path.is_dir():
                    raise RunError(f"{path} is not a directory: choose another name.", "out")
                break
        try:
            os.lstat(self.directory / _LONGEST)
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                raise RunError(f"The name {self.directory} is too long for a run: choose another one.", "out") from None

    def refuse_other_recipe(self, wanted, advice="leave these out, or choose another directory"):
        """RunError if the run was begun with other values than a dictionary of some of its recipe's has, or by another
        framework."""
        self.refuse_other_framework()
        begun = self.recipe.values()
        # Without a name it is whichever release the run began with.
        wanted = {name: value for name, value in wanted.items() if (name, value) != ("release", None)}
        differing = [name for name, value in wanted.items() if begun[name] != value]
        if differing:
            pairs = [f"{in_words(name, begun[name])}, not {shown(wanted[name])}" for name in differing]
            settings = [*differing, *(wanted["options"] if "options" in differing else ())]
            raise RunError(f"{self.directory} was begun with {'; '.join(pairs)}: {advice}.", *settings, "out")

    def write_config(self, command, threads, on_gpu=False):
        """Write ``config.json``: recipe, settings, data set, and the command, versions, machine and number of threads
        that the run began with. Those of each process that resumed it follow under ``resumed``."""
        path, config = self.directory / CONFIG, this_process(command, threads, on_gpu)
        if path.exists():
            before = RunDirectory.open(self.directory)._content
            config = {**before, "resumed": [*before.get("resumed", []), config]}
        config.pop("diverged", None)
        config.update(
            recipe=self.recipe.values(),
            settings=dataclasses.asdict(self.settings),
            book=self.book and dataclasses.asdict(self.book),
            dataset=dataclasses.asdict(self.dataset),
        )
        self._write_config(config)

    def note_divergence(self, problem):
        """Write into ``config.json`` what is no longer finite, and where, until somebody resumes the run."""
        self._write_config({**self._content, "diverged": problem})

    def _write_config(self, config):
        text = json.dumps(config, indent=1) + "\n"
        self._content = config
        with self.writing(self.directory / CONFIG) as path, write_atomically(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        self.needed[CONFIG] = text.encode()

    @contextlib.contextmanager
    def locked(self):
        """Make the directory if it is not there, and hold it for this process, see :class:`HeldDirectory`.

        Raises
        ------
        RunError
            If another process holds the run, or the directory cannot be written.
        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            refuse_foreign(self.log_path)  # before anything is written
            held = HeldDirectory(self.directory)
        except OSError as error:
            raise RunError(
                f"The directory {self.directory} cannot be written ({reason_of(error)}): choose another one.", "out"
            ) from None
        try:
            self._held = held
            remove_leftovers(held.place)
            yield
        finally:
            self._held = None
            held.close()

    @contextlib.contextmanager
    def writing(self, path):
        """Give the path to write one of the run's files, or its checkpoints, to. While this process holds the run, it
        leads into the same directory whatever happens to the directory's name.

        Raises
        ------
        DirectoryLost
            If this process holds the run, and the directory is not what it was.
        RunError
            If this process holds the run, and ``path`` cannot be written.
        """
        if self._held is None:
            yield path
            return
        try:
            with self._held.writing(self.needed):
                yield self._held.place / path.name
        except OSError as error:
            then, setting = ("and resume the run", "resume") if self.begun else ("or choose another directory", "out")
            raise RunError(f"{path} cannot be written ({reason_of(error)}): {remedy(error)} {then}.", setting) from None

    def write_history(self, history):
        """Write ``history.csv`` from a list of EpochResult."""
        with self.writing(self.history_path) as path:
            write_history(path, history)

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
        own = self.recipe.source and split_own(self.recipe.name)
        return self.directory / own[0] if own else None

    @property
    def curves_path(self):
        """The file of the run's figure."""
        return self.directory / CURVES

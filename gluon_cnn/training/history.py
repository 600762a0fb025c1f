"""A run's history: what is measured in an epoch, as one table of columns, and its file ``history.csv``."""

import csv
import dataclasses
import io
import itertools
import math
from pathlib import Path
from typing import Callable, NamedTuple, Optional

from gluon_cnn.checks import RANGES
from gluon_cnn.decoding import Amount, Count, Finite, Fraction, convert, read_text, within
from gluon_cnn.errors import Malformed, RunError
from gluon_cnn.files import write_atomically

__all__ = ["COLUMNS", "MEASURES", "EpochResult", "is_a_guess", "read_history", "write_history"]

_ROW = 512  # bytes, more than a row has


class Column(NamedTuple):
    """A column of a history.

    Attributes
    ----------
    name : str
        In :class:`EpochResult`, in ``history.csv`` and in ``published_runs.csv``.
    words : str
        Its name in sentences and tables.
    label : str
        At the axis of a figure, with the unit.
    write : str
        The format of a value in the file.
    read : callable
    compared : bool
        Whether runs are compared by it.
    """

    name: str
    words: str
    label: str
    write: str
    read: Callable = float
    compared: bool = False


def _column(words, label, write, default=dataclasses.MISSING, **options):
    return dataclasses.field(default=default, metadata={"words": words, "label": label, "write": write, **options})


@dataclasses.dataclass(frozen=True)
class EpochResult:
    """One epoch: its number from 1; the mean loss per image, in nats; the top-1 accuracies, as fractions; the seconds
    with the test pass; the images a second of the training pass alone; and how many classes have a logit of 0 for every
    test image, or None where nobody looked. A published value that is not known is None."""

    epoch: within("epochs") = _column("epoch", "epoch", "d", read=int)
    train_loss: Finite = _column("train loss", "train loss (nats)", ".6f", compared=True)
    train_acc: Fraction = _column("train accuracy", "train accuracy", ".6f", compared=True)
    test_acc: Fraction = _column("test accuracy", "test accuracy", ".6f", compared=True)
    seconds: Amount = _column("seconds", "seconds of an epoch", ".2f")
    examples_per_sec: Amount = _column("images a second", "images a second", ".1f")
    dead_classes: Optional[Count] = _column("dead classes", "dead classes", "d", None, read=int)

    def __str__(self):
        """The line that a training prints after the epoch, as the book does."""
        return (
            f"epoch {self.epoch}, loss {self.train_loss:.4f}, train acc {self.train_acc:.3f}, "
            f"test acc {self.test_acc:.3f}, time {self.seconds:.1f} sec"
        )


#: The columns, in the order of the file. To add one is to add a field above, and its value where an epoch ends.
COLUMNS = tuple(Column(field.name, **field.metadata) for field in dataclasses.fields(EpochResult))
#: Those by which runs are compared, by their names.
MEASURES = {column.name: column for column in COLUMNS if column.compared}
_MAY_BE_EMPTY = {field.name for field in dataclasses.fields(EpochResult) if field.default is None}


def is_a_guess(loss, classes):
    """Whether a mean loss is within 0.01 of ln(classes) nats, that of a network which cannot tell the classes apart."""
    return abs(loss - math.log(classes)) < 0.01


def write_history(path, history):
    """Write a list of EpochResult as a CSV file."""
    with write_atomically(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(column.name for column in COLUMNS)
        for result in history:
            values = ((getattr(result, column.name), column.write) for column in COLUMNS)
            writer.writerow("" if value is None else format(value, write) for value, write in values)


def read_history(path, epochs=RANGES["epochs"][1]):
    """The rows of a CSV file, at most one for each of so many epochs, as a list of EpochResult; RunError if it is
    not a history."""
    path = Path(path)
    try:
        table = csv.DictReader(io.StringIO(read_text(path, _ROW * (epochs + 1)), newline=""))
        history = [_read(row, number) for number, row in enumerate(itertools.islice(table, epochs + 1), 1)]
        if [result.epoch for result in history] != list(range(1, len(history) + 1)):
            raise Malformed("its epochs are not 1, 2, 3, ...")
        if len(history) > epochs:
            raise Malformed(f"it has more epochs than the recipe, {epochs}")
        return history
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(
            f"{path.parent} has no {path.name}: name the directory of a run that has finished an epoch."
        ) from None
    except (Malformed, csv.Error) as error:
        raise RunError(
            f"{path} cannot be read as a run's history ({error}): restore it, or name another run's directory."
        ) from None


def _read(row, number):
    """A row's EpochResult. What may be unknown may be empty, or have no column."""
    texts = {column.name: row[column.name] for column in COLUMNS if column.name in row}
    try:
        return convert(
            {name: text for name, text in texts.items() if text or name not in _MAY_BE_EMPTY}, EpochResult, strict=False
        )
    except Malformed as error:
        raise Malformed(f"row {number}: {error}") from None

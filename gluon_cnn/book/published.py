"""The published runs, as data; where they come from is in README.md beside them."""

import csv
import functools
import math
from pathlib import Path
from typing import List, NamedTuple

from gluon_cnn.errors import ComparisonError
from gluon_cnn.training.metrics import EpochResult

__all__ = ["PublishedRun", "published_runs"]


class PublishedRun(NamedTuple):
    """One published run.

    Attributes
    ----------
    name : str
        Unique among all runs.
    edition, model, gpu, source : str
    date : str
        When it was uploaded, or empty.
    history : list of EpochResult
        A value that was not published, or was not finite, is None.
    """

    name: str
    edition: str
    model: str
    gpu: str
    date: str
    source: str
    history: List[EpochResult]


def published_runs(model, edition):
    """The published runs of a network in an edition.

    Parameters
    ----------
    model : str
        ``lenet``, ``alexnet``, ``vgg`` (or ``vgg11``, with its channels divided by 4), ``nin``, ``googlenet``,
        ``resnet`` or ``densenet``, in any case.
    edition : str
        ``zh-v1``, ``en`` or ``zh-v2``.

    Returns
    -------
    list of PublishedRun

    Raises
    ------
    ComparisonError
        If no run of that network was published in that edition.
    """
    model = str(model).lower()
    published = _all_runs()
    runs = published.get(("vgg" if model == "vgg11" else model, edition))
    if runs is None:
        models, editions = (", ".join(dict.fromkeys(names)) for names in zip(*published))
        raise ComparisonError(
            f"No run of {model} was published in edition {edition}: there are runs of {models} in {editions}."
        )
    return list(runs)


@functools.lru_cache(maxsize=None)
def _all_runs():
    """{(model, edition): list of PublishedRun}, in the file's order."""
    histories, about = {}, {}
    text = Path(__file__).with_name("published_runs.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines()):
        histories.setdefault(row["run"], []).append(_epoch(row))
        about[row["run"]] = row
    runs = {}
    for name, history in histories.items():
        row = about[name]
        facts = [row[column] for column in ("edition", "model", "gpu", "date", "source")]
        runs.setdefault((row["model"], row["edition"]), []).append(PublishedRun(name, *facts, history))
    return runs


def _epoch(row):
    values = (float(row[name] or "nan") for name in EpochResult._fields[1:6])
    return EpochResult(int(row["epoch"]), *(value if math.isfinite(value) else None for value in values))

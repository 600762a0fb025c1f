"""The published runs, as data; where they come from is in README.md beside them."""

import csv
import functools
import math
from pathlib import Path
from typing import List, NamedTuple

from gluon_cnn.errors import ComparisonError
from gluon_cnn.training.history import COLUMNS, EpochResult

__all__ = ["PUBLISHED_RELEASE", "PublishedRun", "comparable_runs", "published_runs"]


#: The release of Fashion-MNIST that all of them were trained and tested on, because Gluon downloads that one.
PUBLISHED_RELEASE = "first"


#: The runs of the first Chinese edition whose notebooks are of April 2019 or later, when GoogLeNet got two more ReLUs
#: and DenseNet fewer channels; read in each run's notebook. That edition's networks here are the older ones.
_REVISED = {
    "googlenet": ("03", "04", "05", "06", "07", "09", "10", "16", "17"),
    "densenet": ("03", "04", "05", "06", "07", "09", "15", "16"),
}


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
    revised : bool
        Whether it is a GoogLeNet or DenseNet of ``zh-v1`` as revised in April 2019, which is another network than ours
        of that edition, so that runs are not compared with it.
    """

    name: str
    edition: str
    model: str
    gpu: str
    date: str
    source: str
    history: List[EpochResult]
    revised: bool = False


def published_runs(model, edition):
    """The published runs of a network in an edition.

    Parameters
    ----------
    model : str
        ``lenet``, ``alexnet``, ``vgg``, ``nin``, ``googlenet``, ``resnet`` or ``densenet``, or another name that
        :func:`gluon_cnn.get_model` has for one of them, in upper or lower case.
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
    runs = published.get((model, edition)) or published.get((_published_name(model), edition))
    if runs is None:
        models, editions = (", ".join(dict.fromkeys(names)) for names in zip(*published))
        raise ComparisonError(
            f"No run of {model} was published in edition {edition}: there are runs of {models} in {editions}."
        )
    return list(runs)


def comparable_runs(model, edition):
    """Those of :func:`published_runs` whose network is exactly ours of that edition."""
    return [run for run in published_runs(model, edition) if not run.revised]


def _published_name(model):
    """The name in the file of one of the book's networks; None for others."""
    from gluon_cnn.models import find_network, list_models

    # The record of a network lies beside its code, which needs MXNet: a name of the file itself does not come here.
    return find_network(model).published_as if model in list_models() else None


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
        revised = row["edition"] == "zh-v1" and name.rpartition("/")[2] in _REVISED.get(row["model"], ())
        runs.setdefault((row["model"], row["edition"]), []).append(PublishedRun(name, *facts, history, revised))
    return runs


def _epoch(row):
    return EpochResult(**{column.name: _value(column, row.get(column.name)) for column in COLUMNS})


def _value(column, text):
    """What a cell of the file holds; None if it is empty, not finite, or not there."""
    value = column.read(text) if text else None
    return value if value is not None and math.isfinite(value) else None

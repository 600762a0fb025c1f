"""The report of a directory of runs: what was run, on what, and how it compares; as a page and as Markdown."""

import logging
import time
from importlib import metadata
from pathlib import Path
from typing import List, NamedTuple

from gluon_cnn.comparison import figures
from gluon_cnn.comparison.compare import published_sample
from gluon_cnn.comparison.mistakes import mistakes_of
from gluon_cnn.comparison.pages import page_template
from gluon_cnn.comparison.results import histories_of, kinds, read_runs, write_sample_comparisons
from gluon_cnn.comparison.verdict import end_in_words
from gluon_cnn.comparison.words import framework_in_words, gap_in_words, release_in_words, throughput_in_words
from gluon_cnn.errors import GluonCNNError, RunError
from gluon_cnn.files import write_atomically
from gluon_cnn.training.config import OWN_FRAMEWORK
from gluon_cnn.training.history import MEASURES

__all__ = ["Report", "write_report"]

log = logging.getLogger(__name__)


class Report(NamedTuple):
    """The files of a report, of which there are none if no run could be read, and an error for each run below the
    directory that could not be."""

    paths: List[Path]
    errors: List[GluonCNNError]


def write_report(directory):
    """Write ``report.html`` and ``report.md`` about all runs anywhere below a directory, and the comparisons of
    :func:`gluon_cnn.comparison.results.write_sample_comparisons`, whose figures the Markdown shows.

    Returns
    -------
    Report

    Raises
    ------
    RunError
        If there is no run with an epoch.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise RunError(f"{directory} is not a directory: name one that holds runs.")
    paths = sorted(directory.rglob("config.json"))
    # Without those that another process has just begun.
    comparisons, errors = read_runs([path.parent for path in paths], skip_empty=True)
    if not comparisons:
        if errors:
            return Report([], errors)
        raise RunError(f"{directory} holds no run that has finished an epoch: name a directory with runs.")
    content = _content(directory, comparisons)
    content["errors"] += errors
    for network in content["networks"]:
        for sample in network["samples"]:
            log.info(f"{network['title']}, {_start(sample)}: {sample['verdict']}")
    written = []
    for name in ("report.html", "report.md"):
        text = page_template(name, cell=_cell).render(content)
        with write_atomically(directory / name) as temporary:
            # The bytes of a path in a command need not be UTF-8.
            temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
        written.append(directory / name)
    return Report(written, content["errors"])


def _content(directory, runs):
    """What the templates show of runs with their comparisons."""
    networks, others, errors = [], [], []
    for of_kind in kinds(runs).values():
        comparable = {run: runs[run] for run in of_kind if runs[run]}
        if comparable:
            networks.append(_network(directory, comparable, errors))
        others += [_row(directory, run, None, errors) for run in of_kind if not runs[run]]
    return {
        "networks": networks,
        "others": others,
        "errors": errors,
        "measures": MEASURES,
        "machines": _distinct(_machine(run.config.machine) for run in runs),
        "versions": _distinct(_versions(run.config.versions) for run in runs),
        "runs": len(runs),
        "hours": sum(result.seconds for run in runs for result in run.history) / 3600,
        "written": time.strftime("%Y-%m-%d"),
        "version": metadata.version("gluon-cnn"),
    }


def _network(directory, comparisons, errors):
    """One network in one edition: its samples, figures and runs."""
    runs = list(comparisons)
    published = [run.history for run in published_sample(runs[0])]
    histories = histories_of(runs)
    model, edition = runs[0].recipe.model, runs[0].recipe.edition
    name = f"{model}-{edition}"
    return {
        "title": f"{model}, {edition}",
        "name": name,
        "samples": [
            {
                **comparison,
                "start": _start(comparison),
                "data": release_in_words(comparison),
                "gap": gap_in_words(comparison),
                "speed": throughput_in_words(comparison),
            }
            for comparison in write_sample_comparisons(runs, directory)
        ],
        "figures": figures.comparison_svgs(published, histories, name),
        "rows": [_row(directory, *item, errors) for item in comparisons.items()],
    }


def _start(comparison):
    return f"{framework_in_words(comparison)}from {comparison['initial_weights']} initial weights"


def _row(directory, run, comparison, errors):
    """A run in a table, and where it errs; what is wrong with its answers is added to ``errors``."""
    history = run.history
    mistakes, error = mistakes_of(directory, run)
    errors += [error] if error else []
    by = "" if run.framework == OWN_FRAMEWORK else f", by {run.framework}"
    ended = [end_in_words(run.diverged)] if run.diverged else []
    return {
        "run": run.directory.relative_to(directory).as_posix() + by,
        "release": run.recipe.release or "",
        "seed": run.recipe.seed,
        "epochs": f"{len(history)} of {run.recipe.epochs}",
        "last": history[-1],
        "minutes": sum(result.seconds for result in history) / 60,
        "verdict": comparison["verdict"] if comparison else "; ".join([*ended, *run.reasons_not_compared]),
        "command": run.config.command,
        **mistakes,
    }


def _cell(text):
    """Text in a cell of a Markdown table."""
    return " ".join(str(text).replace("|", "\\|").replace("`", "'").split())


def _machine(machine):
    cores = "?" if machine.cores is None else machine.cores
    return f"{machine.processor}, {cores} cores, {machine.system}"


def _versions(versions):
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _distinct(values):
    return list(dict.fromkeys(values))

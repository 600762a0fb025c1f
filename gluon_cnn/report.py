"""The report of a directory of runs: what was run, on what, and how it compares; as a page and as Markdown."""

import time
from importlib import metadata
from pathlib import Path

from gluon_cnn import plot
from gluon_cnn.book import compare_run, compare_runs, published_runs
from gluon_cnn.book.compare import MEASURES, differences
from gluon_cnn.book.describe import throughput, weights
from gluon_cnn.errors import RunError
from gluon_cnn.files import write_atomically
from gluon_cnn.results import SAMPLE_NAMES, kinds
from gluon_cnn.training import Run, read_history
from gluon_cnn.training.recipe import PUBLISHED_EDITIONS

__all__ = ["write_report"]


def write_report(directory):
    """Write ``report.html`` and ``report.md`` about all runs in a directory, and in the directories in it.

    Returns
    -------
    list of Path
        The two files.

    Raises
    ------
    RunError
        If there is no run with an epoch, or one whose files cannot be read.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    directory = Path(directory)
    if not directory.is_dir():
        raise RunError(f"{directory} is no directory: name one that holds runs.")
    content = _content(directory)
    environment = Environment(
        loader=PackageLoader("gluon_cnn"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    written = []
    for name in ("report.html", "report.md"):
        with write_atomically(directory / name) as temporary:
            temporary.write_text(environment.get_template(name).render(content), encoding="utf-8")
        written.append(directory / name)
    return written


def _content(directory):
    """What the templates show."""
    runs = [Run.open(path.parent) for path in sorted(directory.rglob("config.json"))]
    # A run that another process has just begun has no history yet.
    runs = [run for run in runs if run.history_path.exists() and read_history(run.directory)]
    if not runs:
        raise RunError(f"{directory} holds no run that has finished an epoch: name a directory with runs.")
    networks, others = [], []
    for (model, edition), of_kind in kinds(runs).items():
        comparable = [run for run in of_kind if edition in PUBLISHED_EDITIONS and not differences(run.recipe)]
        if comparable:
            networks.append(_network(directory, model, edition, comparable))
        others += [
            {**_row(directory, run), "title": f"{model}, {edition}", "verdict": _why_not(run.recipe)}
            for run in of_kind
            if run not in comparable
        ]
    return {
        "networks": networks,
        "others": others,
        "measures": MEASURES,
        "machines": _distinct(_machine(run.config) for run in runs),
        "versions": _distinct(_versions(run.config) for run in runs),
        "runs": len(runs),
        "hours": sum(r.seconds for run in runs for r in read_history(run.directory)) / 3600,
        "written": time.strftime("%Y-%m-%d"),
        "version": metadata.version("gluon-cnn"),
    }


def _network(directory, model, edition, runs):
    """One network in one edition: its samples, figures and runs."""
    published = [run.history for run in published_runs(model, edition)]
    samples, histories = [], {}
    for init, name in SAMPLE_NAMES.items():
        sample = [(run.recipe, read_history(run.directory)) for run in runs if run.recipe.init == init]
        if sample:
            comparison = compare_runs(sample)
            samples.append({**comparison, "weights": weights(comparison), "speed": throughput(comparison)})
            histories[name] = [history for _, history in sample]
    rows = []
    for run in runs:
        comparison = compare_run(run.recipe, read_history(run.directory))
        rows.append({**_row(directory, run), "verdict": comparison["verdict"]})
    return {
        "title": f"{model}, {edition}",
        "name": f"{model}-{edition}",
        "published": len(published),
        "samples": samples,
        "figures": plot.comparison_svgs(published, histories, f"{model}-{edition}"),
        "rows": rows,
    }


def _row(directory, run):
    history = read_history(run.directory)
    return {
        "directory": run.directory.relative_to(directory).as_posix(),
        "seed": run.recipe.seed,
        "weights": SAMPLE_NAMES[run.recipe.init],
        "epochs": f"{len(history)} of {run.recipe.epochs}",
        "last": history[-1],
        "minutes": sum(result.seconds for result in history) / 60,
        "command": run.config.get("command", ""),
    }


def _why_not(recipe):
    if recipe.edition not in PUBLISHED_EDITIONS:
        return f"no run of edition {recipe.edition} was published"
    return "not the book's recipe: " + "; ".join(differences(recipe))


def _machine(config):
    machine = config.get("machine", {})
    processor, cores = machine.get("processor", "unknown processor"), machine.get("cores", "?")
    return f"{processor}, {cores} cores, {machine.get('system', '')}"


def _versions(config):
    return ", ".join(f"{name} {version}" for name, version in config.get("versions", {}).items())


def _distinct(values):
    return list(dict.fromkeys(values))

"""What is made of runs' histories and kept beside them: figures, and comparisons with the published runs."""

import json
from pathlib import Path

from gluon_cnn import plot
from gluon_cnn.book import compare_run, compare_runs, published_runs
from gluon_cnn.book.compare import WEIGHTS, differences
from gluon_cnn.data.fashion_mnist import SIDE
from gluon_cnn.errors import ComparisonError
from gluon_cnn.files import write_atomically
from gluon_cnn.training import read_history

__all__ = [
    "compare_each",
    "compare_together",
    "has_results",
    "kinds",
    "remove_results",
    "samples_of",
    "write_curves",
    "write_results",
]

COMPARISON = "comparison"


def write_curves(run):
    """Draw what a run has so far to ``curves.png``; nothing if no epoch is done."""
    if run.history_path.exists():
        side = run.recipe.resize or SIDE
        edition = f", {run.recipe.edition}" if run.recipe.edition else ""
        title = f"{run.recipe.model}{edition}, {side}×{side}, seed {run.recipe.seed}"
        plot.save_curves(read_history(run.directory), run.curves_path, title)


def write_results(run):
    """A finished run's ``curves.png`` and, if its recipe is the book's, its comparison, which is returned (or None)."""
    remove_results(run)
    write_curves(run)
    return None if differences(run.recipe) else compare_each([run])[0]


def has_results(run):
    """Whether a run has all epochs and what :func:`write_results` makes of them."""
    if not run.history_path.exists() or len(read_history(run.directory)) < run.recipe.epochs:
        return False
    return all(path.exists() for path in _results(run) if not (differences(run.recipe) and COMPARISON in path.name))


def remove_results(run):
    """Remove what :func:`write_results` makes, before there are more epochs than it shows."""
    for path in _results(run):
        path.unlink(missing_ok=True)


def compare_each(runs):
    """Write ``comparison.json`` and ``comparison.png`` into each run; the comparisons."""
    comparisons = []
    for run in runs:
        history = read_history(run.directory)
        try:
            comparison = compare_run(run.recipe, history)
        except ComparisonError as error:
            raise ComparisonError(f"{run.directory}: {error}") from None
        title = f"{run.recipe.model}, {run.recipe.edition}, seed {run.recipe.seed}"
        samples = {f"{WEIGHTS[run.recipe.init]} weights": [history]}
        _write(run.directory, COMPARISON, comparison, run.recipe, samples, title)
        comparisons.append(comparison)
    return comparisons


def compare_together(runs, directory):
    """Write a comparison of several runs of one network and edition into a directory.

    ``comparison-<model>-<edition>.json`` holds a list with one comparison for each kind of initial weights, the figure
    of the same name all of them.

    Returns
    -------
    list of dict
        See :func:`gluon_cnn.book.compare_runs`.
    """
    recipe, samples = runs[0].recipe, samples_of(runs)
    comparisons = [compare_runs(sample) for sample in samples.values()]
    Path(directory).mkdir(parents=True, exist_ok=True)
    name = f"{COMPARISON}-{recipe.model}-{recipe.edition}"
    histories = {name: [history for _, history in sample] for name, sample in samples.items()}
    _write(directory, name, comparisons, recipe, histories, f"{recipe.model}, {recipe.edition}")
    return comparisons


def samples_of(runs):
    """Runs of one network and edition by their initial weights: ``{"replayed weights": list of (Recipe, history)}``."""
    samples = {}
    for run in sorted(runs, key=lambda run: (run.recipe.init, run.recipe.seed)):
        samples.setdefault(f"{WEIGHTS[run.recipe.init]} weights", []).append((run.recipe, read_history(run.directory)))
    return samples


def kinds(runs):
    """Runs by network and edition: ``{(model, edition): list of Run}``, sorted, each by weights and seed."""
    found = {}
    for run in sorted(runs, key=lambda run: (run.recipe.model, run.recipe.edition, run.recipe.init, run.recipe.seed)):
        found.setdefault((run.recipe.model, run.recipe.edition), []).append(run)
    return found


def _results(run):
    return [run.curves_path, run.directory / f"{COMPARISON}.json", run.directory / f"{COMPARISON}.png"]


def _write(directory, name, comparison, recipe, samples, title):
    published = [run.history for run in published_runs(recipe.model, recipe.edition)]
    figure = Path(directory) / f"{name}.png"
    plot.save_comparison(published, samples, figure, f"{title}: beside {len(published)} published runs")
    with write_atomically(figure.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(comparison, indent=1) + "\n", encoding="utf-8")

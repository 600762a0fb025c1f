"""What is made of runs' histories and kept beside them: figures, and comparisons with the published runs."""

import json
from pathlib import Path

from gluon_cnn import plot
from gluon_cnn.book import compare_run, compare_runs, published_runs
from gluon_cnn.book.compare import differences
from gluon_cnn.data.fashion_mnist import SIDE
from gluon_cnn.errors import ComparisonError
from gluon_cnn.files import write_atomically
from gluon_cnn.training import read_history
from gluon_cnn.training.recipe import PUBLISHED_EDITIONS

__all__ = ["SAMPLE_NAMES", "compare_each", "compare_together", "has_results", "kinds", "write_curves", "write_results"]

#: What a figure calls a sample, by the runs' initial weights.
SAMPLE_NAMES = {"book": "replayed weights", "seed": "own weights"}
COMPARISON = "comparison"


def write_curves(run):
    """Draw what a run has so far to ``curves.png``; nothing if no epoch is done."""
    if run.history_path.exists():
        side = run.recipe.resize or SIDE
        title = f"{run.recipe.model}, {run.recipe.edition}, {side}×{side}, seed {run.recipe.seed}"
        plot.save_curves(read_history(run.directory), run.curves_path, title)


def write_results(run):
    """A finished run's ``curves.png`` and, if its recipe is the book's, its comparison, which is returned (or None)."""
    write_curves(run)
    if run.recipe.edition not in PUBLISHED_EDITIONS or differences(run.recipe):
        return None
    return compare_each([run])[0]


def has_results(run):
    """Whether a run has all epochs and what :func:`write_results` makes of them."""
    if not run.history_path.exists() or len(read_history(run.directory)) < run.recipe.epochs:
        return False
    comparable = run.recipe.edition in PUBLISHED_EDITIONS and not differences(run.recipe)
    paths = [run.curves_path, *(_paths(run.directory) if comparable else ())]
    return all(path.exists() for path in paths)


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
        samples = {SAMPLE_NAMES[run.recipe.init]: [history]}
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
    recipe = runs[0].recipe
    comparisons, samples = [], {}
    for init, name in SAMPLE_NAMES.items():
        sample = [(run.recipe, read_history(run.directory)) for run in runs if run.recipe.init == init]
        if sample:
            comparisons.append(compare_runs(sample))
            samples[name] = [history for _, history in sample]
    Path(directory).mkdir(parents=True, exist_ok=True)
    name = f"{COMPARISON}-{recipe.model}-{recipe.edition}"
    _write(directory, name, comparisons, recipe, samples, f"{recipe.model}, {recipe.edition}")
    return comparisons


def kinds(runs):
    """Runs by network and edition: ``{(model, edition): list of Run}``, sorted, each by weights and seed."""
    found = {}
    for run in sorted(runs, key=lambda run: (run.recipe.model, run.recipe.edition, run.recipe.init, run.recipe.seed)):
        found.setdefault((run.recipe.model, run.recipe.edition), []).append(run)
    return found


def _paths(directory, name=COMPARISON):
    return Path(directory) / f"{name}.json", Path(directory) / f"{name}.png"


def _write(directory, name, comparison, recipe, samples, title):
    numbers, figure = _paths(directory, name)
    published = [run.history for run in published_runs(recipe.model, recipe.edition)]
    plot.save_comparison(published, samples, figure, f"{title}: beside {len(published)} published runs")
    with write_atomically(numbers) as temporary:
        temporary.write_text(json.dumps(comparison, indent=1) + "\n", encoding="utf-8")

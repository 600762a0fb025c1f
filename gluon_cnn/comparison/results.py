"""What is written beside a run, or beside several: curves, and comparisons with the published runs."""

import json
from pathlib import Path

from gluon_cnn.comparison import figures
from gluon_cnn.comparison.compare import compare_run, compare_runs, kind_of, published_sample
from gluon_cnn.decoding import convert, read_json
from gluon_cnn.errors import ComparisonError, GluonCNNError, Malformed
from gluon_cnn.files import write_atomically
from gluon_cnn.recipe import INITS
from gluon_cnn.training.config import OWN_FRAMEWORK
from gluon_cnn.training.directory import RunDirectory

__all__ = [
    "has_results",
    "histories_of",
    "kinds",
    "read_runs",
    "samples_of",
    "write_comparison",
    "write_curves",
    "write_results",
    "write_sample_comparisons",
]

COMPARISON = "comparison"


def write_curves(run):
    """Draw the epochs of a run so far to ``curves.png``; nothing if none is done."""
    if run.epochs_done:
        recipe = run.recipe
        edition = f", {recipe.edition}" if recipe.edition else ""
        title = f"{recipe.name}{edition}, {recipe.side}×{recipe.side}, seed {recipe.seed}"
        with run.writing(run.curves_path) as path:
            figures.save_curves(run.history, path, title)


def write_results(run):
    """Write a finished run's ``curves.png`` and, if its recipe is the book's, its comparison.

    Returns
    -------
    dict or None
        See :func:`gluon_cnn.comparison.compare.compare_run`; None if the run is not compared.
    """
    write_curves(run)
    if run.reasons_not_compared:
        _remove_comparison(run)  # of fewer epochs
        return None
    comparison = _compared(run)
    write_comparison(run, comparison)
    return comparison


def has_results(run):
    """Whether a run has all epochs and what :func:`write_results` makes of them, which is newer than its history."""
    if run.epochs_done < run.recipe.epochs:
        return False
    paths = [run.curves_path, *(() if run.reasons_not_compared else _comparison_paths(run))]
    history = run.history_path.stat().st_mtime_ns
    return all(path.exists() and path.stat().st_mtime_ns >= history for path in paths)


def _remove_comparison(run):
    """Remove a comparison that was written before, and nothing that somebody else put in its place."""
    try:
        ours = "verdict" in convert(read_json(_comparison_paths(run)[0]), dict)
    except (OSError, Malformed):
        return
    for path in _comparison_paths(run) if ours else ():
        if path.is_file() and not path.is_symlink():
            with run.writing(path) as there:
                there.unlink()


def read_runs(directories, *, skip_empty=False):
    """Read runs, and compare each that follows the book's recipe with the published ones.

    Parameters
    ----------
    directories : iterable of path
    skip_empty : bool, default False
        Leave out runs that have no epoch yet, which cannot be compared.

    Returns
    -------
    (dict, list of GluonCNNError)
        ``{run: comparison}``, see :func:`gluon_cnn.comparison.compare.compare_run`, None for another recipe; and what
        is wrong with the runs that cannot be read or compared.
    """
    comparisons, errors = {}, []
    for directory in directories:
        try:
            run = RunDirectory.open(directory)
            if run.epochs_done or not skip_empty:
                comparisons[run] = None if run.reasons_not_compared else _compared(run)
        except GluonCNNError as error:
            errors.append(error)
    return comparisons, errors


def _compared(run):
    """As :func:`gluon_cnn.comparison.compare.compare_run`, with the run's directory in the ComparisonError."""
    try:
        return compare_run(run)
    except ComparisonError as error:
        raise ComparisonError(f"{run.directory}: {error}", *error.settings) from None


def write_comparison(run, comparison, directory=None):
    """Write a run's comparison, ``comparison.json`` and ``comparison.png``, into a directory, the run's by default."""
    directory = Path(directory or run.directory)
    directory.mkdir(parents=True, exist_ok=True)
    title = f"{run.recipe.model}, {run.recipe.edition}, seed {run.recipe.seed}"
    with run.writing(directory / COMPARISON) as path:
        _write(path, comparison, [run], title)


def write_sample_comparisons(runs, directory):
    """Write a comparison of several runs of one network and edition into a directory, and return the comparisons.

    ``comparison-<model>-<edition>.json`` holds a list with one comparison for each kind of initial weights on each
    release of Fashion-MNIST in each framework; the figure of the same name shows all of them.

    Returns
    -------
    list of dict
        See :func:`gluon_cnn.comparison.compare.compare_runs`.
    """
    recipe, directory = runs[0].recipe, Path(directory)
    comparisons = [compare_runs(sample) for sample in samples_of(runs).values()]
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{COMPARISON}-{recipe.model}-{recipe.edition}"
    _write(path, comparisons, runs, f"{recipe.model}, {recipe.edition}")
    return comparisons


def samples_of(runs):
    """Runs of one network and edition by :func:`gluon_cnn.comparison.compare.kind_of`, such as ``{("published",
    "second", "MXNet"): list of runs}``, by seed."""
    samples = {}
    for run in sorted(runs, key=_order):
        samples.setdefault(kind_of(run), []).append(run)
    return samples


def histories_of(runs):
    """The histories of :func:`samples_of` for a figure, by the initial weights alone unless there are two releases, and
    by the framework if it is another one."""
    samples = samples_of(runs)
    alone = len({release for _, release, _ in samples}) == 1
    histories = {}
    for (init, release, framework), sample in samples.items():
        name = init if framework == OWN_FRAMEWORK else f"{framework}, {init} weights"
        histories[name if alone else (name, release)] = [run.history for run in sample]
    return histories


def kinds(runs):
    """``{(model, edition): list of runs}``, sorted, the runs of each by initial weights and seed."""
    found = {}
    for run in sorted(runs, key=_order):
        found.setdefault((run.recipe.name, run.recipe.edition), []).append(run)
    return found


def _order(run):
    recipe = run.recipe
    init, release, framework = kind_of(run)
    return recipe.name, recipe.edition or "", INITS.index(init), release or "", framework, recipe.seed


def _comparison_paths(run):
    return [run.directory / f"{COMPARISON}.{ending}" for ending in ("json", "png")]


def _write(path, comparison, runs, title):
    """Write a comparison as ``path`` with the endings .json and .png."""
    published = [run.history for run in published_sample(runs[0])]
    # Not with_suffix, which would cut the name of a directory's file at its last dot.
    json_path, figure_path = (path.with_name(f"{path.name}.{ending}") for ending in ("json", "png"))
    releases = {run.recipe.release for run in runs} - {None}
    on = f", {releases.pop()} release" if len(releases) == 1 else ""
    title = f"{title}{on}: beside {len(published)} published runs"
    figures.save_comparison(published, histories_of(runs), figure_path, title)
    with write_atomically(json_path) as temporary:
        temporary.write_text(json.dumps(comparison, indent=1) + "\n", encoding="utf-8")

"""Train all runs that a comparison with the book needs, one after another, as far as they are missing."""

import contextlib
import dataclasses
import gc
import logging
from pathlib import Path
from statistics import median

from gluon_cnn.comparison.report import write_report
from gluon_cnn.comparison.results import has_results, write_results
from gluon_cnn.errors import TrainingDiverged
from gluon_cnn.training.directory import RunDirectory
from gluon_cnn.training.run import Run
from gluon_cnn.training.run_names import default_name
from gluon_cnn.training.threads import note_measured_threads
from gluon_cnn.training.train_run import train_run

__all__ = ["reproduce", "train_missing"]

log = logging.getLogger(__name__)


def reproduce(recipes, directory, settings, *, command, quiet=False):
    """Train what is missing of some runs (see :func:`train_missing`) and write the report.

    Parameters
    ----------
    recipes : list of Recipe
    directory : Path
        Each run gets a directory in it.
    settings : Settings
        How the runs are computed.
    command : callable
        Gives the command that trains a run, for its ``config.json``.
    quiet : bool
        Show no progress.

    Returns
    -------
    list of Path
        The report's files.
    """
    directory = Path(directory)
    # A copy of the settings for each run, because a run keeps in them how many threads it measured.
    runs = [Run(directory / default_name(recipe), recipe, dataclasses.replace(settings)) for recipe in recipes]
    train_missing(runs, command=command, quiet=quiet)
    report = write_report(directory)
    for error in report.errors:
        log.warning(str(error))
    return report.paths


def train_missing(runs, *, command, quiet=False):
    """Train runs one after another, as far as they are missing.

    A run that was interrupted is resumed, and one that is finished is left as it is. So this may be stopped, or killed,
    at any time, and called again. A run whose loss is no longer finite is left as it is, with a warning.

    Parameters
    ----------
    runs : list of Run
    command : callable
        Gives the command that trains a run, for its ``config.json``.
    quiet : bool
        Show no progress.

    Raises
    ------
    RunError
        If the directory of one of them holds a run of another recipe.
    """
    for run in runs:  # before hours go into the first of them
        if run.begun:
            begun, wanted = RunDirectory.open(run.directory), run.recipe.values()
            begun.refuse_other_recipe(wanted, "rename that directory, or choose another one")
            run.recipe = dataclasses.replace(run.recipe, release=begun.recipe.release)
            note_measured_threads(begun)
    releases = {run.recipe.release for run in runs if run.begun}
    if len(releases) == 1:  # a sample is of one release
        (release,) = releases
        for run in runs:
            run.recipe = dataclasses.replace(run.recipe, release=run.recipe.release or release)
    for number, run in enumerate(runs, 1):
        if run.begun and _is_over(RunDirectory.open(run.directory)):
            continue
        log.info(f"run {number} of {len(runs)}, {run.directory}: {_time_left(runs[number - 1 :], runs)}")
        with contextlib.ExitStack() as held:  # the directory, also while the results are written
            try:
                train_run(run, command=command(run), resume=run.begun, quiet=quiet, held=held)
            except TrainingDiverged as error:
                log.warning(f"{run.directory}: {error}")
            else:
                write_results(run)
        gc.collect()  # the network's memory, before the next one takes its own


def _is_over(run):
    return has_results(run) or bool(run.diverged)


def _time_left(to_do, runs):
    """How long the remaining runs will take, estimated from the finished epochs of each network."""
    from tqdm import tqdm  # here, where an import that fails on a variable can be explained

    seconds, unknown = 0.0, []
    for run in to_do:
        same = (other for other in runs if other.recipe.model == run.recipe.model)
        known = [result.seconds for other in same if other.epochs_done for result in other.history]
        if known:
            seconds += (run.recipe.epochs - run.epochs_done) * median(known)
        elif run.recipe.model not in unknown:
            unknown.append(run.recipe.model)
    parts = [f"about {tqdm.format_interval(round(seconds))} left for all runs"] if seconds or not unknown else []
    if unknown:
        parts.append(f"how long {', '.join(unknown)} will take is known after its first epoch")
    return "; ".join(parts)

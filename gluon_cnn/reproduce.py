"""All runs that a comparison with the book needs, one after another, whatever was done of them before."""

import dataclasses
import gc
import logging
from statistics import median

from tqdm import tqdm

from gluon_cnn.arguments import train_command
from gluon_cnn.errors import TrainingDiverged
from gluon_cnn.report import write_report
from gluon_cnn.results import has_results, remove_results, write_results
from gluon_cnn.training import Run, read_history, train
from gluon_cnn.training.run import CONFIG, default_name
from gluon_cnn.training.threads import note_measured_threads

__all__ = ["reproduce", "train_missing"]

log = logging.getLogger(__name__)


def reproduce(recipes, directory, settings, *, quiet=False):
    """Train what is missing of some runs, see :func:`train_missing`, and write the report.

    Parameters
    ----------
    recipes : list of Recipe
    directory : Path
        Each run gets a directory in it.
    settings : dict
        How the runs are computed, see :class:`gluon_cnn.training.Run`.
    quiet : bool
        Show no progress.

    Returns
    -------
    list of Path
        The report's files.
    """
    train_missing([Run(directory / default_name(recipe), recipe, settings) for recipe in recipes], quiet=quiet)
    return write_report(directory)


def train_missing(runs, *, quiet=False):
    """Train runs one after another, as far as they are not there.

    A run that was cut off is gone on with; one that is finished is left as it is. So this may be stopped, or
    killed, at any time, and called again. A run whose loss is no longer finite is left as it is, with a warning.

    Raises
    ------
    RunError
        If the directory of one of them holds a run of another recipe.
    """
    for run in runs:  # before hours go into the first of them
        if (run.directory / CONFIG).exists():
            recipe, advice = dataclasses.asdict(run.recipe), "rename that directory, or choose another --out"
            begun = Run.open(run.directory)
            begun.refuse_other_recipe(recipe, advice)
            note_measured_threads(begun)
    for number, run in enumerate(runs, 1):
        resume = (run.directory / CONFIG).exists()
        if has_results(run) or (resume and "diverged" in Run.open(run.directory).config):
            continue
        log.info(f"run {number} of {len(runs)}, {run.directory}: {_time_left(runs[number - 1 :], runs)}")
        remove_results(run)  # of fewer epochs, which would look finished
        try:
            train(run, command=train_command(run), resume=resume, quiet=quiet)
        except TrainingDiverged as error:
            log.warning(f"{run.directory}: {error}")
        else:
            write_results(run)
        gc.collect()  # the network's memory, before the next one takes its own


def _time_left(to_do, runs):
    """What the runs that are left will take, going by the epochs that are done of each network."""
    seconds, unknown = 0.0, []
    for run in to_do:
        known = [r.seconds for other in runs if other.recipe.model == run.recipe.model for r in _done(other)]
        if known:
            seconds += (run.recipe.epochs - len(_done(run))) * median(known)
        elif run.recipe.model not in unknown:
            unknown.append(run.recipe.model)
    parts = [f"about {tqdm.format_interval(round(seconds))} left for the whole"] if seconds or not unknown else []
    if unknown:
        parts.append(f"the time that {', '.join(unknown)} will take is known after a first epoch")
    return "; ".join(parts)


def _done(run):
    return read_history(run.directory) if run.history_path.exists() else []

"""Train a run: from its recipe, or from where it was stopped, to its last epoch."""

import contextlib
import dataclasses
import functools
import logging
import shutil
from pathlib import Path

from gluon_cnn.data import DATA_SETS
from gluon_cnn.data.inputs import moments_in_words
from gluon_cnn.errors import ModelError, RunError, TrainingDiverged
from gluon_cnn.files import sha256_of, write_atomically
from gluon_cnn.models import split_own
from gluon_cnn.recipe import in_words
from gluon_cnn.runtime import set_threads
from gluon_cnn.runtime.devices import parse_context
from gluon_cnn.training import mixed_precision
from gluon_cnn.training.checkpoint import load_states
from gluon_cnn.training.checkpoints import last_checkpoint, load_last_checkpoint, read_states, tidy
from gluon_cnn.training.data_files import keep_files, refuse_other_data
from gluon_cnn.training.epochs import Epochs
from gluon_cnn.training.job import Job
from gluon_cnn.training.log_file import log_to
from gluon_cnn.training.manifest import State
from gluon_cnn.training.memory import advice_on_memory
from gluon_cnn.training.recipes import book_recipe, check_recipe, fixed_values, get_recipe, release_to_train_on
from gluon_cnn.training.saver import Saver
from gluon_cnn.training.setup import load_data, set_up
from gluon_cnn.training.signals import NotedSignals
from gluon_cnn.training.threads import choose_threads
from gluon_cnn.training.weights import begin_elsewhere, open_weights, refuse_unnamed_weights, taken_in_words

__all__ = ["train_run"]

log = logging.getLogger(__name__)

# Settings that the announcement always gives, or leaves to the command.
_SAID = {
    "batch_size",
    "data",
    "edition",
    "epochs",
    "init",
    "lr",
    "model",
    "optimizer",
    "release",
    "seed",
    "side",
    "source",
    "test_size",
    "train_size",
    "weights",
    "workers",
}


def train_run(run, *, command, resume=False, quiet=False, job=None, held=None, open_weights=open_weights):
    """Train ``run`` to the last epoch of its recipe, saving after each.

    Parameters
    ----------
    run : Run
        With ``resume`` one that exists, else a new one, whose directory is created only after its settings have been
        checked.
    command : str
        How this process was called, for ``config.json``.
    resume, quiet : bool
        Begin at the last checkpoint, if there is one; show no progress.
    job : Job, optional
        The workers this process trains with. Only the first of them touches the run's directory.
    held : contextlib.ExitStack, optional
        Until it ends, the directory stays locked for what is written there after the training.
    open_weights : callable, optional
        In place of :func:`gluon_cnn.training.weights.open_weights`, to read more kinds of files.

    Returns
    -------
    list of EpochResult
        One for each epoch, those of earlier processes included.

    Raises
    ------
    RunStopped
        After SIGINT or SIGTERM, once the step under way is finished and saved.
    TrainingDiverged
        If the loss is no longer finite. The last good checkpoint stays.
    GluonCNNError
        If the data, the device, the directory, the checkpoint or the weights to begin from cannot be used.
    """
    job = job or Job(run.settings.kvstore)
    if not resume:
        job.from_first(run.refuse_taken)  # before anything is loaded, and once more when nobody else can begin there
    recipe, devices = _checked_recipe(run, job), parse_context(run.settings.ctx)
    with advice_on_memory(recipe, devices), contextlib.ExitStack() as stack:
        data = _loaded(run, devices[0], job, resume)
        threads, why = choose_threads(run, devices, data, job, resume)
        setup = set_up(recipe, devices, data, hybrid=run.settings.hybrid, kvstore=job.store)
        run.book = book_recipe(recipe)
        begin_elsewhere(run, setup.net, job, resume, open_weights)
        job.from_first(lambda: (held or stack).enter_context(run.locked()))
        write_config = functools.partial(run.write_config, command, threads, devices[0].device_type == "gpu")
        begun = job.from_first(lambda: _begin(run, setup, devices, resume, write_config, stack).to_json())
        signals = stack.enter_context(NotedSignals())
        # Here, because MXNet starts new threads, with a number of its own, whenever the process forks.
        set_threads(threads, devices)
        state = State.from_json(begun)
        _prepare_trainer(run, setup.trainer, state, job)
        _announce(run, devices, setup, state, why)
        saver = stack.enter_context(Saver(run.checkpoints, job.beat, run.writing)) if job.first else None
        try:
            return Epochs(run, setup, devices, job, saver, signals, quiet).finish(state)
        except TrainingDiverged as error:
            if job.first:
                _note_divergence(run, error)
            raise


def _checked_recipe(run, job):
    """The run's recipe, with the release of the data that is there, once its settings have been checked."""
    run.settings.check()
    check_recipe(run.recipe)
    refuse_unnamed_weights(run)
    _refuse_within_data(run)
    release = job.from_first(lambda: release_to_train_on(run.recipe, run.settings.data_dir))
    run.recipe = dataclasses.replace(run.recipe, release=release)
    return run.recipe


def _refuse_within_data(run):
    """RunError if the run's directory would become a part of the data set of one's own that it is trained on."""
    place = run.settings.data_dir
    if place is None or DATA_SETS[run.recipe.data].info is not None:
        return
    folder, directory = Path(place).resolve(), run.directory.resolve()
    if folder in (directory, *directory.parents):
        raise RunError(
            f"{run.directory} is in the folder of the data set, {folder}, which the run would change: choose another "
            "directory.",
            "out",
        )


def _loaded(run, device, job, resume):
    """The run's data, once it is clear that they are those that it was begun with."""

    def check(sha256, files):
        job.from_first(lambda: refuse_other_data(run, sha256, files))

    options = {"memory": run.settings.data_bytes, "check": check if resume else None}
    data = load_data(run.recipe, run.settings.data_dir, device, job, **options)
    run.dataset = data.info
    if resume:  # of arrays too, before anything that may not fit others
        check(data.info.sha256, data.files)
    return data


def _begin(run, setup, devices, resume, write_config, stack):
    """Begin a new run in its directory, or resume the one that it holds: log until ``stack`` ends, load the parameters,
    and return the State."""
    if not resume:
        run.refuse_taken()
    _keep_source(run)
    if not resume:
        write_config()  # first, because a directory with anything else in it holds no run
    keep_files(run, setup.data.files)
    stack.enter_context(log_to(run))
    for note in filter(None, (*setup.data.notes, setup.data.left_out)):
        log.warning(note)
    for where in setup.data.stored:
        log.info(where)
    state = load_last_checkpoint(run.checkpoints, setup.net, devices, fixed_values(run.recipe))
    if resume:
        write_config()  # last, because one that cannot be resumed has not been
    if state is None:
        if resume:
            log.info("there is no checkpoint yet, so the run begins anew")
        return State(fixed_values(run.recipe))
    log.info(f"resuming from {last_checkpoint(run.checkpoints)}")
    tidy(run.checkpoints)
    return state


def _prepare_trainer(run, trainer, state, job):
    """Bring the trainer to where the run stands, on all workers."""
    job.begin(trainer, run.recipe.batch_size)
    load_states(trainer, job.broadcast(read_states(run.checkpoints) if job.first else b""))
    if run.recipe.amp:
        mixed_precision.load_scaler(trainer, state.loss_scaler)


def _note_divergence(run, error):
    """Write into the run's settings that it diverged, if that can be written: the error itself says more."""
    try:
        run.note_divergence(error.problem)
    except RunError as unwritten:
        log.warning(str(unwritten))


def _keep_source(run):
    """Keep a copy of the file that defines a network of your own, with its name."""
    if not run.source_path:
        return
    if not run.source_path.exists():
        file, _ = split_own(run.recipe.model)
        with run.writing(run.source_path) as path, write_atomically(path) as temporary:
            shutil.copyfile(file, temporary)
            if sha256_of(temporary) != run.recipe.source:  # changed since this process has read it
                raise ModelError(f"{run.recipe.model} has changed while the run began: start it again.", "model")
    run.needed[run.source_path.name] = run.source_path.read_bytes()


def _announce(run, devices, setup, state, why):
    """Log why there are so many threads, if there is a reason, and what is trained: what everybody wants to know, then
    what differs from the network's own recipe."""
    if why:
        log.info(why)
    recipe = run.recipe
    if state.epoch == recipe.epochs:
        more = "; resume with more epochs to train further" if recipe.epochs_may_grow else ""
        log.info(f"all {recipe.epochs} epochs are done{more}")
        return
    differing = recipe.differences(get_recipe(recipe.model, recipe.edition, data=recipe.data))
    others = [f", {in_words(name, value)}" for name, (value, _) in differing.items() if name not in _SAID]
    batch = f"batch {recipe.batch_size}" + (f" on each of {recipe.workers} workers" if recipe.workers > 1 else "")
    images = f"{len(setup.data.train.labels):,} images of {recipe.side}×{recipe.side}"
    if recipe.release:
        images += f", {recipe.release} release"
    if DATA_SETS[recipe.data].info is None:
        info = setup.data.info
        colour = "grey" if info.channels == 1 else "in colour"
        images += f" of {info.name}, {colour}, {len(info.classes)} classes"
    weights = f"{'the published' if recipe.init == 'published' else 'own'} initial weights"
    if recipe.weights:
        weights = f"the weights of {run.settings.weights_from}"
    log.info(
        f"training {recipe.name} on {', '.join(map(str, devices))}: {images}, {batch}, {recipe.optimizer} at "
        f"{recipe.lr:g}, {weights}, seed {recipe.seed}{''.join(others)}; in {run.directory}"
    )
    if recipe.normalize == "measured":
        log.info(f"measured on the training images: {moments_in_words(setup.data.info)}")
    if recipe.weights:
        log.info(taken_in_words(run, setup.net))

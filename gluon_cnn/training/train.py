"""Train a run: from its recipe, or from where it was stopped, to its last epoch."""

import contextlib
import functools
import logging
import math
import re
import signal
import threading
import time

from mxnet.gluon import nn

from gluon_cnn._runtime import set_threads, threads
from gluon_cnn.data import CLASSES, SAMPLE, get_fashion_mnist_labels, load_data_fashion_mnist
from gluon_cnn.device import parse_context
from gluon_cnn.errors import RunStopped, TrainingDiverged
from gluon_cnn.models.sequential import layers_of
from gluon_cnn.seeding import seed_mxnet
from gluon_cnn.training.checkpoint import last_checkpoint, load_last_checkpoint, tidy
from gluon_cnn.training.initial_weights import initialize_as_published, initialize_from_seed
from gluon_cnn.training.loop import test_steps, train_steps
from gluon_cnn.training.metrics import EpochResult, Sums, is_a_guess
from gluon_cnn.training.progress import Progress
from gluon_cnn.training.saver import Saver

__all__ = ["load_data", "train"]

log = logging.getLogger(__name__)

SAVE_EVERY = 120.0  # seconds of work between two checkpoints, where the settings do not say in how many steps


def train(run, *, command, resume=False, quiet=False):
    """Train ``run`` to the last epoch of its recipe, saving after each.

    Parameters
    ----------
    run : Run
        With ``resume`` one that exists, else a new one, whose directory is made once everything that
        can be wrong with its settings has been looked at.
    command : str
        How this process was called, for ``config.json``.
    resume : bool
        Go on from the last checkpoint, if there is one.
    quiet : bool
        Show no progress.

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
        If the data, the device, the directory or the checkpoint cannot be used.
    """
    if not resume:
        run.refuse_taken()  # before anything is loaded, and once more when nobody else can begin there
    devices = parse_context(run.settings["ctx"])
    recipe = run.recipe
    train_iter, test_iter = load_data(recipe, run.settings["data_dir"], devices[0])
    net = recipe.network(run.settings["hybrid"])
    _initialize(net, recipe, devices)
    # As a list, in the order of the layers: a dictionary would be sorted by names that count all layers
    # of the process (conv9, conv10), and a checkpoint's states would fit the wrong parameters.
    parameters = list(net.collect_params().values())
    trainer = recipe.trainer(parameters)
    with contextlib.ExitStack() as stack:
        stack.enter_context(run.locked())
        if not resume:
            run.refuse_taken()
        run.write_config(command)
        stack.enter_context(_log_to(run.log_path))
        signals = stack.enter_context(_Signals())
        # Here, for MXNet begins its threads anew, with a number of its own, whenever the process forks.
        set_threads(run.settings["threads"] or threads())
        checkpoint, state = load_last_checkpoint(run.checkpoints, net, trainer, devices)
        if checkpoint is None:  # as in a new run
            state = _state(epoch=0, history=[], dead=[])
        else:
            log.info(f"going on from {checkpoint}")
            tidy(run.checkpoints)
        if run.settings["hybrid"]:
            net.hybridize(static_alloc=True, static_shape=True)
        if state["epoch"] == recipe.epochs:
            log.info(f"all {recipe.epochs} epochs are done; --epochs with a larger number adds more")
        else:
            _announce(run, devices, train_iter)
        saver = stack.enter_context(Saver(run.checkpoints))
        training = _Training(run, net, trainer, devices, train_iter, test_iter, saver, signals, quiet)
        try:
            return training.finish(state)
        except TrainingDiverged as error:
            run.note_divergence(re.split("[:;]", str(error))[0])
            raise


def load_data(recipe, data_dir, device):
    """The two iterables of batches that a recipe asks for."""
    return load_data_fashion_mnist(
        recipe.batch_size,
        recipe.resize,
        SAMPLE if recipe.data == "sample" else data_dir,
        train_size=recipe.train_size,
        test_size=recipe.test_size,
        augment=recipe.augment,
        seed=recipe.seed,
        ctx=device,
    )


def _initialize(net, recipe, devices):
    if recipe.init == "book":
        initialize_as_published(net, recipe.edition, ctx=devices)
    else:
        side = recipe.resize or 28
        initialize_from_seed(net, recipe.seed, (1, 1, side, side), ctx=devices)


def _announce(run, devices, train_iter):
    recipe, side = run.recipe, run.recipe.resize or 28
    variant = "" if recipe.final_relu else ", no last ReLU"
    variant += "" if recipe.num_mlp_layers == 2 else f", {recipe.num_mlp_layers} 1×1 convolutions a block"
    variant += "" if recipe.clip_gradient is None else f", gradient clipped to ±{recipe.clip_gradient:g}"
    log.info(
        f"training {recipe.model} on {', '.join(map(str, devices))}: {len(train_iter.labels):,} images of "
        f"{side}×{side}, batch {recipe.batch_size}, {recipe.optimizer} at {recipe.lr:g}, "
        f"{'the published' if recipe.init == 'book' else 'own'} initial weights, seed {recipe.seed}{variant}; "
        f"in {run.directory}"
    )


def _state(epoch, history, dead):
    """Where a run stands after so many epochs, the last of which ended with some classes dead."""
    rows = [result._asdict() for result in history]
    clocks = {"seconds": 0.0, "train_seconds": 0.0}
    return {"epoch": epoch, "step": 0, "sums": {}, **clocks, "history": rows, "dead_classes": dead}


def _diagnose(result, dead, dead_before):
    """Log what a NiN that collapses shows: classes without a logit, when they change, and a loss that is a guess's."""
    if dead != dead_before:
        names = f": {', '.join(get_fashion_mnist_labels(dead))}" if dead else ""
        log.info(f"dead classes: {len(dead)} of {len(CLASSES)}{names}")
    if result.epoch > 1 and is_a_guess(result.train_loss, len(CLASSES)):
        log.warning(
            f"the loss is that of a guess, ln({len(CLASSES)}) = {math.log(len(CLASSES)):.4f}: the network has not "
            "begun to learn or has collapsed; --init seed with another --seed, or a smaller --lr, may help"
        )


class _Training:
    """What the epochs of one process share."""

    def __init__(self, run, net, trainer, devices, train_iter, test_iter, saver, signals, quiet):
        self.run, self.recipe = run, run.recipe
        self.net, self.trainer, self.devices = net, trainer, devices
        self.train_iter, self.test_iter = train_iter, test_iter
        self.saver, self.signals, self.quiet = saver, signals, quiet
        self.saved = time.monotonic()

    def finish(self, state):
        """Train from ``state`` to the last epoch; the history."""
        history = [EpochResult(**row) for row in state["history"]]
        while state["epoch"] < self.recipe.epochs:
            result, dead = self._epoch(state)
            history.append(result)
            log.info(
                f"epoch {result.epoch}, loss {result.train_loss:.4f}, train acc {result.train_acc:.3f}, "
                f"test acc {result.test_acc:.3f}, time {result.seconds:.1f} sec"
            )
            _diagnose(result, dead, state["dead_classes"])
            state = _state(result.epoch, history, dead)
            # The row comes after the checkpoint, so that a history with all its rows is that of a finished run.
            self._save(state, then=functools.partial(self.run.write_history, list(history)))
        self.saver.wait()
        self.run.write_history(history)  # also where a kill came between the last checkpoint and its row
        return history

    def _epoch(self, state):
        epoch = state["epoch"]
        sums = Sums(**state["sums"])
        start = time.perf_counter()
        number = len(self.train_iter.labels)

        def so_far():
            numbers = {name: getattr(sums, name) for name in ("loss", "correct", "images", "steps")}
            clocks = {name: state[name] + time.perf_counter() - start for name in ("seconds", "train_seconds")}
            return {**state, "step": sums.steps, "sums": numbers, **clocks}

        steps = train_steps(
            self.net,
            self._seeded_batches(epoch, sums.steps),
            self.trainer,
            self.devices,
            sums,
            batch_size=self.recipe.batch_size if self.recipe.nominal_step else None,
        )
        after = (self.recipe.epochs - epoch - 1) * number
        what = f"epoch {epoch + 1}/{self.recipe.epochs}"
        stopped = self._take(self._saved_steps(steps, sums, so_far), sums, epoch, what, number, images_after=after)
        train_seconds = so_far()["train_seconds"]
        tested = Sums()
        if not stopped:
            steps = test_steps(self.net, self.test_iter, self.devices, tested)
            stopped = self._take(steps, tested, epoch, "testing", len(self.test_iter.labels))
        if stopped:
            self._stop({**so_far(), "train_seconds": train_seconds})
        seconds = so_far()["seconds"]
        speed, dead = sums.images / train_seconds, tested.dead_classes
        return EpochResult(epoch + 1, sums.mean_loss, sums.accuracy, tested.accuracy, seconds, speed, len(dead)), dead

    def _seeded_batches(self, epoch, first):
        """The epoch's batches from ``first`` on, MXNet's generators being seeded before each step of a
        network (or by an optimiser) that draws from them."""
        draws = self.recipe.optimizer == "sgld" or any(isinstance(layer, nn.Dropout) for layer in layers_of(self.net))
        for step, batch in enumerate(self.train_iter.epoch(epoch, first), first):
            if draws:
                seed_mxnet(self.recipe.seed, epoch, step)
            yield batch

    def _saved_steps(self, steps, sums, so_far):
        """The steps, with a checkpoint after those that the settings ask for, or every two minutes."""
        every = self.run.settings["checkpoint_every"]
        for _ in steps:
            yield
            if sums.steps % every == 0 if every else time.monotonic() - self.saved > SAVE_EVERY:
                sums.read()
                self._refuse_non_finite(sums, so_far()["epoch"])
                self._save(so_far())

    def _take(self, steps, sums, epoch, what, images, **options):
        """Take steps until they end or a signal comes; whether one came. ``sums`` are read then."""
        progress = Progress(what, images, done=sums.images, quiet=self.quiet, **options)
        with contextlib.closing(progress):
            for _ in steps:
                if progress.step(sums):
                    self._refuse_non_finite(sums, epoch)
                if self.signals.received:
                    break
        sums.read()
        self._refuse_non_finite(sums, epoch)
        return bool(self.signals.received)

    def _refuse_non_finite(self, sums, epoch):
        if sums.bad_step is not None:
            kept = last_checkpoint(self.run.checkpoints)
            raise TrainingDiverged(
                f"The loss is no longer finite in epoch {epoch + 1}, step {sums.bad_step}: try a smaller --lr; "
                + (f"{kept} is the last good checkpoint." if kept else "there is no checkpoint before it.")
            )

    def _save(self, state, then=None):
        self.saver.save(self.net, self.trainer, state, then)
        self.saved = time.monotonic()

    def _stop(self, state):
        self._save(state)
        self.saver.wait()
        name = signal.Signals(self.signals.received).name
        raise RunStopped(
            f"stopped by {name} in epoch {state['epoch'] + 1} after step {state['step']}, and saved",
            self.signals.received,
        )


class _Signals:
    """Notes SIGINT and SIGTERM instead of letting them end a step half-way."""

    def __init__(self):
        self.received = None
        self._before = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():  # Python allows handlers nowhere else
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number, _frame):
        self.received = self.received or number


@contextlib.contextmanager
def _log_to(path):
    """Write what is logged to a file as well, with times."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    package = logging.getLogger("gluon_cnn")
    package.setLevel(logging.INFO)
    package.addHandler(handler)
    try:
        yield
    finally:
        package.removeHandler(handler)
        handler.close()

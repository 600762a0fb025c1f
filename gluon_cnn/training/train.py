"""Train a run: from its recipe, or from where it was stopped, to its last epoch."""

import contextlib
import dataclasses
import functools
import logging
import math
import re
import signal
import threading
import time

from mxnet.gluon import nn

from gluon_cnn._runtime import set_threads
from gluon_cnn.data import CLASSES, SAMPLE, get_fashion_mnist_labels, load_data_fashion_mnist
from gluon_cnn.device import parse_context
from gluon_cnn.errors import RunStopped, SettingError, TrainingDiverged
from gluon_cnn.models.sequential import layers_of
from gluon_cnn.seeding import seed_mxnet
from gluon_cnn.training import mixed_precision
from gluon_cnn.training.checkpoint import STATES, last_checkpoint, load_last_checkpoint, load_states, tidy
from gluon_cnn.training.inference import for_inference
from gluon_cnn.training.initial_weights import initialize
from gluon_cnn.training.job import Job
from gluon_cnn.training.loop import test_steps, train_steps
from gluon_cnn.training.memory import advice_on_memory
from gluon_cnn.training.metrics import EpochResult, Sums, is_a_guess
from gluon_cnn.training.progress import Progress
from gluon_cnn.training.rearranged import for_training
from gluon_cnn.training.saver import Saver
from gluon_cnn.training.threads import choose_threads

__all__ = ["load_data", "train"]

log = logging.getLogger(__name__)

# Where the settings do not say after how many steps: seconds of work between two checkpoints, and how many times what
# a checkpoint takes these are at least, so that it costs less than 1 % of the run (see benchmarks/saving_cost.py).
SAVE_EVERY = 120.0
SAVE_SHARE = 75


def train(run, *, command, resume=False, quiet=False, job=None):
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
    job : Job, optional
        The workers this process trains with. Only the first of them touches the run's directory.

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
    job = job or Job(run.settings["kvstore"])
    if not resume:
        job.from_first(run.refuse_taken)  # before anything is loaded, and once more when nobody else can begin there
    devices = parse_context(run.settings["ctx"])
    recipe = run.recipe
    train_iter, test_iter = load_data(recipe, run.settings["data_dir"], devices[0], job)
    mixed_precision.begin(recipe.amp, devices, job.kvstore)
    net = recipe.network(run.settings["hybrid"])
    with advice_on_memory(recipe, devices), contextlib.ExitStack() as stack:
        threads, why = choose_threads(run, devices, train_iter, job, resume)
        initialize(net, recipe, devices)
        # As a list, in the order of the layers: a dictionary would be sorted by names that count all layers
        # of the process (conv9, conv10), and a checkpoint's states would fit the wrong parameters.
        parameters = list(net.collect_params().values())
        trainer = recipe.trainer(parameters, job.store)
        rates = recipe.learning_rates(len(train_iter))
        if rates and not job.synchronous:
            raise SettingError(
                "lr_schedule and warmup_epochs change the learning rate from step to step, which dist_async tells its "
                "servers only once: leave them out, or use --kvstore dist_sync."
            )
        states = b""

        def begin():
            """Take the directory, and go on from what it holds."""
            nonlocal states
            stack.enter_context(run.locked())
            if not resume:
                run.refuse_taken()
            run.write_config(command, threads)
            stack.enter_context(_log_to(run.log_path))
            checkpoint, state = load_last_checkpoint(run.checkpoints, net, devices, _identity(recipe))
            if checkpoint is None:  # as in a new run
                return _state(recipe, epoch=0, history=[], dead=[])
            states = (checkpoint / STATES).read_bytes()
            log.info(f"going on from {checkpoint}")
            tidy(run.checkpoints)
            return state

        state = job.from_first(begin)
        signals = stack.enter_context(_Signals())
        # Here, for MXNet begins its threads anew, with a number of its own, whenever the process forks.
        set_threads(threads, devices)
        if why:
            log.info(why)
        job.begin(trainer, recipe.batch_size)
        load_states(trainer, job.broadcast(states))
        if recipe.amp:
            mixed_precision.load_scaler(trainer, state.get("loss_scaler"))
        if run.settings["hybrid"]:
            net.hybridize(static_alloc=True, static_shape=True)
        if state["epoch"] == recipe.epochs:
            more = "" if recipe.lr_schedule else "; --epochs with a larger number adds more"
            log.info(f"all {recipe.epochs} epochs are done{more}")
        else:
            _announce(run, devices, train_iter)
        saver = stack.enter_context(Saver(run.checkpoints, job.beat)) if job.first else None
        training = _Training(run, job, net, trainer, rates, devices, train_iter, test_iter, saver, signals, quiet)
        try:
            return training.finish(state)
        except TrainingDiverged as error:
            if job.first:
                run.note_divergence(re.split("[:;]", str(error))[0])
            raise


def load_data(recipe, data_dir, device, job=None):
    """The two iterables of batches that a recipe asks for; in a job, this worker's part of them."""

    def load(part):
        return load_data_fashion_mnist(
            recipe.batch_size,
            recipe.resize,
            SAMPLE if recipe.data == "sample" else data_dir,
            train_size=recipe.train_size,
            test_size=recipe.test_size,
            augment=recipe.augment,
            seed=recipe.seed,
            ctx=device,
            part=part,
        )

    train_iter, test_iter = load((job.rank, job.workers) if job else (0, 1))
    if job and not job.synchronous:  # whose workers do not hear of each other's answers
        test_iter = load((0, 1))[1]
    return train_iter, test_iter


def _announce(run, devices, train_iter):
    recipe, side = run.recipe, run.recipe.resize or 28
    variant = "" if recipe.final_relu else ", no last ReLU"
    variant += "" if recipe.num_mlp_layers == 2 else f", {recipe.num_mlp_layers} 1×1 convolutions a block"
    variant += ", mixed precision" if recipe.amp else ""
    variant += "" if recipe.clip_gradient is None else f", gradient clipped to ±{recipe.clip_gradient:g}"
    variant += "" if recipe.lr_schedule is None else f", schedule {recipe.lr_schedule}"
    variant += f", warmup {recipe.warmup_epochs} of {recipe.epochs} epochs" if recipe.warmup_epochs else ""
    batch = f"batch {recipe.batch_size}" + (f" on each of {recipe.workers} workers" if recipe.workers > 1 else "")
    log.info(
        f"training {recipe.model} on {', '.join(map(str, devices))}: {len(train_iter.labels):,} images of "
        f"{side}×{side}, {batch}, {recipe.optimizer} at {recipe.lr:g}, "
        f"{'the published' if recipe.init == 'book' else 'own'} initial weights, seed {recipe.seed}{variant}; "
        f"in {run.directory}"
    )


def _identity(recipe):
    """A run's recipe without what may grow: its epochs, unless they are the length of a schedule."""
    grows = recipe.lr_schedule is None
    return {name: value for name, value in dataclasses.asdict(recipe).items() if not (grows and name == "epochs")}


def _state(recipe, epoch, history, dead):
    """Where a run stands after so many epochs, the last of which ended with some classes dead."""
    rows = [result._asdict() for result in history]
    clocks = {"seconds": 0.0, "train_seconds": 0.0}
    where = {"recipe": _identity(recipe), "epoch": epoch, "step": 0, "sums": []}
    return {**where, **clocks, "history": rows, "dead_classes": dead}


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

    def __init__(self, run, job, net, trainer, rates, devices, train_iter, test_iter, saver, signals, quiet):
        self.run, self.recipe, self.job = run, run.recipe, job
        self.net, self.trainer, self.rates, self.devices = net, trainer, rates, devices
        self.trained = for_training(net, run.recipe, devices)
        self.train_iter, self.test_iter = train_iter, test_iter
        self.saver, self.signals, self.quiet = saver, signals, quiet
        self.draws = self.recipe.optimizer == "sgld" or any(isinstance(layer, nn.Dropout) for layer in layers_of(net))
        self.saved = time.monotonic()
        self.stopping = False

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
            state = _state(self.recipe, result.epoch, history, dead)
            # The row comes after the checkpoint, so that a history with all its rows is that of a finished run.
            self._save(state, then=functools.partial(self.run.write_history, list(history)))
        if self.job.first:
            self.saver.wait()
            self.run.write_history(history)  # also where a kill came between the last checkpoint and its row
        return history

    def _epoch(self, state):
        epoch, job = state["epoch"], self.job
        rows = state["sums"]
        if isinstance(rows, dict):  # as the first version wrote them
            rows = [{name: rows[name] for name in ("loss", "correct", "images")}] if rows else []
        mine = rows[job.rank] if job.rank < len(rows) else {}
        sums = Sums(**mine, steps=state["step"])
        start = time.perf_counter()
        number = len(self.train_iter.labels) // job.workers

        def so_far():
            clocks = {name: state[name] + time.perf_counter() - start for name in ("seconds", "train_seconds")}
            rows = [
                {"loss": loss, "correct": int(correct), "images": int(images)}
                for loss, correct, images in job.gather([sums.loss, sums.correct, sums.images])
            ]
            return {**state, "step": sums.steps, "sums": rows, **clocks}

        steps = train_steps(
            self.trained,
            self.train_iter.epoch(epoch, sums.steps),
            self.trainer,
            self.devices,
            sums,
            batch_size=self._divisor(),
            before_step=functools.partial(self._before_step, epoch),
        )
        after = (self.recipe.epochs - epoch - 1) * number
        what = f"epoch {epoch + 1}/{self.recipe.epochs}" + (", this worker's part" if job.workers > 1 else "")
        self._take(self._saved_steps(steps, sums, so_far), sums, epoch, what, number, images_after=after)
        train_seconds = state["train_seconds"] + time.perf_counter() - start
        tested = Sums()
        if not self.stopping:
            job.settle(self.trainer)
            number = len(self.test_iter.labels) // (job.workers if job.synchronous else 1)
            with for_inference(self.net, self.recipe, self.devices, number, self.trained) as net:
                steps = test_steps(net, self.test_iter, self.devices, tested)
                self._take(self._stoppable(steps), tested, epoch, "testing", number)
        if self.stopping:
            self._stop({**so_far(), "train_seconds": train_seconds})
        trained, tested = sums.of_all(job, len(CLASSES)), tested.of_all(job, len(CLASSES))
        self._refuse_non_finite(trained, epoch)
        seconds = state["seconds"] + time.perf_counter() - start
        dead, speed = tested.dead_classes, trained.images / train_seconds
        accuracies = trained.accuracy, tested.accuracy
        return EpochResult(epoch + 1, trained.mean_loss, *accuracies, seconds, speed, len(dead)), dead

    def _divisor(self):
        """What a step's gradient is divided by, see :func:`train_steps`."""
        if not self.job.synchronous:
            return self.recipe.batch_size  # the servers were told once
        if self.recipe.nominal_step:
            return self.recipe.batch_size * self.job.workers
        return self.train_iter.size_of

    def _before_step(self, epoch, step):
        """Set the step's learning rate, if there is a schedule, and seed MXNet's generators for a network (or an
        optimiser) that draws from them."""
        if self.draws:
            own = (self.job.rank,) if self.job.workers > 1 else ()
            seed_mxnet(self.recipe.seed, epoch, step, *own)
        if self.rates:  # by the step, so that it does not matter where the run was stopped
            self.trainer.set_learning_rate(self.rates(epoch * len(self.train_iter) + step + 1))

    def _saved_steps(self, steps, sums, so_far):
        """The steps until a signal comes, with a checkpoint after those that the settings ask for, or every two
        minutes. The workers of a job stop and save after the same step."""
        every = self.run.settings["checkpoint_every"]
        for _ in steps:
            yield
            if self.job.distributed:
                sums.read()  # to be no more than a step ahead of the vote
                self.job.beat()
            due = sums.steps % every == 0 if every else self._save_is_due()
            self.stopping, due, diverged = self.job.vote(self.signals.received, due, sums.bad_step)
            if diverged and self.job.distributed:  # the workers end together
                sums.bad_step = sums.bad_step or sums.steps
                self._refuse_non_finite(sums, so_far()["epoch"])
            if self.stopping:
                return
            if due:
                sums.read()
                state = so_far()
                self._refuse_non_finite(sums, state["epoch"])
                self._save(state)

    def _save_is_due(self):
        """Whether it is time for a checkpoint, as the worker sees it that writes them."""
        if not self.job.first:
            return False
        return time.monotonic() - self.saved > max(SAVE_EVERY, SAVE_SHARE * self.saver.seconds)

    def _stoppable(self, steps):
        """The steps until a signal comes; a job's workers do not stop before their next training step."""
        for _ in steps:
            yield
            self.job.beat()
            if self.signals.received and not self.job.distributed:
                self.stopping = True
                return

    def _take(self, steps, sums, epoch, what, images, **options):
        """Take all of some steps, and read their sums."""
        progress = Progress(what, images, done=sums.images, quiet=self.quiet, **options)
        with contextlib.closing(progress):
            for _ in steps:
                if progress.step(sums) and not self.job.distributed:
                    self._refuse_non_finite(sums, epoch)
        sums.read()
        if not self.job.distributed:
            self._refuse_non_finite(sums, epoch)

    def _refuse_non_finite(self, sums, epoch):
        if sums.bad_step is not None:
            if self.job.first:
                self.saver.wait()
            kept = last_checkpoint(self.run.checkpoints)
            raise TrainingDiverged(
                f"The loss is no longer finite in epoch {epoch + 1}, step {sums.bad_step}: try a smaller --lr; "
                + (f"{kept} is the last good checkpoint." if kept else "there is no checkpoint before it.")
            )

    def _save(self, state, then=None):
        if self.job.first:
            self.saver.save(self.net, self.trainer, state, then)
        self.saved = time.monotonic()

    def _stop(self, state):
        self._save(state)
        if self.job.first:
            self.saver.wait()
        number = self.signals.received or signal.SIGTERM  # or another worker's
        raise RunStopped(
            f"stopped by {signal.Signals(number).name} in epoch {state['epoch'] + 1} after step {state['step']}, and "
            "saved",
            number,
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

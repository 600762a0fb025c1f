"""The epochs of a run: training, test, checkpoints, and stops in between."""

import contextlib
import dataclasses
import functools
import logging
import math
import signal
import time

from gluon_cnn.errors import RunStopped, TrainingDiverged
from gluon_cnn.recipe import PATIENCE
from gluon_cnn.seeding import seed_mxnet
from gluon_cnn.training.answers import write_answers
from gluon_cnn.training.checkpoints import last_checkpoint
from gluon_cnn.training.history import EpochResult, is_a_guess
from gluon_cnn.training.loop import test_epoch, train_epoch
from gluon_cnn.training.manifest import State
from gluon_cnn.training.metrics import Sums
from gluon_cnn.training.noted import NotedAnswers
from gluon_cnn.training.onednn import for_inference
from gluon_cnn.training.progress import Progress
from gluon_cnn.training.recipes import fixed_values
from gluon_cnn.training.schedule import plateaus

__all__ = ["Epochs"]

log = logging.getLogger(__name__)

# Where the settings give no number of steps: the seconds of work between two checkpoints, and the least multiple of a
# checkpoint's own time that lies between them, so that saving costs less than 1 % of the run (see
# benchmarks/saving_cost.py).
SAVE_EVERY = 120.0
SAVE_SHARE = 75


class Epochs:
    """The epochs of one process of a run.

    Parameters
    ----------
    run : RunDirectory
    setup : Setup
    devices : list of mx.Context
    job : Job
    saver : Saver or None
        Of the first worker; the others save nothing.
    signals : NotedSignals
    quiet : bool
        Show no progress.
    """

    def __init__(self, run, setup, devices, job, saver, signals, quiet):
        self.run, self.recipe, self.setup, self.devices = run, run.recipe, setup, devices
        self.job, self.saver, self.signals, self.quiet = job, saver, signals, quiet
        self.saved = time.monotonic()

    def finish(self, state):
        """Train from a State to the recipe's last epoch, and return the history."""
        while state.epoch < self.recipe.epochs:
            epoch = _Epoch(self, state)
            result, dead = epoch.train_and_test()
            log.info(str(result))
            self._diagnose(result, dead, state.dead_classes)
            history = [*state.history, result]
            if plateaus(self.recipe, history) > plateaus(self.recipe, state.history):
                log.info(f"a tenth of the learning rate, after {PATIENCE} epochs without a better test accuracy")
            state = State(fixed_values(self.recipe), result.epoch, history=history, dead_classes=dead)
            if epoch.answers:  # before the checkpoint, so that a run that is finished has them
                write_answers(self.run, epoch.answers)
            # The row comes after the checkpoint, so that a history with all its rows is that of a finished run.
            self.save(state, then=functools.partial(self.run.write_history, history))
        if self.job.first:
            self.saver.wait()
            self.run.write_history(state.history)  # also where a kill came between the last checkpoint and its row
        return state.history

    def _diagnose(self, result, dead, dead_before):
        """Log what a collapse shows: classes without a logit, when they change, and a loss that is a guess's."""
        dataset = self.setup.data.info
        classes = len(dataset.classes)
        if dead != dead_before:
            names = f": {', '.join(dataset.names_of(dead))}" if dead else ""
            log.info(f"dead classes: {len(dead)} of {classes}{names}")
        if result.epoch > 1 and is_a_guess(result.train_loss, classes):
            log.warning(
                f"the loss is that of a guess, ln({classes}) = {math.log(classes):.4f}: the network has not begun to "
                "learn or has collapsed; own initial weights with another seed, or a smaller learning rate, may help"
            )

    def save_is_due(self, step):
        """Whether it is time for a checkpoint after a step, as the worker sees it that writes them."""
        if not self.job.first:
            return False
        if self.saver.failed:  # so that it is said now, and not two minutes later
            return True
        every = self.run.settings.checkpoint_every
        if every:
            return step % every == 0
        return time.monotonic() - self.saved > max(SAVE_EVERY, SAVE_SHARE * self.saver.seconds)

    def save(self, state, then=None):
        """Save the training as it is now; ``then`` is called once it is on the disk."""
        if self.job.first:
            self.saver.save(self.setup.net, self.setup.trainer, state, then)
        self.saved = time.monotonic()

    def stop(self, state):
        """Save the training and end it with RunStopped."""
        self.save(state)
        if self.job.first:
            self.saver.wait()
        number = self.signals.received or signal.SIGTERM  # or another worker's
        name = signal.Signals(number).name
        raise RunStopped(f"stopped by {name} in epoch {state.epoch + 1} after step {state.step}, and saved", number)

    def refuse_non_finite(self, sums, epoch):
        """Raise TrainingDiverged if a step's loss was not finite."""
        if sums.bad_step is None:
            return
        if self.job.first:
            self.saver.wait()
        kept = last_checkpoint(self.run.checkpoints)
        raise TrainingDiverged(
            f"The loss is no longer finite in epoch {epoch + 1}, step {sums.bad_step}",
            "try a smaller learning rate; " + (f"{kept} is the last good checkpoint" if kept else "nothing was saved"),
            "lr",
        )


class _Epoch:
    """One epoch, from a State on, which may be in the middle of it."""

    def __init__(self, epochs, state):
        self.epochs, self.state, self.job, self.recipe = epochs, state, epochs.job, epochs.recipe
        self.data, self.trainer = epochs.setup.data, epochs.setup.trainer
        mine = state.sums[self.job.rank] if self.job.rank < len(state.sums) else {}
        self.trained, self.tested = Sums(**mine, steps=state.step), Sums()
        self.progress = None
        self.answers = None  # after the last epoch of a run that one process trains, a KeptAnswers
        self.stopping = False
        self.began = time.perf_counter()

    def train_and_test(self):
        """The EpochResult, and the classes that are dead after it."""
        self._train()
        train_seconds = self.state.train_seconds + time.perf_counter() - self.began
        if not self.stopping:
            self._test()
        if self.stopping:
            self.epochs.stop(dataclasses.replace(self._so_far(), train_seconds=train_seconds))
        classes = len(self.data.info.classes)
        trained, tested = self.trained.of_all(self.job, classes), self.tested.of_all(self.job, classes)
        self.epochs.refuse_non_finite(trained, self.state.epoch)
        return (
            EpochResult(
                epoch=self.state.epoch + 1,
                train_loss=trained.mean_loss,
                train_acc=trained.accuracy,
                test_acc=tested.accuracy,
                seconds=self.state.seconds + time.perf_counter() - self.began,
                examples_per_sec=trained.images / train_seconds,
                dead_classes=len(tested.dead_classes),
            ),
            tested.dead_classes,
        )

    def _train(self):
        epoch, epochs = self.state.epoch, self.recipe.epochs
        images = len(self.data.train.labels) // self.job.workers
        what = f"epoch {epoch + 1}/{epochs}" + (", this worker's part" if self.job.workers > 1 else "")
        with self._shown(what, images, self.trained, images_after=(epochs - epoch - 1) * images):
            train_epoch(
                self.epochs.setup.training_net,
                self.data.train.epoch(epoch, self.state.step),
                self.trainer,
                self.epochs.devices,
                self.trained,
                after_step=self._after_training_step,
                before_step=self._before_step,
                batch_size=self._divisor(),
            )
        self._read(self.trained)

    def _test(self):
        self.job.settle(self.trainer)
        images = len(self.data.test.labels) // (self.job.workers if self.job.synchronous else 1)
        setup, devices = self.epochs.setup, self.epochs.devices
        last = self.state.epoch + 1 == self.recipe.epochs and self.job.workers == 1
        with for_inference(setup.net, self.recipe, devices, images, setup.training_net) as net:
            noted = NotedAnswers(net)
            with self._shown("testing", images, self.tested):
                test_epoch(
                    noted if last else net,
                    self.data.test,
                    devices,
                    self.tested,
                    after_step=self._after_test_step,
                    split=None,
                )
            self._read(self.tested)
        if last and not self.stopping:
            self.answers = noted.of(self.data.test, self.recipe.epochs)

    @contextlib.contextmanager
    def _shown(self, what, images, sums, **options):
        self.progress = Progress(what, images, done=sums.images, quiet=self.epochs.quiet, **options)
        with contextlib.closing(self.progress):
            yield

    def _divisor(self):
        """What a step's gradient is divided by, see :func:`train_epoch`."""
        if not self.job.synchronous:
            return self.recipe.batch_size  # the servers were told once
        if self.recipe.nominal_step:
            return self.recipe.batch_size * self.job.workers
        return self.data.train.size_of

    def _before_step(self, step):
        """Seed MXNet's generators for a network, or an optimiser, that draws from them; set the step's learning rate,
        if there is a schedule. Both by the step, so that it does not matter where the run was stopped."""
        if self.epochs.setup.draws:
            own = (self.job.rank,) if self.job.workers > 1 else ()
            seed_mxnet(self.recipe.seed, self.state.epoch, step, *own)
        if self.epochs.setup.rates:
            number = self.state.epoch * len(self.data.train) + step + 1
            self.trainer.set_learning_rate(self.epochs.setup.rates(number, self.state.history))

    def _after_training_step(self):
        """Show the progress, stop if a signal came, and save after those steps that the settings ask for, or every two
        minutes. The workers of a job stop and save after the same step."""
        sums, job = self.trained, self.job
        self._show(sums)
        if job.distributed:
            sums.read()  # to be no more than a step ahead of the vote
            job.beat()
        due = self.epochs.save_is_due(sums.steps)
        self.stopping, due, diverged = job.vote(self.epochs.signals.received, due, sums.bad_step)
        if diverged and job.distributed:  # the workers end together
            sums.bad_step = sums.bad_step or sums.steps
            self.epochs.refuse_non_finite(sums, self.state.epoch)
        if due and not self.stopping:
            sums.read()
            state = self._so_far()
            self.epochs.refuse_non_finite(sums, state.epoch)
            self.epochs.save(state)
        return self.stopping

    def _after_test_step(self):
        """Show the progress, and stop if a signal came; a job's workers do not stop before their next training step."""
        self._show(self.tested)
        self.job.beat()
        self.stopping = bool(self.epochs.signals.received) and not self.job.distributed
        return self.stopping

    def _show(self, sums):
        if self.progress.step(sums) and not self.job.distributed:
            self.epochs.refuse_non_finite(sums, self.state.epoch)

    def _read(self, sums):
        sums.read()
        if not self.job.distributed:
            self.epochs.refuse_non_finite(sums, self.state.epoch)

    def _so_far(self):
        """The State in the middle of this epoch."""
        sums = self.trained
        rows = [
            {"loss": loss, "correct": int(correct), "images": int(images)}
            for loss, correct, images in self.job.gather([sums.loss, sums.correct, sums.images])
        ]
        spent = time.perf_counter() - self.began
        return dataclasses.replace(
            self.state,
            step=sums.steps,
            sums=rows,
            seconds=self.state.seconds + spent,
            train_seconds=self.state.train_seconds + spent,
        )

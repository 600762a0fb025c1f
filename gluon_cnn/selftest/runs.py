"""Short runs on the sample: one stopped and resumed, and one in another process, against one without a stop."""

import contextlib
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from gluon_cnn.errors import RunStopped
from gluon_cnn.models.parameters import read_parameters
from gluon_cnn.runtime.devices import as_text
from gluon_cnn.selftest.check import Seen, Untried, difference, tried
from gluon_cnn.training.checkpoints import last_checkpoint
from gluon_cnn.training.job import Job
from gluon_cnn.training.manifest import PARAMETERS, STATES, read_state
from gluon_cnn.training.recipes import get_recipe
from gluon_cnn.training.run import Run, load_run
from gluon_cnn.training.settings import Settings
from gluon_cnn.training.train_run import train_run

__all__ = ["check_runs", "train"]

# Everything that a run can lose takes part: an optimiser with a state, an order and an augmentation that are drawn, and
# NiN's dropout. Each has two epochs, and is stopped within the second, after so many steps.
_RUNS = {
    "lenet": ({"train_size": 1280, "batch_size": 128}, 13),
    "nin": ({"train_size": 96, "batch_size": 32, "side": 67}, 4),
}
_RECIPE = {"data": "sample", "test_size": 128, "epochs": 2, "optimizer": "adam", "lr": 0.001, "augment": True}
_SECONDS = 300  # after which the other process is given up
_CODE = "import sys; sys.path[:] = sys.argv[4:]; from gluon_cnn.selftest.runs import train; train(*sys.argv[1:4])"


class _StoppingJob(Job):
    """A job whose only worker wishes to stop after some of its steps, as if it had been sent a signal."""

    def __init__(self, stop_after):
        super().__init__()
        self.steps, self.stop_after = 0, stop_after

    def vote(self, *wishes):
        self.steps += 1
        stopping, *others = super().vote(*wishes)
        return stopping or self.stopped, *others

    @property
    def stopped(self):
        return self.steps == self.stop_after


def train(directory, model, ctx, job=None):
    """Train the run of a network in a directory."""
    sizes, _ = _RUNS[model]
    run = Run(directory, get_recipe(model, **_RECIPE, **sizes), Settings(ctx=ctx))
    train_run(run, command="", quiet=True, job=job)


def check_runs(device):
    """Yield two Checks of each run: that it can be stopped and resumed, and that another process ends in the same."""
    for model in _RUNS:
        with contextlib.closing(_Runs(model, as_text(device))) as runs:
            yield tried(
                "runs",
                f"{model}, stopped and resumed",
                "A run that is stopped here ends elsewhere than one that is not: do not stop runs on this device, and "
                "report it.",
                _resumed,
                runs,
            )
            yield tried(
                "runs",
                f"{model}, twice, in two processes",
                "Two runs of one seed end in different bits, so no result can be had again exactly: set "
                "MXNET_ENFORCE_DETERMINISM=1 unless it is set, and report it.",
                _twice,
                runs,
            )


class _Runs:
    """The runs of a network on a device, in a directory that is there until they are closed."""

    def __init__(self, model, ctx):
        self.model, self.ctx = model, ctx
        self._directory, self._whole, self._error = None, None, None

    def place(self, name):
        """The path of a run; an OSError if there is no room."""
        if self._directory is None:
            self._directory = tempfile.TemporaryDirectory(prefix="gluon-cnn-selftest-")
        return Path(self._directory.name) / name

    def whole(self):
        """The run without a stop, trained once; the same error each time if that failed."""
        if self._error is not None:
            raise self._error
        if self._whole is None:
            try:
                whole = self.place("whole")
                train(whole, self.model, self.ctx)
            except Exception as error:
                self._error = error
                raise
            self._whole = whole
        return self._whole

    def close(self):
        if self._directory is not None:
            self._directory.cleanup()


def _resumed(runs):
    _, stop_after = _RUNS[runs.model]
    whole, parts, job = runs.whole(), runs.place("parts"), _StoppingJob(stop_after)
    try:
        train(parts, runs.model, runs.ctx, job)
    except RunStopped:
        if not job.stopped:  # somebody else stopped it
            raise
    load_run(parts).resume(quiet=True)
    return _same(parts, whole)


def _twice(runs):
    whole, other = runs.whole(), runs.place("other")
    command = [sys.executable, "-c", _CODE, str(other), runs.model, runs.ctx, *sys.path]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise Untried(f"the other process had not ended after {_SECONDS} s") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["without a word"]
        raise Untried(f"the other process ended with {done.returncode}: {said[-1][:200]}")
    return _same(other, whole)


def _same(found, expected):
    """Whether two runs ended in the same bits: parameters, the optimiser's states, and what was measured."""
    a, b = (last_checkpoint(run / "checkpoint") for run in (found, expected))
    histories = [
        [(r.epoch, r.train_loss, r.train_acc, r.test_acc) for r in read_state(path).history] for path in (a, b)
    ]
    differing = [
        what
        for what, same in {
            "parameters": (a / PARAMETERS).read_bytes() == (b / PARAMETERS).read_bytes(),
            "the optimiser's states": (a / STATES).read_bytes() == (b / STATES).read_bytes(),
            "losses and accuracies": histories[0] == histories[1],
        }.items()
        if not same
    ]
    if not differing:
        return Seen(True, "equal to the bit", {"difference": 0.0})
    values = [read_parameters(path / PARAMETERS) for path in (a, b)]
    apart = max(difference(np.asarray(values[0][name]), np.asarray(values[1][name])) for name in values[1])
    return Seen(False, f"{', '.join(differing)} differ, parameters by {apart:.1e}", {"difference": apart})

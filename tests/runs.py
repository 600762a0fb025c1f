"""What tests of runs share: short runs, processes that train, and what a run ended in."""

import contextlib
import itertools
import json
import multiprocessing
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import mxnet as mx
import numpy as np
from mxnet import gluon

from gluon_cnn import get_recipe, load_run
from gluon_cnn.cli import main
from gluon_cnn.interop.weights import open_any_weights
from gluon_cnn.training.checkpoints import last_checkpoint
from gluon_cnn.training.history import read_history
from gluon_cnn.training.run import Run
from gluon_cnn.training.settings import Settings
from gluon_cnn.training.train_run import train_run

#: A process of the command line.
CLI = [sys.executable, "-m", "gluon_cnn.cli"]


def small(train_size, test_size, batch_size, epochs=1):
    """Flags of a run on a part of the sample."""
    sizes = ["--set", f"train_size={train_size}", "--set", f"test_size={test_size}"]
    return ["--data", "sample", *sizes, "--batch-size", str(batch_size), "--epochs", str(epochs)]


def flags(**changes):
    """Flags for changes of a recipe."""
    return [word for name, value in changes.items() for word in ("--set", f"{name}={value}")]


#: A run of a few steps, as flags and as changes of a recipe.
SMALL_RUN = small(256, 128, 64)
SMALL = {"data": "sample", "train_size": 256, "test_size": 128, "batch_size": 64, "epochs": 1}
#: A recipe of NiN with everything that draws random numbers, and an optimiser with a state.
RANDOM = {
    "data": "sample",
    "train_size": 96,
    "test_size": 64,
    "batch_size": 32,
    "side": 67,
    "epochs": 2,
    "augment": True,
    "optimizer": "adam",
    "lr": 0.001,
    "seed": 4,
}
#: A network of one's own with dropout, which trains faster than any of ours; a copy stays in its runs.
SMALL_NETWORK = f"{Path(__file__).with_name('small_network.py')}:net"

#: The command line, as code for :func:`start`.
MAIN = "import sys; from gluon_cnn.cli import main; sys.exit(main(sys.argv[1:]))"
#: A command in a process that ends itself, as by SIGKILL, before the n-th time that it makes something last on the
#: disk; it prints how many times there were.
KILLED_AT = """
import os, signal, sys, pathlib
count = 0
def killed_at(function):
    def wrapper(*args, **options):
        global count
        count += 1
        if count == int(sys.argv[1]):
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **options)
    return wrapper
os.fsync = killed_at(os.fsync)
os.unlink = killed_at(os.unlink)
pathlib.Path.rename = killed_at(pathlib.Path.rename)
pathlib.Path.replace = killed_at(pathlib.Path.replace)
from gluon_cnn.cli import main
status = main(sys.argv[2:])
print(count)
sys.exit(status)
"""


# A process that has imported MXNet, from which others are forked: each starts in a tenth of a second, not in seconds.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    ["gluon_cnn.training.run", "gluon_cnn.cli", "gluon_cnn.comparison.results", "matplotlib.figure"]
)


class Ended(NamedTuple):
    """A process that has ended: its exit code, or less than 0 and a signal; what it printed, and its errors."""

    code: int
    out: str
    error: str


def start(code, *arguments, out=os.devnull, error=os.devnull):
    """Start a process that runs Python code, with arguments from ``sys.argv[1]`` on, and prints to files."""
    # As a daemon, so that it is ended with the tests, if not by them.
    arguments = (code, [str(argument) for argument in arguments], out, error)
    process = _FORKS.Process(target=_run_code, args=arguments, daemon=True)
    process.start()
    return process


def _run_code(code, arguments, out, error):
    for number, path in ((1, out), (2, error)):
        with open(path, "ab") as file:
            os.dup2(file.fileno(), number)
    # Otherwise a lock of tqdm's, in a process that is killed, would be left to the last process to clean up.
    multiprocessing.set_start_method("fork", force=True)
    sys.argv = ["-c", *arguments]
    exec(code, {"__name__": "__main__"})


def run_process(code, *arguments, timeout=120):
    """Run such a process to its end."""
    with tempfile.TemporaryDirectory() as directory:
        out, error = Path(directory) / "out", Path(directory) / "error"
        process = start(code, *arguments, out=out, error=error)
        process.join(timeout)
        ended = Ended(process.exitcode, out.read_text(), error.read_text())
        assert ended.code is not None, ended
        return ended


def train(directory, model="lenet", settings=None, **changes):
    """Train a new run without the command line: a recipe with changes, and some settings; the run."""
    run = Run(directory, get_recipe(model, **changes), Settings(**(settings or {})))
    train_run(run, command="", quiet=True)
    return run


def fine_tune(directory, where, model="lenet", settings=None, **changes):
    """Train a new run of a few steps that begins from some weights; the run."""
    weights = open_any_weights(where)
    recipe = get_recipe(model, weights=weights.sha256, **{**SMALL, **changes})
    run = Run(directory, recipe, Settings(weights_from=str(where), **(settings or {})))
    train_run(run, command="", quiet=True, open_weights=open_any_weights)
    return run


def resume(directory, **options):
    """Resume a run without the command line; its history."""
    return load_run(directory).resume(quiet=True, **options)


@contextlib.contextmanager
def interrupted_after(number):
    """Ctrl-C after so many training steps."""
    step, taken = gluon.Trainer.step, itertools.count(1)

    def counting(trainer, *args):
        step(trainer, *args)
        if next(taken) == number:
            os.kill(os.getpid(), signal.SIGINT)

    with mock.patch.object(gluon.Trainer, "step", counting):
        yield


def command(*arguments):
    """Run a command, which must succeed."""
    assert main([str(argument) for argument in arguments]) == 0


def history_of(directory):
    """The history of the run in a directory."""
    return read_history(directory / "history.csv")


def measures_of(result):
    """What an EpochResult says of the network, without the times."""
    return result.train_loss, result.train_acc, result.test_acc


def parameters_file(directory):
    """The file of the parameters of a run's last checkpoint."""
    return last_checkpoint(directory / "checkpoint") / "net.params"


def parameters_of(directory):
    """The parameters of a run's last checkpoint by name."""
    return mx.nd.load(str(parameters_file(directory)))


def equal_parameters(one, other):
    """The names of those parameters, of two dictionaries of arrays, that are the same to the bit."""
    bits = [
        {name: (a.asnumpy() if hasattr(a, "asnumpy") else np.asarray(a)).tobytes() for name, a in arrays.items()}
        for arrays in (one, other)
    ]
    return [name for name, own in bits[0].items() if own == bits[1].get(name)]


def result_of(directory):
    """A run's end, to the bit: parameters, trainer states, and history without its times."""
    last = last_checkpoint(directory / "checkpoint")
    history = [(result.epoch, *measures_of(result)) for result in history_of(directory)]
    parameters = {name: array.asnumpy().tobytes() for name, array in parameters_of(directory).items()}
    state = json.loads((last / "manifest.json").read_text())["state"]
    exact = [(row["epoch"], row["train_loss"], row["train_acc"], row["test_acc"]) for row in state["history"]]
    return last.name, parameters, (last / "trainer.states").read_bytes(), history, exact

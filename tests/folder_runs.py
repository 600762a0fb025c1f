"""Runs on a data set of one's own that several tests look at."""

from jobs import run_job
from runs import command, history_of, parameters_of

from gluon_cnn import get_recipe
from gluon_cnn.training.run import Run
from gluon_cnn.training.settings import Settings
from gluon_cnn.training.train_run import train_run

#: Changes of a recipe for a run of a few steps.
SMALL = {"data": "folder", "epochs": 2, "batch_size": 8, "lr": 0.05, "side": 28}


def train_on(folder, out, model="lenet", **changes):
    """Train a new run on a folder; the run."""
    run = Run(out, get_recipe(model, **{**SMALL, **changes}), Settings(data_dir=folder))
    train_run(run, command="", quiet=True)
    return run


def check_two_workers(data, directory):
    """Train on a data set by one process and by two workers, and compare: parameters to 1e-6."""
    one, two = directory / "one", directory / "two"
    words = ["train", "lenet", "--data", str(data), "--epochs", "1", "--lr", "0.05", "--quiet"]
    command(*words, "--batch-size", 16, "--out", one)
    code, error = run_job("--batch-size", 8, "--out", two, train=words)
    assert (code, error) == (0, "")
    ours, theirs = parameters_of(one), parameters_of(two)
    assert max(abs(ours[name] - theirs[name]).max().asscalar() for name in ours) < 1e-6
    assert history_of(one)[0].test_acc == history_of(two)[0].test_acc

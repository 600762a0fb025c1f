"""Runs on a folder of pictures that several tests look at."""

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

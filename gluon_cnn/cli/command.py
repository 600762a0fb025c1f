"""Commands as text: the one that this process was started with, and those that train or resume a run."""

import os
import shlex
import shutil
import sys
from pathlib import Path

from gluon_cnn.cli.changes import FIELDS
from gluon_cnn.cli.values import format_value
from gluon_cnn.data import DATA_SETS
from gluon_cnn.training.settings import Settings

__all__ = ["command_line", "resume_command", "train_command"]


def command_line(argv, example=False):
    """What this process was started with, as one would type it elsewhere.

    Parameters
    ----------
    argv : list of str
    example : bool
        Whether the main module is one of the examples.
    """
    return shlex.join([*(["python", sys.argv[0]] if example else ["gluon-cnn"]), *argv])


def train_command(run):
    """The command that trains a run: parsed again, it gives the same recipe and settings.

    Parameters
    ----------
    run : RunDirectory

    Returns
    -------
    str
    """
    from gluon_cnn.cli.train import make_train_parser  # which imports this module
    from gluon_cnn.training.recipes import get_recipe

    recipe, settings, parser = run.recipe, run.settings, make_train_parser()
    book = get_recipe(recipe.model, recipe.edition)
    follows = get_recipe(recipe.model, recipe.edition, data=recipe.data, side=recipe.side, init="own").short_side
    words = ["gluon-cnn"]
    if settings.distributed:
        words += ["launch", "-n", str(recipe.workers), "--"]
    words += ["train", recipe.model, *(["--edition", recipe.edition] if recipe.edition else [])]
    changes = {name: getattr(recipe, name) for name in FIELDS}
    usual = {**vars(book), "seed": None, "short_side": follows}
    if DATA_SETS[recipe.data].info is None:
        usual["batch_size"] = usual["lr"] = None  # they follow from the number of pictures
    changes = {name: value for name, value in changes.items() if value != usual[name]}
    for name, value in {**changes, **recipe.options}.items():
        words += parser.words_for(name, value) or ["--set", f"{name}={format_value(value)}"]
    default = Settings()
    for name, value in vars(settings).items():
        if value != getattr(default, name):
            words += parser.words_for(name, value) or []
    return shlex.join([*words, "--out", str(run.directory)])


def resume_command(run, args):
    """The command that resumes a run, as one can type it in the same place.

    Parameters
    ----------
    run : RunDirectory
    args : argparse.Namespace
        Of the train command that began or resumed it.
    """
    program = [sys.executable, sys.argv[0]] if args.example else [*_this_program(), "train", args.model]
    kvstore = run.settings.kvstore
    if run.settings.distributed:
        number = ["-n", os.environ["DMLC_NUM_WORKER"], "-s", os.environ["DMLC_NUM_SERVER"]]
        started = [sys.argv[0]] if args.example else ["train", args.model]
        program = [*_this_program(), "launch", *number, "--", *started]
    chosen = ["--kvstore", kvstore] if kvstore != Settings().kvstore else []
    return shlex.join([*program, *chosen, "--out", str(run.directory), "--resume"])


def _this_program():
    """``gluon-cnn``, by its name alone where the shell finds this one by it."""
    beside = Path(sys.executable).with_name("gluon-cnn")
    if not beside.exists():
        return [sys.executable, "-m", "gluon_cnn.cli"]
    found = shutil.which("gluon-cnn")
    return ["gluon-cnn"] if found and Path(found).samefile(beside) else [str(beside)]

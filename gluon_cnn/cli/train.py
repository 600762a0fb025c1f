"""``gluon-cnn train``, and the examples that train one network."""

import contextlib
import dataclasses
import logging
import sys
from pathlib import Path

from gluon_cnn.cli import parser as shared
from gluon_cnn.cli.beginning import add_beginning, asked_weights, edition_of
from gluon_cnn.cli.changes import FIELDS, add_recipe_flags, add_set, asked_changes, set_in_words
from gluon_cnn.cli.command import resume_command
from gluon_cnn.cli.terminal import log_to_terminal
from gluon_cnn.cli.values import typed
from gluon_cnn.errors import RunError, RunStopped, SettingError, TrainingDiverged
from gluon_cnn.recipe import Recipe, in_words
from gluon_cnn.training.settings import DIST_TIMEOUT, KVSTORES, Settings

__all__ = ["add", "asked_settings", "make_example_parser", "make_train_parser", "recipe_of"]

log = logging.getLogger(__name__)

_DESCRIPTION = "Train a network by the book's recipe."
_FLAGS = ("epochs", "lr", "batch_size", "side", "seed", "init", "data", "test_share", "image_channels", "amp")
_ELSEWHERE = ("release", "freeze")  # fields with another flag than those
_EXAMPLES = (
    "--quick",
    "--ctx gpu --seed 3",
    "--data sample --epochs 1",
    "--data photos --epochs 30 --lr 0.1",
    "--epochs 20 --set lr_schedule=cosine --set warmup_epochs=1",
    "--from pretrained --freeze 0,2 --set taken_lr=0.1",
    "--out runs/mine --resume",
)
_OWN_NETWORK = """\
A network of your own is a function that returns a Gluon block. In mynet.py:

  from mxnet.gluon import nn

  def net(channels=32):
      net = nn.HybridSequential()
      net.add(nn.Conv2D(channels, kernel_size=3, activation="relu"))
      net.add(nn.GlobalAvgPool2D(), nn.Dense(10))
      return net

  gluon-cnn train mynet.py:net --epochs 3 --set channels=64"""


def add(commands):
    """Add the command to argparse's collection of them."""
    shown = [f"nin {words}" for words in _EXAMPLES] + ["gluoncv:cifar_resnet20_v1 --epochs 3"]
    command = shared.add_command(commands, "train", _train, _DESCRIPTION, *[f"train {words}" for words in shown])
    command.epilog = "\n\n".join([command.epilog, set_in_words(_FLAGS + _ELSEWHERE), _OWN_NETWORK])
    shared.add_model(command)
    _add_flags(command)
    return command


def make_train_parser():
    """The parser of ``gluon-cnn train``, alone."""
    return add(shared.Parser(prog="gluon-cnn").add_subparsers())


def make_example_parser(model):
    """The parser of an example, which trains one network."""
    command = shared.Parser(
        prog=Path(sys.argv[0]).name,
        description=f"Train {model} by the book's recipe.",
        epilog=f"{shared.examples(f'python {sys.argv[0]}', _EXAMPLES)}\n\n{set_in_words(_FLAGS + _ELSEWHERE)}",
    )
    command.set_defaults(handler=_train, model=model, example=True)
    shared.add_edition(command)
    _add_flags(command)
    return command


def _add_flags(command):
    command.add_argument(
        "--quick",
        action="store_true",
        help="for a machine without a GPU: smaller images, one epoch; the numbers are not the book's",
    )
    shared.add_device(command)
    shared.add_data(command)
    command.add_argument(
        "--data-memory",
        type=typed("data_memory", float),
        metavar="GB",
        help="memory for pictures from files; those that need more are read ahead (default: half of what is free)",
    )
    shared.add_threads(command)
    add_recipe_flags(command.add_argument_group("changes to the recipe"), _FLAGS)
    add_set(command)
    add_beginning(command.add_argument_group("begin from a trained network"))
    command.add_argument("--out", metavar="DIR", help="the run's directory (default: a new one in runs/)")
    command.add_argument("--resume", action="store_true", help="resume the run in --out")
    shared.add_checkpoint_every(command)
    command.add_argument(
        "--no-hybrid", dest="hybrid", action="store_const", const=False, help="do not compile the network"
    )
    job = command.add_argument_group("several processes (gluon-cnn launch)")
    job.add_argument(
        "--kvstore",
        metavar="NAME",
        help=f"where gradients are added up, one of {', '.join(KVSTORES)}: on the CPU, on the devices (default), or on "
        "servers",
    )
    job.add_argument(
        "--dist-timeout",
        type=typed("dist_timeout", float),
        metavar="SECONDS",
        default=DIST_TIMEOUT,
        help=f"a worker gives up after so long without a finished step (default {DIST_TIMEOUT:g})",
    )
    command.add_argument("--quiet", action="store_true", help="print errors only")


def recipe_of(args, workers=1, weights=None):
    """The recipe that a train command asks for, which begins from some Weights."""
    from gluon_cnn.training.recipes import get_recipe, quick_changes

    quick = quick_changes(args.model) if args.quick else {}
    beginning = {"weights": weights.sha256} if weights else {}
    changes = {**quick, **asked_changes(args), **beginning, "workers": workers}
    return get_recipe(args.model, args.edition, data_dir=args.data_dir, **changes)


def _train(args):
    from gluon_cnn.interop.weights import open_any_weights
    from gluon_cnn.training.job import Job
    from gluon_cnn.training.train_run import train_run

    job = Job(args.kvstore or Settings().kvstore, args.dist_timeout)
    quiet = args.quiet or not job.first  # only the first worker prints
    log_to_terminal(quiet)
    with contextlib.ExitStack() as held:  # the run's directory, until its figures are there
        with job:
            run = _run_of(job.from_first(lambda: _plan(args, job.workers)))
            if args.quick:
                log.info("quick: smaller images or fewer epochs than the book's, so the numbers are not the book's")
            try:
                options = {"resume": args.resume, "quiet": quiet, "job": job, "held": held}
                train_run(run, command=args.command_line, **options, open_weights=open_any_weights)
            except (RunStopped, TrainingDiverged) as ended:
                _end_early(run, args, job, ended)
        if job.first:
            _finish(run)


def _plan(args, workers):
    """What is to be trained, for :func:`_run_of`, after everything that the command asks for has been checked."""
    from gluon_cnn.data import SAMPLE

    run = _resumed_run(args, workers) if args.resume else _new_run(args, workers)
    run.settings.check()
    if run.recipe.data == "full" and run.settings.data_dir == str(SAMPLE):
        raise SettingError(f"data_dir is the sample in this package, {SAMPLE}: set data to sample.", "data")
    recipe, settings = dataclasses.asdict(run.recipe), dataclasses.asdict(run.settings)
    return {"directory": str(run.directory), "recipe": recipe, "settings": settings}


def _run_of(plan):
    from gluon_cnn.training.run import Run

    return Run(plan["directory"], Recipe(**plan["recipe"]), Settings(**plan["settings"]))


def _new_run(args, workers):
    from gluon_cnn.training.run import Run

    weights = asked_weights(args)
    if weights and args.edition is None:
        args.edition = edition_of(weights, args.model)
    recipe = recipe_of(args, workers, weights)
    directory = args.out or _new_directory(recipe, args.quick, args.data_dir)
    return Run(directory, recipe, Settings(**asked_settings(args)))


def _new_directory(recipe, quick, data_dir):
    """runs/nin-zh-v1-seed0, or with -2, -3, ... after it, whichever is free."""
    from gluon_cnn.training.run_names import default_name

    name = default_name(recipe, quick, data_dir)
    path, number = Path("runs") / name, 1
    while path.exists():
        number += 1
        path = Path("runs") / f"{name}-{number}"
    return path


def _resumed_run(args, workers):
    """The run in --out, with what may change on resume as the command asks for it."""
    from gluon_cnn.training.recipes import changed_options, get_recipe, quick_changes
    from gluon_cnn.training.run import load_run
    from gluon_cnn.training.weights import refuse_other_weights

    if args.out is None:
        raise SettingError("To resume a run, name its directory.", "out")
    run = load_run(args.out)
    asked = get_recipe(args.model, args.edition)
    run.refuse_other_recipe({"model": asked.name})  # because another network has other options
    changes = asked_changes(args)
    for name, value in quick_changes(args.model).items() if args.quick else ():
        before = getattr(run.recipe, name)
        if name not in changes and before != value:
            raise RunError(
                f"{run.directory} was begun for {in_words(name, before)}, not for the {value} of a quick run: leave "
                "quick out.",
                "quick",
            )
    options = {**run.recipe.options, **{name: changes.pop(name) for name in list(changes) if name not in FIELDS}}
    wanted = {"workers": workers, **changes}
    wanted["options"] = changed_options(args.model, options, run.recipe.data)
    if args.edition:
        wanted["edition"] = args.edition
    if asked.source:
        wanted["source"] = asked.source
    weights = asked_weights(args)
    if weights:
        refuse_other_weights(run, weights)
    settings = {"kvstore": Settings().kvstore, **asked_settings(args)}
    run.prepare_resume(wanted, dataclasses.replace(run.settings, **settings))
    return run


def asked_settings(args):
    """The settings that a command asks for, by their names in :class:`gluon_cnn.training.settings.Settings`."""
    asked = {field.name: getattr(args, field.name, None) for field in dataclasses.fields(Settings)}
    return {name: value for name, value in asked.items() if value is not None}


def _end_early(run, args, job, ended):
    """Draw what there is of a run that was stopped or diverged, and raise the error again, with what to do."""
    if job.first:
        _draw(run, ended)
    if isinstance(ended, TrainingDiverged):
        raise ended
    if not job.first:
        raise RunStopped(f"worker {job.rank} stopped with the others", ended.signal) from None
    raise RunStopped(f"{ended}; resume it with: {resume_command(run, args)}", ended.signal) from None


def _draw(run, ended):
    """Draw the curves, if they can be written: how the run ended is more important."""
    from gluon_cnn.comparison.results import write_curves
    from gluon_cnn.training.held import DirectoryLost

    try:
        write_curves(run)
    except RunError as error:
        if isinstance(error, DirectoryLost) and isinstance(ended, RunStopped):  # it cannot be resumed where it was
            raise
        log.warning(str(error))


def _finish(run):
    from gluon_cnn.comparison.results import write_results
    from gluon_cnn.comparison.words import run_in_words

    comparison = write_results(run)
    log.info(run_in_words(comparison) if comparison else f"not compared: {'; '.join(run.reasons_not_compared)}")
    log.info(f"the run is in {run.directory}")

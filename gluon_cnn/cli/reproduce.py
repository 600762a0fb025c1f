"""``gluon-cnn reproduce``."""

import logging

from gluon_cnn.cli import parser as shared
from gluon_cnn.cli.changes import add_recipe_flags, asked_changes
from gluon_cnn.cli.command import train_command
from gluon_cnn.cli.train import asked_settings
from gluon_cnn.cli.values import seeds
from gluon_cnn.data import DATA_SETS
from gluon_cnn.errors import RunStopped, SettingError
from gluon_cnn.models import canonical_name, find_network, list_models
from gluon_cnn.recipe import PUBLISHED_EDITIONS
from gluon_cnn.training.settings import Settings

__all__ = ["add"]

log = logging.getLogger(__name__)


def add(commands):
    """Add the command to argparse's collection of them."""
    command = shared.add_command(
        commands,
        "reproduce",
        _reproduce,
        "Train all runs that a comparison with the book needs, and report. Stop it at any time: the same command "
        "continues where it stopped.",
        "reproduce --models lenet --seeds 0-14",
        "reproduce --models lenet --seeds 0-14 --init own",
        "reproduce --models lenet,nin --edition en --seeds 0,1 --out runs --ctx gpu",
        "reproduce --data sample --quiet",
    )
    command.add_argument(
        "--models", metavar="NAMES", help="separated by commas (default: all networks of which runs were published)"
    )
    command.add_argument(
        "--edition",
        default=PUBLISHED_EDITIONS[0],
        metavar="NAME",
        help=f"whose recipe: {', '.join(PUBLISHED_EDITIONS)} (default {PUBLISHED_EDITIONS[0]})",
    )
    command.add_argument("--seeds", type=seeds, default=[0], metavar="LIST", help="such as 0-14 or 0,3,5-7 (default 0)")
    add_recipe_flags(command, ["init", "data"])
    shared.add_device(command)
    shared.add_data(command)
    shared.add_threads(command)
    shared.add_checkpoint_every(command)
    command.add_argument("--out", metavar="DIR", default="runs", help="where the runs are and go (default runs)")
    command.add_argument("--quiet", action="store_true", help="print errors only")


def _reproduce(args):
    from gluon_cnn.comparison.published import published_runs
    from gluon_cnn.comparison.reproduce import reproduce
    from gluon_cnn.training.recipes import get_recipe

    names = [name for name in list_models() if find_network(name).published_as]
    if args.models is not None:
        names = args.models.split(",")
    models = list(dict.fromkeys(map(canonical_name, names)))
    changes = asked_changes(args)
    if DATA_SETS[changes.get("data", "full")].info is None:
        raise SettingError("The published runs are of Fashion-MNIST: train on a data set of your own instead.", "data")
    recipes = [get_recipe(model, args.edition, seed=seed, **changes) for model in models for seed in args.seeds]
    for model in models:
        published_runs(model, args.edition)  # raises if there are none
    settings = Settings(**asked_settings(args))
    settings.check()
    try:
        written = reproduce(recipes, args.out, settings, command=train_command, quiet=args.quiet)
    except RunStopped as stopped:
        raise RunStopped(f"{stopped}; the same command resumes it", stopped.signal) from None
    log.info(f"the report is in {' and '.join(map(str, written))}")

"""The command line's commands and flags."""

import argparse

from gluon_cnn.errors import SettingError
from gluon_cnn.models import list_models
from gluon_cnn.training.recipe import EDITIONS, QUICK_SIZE

__all__ = ["RECIPE_FLAGS", "make_parser"]

#: Flags of train that change a recipe, by the recipe's name for them.
RECIPE_FLAGS = (
    "epochs", "lr", "batch_size", "resize", "optimizer", "init", "seed", "data", "train_size", "test_size", "augment",
)  # fmt: skip


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise SettingError(f"{message}; see {self.prog} --help.")


def make_parser():
    """The parser; its errors are SettingErrors."""
    parser = _Parser(
        prog="gluon-cnn",
        description='The CNN chapters of "Dive into Deep Learning" in Apache MXNet Gluon.',
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n  gluon-cnn train nin --quick\n  gluon-cnn evaluate runs/nin-zh-v1-seed0\n  gluon-cnn data",
    )
    commands = parser.add_subparsers(metavar="COMMAND", dest="command", required=True)
    _add_train(commands)
    _add_evaluate(commands)
    _add_predict(commands)
    _add_summary(commands)
    _add_data(commands)
    return parser


def _command(commands, name, description, examples):
    return commands.add_parser(
        name,
        help=description[0].lower() + description[1:].split(".")[0],
        description=description,
        epilog="examples:\n" + "\n".join(f"  gluon-cnn {example}" for example in examples),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_model(command):
    command.add_argument("model", metavar="MODEL", help=", ".join(list_models()))
    command.add_argument("--edition", help=f"whose recipe: {', '.join(EDITIONS)} (default zh-v1)")


def _add_device_and_data(command):
    command.add_argument("--ctx", help="auto, cpu, gpu, or a list such as gpu:0,1 (default auto)")
    command.add_argument(
        "--data-dir", metavar="DIR", help="the directory with Fashion-MNIST's files (default: find or get it)"
    )
    command.add_argument("--threads", type=int, metavar="N", help="processor threads for MXNet (default: every core)")


def _add_train(commands):
    command = _command(
        commands,
        "train",
        "Train a network by the book's recipe.",
        [
            "train nin --quick",
            "train nin --ctx gpu",
            "train lenet --seed 3",
            "train nin --out runs/nin-zh-v1-seed0 --resume",
        ],
    )
    _add_model(command)
    command.add_argument(
        "--quick",
        action="store_true",
        help=f"for a machine without a GPU: {QUICK_SIZE}×{QUICK_SIZE} pixels, one epoch; not the book's numbers",
    )
    _add_device_and_data(command)
    recipe = command.add_argument_group("changes to the recipe")
    recipe.add_argument("--epochs", type=int, metavar="N")
    recipe.add_argument("--lr", type=float, metavar="RATE", help="learning rate")
    recipe.add_argument("--batch-size", type=int, metavar="N")
    recipe.add_argument("--resize", type=int, metavar="PIXELS", help="height and width of the images")
    recipe.add_argument("--optimizer", metavar="NAME", help="any that MXNet knows, such as sgd, nag, adam")
    recipe.add_argument("--seed", type=int, metavar="N", help="order of the data, dropout, augmentation (default 0)")
    recipe.add_argument(
        "--init",
        choices=("book", "seed"),
        help="initial weights: the published runs' (default at the published size), or drawn from --seed",
    )
    recipe.add_argument(
        "--data", choices=("full", "sample"), help="all images, or the 2,000 in this package (default full)"
    )
    recipe.add_argument("--train-size", type=int, metavar="N", help="only the first training images")
    recipe.add_argument("--test-size", type=int, metavar="N", help="only the first test images")
    recipe.add_argument(
        "--augment", action="store_true", default=None, help="crop, mirror and re-light images at random"
    )
    command.add_argument("--out", metavar="DIR", help="the run's directory (default: a new one in runs/)")
    command.add_argument("--resume", action="store_true", help="go on with the run in --out")
    command.add_argument("--no-hybrid", action="store_true", help="do not compile the network")
    command.add_argument("--quiet", action="store_true", help="print errors only")


def _add_evaluate(commands):
    command = _command(
        commands,
        "evaluate",
        "Measure a run's test accuracy anew.",
        ["evaluate runs/nin-zh-v1-seed0", "evaluate runs/nin-zh-v1-seed0 --checkpoint best"],
    )
    _add_run(command)
    _add_device_and_data(command)


def _add_predict(commands):
    command = _command(
        commands,
        "predict",
        "Tell what garments are in pictures.",
        ["predict runs/nin-zh-v1-seed0 shoe.png", "predict runs/nin-zh-v1-seed0 --invert photo.jpg"],
    )
    _add_run(command)
    command.add_argument("images", nargs="+", metavar="IMAGE", help="PNG or JPEG of any size and colour")
    command.add_argument("--invert", action="store_true", help="for dark garments on a light ground")
    command.add_argument("--ctx", help="auto, cpu, or gpu (default auto)")


def _add_run(command):
    command.add_argument("directory", metavar="RUN", help="a run's directory")
    command.add_argument("--checkpoint", choices=("last", "best"), default="last", help="default last")


def _add_summary(commands):
    command = _command(
        commands,
        "summary",
        "Show a network's layers, parameters and multiply-adds.",
        ["summary nin", "summary lenet --edition en"],
    )
    _add_model(command)
    command.add_argument(
        "--resize", type=int, metavar="PIXELS", help="height and width of the input (default: the recipe's)"
    )


def _add_data(commands):
    command = _command(
        commands,
        "data",
        "Find Fashion-MNIST, or get it, verify it, and say where it is.",
        ["data", "data --data-dir ~/fashion-mnist"],
    )
    command.add_argument("--data-dir", metavar="DIR", help="look only in this directory")

"""The command line's commands and flags."""

import argparse
import re
import shlex
from importlib import metadata

from gluon_cnn.errors import SettingError
from gluon_cnn.models import list_models
from gluon_cnn.training.job import DIST_TIMEOUT, KVSTORES
from gluon_cnn.training.recipe import EDITIONS, PUBLISHED_EDITIONS, QUICK_SIZE, get_recipe
from gluon_cnn.training.run import SETTINGS
from gluon_cnn.training.schedule import SCHEDULES
from gluon_cnn.training.threads import AUTO

__all__ = ["RECIPE_FLAGS", "make_parser", "seeds", "train_command"]

#: Flags of train that change a recipe, by the recipe's name for them.
RECIPE_FLAGS = (
    "epochs", "lr", "batch_size", "resize", "optimizer", "init", "seed", "data", "train_size", "test_size", "augment",
    "momentum", "clip_gradient", "final_relu", "num_mlp_layers", "lr_schedule", "warmup_epochs", "amp",
)  # fmt: skip


MOST_SEEDS = 200  # more in one list are a slip of the hand, and comparing them would take minutes


RUN_OR_ONNX = "a run's directory, or an .onnx file of a network for Fashion-MNIST"


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise SettingError(f"{message}; see {self.prog} --help.")


def make_parser():
    """The parser; its errors are SettingErrors."""
    parser = _Parser(
        prog="gluon-cnn",
        description='The CNN chapters of "Dive into Deep Learning" in Apache MXNet Gluon.',
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_examples("train nin --quick", "compare runs/nin-zh-v1-seed0", "evaluate runs/nin-zh-v1-seed0", "data"),
    )
    parser.add_argument("--version", action="version", version=f"gluon-cnn {metadata.version('gluon-cnn')}")
    commands = parser.add_subparsers(metavar="COMMAND", dest="command", required=True)
    _add_train(commands)
    _add_evaluate(commands)
    _add_predict(commands)
    _add_export(commands)
    _add_compare(commands)
    _add_reproduce(commands)
    _add_report(commands)
    _add_summary(commands)
    _add_data(commands)
    _add_doctor(commands)
    return parser


def _examples(*commands):
    return "examples:\n" + "\n".join(f"  gluon-cnn {command}" for command in commands)


def _command(commands, name, description, examples):
    return commands.add_parser(
        name,
        help=description[0].lower() + description[1:].split(".")[0],
        description=description,
        epilog=_examples(*examples),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_model(command):
    names = f"{', '.join(list_models())}, or a network of a model zoo: gluoncv:NAME, gluon:NAME"
    command.add_argument("model", metavar="MODEL", help=names)
    command.add_argument("--edition", help=f"whose recipe: {', '.join(EDITIONS)} (default zh-v1)")


def _add_device_and_data(command):
    command.add_argument("--ctx", help="auto, cpu, gpu, or a list such as gpu:0,1 (default auto)")
    command.add_argument(
        "--data-dir", metavar="DIR", help="the directory with Fashion-MNIST's files (default: find or get it)"
    )


def _add_threads(command):
    command.add_argument(
        "--threads",
        type=_number_or_auto,
        metavar="N|auto",
        help="processor threads for MXNet; auto measures a few steps and takes the fastest (default: every core)",
    )


def _number_or_auto(text):
    try:
        return text if text == AUTO else int(text)
    except ValueError:
        raise SettingError(f"threads is {text!r}; it must be a whole number of 1 or more, or {AUTO}.") from None


def seeds(text):
    """The list of seeds that ``0-14`` or ``0,3,5-7`` stands for; a SettingError for anything else."""
    found = []
    for part in text.split(","):
        match = re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", part.strip(), re.ASCII)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last < first + MOST_SEEDS - len(found):
            raise SettingError(
                f"seeds is {text!r}; write numbers and ranges from small to large, such as 0-14 or 0,3,5-7, "
                f"{MOST_SEEDS} at most."
            )
        found += range(first, last + 1)
    return list(dict.fromkeys(found))


def train_command(run):
    """The command that trains a run."""
    recipe, settings = run.recipe, run.settings
    book = get_recipe(recipe.model, recipe.edition)
    distributed = settings["kvstore"].startswith("dist")
    words = ["python", "-m", "gluon_cnn.launch", "-n", str(recipe.workers), "--"] if distributed else []
    words += ["gluon-cnn", "train", recipe.model, *(["--edition", recipe.edition] if recipe.edition else [])]
    for name in RECIPE_FLAGS:
        value = getattr(recipe, name)
        if name == "seed" or value != getattr(book, name):
            switch = {"augment": "--augment", "amp": "--amp", "final_relu": "--no-final-relu"}.get(name)
            words += [switch] if switch else [f"--{name.replace('_', '-')}", str(value)]
    for name in ("threads", "data_dir", "checkpoint_every"):
        words += [f"--{name.replace('_', '-')}", str(settings[name])] if settings[name] is not None else []
    for name in ("ctx", "kvstore"):
        words += [f"--{name}", settings[name]] if settings[name] != SETTINGS[name] else []
    words += ["--no-hybrid"] if not settings["hybrid"] else []
    return shlex.join([*words, "--out", str(run.directory)])


def _add_checkpoint_every(command):
    command.add_argument(
        "--checkpoint-every",
        type=int,
        metavar="STEPS",
        help="also save after so many steps within an epoch (default: about every two minutes)",
    )


def _add_kvstore(command):
    job = command.add_argument_group("several processes, see python -m gluon_cnn.launch --help")
    job.add_argument(
        "--kvstore",
        choices=KVSTORES,
        help="where gradients are added up: local (CPU), device (default), or on servers: dist_sync, dist_async",
    )
    job.add_argument(
        "--dist-timeout",
        type=float,
        metavar="SECONDS",
        default=DIST_TIMEOUT,
        help=f"a worker gives up after so long without a finished step (default {DIST_TIMEOUT:g})",
    )


def _add_train(commands):
    command = _command(
        commands,
        "train",
        "Train a network by the book's recipe.",
        [
            "train nin --quick",
            "train nin --ctx gpu",
            "train lenet --seed 3",
            "train gluoncv:cifar_resnet20_v1 --lr-schedule cosine --warmup-epochs 1",
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
    _add_threads(command)
    recipe = command.add_argument_group("changes to the recipe")
    recipe.add_argument("--epochs", type=int, metavar="N")
    recipe.add_argument("--lr", type=float, metavar="RATE", help="learning rate")
    recipe.add_argument(
        "--lr-schedule",
        choices=SCHEDULES,
        help="step: a tenth of the learning rate after 1/2 and again after 3/4 of the run; cosine, poly: down to 0",
    )
    recipe.add_argument(
        "--warmup-epochs", type=int, metavar="N", help="let the learning rate grow from 0 for so long (default 0)"
    )
    recipe.add_argument("--batch-size", type=int, metavar="N")
    recipe.add_argument("--resize", type=int, metavar="PIXELS", help="height and width of the images")
    recipe.add_argument("--optimizer", metavar="NAME", help="any that MXNet knows, such as sgd, nag, adam")
    recipe.add_argument("--momentum", type=float, metavar="M", help="of sgd, nag and others that have one (default 0)")
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
    recipe.add_argument(
        "--clip-gradient", type=float, metavar="X", help="bring every number of the gradient into -X to X"
    )
    recipe.add_argument(
        "--no-final-relu",
        dest="final_relu",
        action="store_false",
        default=None,
        help="NiN without its last ReLU, so that no class can die",
    )
    recipe.add_argument("--num-mlp-layers", type=int, metavar="N", help="1×1 convolutions in each of NiN's blocks (2)")
    recipe.add_argument("--amp", action="store_true", default=None, help="mixed precision, on GPUs only")
    command.add_argument("--out", metavar="DIR", help="the run's directory (default: a new one in runs/)")
    command.add_argument("--resume", action="store_true", help="go on with the run in --out")
    command.add_argument(
        "--no-hybrid", dest="hybrid", action="store_false", default=None, help="do not compile the network"
    )
    _add_checkpoint_every(command)
    _add_kvstore(command)
    command.add_argument("--quiet", action="store_true", help="print errors only")


def _add_evaluate(commands):
    command = _command(
        commands,
        "evaluate",
        "Measure the test accuracy of a run, or of an ONNX file.",
        [
            "evaluate runs/nin-zh-v1-seed0",
            "evaluate runs/nin-zh-v1-seed0 --checkpoint best",
            "evaluate runs/nin-zh-v1-seed0/nin.onnx",
        ],
    )
    _add_run(command, RUN_OR_ONNX)
    _add_device_and_data(command)
    command.add_argument("--threads", type=int, metavar="N", help="processor threads for MXNet (default: every core)")


def _add_predict(commands):
    command = _command(
        commands,
        "predict",
        "Tell what garments are in pictures.",
        ["predict runs/nin-zh-v1-seed0 shoe.png", "predict runs/nin-zh-v1-seed0 --invert photo.jpg"],
    )
    _add_run(command, RUN_OR_ONNX)
    command.add_argument("images", nargs="+", metavar="IMAGE", help="PNG or JPEG of any size and colour")
    command.add_argument("--invert", action="store_true", help="for dark garments on a light ground")
    command.add_argument("--ctx", help="auto, cpu, or gpu (default auto)")


def _add_export(commands):
    command = _command(
        commands,
        "export",
        "Write a run's network for other software, once it was seen to give the same logits.",
        [
            "export runs/nin-zh-v1-seed0",
            "export runs/nin-zh-v1-seed0 --preprocess --out nin.onnx",
            "export runs/nin-zh-v1-seed0 --format symbol",
        ],
    )
    _add_run(command)
    command.add_argument(
        "--format",
        choices=("onnx", "symbol", "safetensors"),
        default="onnx",
        help="onnx (default); symbol: Gluon's own without its code; safetensors: the parameters alone",
    )
    command.add_argument(
        "--out",
        metavar="FILE",
        help="the file, which is replaced if it is there; of symbol what its three files' names begin with (default: "
        "the network's name, in the run's directory)",
    )
    command.add_argument(
        "--preprocess",
        action="store_true",
        help="take images as they are stored, uint8 28×28, and resize and scale them inside",
    )
    command.add_argument(
        "--data-dir", metavar="DIR", help="the directory with Fashion-MNIST's files, to check with (default: the run's)"
    )


def _add_run(command, what="a run's directory"):
    command.add_argument("directory", metavar="RUN", help=what)
    command.add_argument("--checkpoint", choices=("last", "best"), default="last", help="default last")


def _add_compare(commands):
    command = _command(
        commands,
        "compare",
        "Compare runs with the book's published ones.",
        ["compare runs/lenet-zh-v1-seed0", "compare runs/lenet-zh-v1-seed* runs/lenet-zh-v1-own-seed*"],
    )
    command.add_argument("directories", nargs="+", metavar="RUN", help="a run's directory; several are a sample")
    command.add_argument(
        "--out", metavar="DIR", help="where the comparison of several runs goes (default: the directory they are in)"
    )


def _add_reproduce(commands):
    command = _command(
        commands,
        "reproduce",
        "Train all that a comparison with the book needs, and report. Stop it at any time; the same command goes on.",
        [
            "reproduce --models lenet --seeds 0-14",
            "reproduce --models lenet --seeds 0-14 --init seed",
            "reproduce --models lenet,nin --edition en --seeds 0,1 --out runs --ctx gpu",
        ],
    )
    command.add_argument(
        "--models", default=",".join(list_models()), metavar="NAMES", help="separated by commas (default: all)"
    )
    command.add_argument(
        "--edition", default="zh-v1", help=f"whose recipe: {', '.join(PUBLISHED_EDITIONS)} (default zh-v1)"
    )
    command.add_argument("--seeds", type=seeds, default=[0], metavar="LIST", help="such as 0-14 or 0,3,5-7 (default 0)")
    command.add_argument(
        "--init",
        choices=("book", "seed"),
        help="initial weights: published (default), or from the seed",
    )
    command.add_argument(
        "--data", choices=("full", "sample"), help="sample: 2,000 images, to see how it goes; compared with nothing"
    )
    _add_device_and_data(command)
    _add_threads(command)
    _add_checkpoint_every(command)
    command.add_argument("--out", metavar="DIR", default="runs", help="where the runs are and go (default runs)")
    command.add_argument("--quiet", action="store_true", help="print errors only")


def _add_report(commands):
    command = _command(
        commands,
        "report",
        "Write report.html and report.md about the runs in a directory.",
        ["report runs"],
    )
    command.add_argument("directory", metavar="DIR", help="a directory with runs")


def _add_summary(commands):
    command = _command(
        commands,
        "summary",
        "Show a network's layers, parameters and multiply-adds.",
        ["summary nin", "summary lenet --edition en", "summary gluoncv:cifar_resnet20_v1"],
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


def _add_doctor(commands):
    command = _command(
        commands,
        "doctor",
        "Say what is installed, what the machine has, and what to do about problems.\n"
        "It downloads nothing. If anything is a problem, and not only a warning, the exit code is 1.",
        ["doctor", "doctor --json"],
    )
    command.add_argument("--json", action="store_true", help="as one JSON document")
    command.add_argument("--data-dir", metavar="DIR", help="look for Fashion-MNIST only in this directory")

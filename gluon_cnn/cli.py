"""The command line: arguments to calls, errors to one line and exit code 1."""

import argparse
import dataclasses
import logging
import os
import shlex
import sys
from pathlib import Path

import mxnet as mx
from tqdm.auto import tqdm

from gluon_cnn import plot
from gluon_cnn._runtime import set_threads
from gluon_cnn.checks import whole_number
from gluon_cnn.data import CLASSES, SAMPLE, find_fashion_mnist, read_fashion_mnist, to_batch
from gluon_cnn.data.fashion_mnist import SIDE
from gluon_cnn.data.picture import read_picture
from gluon_cnn.device import parse_context
from gluon_cnn.errors import GluonCNNError, RunError, RunStopped, SettingError
from gluon_cnn.models import canonical_name, list_models, summary
from gluon_cnn.training import Run, evaluate_accuracy, get_recipe, read_history, train
from gluon_cnn.training.recipe import EDITIONS, QUICK_SIZE, quick_changes
from gluon_cnn.training.train import load_data

__all__ = ["main"]

log = logging.getLogger("gluon_cnn.cli")  # also where this file is the main module

# Flags of train that change a recipe, by the recipe's name for them.
_RECIPE_FLAGS = (
    "epochs", "lr", "batch_size", "resize", "optimizer", "init", "seed", "data", "train_size", "test_size", "augment",
)  # fmt: skip


def main(argv=None):
    """Run the command in ``argv`` (the process's own by default); returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # × and … where the terminal has no sign for them
    try:
        args = _parser().parse_args(argv)
        _log_to_terminal(getattr(args, "quiet", False))
        return args.run(args) or 0
    except RunStopped as stopped:
        print(f"gluon-cnn: {stopped}", file=sys.stderr)
        return 128 + stopped.signal
    except GluonCNNError as error:
        print(f"gluon-cnn: {error}", file=sys.stderr)
        return 1
    except mx.MXNetError as error:  # what MXNet alone can know, such as a GPU's memory that is too small
        print(f"gluon-cnn: MXNet failed: {str(error).strip().splitlines()[-1].strip()}", file=sys.stderr)
        return 1
    except OSError as error:  # a disk that fills up, a directory that goes away
        print(f"gluon-cnn: {error.filename or 'a file'}: {error.strerror or error}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("gluon-cnn: interrupted.", file=sys.stderr)
        return 130


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise SettingError(f"{message}; see {self.prog} --help.")


def _parser():
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


def _command(commands, name, run, description, examples):
    command = commands.add_parser(
        name,
        help=description[0].lower() + description[1:].split(".")[0],
        description=description,
        epilog="examples:\n" + "\n".join(f"  gluon-cnn {example}" for example in examples),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run)
    return command


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
        _train,
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
        _evaluate,
        "Measure a run's test accuracy anew.",
        ["evaluate runs/nin-zh-v1-seed0", "evaluate runs/nin-zh-v1-seed0 --checkpoint best"],
    )
    _add_run(command)
    _add_device_and_data(command)


def _add_predict(commands):
    command = _command(
        commands,
        "predict",
        _predict,
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
        _summary,
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
        _data,
        "Find Fashion-MNIST, or get it, verify it, and say where it is.",
        ["data", "data --data-dir ~/fashion-mnist"],
    )
    command.add_argument("--data-dir", metavar="DIR", help="look only in this directory")


def _train(args):
    if args.resume:
        run = _resumed_run(args)
    else:
        recipe = _recipe(args)
        settings = {"ctx": "auto", "hybrid": not args.no_hybrid, "threads": None, "data_dir": None}
        settings.update(_settings(args))
        run = Run(args.out or _new_directory(recipe, args.quick), recipe, settings)
    if run.settings["threads"] is not None:
        _check_threads(run.settings["threads"])
    if run.recipe.data == "full" and run.settings["data_dir"] == str(SAMPLE):
        raise SettingError(f"--data-dir is the sample in this package, {SAMPLE}: use --data sample.")
    if args.quick:
        log.info("--quick: smaller images or fewer epochs than the book's, so its numbers are not the book's.")
    again = shlex.join([*_program(args.model), "--out", str(run.directory), "--resume"])
    try:
        train(run, command=shlex.join(sys.argv), resume=args.resume, quiet=args.quiet)
    except RunStopped as stopped:
        raise RunStopped(f"{stopped}; go on with: {again}", stopped.signal) from None
    finally:
        _draw_curves(run)
    log.info(f"the run is in {run.directory}")


def _draw_curves(run):
    """The figure of what the run has so far, even if it has just been stopped."""
    if run.history_path.exists():
        side = run.recipe.resize or SIDE
        title = f"{run.recipe.model}, {run.recipe.edition}, {side}×{side}, seed {run.recipe.seed}"
        plot.save_curves(read_history(run.directory), run.curves_path, title)


def _recipe(args):
    changes = {**(quick_changes(args.model) if args.quick else {}), **_given(args, _RECIPE_FLAGS)}
    return get_recipe(args.model, args.edition or "zh-v1", **changes)


def _resumed_run(args):
    """The run in --out; only --epochs may grow, and how it is computed may change."""
    if args.out is None:
        raise SettingError("--resume needs --out with the directory of the run to go on with.")
    run = Run.open(args.out)
    wanted = {"model": canonical_name(args.model), **_given(args, ("edition", *_RECIPE_FLAGS))}
    if args.quick:
        wanted = {**quick_changes(args.model), **wanted}
    epochs = whole_number("epochs", wanted.pop("epochs", run.recipe.epochs))
    if epochs < run.recipe.epochs:
        raise RunError(f"{args.out} was begun for {run.recipe.epochs} epochs: --epochs may be more, but not {epochs}.")
    differences = [
        f"{name} {getattr(run.recipe, name)!r}, not {value!r}"
        for name, value in wanted.items()
        if getattr(run.recipe, name) != value
    ]
    if differences:
        raise RunError(f"{args.out} was begun with {'; '.join(differences)}: leave these out, or begin another run.")
    run.recipe = dataclasses.replace(run.recipe, epochs=epochs)
    run.settings.update(_settings(args))
    if args.no_hybrid:
        run.settings["hybrid"] = False
    return run


def _settings(args):
    settings = _given(args, ("ctx", "threads", "data_dir"))
    if args.data_dir is not None:
        settings["data_dir"] = str(Path(args.data_dir).expanduser().resolve())  # also from elsewhere, later
    return settings


def _check_threads(number):
    if whole_number("threads", number) > os.cpu_count():
        raise SettingError(f"threads is {number}, but there are {os.cpu_count()} processors.")


def _given(args, names):
    return {name: getattr(args, name) for name in names if getattr(args, name) is not None}


def _new_directory(recipe, quick):
    """runs/nin-zh-v1-seed0, or the first of -2, -3, ... that is not there."""
    name = f"{recipe.model}-{recipe.edition}-{'quick-' if quick else ''}seed{recipe.seed}"
    path, number = Path("runs") / name, 1
    while path.exists():
        number += 1
        path = Path("runs") / f"{name}-{number}"
    return path


def _program(model):
    """How this program was called, up to its flags: by an example, which names the network, or by its own name."""
    program = sys.argv[0]
    if Path(program).resolve() == Path(__file__).resolve():
        return [sys.executable, "-m", "gluon_cnn.cli", "train", model]
    return [sys.executable, program] if program.endswith(".py") else [program, "train", model]


def _evaluate(args):
    run = Run.open(args.directory)
    devices = parse_context(args.ctx or "auto")
    if args.threads is not None:
        _check_threads(args.threads)
        set_threads(args.threads)
    _, test_iter = load_data(run.recipe, args.data_dir or run.settings["data_dir"], devices[0])
    net, state = run.network(devices, args.checkpoint)
    accuracy = evaluate_accuracy(test_iter, net, devices)
    images = f"{len(test_iter.labels):,} test images" + (" of the sample" if run.recipe.data == "sample" else "")
    step = f" and {state['step']} steps" if state["step"] else ""
    print(f"test accuracy {accuracy:.4f} on {images}, after epoch {state['epoch']}{step}")


def _predict(args):
    run = Run.open(args.directory)
    devices = parse_context(args.ctx or "auto")[:1]
    pictures = [read_picture(path, invert=args.invert) for path in args.images]
    net, _ = run.network(devices, args.checkpoint)
    for path, picture in zip(args.images, pictures):
        probabilities = net(to_batch(picture[None], run.recipe.resize, devices[0])).softmax()[0].asnumpy()
        print(path)
        for index in probabilities.argsort()[::-1]:
            print(f"  {CLASSES[index]:<12}{probabilities[index]:7.4f}")


def _summary(args):
    recipe = get_recipe(args.model, args.edition or "zh-v1")
    side = recipe.resize or 28
    if args.resize is not None:
        side = whole_number("resize", args.resize)
    print(summary(recipe.network(), (1, 1, side, side)))


def _data(args):
    directory = find_fashion_mnist(args.data_dir)
    train_part, test_part = read_fashion_mnist(directory)
    numbers = f"{len(train_part.labels):,} training and {len(test_part.labels):,} test images"
    print(f"Fashion-MNIST, verified: {numbers} in {directory}")
    print(f"A sample of 2,000 and 500 of them is in {SAMPLE}")


class _TerminalHandler(logging.Handler):
    """Prints through tqdm, which keeps lines and a progress bar apart."""

    def emit(self, record):
        try:
            tqdm.write(self.format(record), file=sys.stdout)
            sys.stdout.flush()
        except BrokenPipeError:  # whoever read along has gone; the run goes on
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115  (for as long as the process)


def _log_to_terminal(quiet):
    package = logging.getLogger("gluon_cnn")
    package.setLevel(logging.INFO)
    for handler in [h for h in package.handlers if isinstance(h, _TerminalHandler)]:
        package.removeHandler(handler)
    if not quiet:
        package.addHandler(_TerminalHandler())


if __name__ == "__main__":
    sys.exit(main())

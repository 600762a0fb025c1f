"""``gluon-cnn launch``, which does not import MXNet: the processes that it starts do."""

import sys

from gluon_cnn.cli import parser as shared
from gluon_cnn.cli.values import typed
from gluon_cnn.errors import SettingError
from gluon_cnn.runtime import ALWAYS_READ, check_variables
from gluon_cnn.training.launch import LAUNCHERS, launch

__all__ = ["add"]


def add(commands):
    """Add the command to argparse's collection of them."""
    command = shared.add_command(
        commands,
        "launch",
        _launch,
        "Start several processes that train together. After -- comes a command of gluon-cnn, or any program. Every "
        "process runs it, and is told by its environment whether it is a worker, a server or the scheduler. Options "
        "that are not listed here go to MXNet's launcher.",
        "launch -n 2 -- train lenet --kvstore dist_sync",
        "launch -n 2 -- examples/train_lenet.py --kvstore dist_sync",
        "launch -n 4 -s 4 --launcher ssh -H hosts -- train nin --kvstore dist_sync",
        usage="gluon-cnn launch -n WORKERS [-s SERVERS] [options] -- COMMAND ...",
        starts_program=True,
    )
    command.add_argument(
        "-n",
        "--num-workers",
        type=typed("num_workers", int),
        required=True,
        metavar="WORKERS",
        help="processes that train",
    )
    command.add_argument(
        "-s",
        "--num-servers",
        type=typed("num_servers", int),
        metavar="SERVERS",
        help="processes that add up gradients (default: as many as workers)",
    )
    command.add_argument(
        "--launcher", default="local", metavar="NAME", help=f"one of {', '.join(LAUNCHERS)} (default local)"
    )
    command.add_argument("-H", "--host-file", metavar="FILE", help="a file with a host a line, for ssh and mpi")


def _launch(args):
    if not args.program:
        raise SettingError("A command is missing after --; see gluon-cnn launch --help.")
    check_variables(*ALWAYS_READ)  # once, here, instead of in every process
    return launch(
        _program(args.program),
        args.num_workers,
        args.num_servers,
        launcher=args.launcher,
        host_file=args.host_file,
        others=args.others,
    )


def _program(words):
    """The program that every process runs: a command of gluon-cnn, a Python file, or any other program."""
    from gluon_cnn.cli import COMMANDS  # which imports this module

    if words[0] in [command.__name__.rpartition(".")[2] for command in COMMANDS]:
        return [sys.executable, "-m", "gluon_cnn.cli", *words]
    return [sys.executable, *words] if words[0].endswith(".py") else words

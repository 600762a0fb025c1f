"""The command line: ``gluon-cnn COMMAND ...``. One file a command, with its parser and its handler.

To add a command is to add a file with a function ``add``, and its name to :data:`COMMANDS`. Nothing here imports MXNet
before a command that needs it is run.
"""

import sys
from importlib import metadata

from gluon_cnn.cli import (
    compare,
    compare_runs,
    data,
    doctor,
    evaluate,
    export,
    inspect,
    launch,
    predict,
    report,
    reproduce,
    selftest,
    summary,
    train,
)
from gluon_cnn.cli.command import command_line
from gluon_cnn.cli.failures import explain
from gluon_cnn.cli.parser import Parser, examples
from gluon_cnn.cli.terminal import (
    complain,
    discard_unwritable,
    let_libraries_warn,
    log_to_terminal,
    open_streams,
    print_any_character,
    stop_printing,
)

__all__ = ["COMMANDS", "main"]

#: The commands, in the order of the list in the help text.
COMMANDS = (
    train,
    evaluate,
    predict,
    inspect,
    export,
    compare,
    compare_runs,
    reproduce,
    report,
    summary,
    data,
    doctor,
    selftest,
    launch,
)


def main(argv=None, *, model=None):
    """Run a command.

    Parameters
    ----------
    argv : list of str, optional
        The command and its arguments; the process's own by default.
    model : str, optional
        For the examples: train this network, with ``argv`` as the flags of ``train``.

    Returns
    -------
    int
        The exit code.
    """
    open_streams()
    print_any_character()
    let_libraries_warn()
    argv = list(sys.argv[1:] if argv is None else argv)
    parser, words = _parser_of(argv, model)
    try:
        args = parser.parse_args(words)
        model = getattr(args, "model", None)
        args.command_line = command_line(argv, example=args.example)
        log_to_terminal(args.quiet)
        code = args.handler(args) or 0
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        stop_printing()
        return 0
    except (Exception, KeyboardInterrupt) as error:
        explained = explain(error, parser, model)
        if explained is None:
            raise
        line, code = explained
        discard_unwritable()
        complain(f"gluon-cnn: {line}")
        return code


def _parser_of(argv, model):
    """The parser of the command in ``argv``, and what is left for it to parse."""
    if model is not None:
        return train.make_example_parser(model), argv
    parser, commands = _make_parser()
    if argv and argv[0] in commands.choices:
        return commands.choices[argv[0]], argv[1:]
    return parser, argv


def _make_parser():
    """The parser of everything, and argparse's collection of the commands' parsers."""
    parser = Parser(
        prog="gluon-cnn",
        description='The CNN chapters of "Dive into Deep Learning" in Apache MXNet Gluon.',
        epilog=examples(
            "gluon-cnn",
            ["train nin --quick", "compare runs/nin-zh-v1-seed0", "evaluate runs/nin-zh-v1-seed0", "data"],
        ),
    )
    parser.add_argument("--version", action="version", version=f"gluon-cnn {metadata.version('gluon-cnn')}")
    commands = parser.add_subparsers(metavar="COMMAND", dest="command", required=True)
    for command in COMMANDS:
        command.add(commands)
    return parser, commands

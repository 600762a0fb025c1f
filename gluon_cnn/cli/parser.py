"""The parser of every command, and the arguments that several commands share."""

import argparse
import difflib
import re
import sys
import textwrap

from gluon_cnn.cli.changes import FIELDS
from gluon_cnn.cli.failures import one_line
from gluon_cnn.cli.values import format_value, number_or_auto, path, typed
from gluon_cnn.errors import SettingError
from gluon_cnn.models import list_models
from gluon_cnn.recipe import EDITIONS

__all__ = [
    "Parser",
    "add_checkpoint_every",
    "add_command",
    "add_data",
    "add_device",
    "add_edition",
    "add_model",
    "add_run",
    "add_threads",
    "examples",
]


_LONGEST = 300  # characters of wrong arguments that an error shows


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Fits a description of one paragraph to the terminal; the end of a help text keeps its lines."""

    def _fill_text(self, text, width, indent):
        if "\n" in text:
            return super()._fill_text(text, width, indent)
        return textwrap.fill(text, width, initial_indent=indent, subsequent_indent=indent)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are SettingErrors.

    Parameters
    ----------
    starts_program : bool
        Whether another program's command follows ``--``. It becomes ``args.program``, and unknown arguments before it
        become ``args.others``.
    """

    def __init__(self, *args, starts_program=False, **options):
        # Abbreviations would catch another program's arguments, and change their meaning with each new flag.
        options = {"formatter_class": _HelpFormatter, "allow_abbrev": False, **options}
        super().__init__(*args, **options)
        self.starts_program = starts_program
        self.set_defaults(quiet=False, example=False, more=None)

    def parse_args(self, args, namespace=None):
        """The arguments; a SettingError says what is wrong with them."""
        end = args.index("--") if self.starts_program and "--" in args else len(args)
        self._refuse_empty(args[:end])
        parsed, others = self.parse_known_args(args[:end], namespace)
        if parsed.more and not any(word.startswith("-") for word in others):
            # argparse gives what follows a flag to no list of words that was matched before it.
            setattr(parsed, parsed.more, [*getattr(parsed, parsed.more), *others])
            others = []
        if self.starts_program:
            parsed.program, parsed.others = args[end + 1 :], others
        elif others:
            raise SettingError(
                f"Unknown arguments: {one_line(' '.join(others), _LONGEST)}; {self._instead_of(others)}."
            )
        return parsed

    def _refuse_empty(self, words):
        """A SettingError if a word is empty, as a shell's variable that is not set gives it: it never means a default,
        nor the directory that one is in."""
        for before, word in zip(["", *words], words):
            flag, equals, value = word.partition("=") if word.startswith("--") else (before, "=", word)
            if equals and (value.strip() in ("", "--") or "\0" in value):
                what = f"{flag} has" if flag.startswith("-") else "An argument is"
                raise SettingError(f"{what} {'no value' if what.endswith('has') else 'empty'}; see {self.prog} --help.")

    def error(self, message):
        raise SettingError(f"{one_line(message, _LONGEST)}; see {self.prog} --help.")

    def exit(self, status=0, message=None):
        sys.stdout.flush()  # the help text, here, where it is said if that cannot be written
        super().exit(status, message)

    def _print_message(self, message, file=None):
        (file or sys.stderr).write(message)  # newer versions of argparse's own hide that it cannot be written

    def flag_of(self, setting):
        """The flag of a setting, such as ``--resize`` of ``side``, or of several of it; None if it has none."""
        dests = (setting, f"{setting}s")
        return next((action.option_strings[-1] for action in self._flags() if action.dest in dests), None)

    def words_for(self, setting, value):
        """The words that give a value to a setting by its flag; None if no flag can."""
        for action in self._flags():
            if action.dest == setting and action.nargs == 0 and action.const == value:
                return [action.option_strings[-1]]
            if action.dest == setting and action.nargs != 0 and value is not None:
                return [action.option_strings[-1], format_value(value)]
        return None

    def _flags(self):
        return [action for action in self._actions if action.option_strings]

    def _instead_of(self, others):
        """What to do about unknown arguments, as half a sentence."""
        for word, after in zip(others, [*others[1:], "--"]):
            flag, _, value = word.partition("=")
            setting = flag[2:].replace("-", "_")
            if setting in FIELDS and self.flag_of("set"):
                return f"use --set {setting}={value or ('on' if after.startswith('--') else after)}"
            known = [action.option_strings[-1] for action in self._flags()]
            nearest = difflib.get_close_matches(flag, known, n=1) if flag.startswith("--") else []
            if nearest:
                return f"the nearest is {nearest[0]}"
        return f"see {self.prog} --help"


def add_command(commands, name, handler, description, *shown, **options):
    """Add a command to argparse's collection of them.

    Parameters
    ----------
    commands
        From ``add_subparsers``.
    name : str
    handler : callable
        Takes the parsed arguments, and returns an exit code or None for 0.
    description : str
        A sentence or more. The first one is shown in the list of commands.
    *shown : str
        Examples, without the program's name.
    **options
        For :class:`Parser`.

    Returns
    -------
    Parser
    """
    brief = re.split(r"\.\s|\.$", description)[0]
    command = commands.add_parser(
        name,
        help=brief[0].lower() + brief[1:],
        description=description,
        epilog=examples("gluon-cnn", shown),
        **options,
    )
    command.set_defaults(handler=handler)
    return command


def examples(program, shown):
    """The end of a help text: examples of how a program is called."""
    return "\n".join(["examples:", *(f"  {program} {words}".rstrip() for words in shown)])


def add_model(command):
    """MODEL and --edition."""
    command.add_argument(
        "model",
        metavar="MODEL",
        help=f"{', '.join(list_models())}; gluoncv:NAME or gluon:NAME, a network of a model zoo; or FILE.py:FUNCTION, "
        "a network of your own",
    )
    add_edition(command)


def add_edition(command):
    """--edition."""
    words = f"whose recipe: {', '.join(EDITIONS)} (default zh-v1 for the book's networks)"
    command.add_argument("--edition", metavar="NAME", help=words)


def add_run(command, what="a run's directory"):
    """RUN and --checkpoint."""
    command.add_argument("directory", metavar="RUN", help=what)
    command.add_argument(
        "--checkpoint", dest="which", choices=("last", "best"), default="last", help="last (default) or best"
    )


def add_device(command):
    """--ctx."""
    command.add_argument("--ctx", metavar="DEVICE", help="auto, cpu, gpu, or a list such as gpu:0,1 (default auto)")


def add_data(command, help="the directory with the data set's files (default: find or download them)"):
    """--data-dir and --release."""
    command.add_argument("--data-dir", type=path("data_dir"), metavar="DIR", help=help)
    command.add_argument("--release", metavar="NAME", help=FIELDS["release"].metadata["help"])


def add_threads(command, auto=True):
    """--threads."""
    measured = "; auto measures a few steps and takes the fastest" if auto else ""
    command.add_argument(
        "--threads",
        type=number_or_auto if auto else typed("threads", int),
        metavar="N|auto" if auto else "N",
        help=f"processor threads for MXNet{measured} (default: every core)",
    )


def add_checkpoint_every(command):
    """--checkpoint-every."""
    command.add_argument(
        "--checkpoint-every",
        type=typed("checkpoint_every", int),
        metavar="STEPS",
        help="also save after so many steps within an epoch (default: about every two minutes)",
    )

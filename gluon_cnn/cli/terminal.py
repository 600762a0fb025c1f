"""What a command prints: a log beside a progress bar, on terminals that lack characters, to readers that go away."""

import logging
import os
import sys
import warnings

__all__ = [
    "complain",
    "discard_unwritable",
    "let_libraries_warn",
    "log_to_terminal",
    "open_streams",
    "print_any_character",
    "stop_printing",
]


def open_streams():
    """Open each standard stream that this process was started without, to nowhere.

    Otherwise Python has None in its place, and the next file that is opened gets its number, with all that MXNet and
    child processes print to it.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode, encoding="utf-8")  # noqa: SIM115 (it stays open, as the stream)
            os.set_inheritable(stream.fileno(), True)
            setattr(sys, name, stream)


def print_any_character():
    """Print ``?`` for × and … where the terminal cannot show them, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def let_libraries_warn():
    """Undo PYTHONWARNINGS=error, and -W error, with which any library's warning would end a command."""
    if any("error" in option for option in sys.warnoptions):
        warnings.simplefilter("default")
        for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", category)


def complain(line):
    """Print a line about an error: to standard output if standard error was closed, to nobody if nobody reads."""
    stream = sys.stdout if sys.__stderr__ is None else sys.stderr
    try:
        print(line, file=stream, flush=True)
    except OSError:
        stop_printing(stream)


def stop_printing(stream=None):
    """Discard what is printed from now on, because nobody reads a stream any more. Python then ends quietly.

    Parameters
    ----------
    stream : file, optional
        Standard output by default.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, (stream or sys.stdout).fileno())
    os.close(nowhere)


def discard_unwritable():
    """Discard what was printed if it cannot be written; Python would try again at its end, and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        stop_printing()


def log_to_terminal(quiet=False):
    """Print what the package logs, or nothing if ``quiet``."""
    package = logging.getLogger("gluon_cnn")
    package.setLevel(logging.INFO)
    for handler in [h for h in package.handlers if isinstance(h, (_TerminalHandler, logging.NullHandler))]:
        package.removeHandler(handler)
    # Without any handler Python would print warnings by itself.
    package.addHandler(logging.NullHandler() if quiet else _TerminalHandler())


class _TerminalHandler(logging.Handler):
    """Prints through tqdm, which keeps lines and a progress bar apart."""

    def __init__(self):
        super().__init__()
        from tqdm import tqdm  # here, where a variable on which its import fails is reported before there is any work

        self._write = tqdm.write

    def emit(self, record):
        try:
            self._write(self.format(record), file=sys.stdout)
            sys.stdout.flush()
        except BrokenPipeError:  # the run continues
            stop_printing()
        except OSError as error:
            stop_printing()
            complain(f"gluon-cnn: standard output cannot be written ({error.strerror}), so nothing more is printed.")

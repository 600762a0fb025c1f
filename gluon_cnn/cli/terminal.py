"""What a command prints: a log beside a progress bar, on terminals that lack characters, to readers that go away."""

import logging
import os
import sys

__all__ = ["log_to_terminal", "print_any_character", "stop_printing"]


def print_any_character():
    """Print ``?`` for × and … where the terminal cannot show them, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def stop_printing():
    """Discard what is printed from now on, because nobody reads standard output any more. Python then ends quietly."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


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

    def emit(self, record):
        from tqdm import tqdm

        try:
            tqdm.write(self.format(record), file=sys.stdout)
            sys.stdout.flush()
        except BrokenPipeError:  # the run continues
            stop_printing()

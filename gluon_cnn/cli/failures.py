"""What went wrong, as one line and an exit code."""

import sys

from gluon_cnn.cli.changes import FIELDS, options_of
from gluon_cnn.errors import GluonCNNError, RunStopped
from gluon_cnn.files import as_unicode, reason_of
from gluon_cnn.runtime import INSTALL_HINT

__all__ = ["explain", "in_flags", "one_line", "print_error"]


def explain(error, parser, model=None):
    """One line about an error and the exit code; None for an unexpected error.

    Parameters
    ----------
    error : BaseException
    parser : Parser
        Of the command that failed; its flags are named.
    model : str, optional
        The network that it is about.

    Returns
    -------
    (str, int) or None
    """
    if isinstance(error, GluonCNNError):
        if isinstance(error, RunStopped):  # with a command to copy
            return one_line(error, longest=10**5), 128 + error.signal
        return one_line(in_flags(error, parser, model)), 1
    if isinstance(error, KeyboardInterrupt):
        return "interrupted.", 130
    mxnet_error = getattr(sys.modules.get("mxnet"), "MXNetError", None)
    if mxnet_error and isinstance(error, mxnet_error):  # what MXNet alone can know, such as too little memory on a GPU
        return f"MXNet failed: {str(error).strip().splitlines()[-1].strip()}", 1
    if isinstance(error, ModuleNotFoundError) and error.name == "mxnet":
        return f"MXNet is not installed: {INSTALL_HINT}.", 1
    if isinstance(error, OSError):  # a disk that fills up, a directory that goes away
        return one_line(f"{error.filename or 'standard output or a file'}: {reason_of(error)}."), 1
    return None


def print_error(error):
    """Print a line about an error after which a command continues with what else it was asked for."""
    print(f"gluon-cnn: {one_line(error)}", file=sys.stderr)


def in_flags(error, parser, model=None):
    """An error's message with the flags of its settings before the final period."""
    flags = dict.fromkeys(filter(None, (_flag(setting, parser, model) for setting in error.settings)))
    if not flags:
        return str(error)
    text, period = str(error), ""
    if text.endswith((".", "?")):
        text, period = text[:-1], text[-1]
    return f"{text} ({', '.join(flags)}){period}"


def _flag(setting, parser, model):
    """How a command takes a setting; None if it does not, or as a positional argument."""
    flag = parser.flag_of(setting)
    if flag or not parser.flag_of("set"):
        return flag
    return f"--set {setting}=..." if setting in FIELDS or setting in _options_of(model) else None


def _options_of(model):
    """A network's options, if they can be looked up without importing MXNet."""
    try:
        return options_of(model) if model and "mxnet" in sys.modules else {}
    except GluonCNNError:
        return {}


def one_line(error, longest=1000):
    """An error's message, or a text, as a line of a terminal: without the end of a line, or what else moves the cursor
    or is not UTF-8, in the name of somebody's file, and without the middle of one that is very long."""
    text = "".join(character if character.isprintable() else " " for character in as_unicode(error))
    return text if len(text) <= longest else f"{text[: longest // 2]}...{text[-longest // 2 :]}"

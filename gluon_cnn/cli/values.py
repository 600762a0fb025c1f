"""Values as one writes them on the command line: from text, and to text."""

import functools
import re
import typing
from pathlib import Path

from gluon_cnn.errors import SettingError
from gluon_cnn.recipe import shown
from gluon_cnn.training.settings import AUTO

__all__ = ["as_text", "number_or_auto", "parse_value", "path", "seeds", "typed"]

_SWITCHES = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False}
_MOST_SEEDS = 200  # more in one list are a typing error, and comparing them would take minutes


def parse_value(name, text, kind):
    """The value of a setting.

    Parameters
    ----------
    name : str
        Of the setting, for the error.
    text : str
        A number; ``on``, ``off``, ``true``, ``false``, ``yes`` or ``no``; ``none`` where the setting may have no value;
        or any other text.
    kind : type
        int, float, bool or str, or one of these that is Optional. With any other, the text's own form decides.

    Raises
    ------
    SettingError
        If the text is not a value of that kind.
    """
    kinds = typing.get_args(kind) or (kind,)
    if text.lower() == "none" and type(None) in kinds:
        return None
    if bool in kinds:
        if text.lower() not in _SWITCHES:
            raise SettingError(f"{name} is {text!r}; it must be on or off.", name)
        return _SWITCHES[text.lower()]
    for number, what in ((int, "a whole number"), (float, "a number")):
        if number in kinds:
            try:
                return number(text)
            except ValueError:
                raise SettingError(f"{name} is {text!r}; it must be {what}.", name) from None
    return text if str in kinds else _guess(text)


def _guess(text):
    """The value that a text looks like."""
    for kind in (typing.Optional[bool], int, float):
        try:
            return parse_value("", text, kind)
        except SettingError:
            pass
    return text


def as_text(value):
    """The text of a value, which :func:`parse_value` turns into the value again."""
    return shown(value) if value is None or isinstance(value, bool) else str(value)


def typed(name, kind):
    """A function for argparse's ``type`` that gives the value of a setting."""
    return functools.partial(parse_value, name, kind=kind)


def path(name):
    """A function for argparse's ``type`` that makes a path absolute, so that it is the same from elsewhere, later."""

    def absolute(text):
        try:
            return str(Path(text).expanduser().resolve())
        except (OSError, RuntimeError, ValueError) as error:  # the home of nobody, for instance
            raise SettingError(f"{name} is {text!r}, which is not a path ({error}): name another one.", name) from None

    return absolute


def number_or_auto(text):
    """A number of threads, or ``auto``."""
    try:
        return text if text == AUTO else int(text)
    except ValueError:
        raise SettingError(
            f"threads is {text!r}; it must be a whole number of 1 or more, or {AUTO}.", "threads"
        ) from None


def seeds(text):
    """The list of seeds that ``0-14`` or ``0,3,5-7`` stands for; a SettingError for anything else."""
    found = []
    for part in text.split(","):
        match = re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", part.strip(), re.ASCII)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last < first + _MOST_SEEDS - len(found):
            raise SettingError(
                f"seeds is {text!r}; write numbers and ranges from small to large, such as 0-14 or 0,3,5-7, "
                f"{_MOST_SEEDS} at most.",
                "seeds",
            )
        found += range(first, last + 1)
    return list(dict.fromkeys(found))

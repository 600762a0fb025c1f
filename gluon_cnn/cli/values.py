"""Values as one writes them on the command line: from text, and to text."""

import ast
import functools
import re
import typing
from pathlib import Path

from gluon_cnn.checks import brief
from gluon_cnn.errors import SettingError
from gluon_cnn.recipe import shown
from gluon_cnn.training.settings import AUTO

__all__ = ["format_value", "number_or_auto", "parse_value", "path", "seeds", "typed"]

_SWITCHES = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False}
_DEEPEST = 50  # brackets in a list
_MOST_SEEDS = 200  # more in one list are a typing error, and comparing them would take minutes


def parse_value(name, text, kind):
    """The value of a setting.

    Parameters
    ----------
    name : str
        Of the setting, for the error.
    text : str
        A number; ``on``, ``off``, ``true``, ``false``, ``yes`` or ``no``; ``none`` where the setting may have no value;
        numbers or quoted words with commas in between, in parentheses or brackets or not; or any other text.
    kind : type
        int, float, bool, str, tuple or list, or one of these that is Optional, or bool or str. With any other, the
        text's own form decides.

    Raises
    ------
    SettingError
        If the text is not a value of that kind.
    """
    kinds = typing.get_args(kind) or (kind,)
    if text.lower() == "none" and type(None) in kinds:
        return None
    if bool in kinds:
        if text.lower() in _SWITCHES:
            return _SWITCHES[text.lower()]
        if str not in kinds:
            raise SettingError(f"{name} is {brief(text)}; it must be on or off.", name)
    for number, what in ((int, "a whole number"), (float, "a number")):
        if number in kinds:
            try:
                return number(text)
            except ValueError:
                what = f"{what} with fewer digits" if text.isdecimal() else what  # Python reads 4,300 of them at most
                raise SettingError(f"{name} is {brief(text)}; it must be {what}.", name) from None
    for several in (tuple, list):
        if several in kinds:
            return several(_items(name, text))
    return text if str in kinds else _guess(name, text)


def _items(name, text):
    """The items of a list as Python writes it, with or without the parentheses around it."""
    wanted = text if text[:1] in ("(", "[") else f"({text},)"
    try:
        if sum(map(wanted.count, "([{")) > _DEEPEST:  # more than Python's parser can take
            raise ValueError
        items = ast.literal_eval(wanted)
        if isinstance(items, (tuple, list)):
            return items
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        pass
    raise SettingError(f"{name} is {brief(text)}; write it as Python does, such as (16, 32) or ('a', 'b').", name)


def _guess(name, text):
    """The value that a text looks like."""
    if text[:1] in ("(", "["):
        return _items(name, text)
    for kind in (typing.Optional[bool], int, float):
        try:
            return parse_value("", text, kind)
        except SettingError:
            pass
    return text


def format_value(value):
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
            raise SettingError(
                f"{name} is {brief(text)}, which is not a path ({error}): name another one.", name
            ) from None

    return absolute


def number_or_auto(text):
    """A number of threads, or ``auto``."""
    try:
        return text if text == AUTO else int(text)
    except ValueError:
        raise SettingError(
            f"threads is {brief(text)}; it must be a whole number of 1 or more, or {AUTO}.", "threads"
        ) from None


def seeds(text):
    """The list of seeds that ``0-14`` or ``0,3,5-7`` stands for; a SettingError for anything else."""
    found = []
    for part in text.split(","):
        match = re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", part.strip(), re.ASCII)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last < first + _MOST_SEEDS - len(found):
            raise SettingError(
                f"seeds is {brief(text)}; write numbers and ranges from small to large, such as 0-14 or 0,3,5-7, "
                f"{_MOST_SEEDS} at most.",
                "seeds",
            )
        found += range(first, last + 1)
    return list(dict.fromkeys(found))

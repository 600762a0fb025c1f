"""Checks of settings: each returns the value, or raises a SettingError that says what it must be."""

import math
import numbers

from gluon_cnn.errors import SettingError

__all__ = ["RANGES", "choice", "positive", "whole_number"]

_MOST = 2**31 - 1  # what MXNet counts with
_LONGEST = 80  # characters of a wrong value that an error shows

#: The smallest and the largest value of each number that a user sets, by its name; all others are from 1 to 2^31 - 1,
#: or any finite number above 0.
RANGES = {
    "epochs": (1, 1_000_000),
    "num_epochs": (1, 1_000_000),
    "warmup_epochs": (0, 1_000_000),
    "batch_size": (1, 1_000_000),
    "side": (1, 10_000),
    "resize": (1, 10_000),
    "seed": (0, 2**63 - 1),
    "workers": (1, 1_000),
    "num_workers": (1, 1_000),
    "num_servers": (1, 1_000),
    "threads": (1, 10**12),  # the processors decide
    "dist_timeout": (0, 1_000_000),
    "num_classes": (0, 1_000_000),
    "num_mlp_layers": (0, 1_000),
    "padding": (0, 10_000),
}


def whole_number(name, value, smallest=None):
    """``value`` as an int, if it is a whole number in the range of ``name``; else a SettingError.

    ``smallest`` is in place of the range's smallest number.
    """
    least, largest = RANGES.get(name, (1, _MOST))
    least = least if smallest is None else smallest
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise SettingError(f"{name} is {_shown(value)}; it must be a whole number of {least} or more.", name)
    if value > largest:
        raise SettingError(f"{name} is {_shown(value)}; it must be {largest} or less.", name)
    return int(value)


def positive(name, value):
    """``value`` as a float, if it is a finite number above 0 in the range of ``name``; else a SettingError."""
    number = math.nan if isinstance(value, bool) or not isinstance(value, numbers.Real) else _as_float(value)
    if not math.isfinite(number) or number <= 0:
        raise SettingError(f"{name} is {_shown(value)}; it must be a number above 0.", name)
    if name in RANGES and number > RANGES[name][1]:
        raise SettingError(f"{name} is {_shown(value)}; it must be {RANGES[name][1]} or less.", name)
    return number


def choice(name, value, choices):
    """``value``, if it is one of ``choices``; else a SettingError that lists them."""
    if value not in tuple(choices):  # which compares, so that a list is wrong rather than unhashable
        raise SettingError(f"{name} is {_shown(value)}; it must be one of {', '.join(map(str, choices))}.", name)
    return value


def _as_float(number):
    try:
        return float(number)
    except OverflowError:
        return math.inf


def _shown(value):
    """A value as an error shows it: a line, however long the value is."""
    if isinstance(value, int) and abs(value) >= 10**_LONGEST:  # Python refuses to write the longest numbers
        sign = "-" if value < 0 else ""
        return f"{sign}10^{int(math.log10(abs(value)))} or so"
    try:
        text = repr(value)
    except ValueError:  # such a number inside
        text = f"a {type(value).__name__}"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."

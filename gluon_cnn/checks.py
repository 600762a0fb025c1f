"""Checks of settings: each returns the value, or raises a SettingError that says what it must be."""

import math
import numbers

from gluon_cnn.errors import SettingError

__all__ = ["MOST", "RANGES", "brief", "choice", "number", "plain", "range_of", "whole_number", "whole_numbers"]

#: The largest number that MXNet counts with.
MOST = 2**31 - 1
_SMALL, _LARGE = 1e-30, 1e30  # float32, with which MXNet computes, ends at about 1e-38 and 1e38
_LONGEST = 80  # characters of a wrong value that an error shows

#: The range of each number that a user sets, by its name: of a whole number the smallest and the largest, of any other
#: number the smallest and what it must be below. Those without an entry are from 1 to 2^31 - 1, and from 1e-30 to 1e30.
RANGES = {
    "epochs": (1, 1_000_000),
    "num_epochs": (1, 1_000_000),
    "warmup_epochs": (0, 1_000_000),
    "batch_size": (1, 1_000_000),
    "side": (1, 10_000),
    "resize": (1, 10_000),
    "short_side": (1, 10_000),
    "test_share": (_SMALL, 1),
    "seed": (0, 2**63 - 1),
    "momentum": (0, 1),
    "weight_decay": (0, 1),
    "gradient_clip_val": (0, _LARGE),
    "noise": (0, _LARGE),
    "sigma": (0, _LARGE),
    "workers": (1, 1_000),
    "num_workers": (1, 1_000),
    "num_servers": (1, 1_000),
    "threads": (1, 10**12),  # the processors decide
    "data_memory": (0, 1_000_000),  # GB
    "dist_timeout": (0.1, 1_000_000),
    "num_classes": (1, 100_000),
    "num_channels": (1, 1_000_000),
    "num_convs": (1, 1_000),
    "num_mlp_layers": (0, 1_000),
    "kernel_size": (1, 10_000),
    "strides": (1, 10_000),
    "padding": (0, 10_000),
    "bias": (0, _LARGE),
    "ratio": (1, 64),  # of the first block's 64 channels, one is left
}


def range_of(name):
    """The smallest and the largest value of the whole number ``name``."""
    return RANGES.get(name, (1, MOST))


def whole_number(name, value, smallest=None, largest=None):
    """``value`` as an int, if it is a whole number in the range of ``name``; else a SettingError.

    ``smallest`` and ``largest`` are in place of the range's ends.
    """
    least, most = range_of(name)
    least, most = least if smallest is None else smallest, most if largest is None else largest
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise SettingError(f"{name} is {brief(value)}; it must be a whole number of {least} or more.", name)
    if value > most:
        raise SettingError(f"{name} is {brief(value)}; it must be {most} or less.", name)
    return int(value)


def whole_numbers(name, value):
    """``value``, a whole number for both directions or one for each; else a SettingError."""
    if isinstance(value, (list, tuple)) and len(value) == 2:
        return tuple(whole_number(name, each) for each in value)
    return whole_number(name, value)


def number(name, value):
    """``value`` as a float, if it is a finite number in the range of ``name``; else a SettingError."""
    least, most = RANGES.get(name, (_SMALL, _LARGE))
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    found = _as_float(value) if is_number else math.nan
    if not math.isfinite(found) or found < 0 or (found == 0 and least > 0):
        what = "a number above 0" if least > 0 else "a number of 0 or more"
        raise SettingError(f"{name} is {brief(value)}; it must be {what}.", name)
    if not least <= found < most:
        end = f"{least:g} or more" if found < least else f"below {most:g}"
        raise SettingError(f"{name} is {brief(value)}; it must be {end}.", name)
    return abs(found)  # because -0.0 exists


def choice(name, value, choices):
    """The one of ``choices`` that ``value`` is equal to; else a SettingError that lists them."""
    for known in choices:
        if _equal(value, known):
            return known
    raise SettingError(f"{name} is {brief(value)}; it must be one of {', '.join(map(str, choices))}.", name)


def plain(name, value):
    """``value`` as JSON gives it back, a tuple as a list and a number of NumPy as Python's; else a SettingError."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, numbers.Integral):
        return whole_number(name, value, -MOST, MOST)
    if isinstance(value, numbers.Real):
        if not math.isfinite(_as_float(value)):
            raise SettingError(f"{name} is {brief(value)}; it must be a finite number.", name)
        return float(value)
    if isinstance(value, (list, tuple)):
        return [plain(name, item) for item in value]
    raise SettingError(f"{name} is {brief(value)}; it must be a number, text, on or off, or a list of these.", name)


def brief(value):
    """A value as an error shows it: a line, however long the value is."""
    if isinstance(value, int) and abs(value) >= 10**_LONGEST:  # Python refuses to write the longest numbers
        sign = "-" if value < 0 else ""
        return f"{sign}10^{int(math.log10(abs(value)))} or so"
    try:
        text = " ".join(repr(value).split())
    except Exception:  # such a number inside, or whatever else somebody's object raises
        text = f"a {type(value).__name__}"
    text = "".join(character if character.isprintable() else "?" for character in text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _equal(value, known):
    """Whether they are equal, where a text is equal to texts only, and an array may refuse to be compared."""
    if isinstance(known, str) and not isinstance(value, str):
        return False
    try:
        return bool(value == known)
    except Exception:  # whatever somebody's object raises: what cannot be compared is not known, and choice says so
        return False


def _as_float(number):
    try:
        return float(number)
    except OverflowError:
        return math.inf

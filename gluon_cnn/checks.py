"""Checks of settings: each returns the value, or raises a SettingError that says what it must be."""

import math
import numbers

from gluon_cnn.errors import SettingError

__all__ = ["choice", "positive", "whole_number"]


def whole_number(name, value, smallest=1):
    """``value`` as an int, if it is a whole number of at least ``smallest``; else a SettingError."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < smallest:
        raise SettingError(f"{name} is {value!r}; it must be a whole number of {smallest} or more.", name)
    return int(value)


def positive(name, value):
    """``value`` as a float, if it is a finite number above 0; else a SettingError."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value) or value <= 0:
        raise SettingError(f"{name} is {value!r}; it must be a number above 0.", name)
    return float(value)


def choice(name, value, choices):
    """``value``, if it is one of ``choices``; else a SettingError that lists them."""
    if value not in choices:
        raise SettingError(f"{name} is {value!r}; it must be one of {', '.join(map(str, choices))}.", name)
    return value

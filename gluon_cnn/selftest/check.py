"""One line of a self-test, and how far two arrays are apart."""

import math
from types import MappingProxyType
from typing import Any, Mapping, NamedTuple

import numpy as np

from gluon_cnn.errors import GluonCNNError, RunStopped

__all__ = ["Check", "Seen", "Untried", "difference", "tried"]

_UNTRIED = (
    "This says nothing about what the device computes: make room if memory or the disk of temporary files is full, or "
    "set TMPDIR to a directory with room; else report it."
)


class Untried(Exception):
    """A check that could not be made, and why."""


class Check(NamedTuple):
    """What was tried, whether the device passed, what was seen, and, if it failed, what that means and what to do.

    ``numbers`` has what was measured, for JSON; what is not finite is None there. A check that is not ``ok`` was
    perhaps ``untried``, because of an error.
    """

    group: str
    name: str
    ok: bool
    seen: str
    meaning: str = ""
    numbers: Mapping[str, Any] = MappingProxyType({})
    untried: bool = False


class Seen(NamedTuple):
    """What a try gives: whether it is right, in words, and in numbers."""

    ok: bool
    words: str
    numbers: Mapping[str, Any] = MappingProxyType({})


def tried(group, name, meaning, function, *arguments):
    """The :class:`Check` of a function that returns a :class:`Seen`; with an error of any kind it is untried.

    Parameters
    ----------
    group, name : str
    meaning : str
        What a failure means and what to do, as a sentence.
    function : callable
    *arguments
        For the function.
    """
    try:
        seen = function(*arguments)
    except RunStopped:  # by Ctrl-C, which a training takes note of and others raise
        raise KeyboardInterrupt from None
    except Exception as error:  # whatever a device can do
        lines = str(error).strip().splitlines() or [""]
        last = lines[-1].strip().rstrip(".")  # where MXNet's errors say what is wrong
        kind = type(error).__name__
        named = last if isinstance(error, (GluonCNNError, Untried)) or last.startswith(kind) else f"{kind}: {last}"
        return Check(group, name, False, f"could not be tried: {named[:300]}", _UNTRIED, untried=True)
    numbers = {key: _finite(value) for key, value in seen.numbers.items()}
    return Check(group, name, bool(seen.ok), seen.words, "" if seen.ok else meaning, numbers)


def difference(found, expected):
    """The largest difference of two arrays over the largest value that is expected; infinite if one is not finite."""
    found, expected = np.asarray(found, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    if found.shape != expected.shape or not np.isfinite(found).all():
        return math.inf
    return float(np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-30))


def _finite(value):
    """A number, or a list of them, as JSON has it."""
    if isinstance(value, list):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

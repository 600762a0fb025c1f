"""Numbers in words, for the sentences under figures."""

import numpy as np

__all__ = ["among", "counted", "finite", "per_cent", "place_in_words", "short", "short_path", "with_interval"]

_LONGEST = 18  # characters of a class's name where there is little room


def per_cent(share):
    """A share from 0 to 1 as such as ``83.5%``."""
    return f"{float(share):.1%}"


def with_interval(share):
    """A :class:`gluon_cnn.inspection.confusion.Share` as ``83.5% (82.7 to 84.2)``."""
    return f"{per_cent(share.value)} ({100 * float(share.low):.1f} to {100 * float(share.high):.1f})"


def counted(number, word):
    """A number and what it counts, such as ``1 image`` or ``1,234 images``."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def among(names, most=6):
    """Names with commas and ``and``, of many the first few and how many more there are."""
    names = [str(name) for name in names]
    if len(names) > most:
        names = [*names[: most - 1], f"{len(names) - most + 1} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def short(name, longest=_LONGEST):
    """A name for a place with little room."""
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def short_path(path, longest=_LONGEST):
    """A layer's path for a place with little room: its end, by which the layers of a deep network differ."""
    return path if len(path) <= longest else f"…{path[1 - longest :]}"


def place_in_words(row, column, shape):
    """Where a position of a map is in the whole, such as ``the upper left``."""
    vertical, horizontal = (
        names[min(2, int(3 * (at + 0.5) / of))]
        for at, of, names in ((row, shape[0], ("upper", "", "lower")), (column, shape[1], ("left", "middle", "right")))
    )
    return f"the {vertical} {horizontal}" if vertical else f"the {horizontal}"


def finite(values):
    """Those of some values that are finite numbers."""
    values = np.asarray(values, float)
    return values[np.isfinite(values)]

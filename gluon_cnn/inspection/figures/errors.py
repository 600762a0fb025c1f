"""Figures of where a network errs: the confusion matrix, shares by class, and confidence against accuracy."""

from typing import NamedTuple

import numpy as np

from gluon_cnn.comparison.svg import INK
from gluon_cnn.inspection.answers import reliability
from gluon_cnn.inspection.confusion import confusion
from gluon_cnn.inspection.figures.style import AGAINST, FOR, QUIET, Drawn, chart, figure_function
from gluon_cnn.inspection.words import among, counted, per_cent, short, with_interval

__all__ = ["confused_pairs", "confusion_matrix", "shares_by_class", "trust"]

_FEW = 10  # images of which a share says little
_MOST_NUMBERED, _MOST_NAMED = 12, 40  # classes whose cells have numbers, and that are named


@figure_function
def confusion_matrix(found, classes=()):
    """Draw the confusion matrix.

    Parameters
    ----------
    found : gluon_cnn.inspection.answers.Answers
    classes : sequence of str
        The classes' names.

    Returns
    -------
    Drawn
        ``arrays`` is a :class:`gluon_cnn.inspection.confusion.Confusion`.
    """
    arrays = confusion(found, classes)
    number = len(arrays.classes)
    figure, axes = chart(4.4)
    shares = np.nan_to_num(arrays.per_cent)
    wrong = np.where(np.eye(number, dtype=bool), 0, shares)
    colors = np.zeros((number, number, 4))
    colors[..., :3] = _rgb(FOR)
    colors[..., 3] = 0.9 * np.sqrt(wrong / max(wrong.max(), 1e-9))
    colors[np.diag_indices(number)] = (*_rgb(QUIET), 0.3)
    axes.imshow(colors, interpolation="none")
    if number <= _MOST_NUMBERED:
        for row, column in zip(*np.nonzero(arrays.counts)):
            share = shares[row, column]
            text = f"{share:.0f}" if share >= 0.95 else "<1"
            axes.text(column, row, text, ha="center", va="center", size=8, color=INK)
    if number <= _MOST_NAMED:
        names = [short(name) for name in arrays.classes]
        size = 8.5 if number <= _MOST_NUMBERED else 8.5 * _MOST_NUMBERED / number
        axes.set_xticks(range(number), names, rotation=90, size=size)
        axes.set_yticks(range(number), names, size=size)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xlabel("taken for (number: % of the class's images)" if number <= _MOST_NUMBERED else "taken for")
    axes.set_ylabel("class")
    return Drawn(arrays, figure, *_confusion_in_words(arrays))


def _rgb(color):
    from matplotlib.colors import to_rgb

    return to_rgb(color)


def confused_pairs(arrays, number=10):
    """The classes that are most often taken for another: (class, taken for, images, of how many), the most first."""
    wrong = arrays.counts * ~np.eye(len(arrays.counts), dtype=bool)
    order = np.argsort(-wrong, axis=None, kind="stable")[:number]
    places = [divmod(int(place), len(wrong)) for place in order]
    return [(r, c, int(wrong[r, c]), int(arrays.counts[r].sum())) for r, c in places if wrong[r, c]]


def _confusion_in_words(arrays):
    pairs, accuracy = confused_pairs(arrays), arrays.accuracy
    all_wrong = int(accuracy.of - round(accuracy.value * accuracy.of))
    if not pairs:
        return "Every image is right", f"All {int(accuracy.of):,} images are right."
    row, column, times, of = pairs[0]
    names = arrays.classes
    title = f"The most common mistake: {names[row]} is taken for {names[column]}, {times:,} times in {of:,}"
    both = [pairs_of for pairs_of in pairs if set(pairs_of[:2]) == {row, column}]
    between = sum(pair[2] for pair in both)
    first = sum(pair[2] for pair in pairs[:5])
    words = f"Of {int(accuracy.of):,} images {with_interval(accuracy)} are right and {all_wrong:,} wrong. "
    if len(both) > 1:
        words += (
            f"Classes {names[row]} and {names[column]} are taken for each other {between:,} times, which is "
            f"{between / all_wrong:.0%} of all mistakes; "
        )
    else:
        words += f"That alone is {times / all_wrong:.0%} of all mistakes, and the other way round it is rare; "
    words += f"the {min(5, len(pairs))} most frequent kinds of mistakes together are {first / all_wrong:.0%}."
    return title, words


@figure_function
def shares_by_class(found, classes=()):
    """Draw precision and recall of each class with their exact intervals at 95%.

    Parameters
    ----------
    found, classes
        As for :func:`confusion_matrix`.

    Returns
    -------
    Drawn
        ``arrays`` is a :class:`gluon_cnn.inspection.confusion.Confusion`.
    """
    arrays = confusion(found, classes)
    order = np.argsort(np.nan_to_num(arrays.recall.value, nan=2), kind="stable")[:_MOST_NAMED]
    figure, axes = chart(1.2 + 0.3 * len(order))
    for share, color, marker, shift, name in (
        (arrays.recall, FOR, "o", -0.14, "recall: of the class's images, found"),
        (arrays.precision, AGAINST, "s", 0.14, "precision: of those taken for it, right"),
    ):
        known = share.of[order] > 0
        shown, place = order[known], np.flatnonzero(known) + shift
        axes.hlines(place, 100 * share.low[shown], 100 * share.high[shown], color=color, lw=1.6)
        axes.plot(100 * share.value[shown], place, marker, color=color, ms=5, label=name)
    axes.set_yticks(range(len(order)), [short(arrays.classes[n]) for n in order])
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.set_xlabel("% of images, with the exact interval at 95%")
    axes.grid(axis="x", alpha=0.2, color=INK, lw=0.6)
    figure.legend(loc="outside lower left", frameon=False, labelcolor=INK, fontsize=8.5)
    return Drawn(arrays, figure, *_shares_in_words(arrays, order))


def _shares_in_words(arrays, order):
    value = arrays.recall.value
    known = [n for n in np.argsort(np.nan_to_num(value, nan=2), kind="stable") if arrays.recall.of[n]]
    worst, best = known[0], known[-1]
    names = arrays.classes
    title = (
        f"The network finds {per_cent(value[worst])} of class {names[worst]}, the least, and "
        f"{per_cent(value[best])} of {names[best]}, the most"
    )
    if worst == best:
        title = f"All images are of one class, {names[best]}, and {per_cent(value[best])} of them are found"
    apart = [n for n in known if arrays.recall.high[n] < arrays.accuracy.low]
    words = (
        f"Below the accuracy of all, {per_cent(arrays.accuracy.value)}, by more than chance: "
        f"{among([names[n] for n in apart])}. "
        if apart
        else "No class is found less often than all are by more than chance. "
    )
    never = [names[n] for n in range(len(names)) if not arrays.precision.of[n]]
    words += f"Never answered: {among(never)}. " if never else ""
    words += (
        f"An interval holds the shares that {counted(int(arrays.recall.of[worst]), 'image')} of {names[worst]} "
        "do not rule out."
    )
    if len(order) < len(names):
        words += f" Drawn are the {len(order)} classes that are found least often."
    return title, words


class _Trust(NamedTuple):
    reliability: object
    confidence: np.ndarray
    right: np.ndarray


@figure_function
def trust(found, bins=15):
    """Draw confidence against accuracy.

    Parameters
    ----------
    found : gluon_cnn.inspection.answers.Answers
    bins : int

    Returns
    -------
    Drawn
        ``arrays`` has ``reliability``, a :class:`gluon_cnn.inspection.answers.Reliability`, and of each image
        ``confidence`` and whether it is ``right``.
    """
    arrays = reliability(found, bins)
    figure, (upper, lower) = chart(3.9, nrows=2, sharex=True, height_ratios=[3, 1])
    upper.plot([0, 100], [0, 100], color=QUIET, lw=1, ls="--")
    upper.text(8, 13, "as sure as right", color=INK, size=8.5, rotation=33)
    filled = arrays.counts > 0
    accuracy, confidence = 100 * arrays.accuracy[filled], 100 * arrays.confidence[filled]
    upper.vlines(confidence, accuracy, confidence, color=FOR, lw=1.5)
    few = arrays.counts[filled] < _FEW
    upper.plot(confidence[~few], accuracy[~few], "o", color=FOR, ms=5)
    upper.plot(confidence[few], accuracy[few], "o", color=FOR, ms=5, mfc="none")
    upper.set_ylabel("accuracy (%)")
    upper.set(xlim=(0, 101), ylim=(0, 103))
    edges = 100 * arrays.edges
    lower.bar(edges[:-1], arrays.counts, np.diff(edges), align="edge", color=QUIET, alpha=0.6)
    lower.set_ylabel("images")
    lower.set_xlabel(f"confidence (%); open: fewer than {_FEW} images")
    title, words = _trust_in_words(found, arrays)
    return Drawn(_Trust(arrays, found.confidence, found.right), figure, title, words)


def _trust_in_words(found, arrays):
    sure, accuracy = found.confidence.mean(), found.right.mean()
    apart, points = sure - accuracy, 100 * arrays.error
    how = "surer than it is right" if apart > 0 else "less sure than it is right"
    title = f"The network is {how}: {per_cent(sure)} sure on average, {per_cent(accuracy)} right"
    if points < 2:
        title = (
            f"What the network is sure of can be trusted: {per_cent(sure)} sure on average, {per_cent(accuracy)} right"
        )
    mistakes = ~found.right
    words = f"The expected calibration error is {points:.1f} points (in {len(arrays.counts)} bins). "
    if mistakes.any():
        certain = mistakes & (found.confidence >= 0.9)
        words += (
            f"Of the {counted(int(mistakes.sum()), 'mistake')}, {int(certain.sum()):,} were made with 90% confidence "
            "or more. "
        )
    words += "That is on test images; on pictures of another kind confidence can be worth less."
    return title, words

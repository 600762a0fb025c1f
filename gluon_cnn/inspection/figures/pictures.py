"""Figures of test images: the most confident mistakes, and the least certain right answers."""

from typing import NamedTuple, Tuple

import numpy as np

from gluon_cnn.inspection.answers import least_certain_right, most_confident_mistakes
from gluon_cnn.inspection.figures.sheet import Sheet, picture_of, pictures_at
from gluon_cnn.inspection.figures.style import WIDTH, Drawn, figure_function
from gluon_cnn.inspection.words import among, counted, per_cent, short

__all__ = ["AnsweredImages", "doubtful", "mistakes"]

_COLUMNS = 3
_CELL = WIDTH / _COLUMNS


class AnsweredImages(NamedTuple):
    """Some images of a data set, and what a network answers for them.

    Attributes
    ----------
    numbers : np.ndarray
        Of the images in the data set, int.
    pictures : np.ndarray
        number×C×H×W in [0, 1].
    labels, answers : np.ndarray
        int: the right class, and the other one: what it was taken for, or what it was nearly taken for.
    probabilities : np.ndarray
        number×2: of the label, and of the other class.
    """

    numbers: np.ndarray
    pictures: np.ndarray
    labels: np.ndarray
    answers: np.ndarray
    probabilities: np.ndarray


@figure_function
def mistakes(found, pictures, classes=(), number=9):
    """Draw the images whose wrong answer is the most confident.

    Parameters
    ----------
    found : gluon_cnn.inspection.answers.Answers
    pictures : np.ndarray or callable
        All images N×C×H×W in [0, 1], or a function that gives those of the numbers that it is called with.
    classes : sequence of str
        The classes' names.
    number : int
        How many at most.

    Returns
    -------
    Drawn
        ``arrays`` is :class:`AnsweredImages`; None if there is no mistake.
    """
    chosen = most_confident_mistakes(found, number)
    if not len(chosen):
        return None
    arrays = _answered(found, pictures, chosen, found.predicted[chosen])
    figure = _drawn(arrays, classes, "taken for")
    kinds = _kinds(arrays, classes)
    title = f"Mistakes made with up to {per_cent(arrays.probabilities[0, 1])} confidence"
    words = (
        f"The {counted(len(chosen), 'mistake')} of {int((~found.right).sum()):,} that the network is surest of: "
        f"{among(kinds)}. Look at each: a label can be wrong too."
    )
    return Drawn(arrays, figure, title, words)


@figure_function
def doubtful(found, pictures, classes=(), number=9):
    """Draw the images whose right answer is the least certain; all as for :func:`mistakes`."""
    chosen = least_certain_right(found, number)
    if not len(chosen):
        return None
    others = found.probabilities[chosen]
    others[np.arange(len(chosen)), found.labels[chosen]] = -1
    arrays = _answered(found, pictures, chosen, others.argmax(axis=1))
    figure = _drawn(arrays, classes, "or")
    names = _names(classes, found.logits.shape[1])
    title = f"Right answers with as little as {per_cent(arrays.probabilities[0, 0])} confidence"
    count = np.bincount(found.labels[chosen], minlength=len(names))
    common = int(count.argmax())
    words = (
        f"The {counted(len(chosen), 'right answer')} of {int(found.right.sum()):,} that the network is least sure of; "
        f"{counted(int(count[common]), 'image')} of them of class {names[common]}. Under each picture its own class "
        "and the next."
    )
    return Drawn(arrays, figure, title, words)


def _answered(found, pictures, chosen, answers):
    labels = found.labels[chosen]
    probabilities = found.probabilities[chosen]
    both = np.stack([np.take_along_axis(probabilities, n[:, None], 1)[:, 0] for n in (labels, answers)], axis=1)
    return AnsweredImages(chosen, pictures_at(pictures, chosen), labels, answers, both)


def _names(classes, number) -> Tuple[str, ...]:
    return (*map(str, classes[:number]), *(f"class {n}" for n in range(len(classes), number)))


def _kinds(arrays, classes):
    """Which classes are taken for which, such as ``shirt for coat (3)``, the most frequent first."""
    names = _names(classes, 1 + int(max(arrays.labels.max(), arrays.answers.max())))
    pairs = [f"{names[a]} for {names[b]}" for a, b in zip(arrays.labels, arrays.answers)]
    counts = {pair: pairs.count(pair) for pair in pairs}
    order = sorted(counts, key=lambda pair: -counts[pair])
    return [f"{pair} ({counts[pair]})" if counts[pair] > 1 else pair for pair in order]


def _drawn(arrays, classes, word):
    rows = -(-len(arrays.numbers) // _COLUMNS)
    names = _names(classes, 1 + int(max(arrays.labels.max(), arrays.answers.max())))
    height = _CELL + 0.2
    sheet = Sheet(rows * height)
    for place, picture in enumerate(arrays.pictures):
        row, column = divmod(place, _COLUMNS)
        left, top = column * _CELL, row * height
        sheet.picture(picture_of(picture), left + 0.2, top + 0.04, _CELL - 0.4)
        of, taken = (short(names[each[place]], 11) for each in (arrays.labels, arrays.answers))
        own, other = arrays.probabilities[place]
        for line, text in enumerate((f"{of} {own:.0%}", f"{word} {taken} {other:.0%}")):
            sheet.words(text, left + _CELL / 2, top + _CELL - 0.34 + 0.17 * line, ha="center", size=8)
    return sheet.figure

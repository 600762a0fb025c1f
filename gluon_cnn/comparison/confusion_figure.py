"""The confusion matrix as a figure: which classes a network takes for which."""

import contextlib
import warnings

import numpy as np

from gluon_cnn.comparison.page_figure import INK, as_svg, in_ink

__all__ = ["answers_in_words", "any_letters", "commonest_mistake", "confusion_svg", "draw_confusion", "plain_text"]

# Told apart without colour by the diagonal; strong where the share is large, and the ground where it is 0.
_RIGHT, _WRONG = "#2f7fd6", "#d9601a"
_NUMBERED = 15  # classes whose cells have room for a number
_NAMED = 40  # classes whose names have room at the side
_LONGEST = 18  # characters of a name


def draw_confusion(figure, counts, classes):
    """Draw a confusion matrix into a Matplotlib figure, with a sentence above it.

    A cell shows how many images of its row's class were taken for its column's class; it is the stronger coloured, the
    larger a share of the row's class they are, right answers in blue and mistakes in orange.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        With a constrained layout; it should be about square.
    counts : np.ndarray
        int classes×classes, by row the right class, by column the answer.
    classes : sequence of str
    """
    from matplotlib.colors import LinearSegmentedColormap, to_rgba

    counts, number = np.asarray(counts), len(classes)
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    right = np.eye(number, dtype=bool)
    # A mistake of a fifth is as strong as can be, since there are few so common.
    for chosen, color, most in ((right, _RIGHT, 1.0), (~right, _WRONG, 0.2)):
        map_ = LinearSegmentedColormap.from_list("", [to_rgba(color, 0), to_rgba(color, 0.85)])
        map_.set_bad((0, 0, 0, 0))
        shown = np.ma.masked_where(~chosen, shares)
        axes.pcolormesh(shown, cmap=map_, vmin=0, vmax=most, rasterized=number > _NAMED)
    if number <= _NUMBERED:
        for row, column in zip(*np.nonzero(counts)):
            size = 9 if counts.max() < 10_000 else 6.5
            text = f"{counts[row, column]:,}"
            axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=size, color=INK)
    _name_classes(axes, classes)
    axes.set_xlabel("network's answer")
    axes.set_ylabel("right class")
    axes.set_title(_wrapped(commonest_mistake(counts, classes)), fontsize="medium")
    for text in (axes.title, *axes.get_xticklabels(), *axes.get_yticklabels()):
        text.set_parse_math(False)  # a name may have dollar signs
    in_ink(axes, grid=False)


def confusion_svg(counts, classes, name):
    """What :func:`draw_confusion` draws as an SVG element, see :func:`gluon_cnn.comparison.page_figure.as_svg`."""
    with any_letters():
        return as_svg(lambda figure: draw_confusion(figure, counts, classes), name, "confusion matrix", size=(6.2, 6.2))


@contextlib.contextmanager
def any_letters():
    """A block in which figures are drawn whose names may have letters that Matplotlib's font lacks: a page shows them
    all the same, and a PNG a box in the place of each."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*[Gg]lyph.*")
        yield


def commonest_mistake(counts, classes):
    """A sentence about a confusion matrix, see :func:`answers_in_words`."""
    counts = np.asarray(counts)
    return answers_in_words([(row, column, counts[row, column]) for row, column in zip(*np.nonzero(counts))], classes)


def answers_in_words(counts, classes):
    """A sentence: how many answers are right, and which mistake is the most common, such as ``9,134 of 10,000 right;
    most often, Shirt is taken for T-shirt (112)``.

    Parameters
    ----------
    counts : list of (int, int, int)
        Right class, answer, and of how many images.
    classes : sequence of str
    """
    images = sum(number for _, _, number in counts)
    wrong = [(number, label, answer) for label, answer, number in counts if label != answer]
    said = f"{images - sum(number for number, _, _ in wrong):,} of {images:,} right"
    if not wrong:
        return said
    most, label, answer = max(wrong, key=lambda one: one[0])
    taken = f"{plain_text(classes[label])} is taken for {plain_text(classes[answer])}"
    return f"{said}; most often, {taken} ({most:,})"


def plain_text(name, longest=_LONGEST):
    """A class's name as one short line, whatever it holds."""
    name = "".join(character if character.isprintable() else "?" for character in str(name)) or "?"
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def _name_classes(axes, classes):
    number = len(classes)
    step = -(-number // _NAMED)
    shown = np.arange(0, number, step)
    names = [plain_text(classes[place]) for place in shown]
    small = "medium" if number <= 12 else "small" if number <= 20 else "xx-small"
    axes.set_xlim(0, number)
    axes.set_ylim(number, 0)
    axes.set_aspect("equal")
    axes.set_xticks(shown + 0.5, names, rotation=60, ha="right", rotation_mode="anchor", fontsize=small)
    axes.set_yticks(shown + 0.5, names, fontsize=small)
    axes.tick_params(length=0)


def _wrapped(sentence):
    return sentence.replace("; ", ";\n")

"""Figures of two runs side by side: their curves, where they disagree by class, and pictures."""

import contextlib
import warnings

import numpy as np

from gluon_cnn.comparison.svg import INK
from gluon_cnn.training.history import MEASURES

__all__ = ["any_letters", "draw_classes", "draw_curves", "draw_pictures", "short"]

# As in the report, seen on white and on black; markers differ as well.
FIRST, SECOND = "#d9601a", "#2f7fd6"
_LONGEST = 24  # characters of a name in a figure
_MOST = 20  # classes in a figure


@contextlib.contextmanager
def any_letters():
    """A block in which names may have letters that Matplotlib's font lacks: a page shows them all the same."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*[Gg]lyph.*")
        yield


def short(name, longest=_LONGEST):
    """A name as one short line; of a long one its end, by which runs differ."""
    name = "".join(character if character.isprintable() else "?" for character in str(name))
    return name if len(name) <= longest else f"…{name[1 - longest :]}"


def draw_curves(names, histories):
    """Draw train loss, train accuracy and test accuracy of both runs by epoch.

    Returns
    -------
    list of matplotlib.figure.Figure
        One for each measure that is known.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figures = []
    for column in MEASURES.values():
        figure = Figure(figsize=(4.4, 3.6), layout="constrained")
        axes = figure.subplots()
        for name, history, color, style in zip(names, histories, (FIRST, SECOND), ("o-", "s--")):
            axes.plot(
                [result.epoch for result in history],
                [getattr(result, column.name) for result in history],
                style,
                ms=4,
                color=color,
                label=short(name),
            )
        axes.set_xlabel("epoch")
        axes.set_ylabel(column.label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_title(_ends(column, names, histories), fontsize="medium", color=INK)
        _in_ink(axes, axes.legend(frameon=False, labelcolor=INK))
        figures.append(figure)
    return figures


def draw_classes(names, tested):
    """Draw for each class how many of its images only the first run, only the second, and neither has right.

    Of many classes those are shown on which they disagree most.
    """
    from matplotlib.figure import Figure

    only = tested.by_class[:, 1:3].sum(axis=1)
    shown = np.argsort(-only, kind="stable")[:_MOST]
    shown = shown[tested.by_class[shown].sum(axis=1) > 0][::-1]
    rows = tested.by_class[shown]
    figure = Figure(figsize=(6.4, 1.6 + 0.3 * len(shown)), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(shown))
    axes.barh(places, -rows[:, 1], color=FIRST)
    axes.barh(places, rows[:, 2], color=SECOND)
    for place, (_, first, second, _) in zip(places, rows):
        for number, side in ((first, -1), (second, 1)):
            at = (side * number, place)
            axes.annotate(
                f"{number:,}",
                at,
                (side * 3, 0),
                textcoords="offset points",
                ha="left" if side > 0 else "right",
                va="center",
                color=INK,
                fontsize="small",
            )
    most = max(int(rows[:, 1:3].max()) if len(rows) else 0, 1) * 1.25
    axes.set_xlim(-most, most)
    axes.set_yticks(places, [short(tested.classes[n], 18) for n in shown])
    axes.axvline(0, color=INK, lw=0.8)
    axes.set_xticks([])
    axes.set_xlabel(
        f"test images that only one has right:\n{short(names[0])} on the left,\n{short(names[1])} on the right"
    )
    _, first, second, _ = tested.by_class.sum(axis=0)
    title = f"Only {short(names[0])} has {first:,} right,\nonly {short(names[1])} {second:,}"
    axes.set_title(title, fontsize="medium", color=INK)
    _in_ink(axes)
    axes.tick_params(length=0)
    return figure


def draw_pictures(names, tested, chosen):
    """Draw test images with both runs' answers and their probabilities."""
    from matplotlib.figure import Figure

    columns = min(4, max(1, len(chosen)))
    rows = -(-max(1, len(chosen)) // columns)
    height = 0.4 + 2.6 * rows  # in inches, as all that follows: of 2.6 for a row 1.9 are the picture's
    figure = Figure(figsize=(2.1 * columns, height))
    for place, (name, color) in enumerate(zip(names, (FIRST, SECOND))):
        figure.text(0.5 * place + 0.25, 0.99, short(name), color=color, ha="center", va="top", parse_math=False)
    places = {"left": 0.02, "right": 0.98, "top": 1 - 0.4 / height, "bottom": 0.7 / height}
    grid = figure.subplots(rows, columns, squeeze=False, gridspec_kw={**places, "hspace": 0.7 / 1.9, "wspace": 0.05})
    grid = grid.ravel()
    for axes in grid:
        axes.axis("off")
    for axes, number in zip(grid, chosen):
        axes.imshow(tested.images[number : number + 1][0], cmap="gray", vmin=0, vmax=255)
        lines = [f"class {short(tested.classes[tested.answers[0].labels[number]], 18)}"]
        for one in tested.answers:
            name = short(tested.classes[one.predicted[number]], 18)
            lines.append(f"{name}, {one.confidence[number]:.0%}")
        for line, (words, color) in enumerate(zip(lines, (INK, FIRST, SECOND))):
            text = axes.text(
                0.5,
                -0.04 - 0.11 * line,
                words,
                transform=axes.transAxes,
                ha="center",
                va="top",
                color=color,
                fontsize="small",
            )
            text.set_parse_math(False)
    return figure


def _ends(column, names, histories):
    """A panel's title: where both curves end."""
    ends = [getattr(history[-1], column.name) if history else None for history in histories]
    if None in ends:
        return column.words
    if column.words.endswith("accuracy"):
        return f"{column.words}: {ends[0]:.1%} and {ends[1]:.1%}"
    return f"{column.words}: {ends[0]:.3f} and {ends[1]:.3f}"


def _in_ink(axes, legend=None):
    axes.grid(alpha=0.2, color=INK, lw=0.6)
    axes.tick_params(colors=INK)
    for text in (axes.xaxis.label, axes.yaxis.label):
        text.set_color(INK)
    for text in (
        axes.title,
        axes.xaxis.label,
        *axes.get_yticklabels(),
        *(legend.get_texts() if legend else ()),
    ):
        text.set_parse_math(False)  # a name may have dollar signs
    for spine in axes.spines.values():
        spine.set_color(INK)

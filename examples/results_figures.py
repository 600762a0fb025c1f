"""The figures of results.py: a row's for a cell of a table, and the README's picture."""

from statistics import median

import numpy as np
from matplotlib.figure import Figure

from gluon_cnn.comparison.statistics import rounded_as
from gluon_cnn.files import write_atomically

# The published runs, and ours on a CPU and on a GPU. The ground is white, so that they read on a dark page too.
PUBLISHED, CPU, GPU = "#7d8794", "#d9601a", "#2f7fd6"


def draw_row(row, path):
    """Draw a row's last train losses and test accuracies, ours among the published, to a PNG for a cell of a table."""
    figure = Figure(figsize=(2.6, 1.05), layout="constrained")
    for axes, name, words in zip(figure.subplots(2, 1), ("train_loss", "test_acc"), ("loss", "test acc.")):
        theirs, ours = row.theirs(name), row.ours(name)
        _dots(axes, theirs, 0, PUBLISHED, spread=0.8, ms=3.5, alpha=0.5)
        _dots(axes, ours, 0, GPU if row.gpu else CPU, spread=0.8, ms=4.5, alpha=0.9)
        axes.set_ylim(-1, 1)
        axes.set_yticks([0], [words], fontsize=8.5)
        ends = [min([*theirs, *ours]), max([*theirs, *ours])]
        axes.set_xticks(ends, [f"{end:.3f}" for end in ends], fontsize=8)
        axes.margins(x=0.09)
        axes.tick_params(length=0, pad=2, colors="#30363d")
        for side in ("top", "left", "right"):
            axes.spines[side].set_visible(False)
        axes.spines["bottom"].set_color("#d0d7de")
    _save(figure, path, dpi=200)


def _dots(axes, values, y, color, spread, **style):
    """Values as dots around a line, moved off it in turn so that equal ones can be seen."""
    values = sorted(values)
    moved = [y + spread * ((number * 0.618) % 1 - 0.5) for number in range(len(values))] if len(values) > 1 else [y]
    axes.plot(values, moved[: len(values)], "o", color=color, **{"mew": 0, **style})


def draw_picture(lines, path):
    """Draw the last test accuracy of every published run and of ours to a PNG.

    Parameters
    ----------
    lines : list of (Row, list of Row)
        A line for each network and edition: a row for the published runs, and the rows of ours.
    path : Path
    """
    figure = Figure(figsize=(5.3, 1.4 + 0.36 * len(lines)), layout="constrained")
    axes = figure.subplots()
    inside = []
    for y, (published, of_kind) in enumerate(lines):
        theirs, ran = published.theirs("test_acc"), [row for row in of_kind if row.finished]
        _dots(axes, theirs, y, PUBLISHED, spread=0.6, ms=4.5, alpha=0.5)
        for number, row in enumerate(ran):
            ours = row.ours("test_acc")
            middle = y + 0.3 * (number - (len(ran) - 1) / 2)
            _dots(axes, ours, middle, GPU if row.gpu else CPU, spread=0.2, ms=5.5, mec="white", mew=0.4)
        if ran:
            ours = rounded_as(theirs, median(ran[0].ours("test_acc")))
            inside.append(min(theirs) <= ours <= max(theirs))
    for color, words in ((PUBLISHED, "published"), (CPU, "ours, on a CPU"), (GPU, "ours, on a GPU")):
        axes.plot([], [], "o", color=color, ms=5.5, label=words)
    # What counts is how many images are still wrong, so 0.90 and 0.92 are as far apart as 0.80 and 0.84.
    axes.set_xscale("function", functions=(lambda x: -np.log(1.001 - x), lambda x: 1.001 - np.exp(-x)))
    ticks = [0.1, 0.5, 0.7, 0.8, 0.85, 0.9, 0.93]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlim(0.05, 0.94)
    axes.set_yticks(range(len(lines)), [f"{row.network.title}, {row.edition}" for row, _ in lines])
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.3)
    axes.set_xlabel("test accuracy after the last epoch (fraction right)")
    figure.legend(loc="outside lower center", ncol=3, frameon=False, handletextpad=0.1, columnspacing=1)
    title = f"The median of our runs is inside the\npublished range in {sum(inside)} of {len(inside)} samples"
    figure.suptitle(title, fontsize=11.5)
    _save(figure, path, dpi=160)


def _save(figure, path, dpi):
    with write_atomically(path) as temporary:
        figure.savefig(temporary, dpi=dpi, format="png", facecolor="white")

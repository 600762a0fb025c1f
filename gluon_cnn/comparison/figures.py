"""Figures of histories: one run's curves, and samples of runs over the published ones."""

import functools
import logging
from pathlib import Path
from typing import Callable, NamedTuple

import numpy as np

from gluon_cnn.comparison.svg import INK, as_svg
from gluon_cnn.errors import SettingError
from gluon_cnn.files import write_atomically
from gluon_cnn.recipe import INITS
from gluon_cnn.training.history import MEASURES

__all__ = ["comparison_svgs", "sample_label", "save_clouds", "save_comparison", "save_curves"]

log = logging.getLogger(__name__)

# Readable on white and told apart without colour: markers differ as well.
_LOSS, _TRAIN, _TEST = "#1f4e9c", "#b5541c", "#1b7a43"
# In comparisons: the published runs, and a colour for each sample of ours, by its initial weights and release of the
# data. All can be seen on white and on black.
_PUBLISHED, _OTHER = "#7d8794", "#2a9d5c"
_OURS = {"published": "#d9601a", "own": "#2f7fd6", ("published", "first"): "#a86fe0", ("own", "first"): "#00939c"}


class _Panel(NamedTuple):
    words: str  # what it shows
    draw: Callable  # draws it into axes


def _if_possible(draw):
    """Make a function draw a figure or, where Matplotlib fails, say so: what it shows is written elsewhere too."""

    @functools.wraps(draw)
    def attempt(*args, **options):
        try:
            return draw(*args, **options)
        except SettingError:  # a path that is no file's
            raise
        except Exception as error:
            paths = [value for value in (*args, *options.values()) if isinstance(value, Path)]
            what = f"{paths[0].name} was" if paths else "Figures were"
            log.warning(f"{what} not drawn: {str(error).strip() or type(error).__name__}")
            log.debug("where that failed", exc_info=True)
            return []

    return attempt


@_if_possible
def save_curves(history, path, title):
    """Draw loss and accuracies by epoch to a PNG.

    Parameters
    ----------
    history : list of EpochResult
    path : Path
    title : str
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(9, 3.8), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    epochs = [r.epoch for r in history]
    loss.plot(epochs, [r.train_loss for r in history], "o-", color=_LOSS, label="train")
    loss.set_ylabel("mean cross-entropy per image (nats)")
    accuracy.plot(epochs, [r.train_acc for r in history], "o-", color=_TRAIN, label="train")
    accuracy.plot(epochs, [r.test_acc for r in history], "s--", color=_TEST, label="test")
    accuracy.set_ylabel("top-1 accuracy")
    accuracy.set_ylim(0, 1)
    for axes in (loss, accuracy):
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    _save(figure, path, title)


@_if_possible
def save_comparison(published, samples, path, title):
    """Draw runs of ours over the range of the published runs to a PNG: a panel for each measure, and if a sample has
    several runs one for their final test accuracies.

    Parameters
    ----------
    published : list of list of EpochResult
        The histories of the published runs.
    samples : dict
        Histories of runs of ours, by where their initial weights come from (``published`` or ``own``), by that and the
        release of the data, or by another name, which then stands in the legend.
    path : Path
    title : str
    """
    from matplotlib.figure import Figure

    panels = _panels(published, samples)
    figure = Figure(figsize=(4.1 * len(panels), 3.9), layout="constrained")
    for number, panel in enumerate(panels, 1):
        panel.draw(figure.add_subplot(1, len(panels), number))
    _add_legend(figure, figure.axes[0])
    _save(figure, path, title)


@_if_possible
def save_clouds(published, samples, path, title):
    """Draw every run's train loss to a PNG, a panel for each epoch with a scale of its own.

    Parameters
    ----------
    published, samples, path, title
        As for :func:`save_comparison`.
    """
    from matplotlib.figure import Figure

    epochs = len(published[0])
    figure = Figure(figsize=(3.3 * epochs, 4), layout="constrained")
    for epoch, axes in enumerate(figure.subplots(1, epochs), 1):
        _draw_strip(axes, published, samples, "train_loss", epoch)
    _add_legend(figure, axes)
    _save(figure, path, title, dpi=110)


@_if_possible
def comparison_svgs(published, samples, name):
    """The panels of :func:`save_comparison` as SVG elements for a page, in the colour of its text and transparent.

    Parameters
    ----------
    published, samples
        As for :func:`save_comparison`.
    name : str
        Unique in the page.

    Returns
    -------
    list of str
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    svgs = []
    for number, panel in enumerate(_panels(published, samples)):
        with rc_context({"font.size": 11}):
            figure = Figure(figsize=(4.4, 3.6), layout="constrained")
            panel.draw(figure.subplots())
            figure.axes[0].legend(frameon=False, labelcolor=INK)
            svgs.append(as_svg(figure, f"{name}-{number}", f"{name}: {panel.words}"))
    return svgs


def _panels(published, samples):
    """The panels of a comparison, a list of _Panel."""

    def of_measure(column):
        return _Panel(column.words, lambda axes: _draw_measure(axes, published, samples, column))

    panels = [of_measure(column) for column in MEASURES.values()]
    if any(len(histories) > 1 for histories in samples.values()):
        last = len(published[0])
        panels.append(
            _Panel("test accuracy of every run", lambda axes: _draw_strip(axes, published, samples, "test_acc", last))
        )
    return panels


def sample_label(sample):
    """What a figure calls a sample of ours."""
    if isinstance(sample, tuple):
        return f"{sample_label(sample[0])}, {sample[1]} release"
    return f"ours, {sample} weights" if sample in INITS else sample


def _color(sample):
    return _OURS.get(sample) or _OURS.get(sample[0] if isinstance(sample, tuple) else None, _OTHER)


def _add_legend(figure, axes):
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncol=len(labels), frameon=False)


def _save(figure, path, title, dpi=120):
    figure.suptitle(title)
    with write_atomically(path) as temporary:
        figure.savefig(temporary, dpi=dpi, format="png")


def _draw_measure(axes, published, samples, column):
    """One measure by epoch: the published range, quartiles and median, and our runs."""
    from matplotlib.ticker import MaxNLocator

    epochs = [result.epoch for result in published[0]]
    values = [[getattr(history[epoch - 1], column.name) for history in published] for epoch in epochs]
    ends = np.array([np.percentile([v for v in known if v is not None], (0, 25, 50, 75, 100)) for known in values])
    axes.fill_between(epochs, ends[:, 0], ends[:, 4], color=_PUBLISHED, alpha=0.25, lw=0, label="published runs, range")
    axes.fill_between(epochs, ends[:, 1], ends[:, 3], color=_PUBLISHED, alpha=0.4, lw=0, label="quartiles")
    axes.plot(epochs, ends[:, 2], color=_PUBLISHED, lw=1.5, ls="--", label="median")
    for sample, histories in samples.items():
        style = {"lw": 1.6, "marker": "o", "ms": 4} if len(histories) == 1 else {"lw": 0.8}
        for number, history in enumerate(histories):
            axes.plot(
                [result.epoch for result in history],
                [getattr(result, column.name) for result in history],
                color=_color(sample),
                label=sample_label(sample) if number == 0 else None,
                **style,
            )
    ours = [getattr(r, column.name) for histories in samples.values() for history in histories for r in history]
    _cut_off_peak(axes, epochs, ends, ours)
    axes.set_xlabel("epoch")
    axes.set_ylabel(column.label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    _ink(axes)


def _cut_off_peak(axes, epochs, ends, ours):
    """Cut off a published run whose loss jumps for an epoch, which would flatten all other curves."""
    seen = 1.1 * max([*ends[:, 3], *ours])
    if ends[:, 4].max() > 2 * seen:
        axes.set_ylim(0, seen)
        peak = ends[:, 4].argmax()
        axes.annotate(f"one run at {ends[peak, 4]:.1f}", (epochs[peak], 0.93 * seen), ha="center", color=INK)


def _draw_strip(axes, published, samples, measure, epoch):
    """Each run as a point after one epoch, the published ones beside ours."""
    strips = [("published runs", published, _PUBLISHED)]
    strips += [(sample_label(name), runs, _color(name)) for name, runs in samples.items()]
    for x, (label, histories, color) in enumerate(strips):
        values = [getattr(history[epoch - 1], measure) for history in histories if len(history) >= epoch]
        values = sorted(value for value in values if value is not None)
        spread = [x + 0.07 * ((number % 5) - 2) for number in range(len(values))]
        axes.plot(spread, values, "o", color=color, ms=4, alpha=0.8, label=f"{label} ({len(values)})")
    axes.set_xlim(-0.5, len(strips) - 0.5)
    axes.set_xticks(range(len(strips)), [label.replace(" ", "\n") for label, _, _ in strips], fontsize="small")
    axes.set_ylabel(f"{MEASURES[measure].label} after epoch {epoch}")
    _ink(axes)


def _ink(axes):
    axes.grid(alpha=0.2, color=INK, lw=0.6)
    axes.tick_params(colors=INK)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    for spine in axes.spines.values():
        spine.set_color(INK)

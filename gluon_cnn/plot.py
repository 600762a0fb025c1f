"""Every figure."""

import io
import re

import numpy as np

from gluon_cnn.book.compare import MEASURES
from gluon_cnn.data import get_fashion_mnist_labels
from gluon_cnn.files import write_atomically

__all__ = ["comparison_svgs", "save_clouds", "save_comparison", "save_curves", "show_fashion_mnist"]

# Readable on white and told apart without colour: markers differ as well.
_LOSS, _TRAIN, _TEST = "#1f4e9c", "#b5541c", "#1b7a43"
# In comparisons: the published runs, and one colour for each sample of ours; seen on white and on black.
_PUBLISHED, _OTHER = "#7d8794", "#2a9d5c"
_OURS = {"replayed weights": "#d9601a", "own weights": "#2f7fd6"}
_INK = "#010203"  # axes and words, which in a page take the colour of its text
_LABELS = {"train_loss": "train loss (nats)", "train_acc": "train accuracy", "test_acc": "test accuracy"}


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
    figure.suptitle(title)
    with write_atomically(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png")


def save_comparison(published, samples, path, title):
    """Draw runs of ours over the published runs' range to a PNG: a panel for each measure, and where a sample has
    several runs one for their final test accuracies.

    Parameters
    ----------
    published : list of list of EpochResult
    samples : dict
        ``replayed weights``, ``own weights`` or another name: histories of runs.
    path : Path
    title : str
    """
    from matplotlib.figure import Figure

    panels = _panels(published, samples)
    figure = Figure(figsize=(4.1 * len(panels), 3.9), layout="constrained")
    for axes, draw in zip(figure.subplots(1, len(panels)), panels):
        draw(axes)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncol=len(labels), frameon=False)
    figure.suptitle(title)
    with write_atomically(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png")


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
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncol=len(labels), frameon=False)
    figure.suptitle(title)
    with write_atomically(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")


def comparison_svgs(published, samples, name):
    """The panels of :func:`save_comparison` as SVG elements for a page, in the colour of its text and without a ground.

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
    words = [*MEASURES.values(), "test accuracy of every run"]
    for number, (draw, shown) in enumerate(zip(_panels(published, samples), words)):
        with rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "font.size": 11}):
            figure = Figure(figsize=(4.4, 3.6), layout="constrained")
            draw(figure.subplots())
            figure.axes[0].legend(frameon=False, labelcolor=_INK)
            file = io.StringIO()
            figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
        svg = file.getvalue()
        svg = svg[svg.index("<svg") :].replace(_INK, "currentColor")
        # Unique in the page, as its figures share the names that matplotlib gives.
        svg = re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{name}-{number}-", svg)
        opening = rf'<svg viewBox="\1" role="img" aria-label="{name}: {shown}">'
        svgs.append(re.sub(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', opening, svg, count=1))
    return svgs


def _panels(published, samples):
    """A function for each panel, which draws it into the axes that it is given."""
    panels = [lambda axes, measure=measure: _draw_measure(axes, published, samples, measure) for measure in MEASURES]
    if any(len(histories) > 1 for histories in samples.values()):
        panels.append(lambda axes: _draw_strip(axes, published, samples, "test_acc", len(published[0])))
    return panels


def _draw_measure(axes, published, samples, measure):
    """One measure by epoch: the published range, quartiles and median, and our runs."""
    from matplotlib.ticker import MaxNLocator

    epochs = [result.epoch for result in published[0]]
    values = [[getattr(history[epoch - 1], measure) for history in published] for epoch in epochs]
    ends = np.array([np.percentile([v for v in column if v is not None], (0, 25, 50, 75, 100)) for column in values])
    axes.fill_between(epochs, ends[:, 0], ends[:, 4], color=_PUBLISHED, alpha=0.25, lw=0, label="published, range")
    axes.fill_between(epochs, ends[:, 1], ends[:, 3], color=_PUBLISHED, alpha=0.4, lw=0, label="quartiles")
    axes.plot(epochs, ends[:, 2], color=_PUBLISHED, lw=1.5, ls="--", label="median")
    for name, histories in samples.items():
        style = {"lw": 1.6, "marker": "o", "ms": 4} if len(histories) == 1 else {"lw": 0.8}
        for number, history in enumerate(histories):
            axes.plot(
                [result.epoch for result in history],
                [getattr(result, measure) for result in history],
                color=_OURS.get(name, _OTHER),
                label=name if number == 0 else None,
                **style,
            )
    # One published run whose loss jumps for an epoch would press all others to the ground.
    ours = [getattr(result, measure) for histories in samples.values() for history in histories for result in history]
    seen = 1.1 * max([*ends[:, 3], *ours])
    if ends[:, 4].max() > 2 * seen:
        axes.set_ylim(0, seen)
        peak = ends[:, 4].argmax()
        axes.annotate(f"one run at {ends[peak, 4]:.1f}", (epochs[peak], 0.93 * seen), ha="center", color=_INK)
    axes.set_xlabel("epoch")
    axes.set_ylabel(_LABELS[measure])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    _ink(axes)


def _draw_strip(axes, published, samples, measure, epoch):
    """Each run as a point after one epoch, the published ones beside ours."""
    columns = {"published": (published, _PUBLISHED)}
    columns.update({name: (runs, _OURS.get(name, _OTHER)) for name, runs in samples.items()})
    for x, (name, (histories, color)) in enumerate(columns.items()):
        values = [getattr(history[epoch - 1], measure) for history in histories if len(history) >= epoch]
        values = sorted(value for value in values if value is not None)
        spread = [x + 0.07 * ((number % 5) - 2) for number in range(len(values))]
        axes.plot(spread, values, "o", color=color, ms=4, alpha=0.8, label=f"{name} ({len(values)})")
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_xticks(range(len(columns)), [name.replace(" ", "\n") for name in columns], fontsize="small")
    axes.set_ylabel(f"{_LABELS[measure]} after epoch {epoch}")
    _ink(axes)


def _ink(axes):
    axes.grid(alpha=0.2, color=_INK, lw=0.6)
    axes.tick_params(colors=_INK)
    axes.xaxis.label.set_color(_INK)
    axes.yaxis.label.set_color(_INK)
    for spine in axes.spines.values():
        spine.set_color(_INK)


def show_fashion_mnist(images, labels):
    """Show images in a row under the names of their classes (book, section 3.5 of the first edition).

    Parameters
    ----------
    images : sequence of arrays
        Each with 28×28 values, of any shape.
    labels : sequence
        Class numbers, or names such as :func:`gluon_cnn.get_fashion_mnist_labels` gives.

    Returns
    -------
    np.ndarray of matplotlib Axes
        One for each image; shown at once where matplotlib has a display, as in a notebook.
    """
    import matplotlib.pyplot as plt

    names = [label if isinstance(label, str) else get_fashion_mnist_labels([label])[0] for label in labels]
    _, row = plt.subplots(1, len(images), figsize=(12, 12), squeeze=False)
    for axes, image, name in zip(row[0], images, names):
        pixels = image.asnumpy() if hasattr(image, "asnumpy") else image
        axes.imshow(pixels.reshape(28, 28), cmap="gray")
        axes.set_title(name)
        axes.axis("off")
    return row[0]

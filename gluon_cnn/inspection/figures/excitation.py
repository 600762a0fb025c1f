"""Figures of what excites channels: the patches of the strongest images, and the classes that each answers to."""

from typing import Dict, NamedTuple, Optional

import numpy as np

from gluon_cnn.comparison.svg import INK
from gluon_cnn.inspection.excitation import SHOWN, counted_images, selectivity
from gluon_cnn.inspection.figures.sheet import Sheet, picture_of, pictures_at
from gluon_cnn.inspection.figures.style import FOR, QUIET, WIDTH, Drawn, chart, figure_function
from gluon_cnn.inspection.words import among, finite, short, short_path

__all__ = ["Selectivity", "Strongest", "strongest_channels", "strongest_images", "what_channels_answer_to"]

_ALIKE = 1 / 3  # of the images that are shown: with more in common, two channels show the same
_LONGEST = 68  # characters in a line


class Strongest(NamedTuple):
    """The images that excite some channels of a layer most.

    Attributes
    ----------
    channels : np.ndarray
        int channels.
    pictures : np.ndarray
        channels×images×C×H×W in [0, 1].
    patches : np.ndarray or None
        int channels×images×4: top, left, bottom and right of what the channel sees in each; None if not known.
    values : np.ndarray
        channels×images: how much each excites the channel.
    labels : np.ndarray
        int channels×images.
    """

    channels: np.ndarray
    pictures: np.ndarray
    patches: Optional[np.ndarray]
    values: np.ndarray
    labels: np.ndarray


def strongest_channels(found, number=3):
    """The channels of an :class:`gluon_cnn.inspection.excitation.Excitation` whose strongest number is the largest,
    without those that mostly the same images excite: a layer often has several that are nearly equal."""
    alive = np.setdiff1d(np.arange(len(found.values)), found.dead)
    chosen, alike = [], []
    for channel in alive[np.argsort(-found.values[alive, 0], kind="stable")]:
        images = found.images[channel, :SHOWN]
        same = max((np.isin(images, found.images[other, :SHOWN]).mean() for other in chosen), default=0)
        (alike if same > _ALIKE else chosen).append(channel)
        if len(chosen) == number:
            break
    return np.array([*chosen, *alike][:number], int)


@figure_function
def strongest_images(path, found, pictures, field=None, channels=None, classes=()):
    """Draw the nine images that excite each of some channels most: the patch that the channel sees, and where it is.

    Parameters
    ----------
    path : str
        The layer, for the words.
    found : gluon_cnn.inspection.excitation.Excitation
    pictures : np.ndarray or callable
        All images N×C×H×W in [0, 1], or a function that gives those of the numbers that it is called with.
    field : gluon_cnn.inspection.receptive.ReceptiveField, optional
        Without it only the whole images are drawn.
    channels : sequence of int, optional
        By default :func:`strongest_channels`.
    classes : sequence of str
        The classes' names.

    Returns
    -------
    Drawn
        ``arrays`` is :class:`Strongest`; None if the layer has no channel that answers.
    """
    channels = strongest_channels(found) if channels is None else np.asarray(channels, int)
    if not len(channels):
        return None
    number = min(SHOWN, found.images.shape[1])
    numbers = found.images[channels, :number]
    pictures = pictures_at(pictures, numbers.ravel())
    pictures = pictures.reshape(*numbers.shape, *pictures.shape[1:])
    patches = None
    if field is not None:
        places = found.positions[channels, :number].reshape(-1, 2)
        patches = np.array([field.patch(*place) for place in places]).reshape(*numbers.shape, 4)
    arrays = Strongest(channels, pictures, patches, found.values[channels, :number], found.labels[channels, :number])
    counts = selectivity(found)[channels]
    names = _names_in(classes, found)
    whole = patches is None or (patches[..., 2:] - patches[..., :2] == pictures.shape[-2:]).all()
    figure = (_drawn_whole if whole else _drawn)(arrays, names, counts)
    return Drawn(arrays, figure, *_in_words(path, arrays, found, field, names, counts))


def _names_in(classes, found):
    number = len(found.class_counts)
    return (*map(str, classes[:number]), *(f"class {n}" for n in range(len(classes), number)))


def _heading(arrays, row, names, count):
    labels = [names[label] for label in dict.fromkeys(arrays.labels[row].tolist())]
    of = f", of {count:.1f} classes" if np.isfinite(count) else ", dead"
    start = f"channel {arrays.channels[row]}{of}: "
    lines = [start + among(labels, most) for most in (4, 3, 2)]
    return next((line for line in lines if len(line) <= _LONGEST), short(lines[-1], _LONGEST))


def _drawn(arrays, names, counts):
    """Three by three patches beside three by three whole images."""
    size, gap, heading = 0.72, 0.05, 0.22
    height = heading + 3 * size + 0.12
    sheet = Sheet(len(arrays.channels) * height)
    for row in range(len(arrays.channels)):
        top = row * height
        sheet.words(_heading(arrays, row, names, counts[row]), 0.05, top + 0.03)
        for place, (picture, patch) in enumerate(zip(arrays.pictures[row], arrays.patches[row])):
            down, right = divmod(place, 3)
            at = top + heading + down * size
            y0, x0, y1, x1 = (int(n) for n in patch)
            if y1 > y0 and x1 > x0:
                cut = picture_of(picture[:, y0:y1, x0:x1])
                sheet.outline(*sheet.picture(cut, 0.02 + right * size, at, size - gap), QUIET, lw=0.4)
            left, up, wide, high = sheet.picture(picture_of(picture), WIDTH - 3 * size + right * size, at, size - gap)
            scale = wide / picture.shape[2], high / picture.shape[1]
            sheet.outline(left + x0 * scale[0], up + y0 * scale[1], (x1 - x0) * scale[0], (y1 - y0) * scale[1], FOR)
    return sheet.figure


def _drawn_whole(arrays, names, counts):
    """Nine whole images in a row."""
    size, heading = WIDTH / SHOWN, 0.22
    height = heading + size + 0.1
    sheet = Sheet(len(arrays.channels) * height)
    for row in range(len(arrays.channels)):
        sheet.words(_heading(arrays, row, names, counts[row]), 0.05, row * height + 0.03)
        for place, picture in enumerate(arrays.pictures[row]):
            sheet.picture(picture_of(picture), place * size + 0.02, row * height + heading, size - 0.04)
    return sheet.figure


def _in_words(path, arrays, found, field, names, counts):
    several = f"channel{'' if len(arrays.channels) == 1 else 's'} {among(arrays.channels.tolist())}"
    pure = [
        f"{channel} ({names[labels[0]]})"
        for channel, labels in zip(arrays.channels, arrays.labels)
        if len(set(labels.tolist())) == 1
    ]
    seen = [names[label] for label in dict.fromkeys(arrays.labels.ravel().tolist())]
    title = f"In layer {path}, images of {among(seen, 5)} excite {several} most"
    side = "×".join(map(str, arrays.pictures.shape[-2:]))
    if field is not None and field.size is not None:
        size = "×".join(map(str, field.size))
        words = f"One position of the layer sees {size} of {side} pixels (where no border cuts it). "
    elif field is not None:
        words = f"What a position sees differs from place to place, out of {side} pixels. "
    else:
        words = ""
    words += f"All {arrays.labels.shape[1]} images are of one class for channel {among(pure)}. " if pure else ""
    known = counts[np.isfinite(counts)]
    if len(known):
        words += (
            f"Over the {counted_images(found)} strongest images the effective number of classes is "
            f"{', '.join(f'{count:.1f}' for count in known)}."
        )
    return title, words.strip()


class Selectivity(NamedTuple):
    """How many classes each channel of each layer answers to.

    Attributes
    ----------
    classes : dict
        Path to float array, one for each channel; not a number for a dead one.
    chance : float
        What images drawn without regard to their class would give.
    """

    classes: Dict[str, np.ndarray]
    chance: float


@figure_function
def what_channels_answer_to(layers, seed=0):
    """Draw how many classes each channel of each layer answers to.

    Parameters
    ----------
    layers : dict
        Path to :class:`gluon_cnn.inspection.excitation.Excitation`, from the lowest layer to the highest.
    seed : int
        Of the draws that give what chance would.

    Returns
    -------
    Drawn
        ``arrays`` is :class:`Selectivity`; see :func:`gluon_cnn.inspection.excitation.selectivity`.
    """
    first = next(iter(layers.values()))
    arrays = Selectivity({path: selectivity(found) for path, found in layers.items()}, _by_chance(first, seed))
    paths = [short_path(path) for path in arrays.classes]
    upright = sum(map(len, paths)) > _LONGEST / 2  # beside each other there is no room for them
    figure, axes = chart(4.2 if upright else 3.2)
    medians = []
    for place, values in enumerate(arrays.classes.values()):
        values = finite(values)
        spread = place + 0.28 * ((np.arange(len(values)) * 0.618) % 1 - 0.5) * 2
        axes.plot(spread, values, "o", color=FOR, ms=2.2, alpha=0.5, mew=0)
        medians.append(np.median(values) if len(values) else np.nan)
    axes.plot(range(len(medians)), medians, "-", color=INK, lw=1.5, marker="_", ms=14, mew=2)
    axes.axhline(arrays.chance, color=QUIET, ls="--", lw=1)
    axes.text(len(medians) - 0.55, arrays.chance, "by chance", ha="right", va="bottom", size=8.5, color=INK)
    axes.set_xticks(range(len(medians)), paths, rotation=90 if upright else 0)
    most = max(finite(values).max(initial=arrays.chance) for values in arrays.classes.values())
    axes.set_ylim(0, 1.12 * most)
    axes.set_xlabel("layer, from the lowest to the highest")
    axes.set_ylabel("number of classes (line: median)")
    return Drawn(arrays, figure, *_selectivity_in_words(arrays, medians, first))


def _by_chance(found, seed, draws=200):
    """The mean effective number of classes of as many images, drawn from all."""
    taken = counted_images(found)
    drawn = np.random.default_rng(seed).multivariate_hypergeometric(found.class_counts, taken, size=draws) / taken
    return float((1 / (drawn**2).sum(axis=1)).mean())


def _selectivity_in_words(arrays, medians, first):
    paths = list(arrays.classes)
    known = [(path, median) for path, median in zip(paths, medians) if np.isfinite(median)]
    if len(known) < 2:
        return "How many classes each channel answers to", "One layer alone says nothing of depth."
    (low, before), (high, after) = known[0], known[-1]
    falls = sum(b < a for (_, a), (_, b) in zip(known, known[1:]))
    steps = len(known) - 1
    if after < before:
        title = f"The higher the layer, the fewer classes: {before:.1f} in layer {low}, {after:.1f} in layer {high}"
        if falls < steps:
            title = f"From {before:.1f} classes in layer {low} to {after:.1f} in layer {high}, but not at every step"
    else:
        title = f"Higher layers are not more selective: {before:.1f} classes in layer {low}, {after:.1f} in {high}"
    taken = counted_images(first)
    words = (
        f"Medians of the channels; from one layer to the next the number falls {falls} of {steps} times. Of each "
        f"channel the {taken} strongest images are counted; images drawn by chance would give {arrays.chance:.1f}. "
    )
    if taken < 100:
        words += f"With so few images of the smallest class ({taken}) the numbers are rough."
    return title, words.strip()

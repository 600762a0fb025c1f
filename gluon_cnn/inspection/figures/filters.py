"""Figures of filters: the first layer's as they are, the strength of all, and how many are oriented."""

from typing import Dict, NamedTuple

import numpy as np

from gluon_cnn.comparison.svg import INK
from gluon_cnn.errors import ModelError
from gluon_cnn.inspection.figures.sheet import Sheet
from gluon_cnn.inspection.figures.style import AGAINST, FOR, QUIET, WIDTH, Drawn, chart, figure_function, limit_of
from gluon_cnn.inspection.filters import filter_norms, first_filters
from gluon_cnn.inspection.gabor import compare_with_untrained
from gluon_cnn.inspection.layers import title_of
from gluon_cnn.inspection.words import among, counted, per_cent, short_path

__all__ = ["Norms", "drawn_filters", "norms", "orientation"]

_MOST = 144  # filters that are drawn
_GAP = 0.04


@figure_function
def drawn_filters(net, channels=1):
    """Draw the filters of the first convolution, the strongest first, on one scale.

    Parameters
    ----------
    net : Block
    channels : int
        Of the images. Filters of three channels of colour images are drawn in colour, where grey is 0; all others as
        the sum over their channels, which is what they are to a grey image.

    Returns
    -------
    Drawn
        ``arrays`` is :class:`gluon_cnn.inspection.filters.Filters`.
    """
    arrays = first_filters(net)
    weights = arrays.weights[:_MOST].astype(float)
    in_color = channels == 3 and weights.shape[1] == 3
    shown = weights.transpose(0, 2, 3, 1) if in_color else weights.sum(axis=1)
    limit = limit_of(shown)
    columns = min(12, max(4, int(np.ceil(np.sqrt(1.3 * len(shown))))))
    size = WIDTH / columns
    rows = -(-len(shown) // columns)
    sheet = Sheet(rows * size + (0.1 if in_color else 0.45))
    for place, values in enumerate(shown):
        row, column = divmod(place, columns)
        at = column * size + _GAP / 2, row * size + _GAP / 2, size - _GAP
        if in_color:
            sheet.picture(0.5 + 0.5 * values / limit, *at)
        else:
            sheet.signed(values, *at, limit)
    if not in_color:
        sheet.scale(limit, rows * size + 0.08, "weight")
    return Drawn(arrays, sheet.figure, *_filters_in_words(arrays, in_color, len(shown)))


def _filters_in_words(arrays, in_color, shown):
    number, strength = len(arrays.norms), arrays.norms
    half = 1 + int(np.searchsorted(np.cumsum(strength**2), 0.5 * (strength**2).sum()))
    size = "×".join(map(str, arrays.weights.shape[2:]))
    title = f"{half} of the {number} filters of layer {arrays.path} hold half of all squared weights"
    words = f"Filters of {size} pixels, the strongest first"
    words += (
        f"; the weakest is {strength[-1] / strength[0]:.0%} as strong. " if strength[0] > 0 else ", all of them 0. "
    )
    if in_color:
        words += "Grey is a weight of 0."
    elif arrays.weights.shape[1] > 1:
        words += f"Each is the sum over its {arrays.weights.shape[1]} channels, which is what it is to a grey image."
    else:
        words += "A weak one answers little to anything, unless later layers make it louder."
    return title, words + (f" Drawn are the first {shown}." if shown < number else "")


class Norms(NamedTuple):
    """The strength of the filters of all layers, and which channels never answer.

    Attributes
    ----------
    norms : dict
        Path to float array, one for each output channel.
    dead : dict
        Path to int array of the channels that gave exactly 0 for every image; also of layers without weights, such as
        an activation.
    channels : dict
        Path to number of channels, of the layers of ``dead``.
    """

    norms: Dict[str, np.ndarray]
    dead: Dict[str, np.ndarray]
    channels: Dict[str, int]


@figure_function
def norms(net, excitations):
    """Draw the strength of each channel of each convolution and dense layer, and which channels are dead.

    Parameters
    ----------
    net : Block
    excitations : dict
        Path to :class:`gluon_cnn.inspection.excitation.Excitation`, of the layers whose dead channels are asked for.

    Returns
    -------
    Drawn
        ``arrays`` is :class:`Norms`.

    Raises
    ------
    ModelError
        If there is no such layer.
    """
    dead = {path: found.dead for path, found in excitations.items()}
    arrays = Norms(filter_norms(net), dead, {path: len(found.values) for path, found in excitations.items()})
    if not arrays.norms:
        raise ModelError(f"{title_of(net)} has no convolution or dense layer, so it has no strengths to compare.")
    figure, axes = chart(1.1 + 0.26 * len(arrays.norms))
    for place, (path, values) in enumerate(arrays.norms.items()):
        gone = np.isin(np.arange(len(values)), dead.get(path, ()))
        spread = place + 0.3 * (np.arange(len(values)) % 7 - 3) / 3
        axes.plot(values[~gone], spread[~gone], "o", color=AGAINST, ms=2.2, alpha=0.6, mew=0)
        axes.plot(values[gone], spread[gone], "x", color=FOR, ms=5, mew=1.5)
    axes.set_yticks(range(len(arrays.norms)), [short_path(path) for path in arrays.norms])
    axes.set_ylim(len(arrays.norms) - 0.4, -0.6)
    axes.set_ylabel("layer")
    axes.set_xlabel("strength of a channel (cross: dead)")
    axes.set_xlim(left=0)
    axes.grid(axis="x", alpha=0.2, color=INK, lw=0.6)
    return Drawn(arrays, figure, *_norms_in_words(arrays))


def _norms_in_words(arrays):
    total, gone = sum(arrays.channels.values()), sum(map(len, arrays.dead.values()))
    # A layer that only passes on what another gives has the same dead channels.
    where = [f"{path} ({len(dead)} of {arrays.channels[path]})" for path, dead in arrays.dead.items() if len(dead)]
    if not gone:
        title = f"No channel is dead: each of the {total:,} answers to some image"
        words = "Of each layer that was looked at every channel gave something else than 0 at least once. "
    else:
        title = f"{counted(gone, 'channel')} of {total:,} {'is' if gone == 1 else 'are'} dead"
        words = f"Dead, because they gave exactly 0 for every image: in layer {among(where)}. "
    last = {path: values.max() / max(np.median(values), 1e-30) for path, values in arrays.norms.items()}
    uneven = max(last, key=last.get)
    words += (
        f"Strength is most uneven in layer {uneven}, whose strongest channel has {last[uneven]:.1f} times the median. "
        "Only within a layer can strengths be compared."
    )
    return title, words


@figure_function
def orientation(net, untrained):
    """Draw how much each first-layer filter is like a Gabor, beside those of the untrained network.

    Parameters
    ----------
    net, untrained : Block

    Returns
    -------
    Drawn
        ``arrays`` is :class:`gluon_cnn.inspection.gabor.GaborComparison`.
    """
    arrays = compare_with_untrained(net, untrained)
    figure, axes = chart(2.6)
    for shares, color, style, words in (
        (arrays.untrained_shares, QUIET, "--", "untrained"),
        (arrays.shares, FOR, "-", "trained"),
    ):
        values = np.sort(100 * shares)
        axes.step(
            [0, *values, 100],
            [100, *(100 - 100 * np.arange(len(values)) / len(values)), 0],
            color=color,
            ls=style,
            where="pre",
            lw=1.8,
            label=words,
        )
    axes.axvline(100 * arrays.threshold, color=INK, lw=0.8, ls=":")
    axes.set(xlim=(0, 100), ylim=(0, 102))
    axes.set_xlabel("share of a filter's variance that a Gabor explains (%)")
    axes.set_ylabel("filters above it (%)")
    axes.grid(alpha=0.2, color=INK, lw=0.6)
    figure.legend(loc="outside lower left", ncol=2, frameon=False, labelcolor=INK, fontsize=8.5)
    number, oriented = len(arrays.shares), int(arrays.oriented.sum())
    chance = 0.05 * number
    are = "is" if oriented == 1 else "are"
    title = f"{oriented} of {number} filters {are} more like an oriented edge than 95% of the untrained ones"
    words = (
        f"By chance {chance:.1f} would be (those beyond the dotted line). A Gabor, a wave under a bell, explains "
        f"{per_cent(np.median(arrays.shares))} of a filter's variance here in the median, and "
        f"{per_cent(np.median(arrays.untrained_shares))} of an untrained one's. "
    )
    p = _binomial_p(oriented, number)
    words += f"That is {'more' if p < 0.05 else 'not more'} than chance gives (binomial p = {p:.2g}). "
    words += "A spot that is longer than wide counts as an edge too."
    return Drawn(arrays, figure, title, words)


def _binomial_p(successes, cases):
    from scipy.stats import binom

    return float(binom.sf(successes - 1, cases, 0.05))

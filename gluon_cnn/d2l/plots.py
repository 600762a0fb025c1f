"""Curves in a notebook, and ``plt``."""

import itertools

from matplotlib import pyplot as plt

from gluon_cnn.d2l.animator import FORMATS
from gluon_cnn.d2l.figures import set_figsize
from gluon_cnn.d2l.measures import is_sequence, numbers
from gluon_cnn.errors import SettingError

__all__ = ["plot", "plt", "semilogy", "set_axes"]


def plot(
    X,
    Y=None,
    xlabel=None,
    ylabel=None,
    legend=None,
    xlim=None,
    ylim=None,
    xscale="linear",
    yscale="linear",
    fmts=FORMATS,
    figsize=(3.5, 2.5),
    axes=None,
):
    """Draw curves (book, section 2.4 of the English edition).

    Parameters
    ----------
    X : array, or sequence of arrays
        Where the points are, for all curves or for each. Without ``Y``, the curves, whose points are at 0, 1, 2, ...
    Y : array, or sequence of arrays, optional
    xlabel, ylabel : str, optional
    legend : sequence of str, optional
        A name for each curve.
    xlim, ylim : (float, float), optional
    xscale, yscale : str
        ``linear`` or ``log``.
    fmts : sequence of str
        Matplotlib's format for each curve, from the first again where there are more curves.
    figsize : (float, float)
        In inches.
    axes : matplotlib Axes, optional
        The current one by default; what was drawn there is removed.

    Raises
    ------
    SettingError
        If there are not as many x as y.
    """
    if Y is None:
        curves = _curves(X)
        places = [range(len(curve)) for curve in curves]
    else:
        places, curves = _curves(X), _curves(Y)
        places = places * len(curves) if len(places) == 1 else places
    if [len(at) for at in places] != [len(curve) for curve in curves]:
        raise SettingError(
            f"{_lengths(places)} places do not fit {_lengths(curves)} values: give as many x as y, for all curves or "
            "for each."
        )
    set_figsize(figsize)
    axes = axes or plt.gca()
    axes.cla()
    for at, curve, fmt in zip(places, curves, itertools.cycle(fmts or FORMATS)):
        axes.plot(at, curve, fmt)
    set_axes(axes, xlabel, ylabel, xlim, ylim, xscale, yscale, legend)


def semilogy(x_vals, y_vals, x_label, y_label, x2_vals=None, y2_vals=None, legend=None, figsize=(3.5, 2.5)):
    """Draw one curve or two, with a logarithmic y axis (book, section 3.11 of the first edition)."""
    X, Y = ([x_vals], [y_vals]) if x2_vals is None else ([x_vals, x2_vals], [y_vals, y2_vals])
    plot(X, Y, x_label, y_label, legend, yscale="log", fmts=("-", ":"), figsize=figsize)


def set_axes(axes, xlabel, ylabel, xlim, ylim, xscale, yscale, legend):
    """Label the axes of a figure (book, section 2.4 of the English edition); None leaves a thing as it is."""
    settings = {"xlabel": xlabel, "ylabel": ylabel, "xscale": xscale, "yscale": yscale, "xlim": xlim, "ylim": ylim}
    axes.set(**{name: value for name, value in settings.items() if value is not None})
    if legend:
        axes.legend(legend)
    axes.grid()


def _curves(values):
    """One curve or several, each as a list of numbers."""
    if hasattr(values, "shape"):
        several = len(values.shape) > 1
    else:
        values = list(values)
        several = any(is_sequence(value) and getattr(value, "size", 2) != 1 for value in values)
    return [numbers(curve) for curve in (values if several else [values])]


def _lengths(curves):
    return " and ".join(str(len(curve)) for curve in curves) or "no"

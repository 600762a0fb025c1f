"""Curves that grow while a training runs."""

from gluon_cnn.d2l.figures import use_svg_display
from gluon_cnn.d2l.measures import is_sequence, numbers
from gluon_cnn.errors import SettingError
from gluon_cnn.runtime.notebook import in_notebook

__all__ = ["FORMATS", "Animator"]

#: Matplotlib's formats of the first curves, as in the book.
FORMATS = ("-", "m--", "g-.", "r:")


class Animator:
    """Curves that grow while a training runs (book, section 3.6 of the English edition).

    In a notebook the figure is drawn again with each point; elsewhere each point is a line on standard output.

    Parameters
    ----------
    xlabel, ylabel : str, optional
    legend : sequence of str, optional
        A name for each curve.
    xlim, ylim : (float, float), optional
    xscale, yscale : str
        ``linear`` or ``log``.
    fmts : sequence of str
        Matplotlib's format for each curve.
    nrows, ncols : int
        Rows and columns of panels. The curves are drawn in the first panel.
    figsize : (float, float)
        In inches.
    """

    def __init__(
        self,
        xlabel=None,
        ylabel=None,
        legend=None,
        xlim=None,
        ylim=None,
        xscale="linear",
        yscale="linear",
        fmts=FORMATS,
        nrows=1,
        ncols=1,
        figsize=(3.5, 2.5),
    ):
        self.xlabel, self.legend, self.fmts = xlabel or "x", legend or [], fmts or FORMATS
        self.X, self.Y = [], []
        self.fig = self.axes = None
        if in_notebook():
            from matplotlib import pyplot

            use_svg_display()
            self.fig, axes = pyplot.subplots(nrows, ncols, figsize=figsize, squeeze=False)
            self.axes = axes.flatten()
            self._settings = xlabel, ylabel, xlim, ylim, xscale, yscale, self.legend

    def add(self, x, y):
        """Add a point to each curve.

        Parameters
        ----------
        x : number or sequence of numbers
            Where the point of every curve is, or of each.
        y : number or sequence of numbers
            One for each curve; None for a curve that gets no point.
        """
        y = numbers(y)
        x = _places(x, len(y))
        if len(x) != len(y):
            raise SettingError(f"x has {len(x)} numbers and y has {len(y)}: give one number, or as many as curves.")
        while len(self.Y) < len(y):
            self.X.append([])
            self.Y.append([])
        points = [(curve, *point) for curve, point in enumerate(zip(x, y)) if None not in point]
        for curve, place, value in points:
            self.X[curve].append(place)
            self.Y[curve].append(value)
        if self.axes is None:
            self._print(points, x)
        else:
            self._draw()

    def _print(self, points, x):
        """A line for each place at which there are points."""
        names = [*self.legend, *(f"y{i + 1}" for i in range(len(self.legend), len(self.Y)))]
        for place in dict.fromkeys(x):
            values = [f"{names[curve]} {value:.4f}" for curve, at, value in points if at == place]
            if values:
                print(f"{self.xlabel} {place:g}: {', '.join(values)}")

    def _draw(self):
        from IPython import display

        from gluon_cnn.d2l.plots import set_axes

        axes = self.axes[0]
        axes.cla()
        for number, (xs, ys) in enumerate(zip(self.X, self.Y)):
            axes.plot(xs, ys, self.fmts[number % len(self.fmts)])
        set_axes(axes, *self._settings)
        display.display(self.fig)
        display.clear_output(wait=True)


def _places(x, curves):
    """Where each curve's point is: as given, if it is a plain number."""
    places = numbers(x)
    if len(places) == 1:
        places = [places[0] if hasattr(x, "shape") or is_sequence(x) else x] * curves
    return places

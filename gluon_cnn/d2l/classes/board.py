"""Curves of a training, point by point, each curve by its name."""

import itertools
from typing import NamedTuple

from gluon_cnn.checks import brief, whole_number
from gluon_cnn.d2l.classes.hyperparameters import HyperParameters
from gluon_cnn.d2l.figures import use_svg_display
from gluon_cnn.d2l.measures import number_of
from gluon_cnn.errors import SettingError
from gluon_cnn.runtime.notebook import in_notebook

__all__ = ["Point", "ProgressBoard"]


class Point(NamedTuple):
    """Where a curve is."""

    x: float
    y: float


class ProgressBoard(HyperParameters):
    """Curves that grow while a training runs (book, section 3.2 of the English edition since 1.0).

    In a notebook the figure is drawn again with each point; elsewhere each point is a line on standard output. All
    arguments are attributes, which may be changed at any time.

    Parameters
    ----------
    xlabel, ylabel : str, optional
    xlim, ylim : (float, float), optional
    xscale, yscale : str
        ``linear`` or ``log``.
    ls, colors : sequence of str
        Matplotlib's line style and colour of each curve, from the first again where there are more curves.
    fig : matplotlib Figure, optional
        Made for the first point by default.
    axes : matplotlib Axes, optional
        Those of ``fig`` by default.
    figsize : (float, float)
        In inches.
    display : bool
        Whether to draw or print at all.

    Attributes
    ----------
    data : dict
        The :class:`Point` list of each curve.
    """

    _made_in_init = ("raw_points", "data")

    def __init__(
        self,
        xlabel=None,
        ylabel=None,
        xlim=None,
        ylim=None,
        xscale="linear",
        yscale="linear",
        ls=("-", "--", "-.", ":"),
        colors=("C0", "C1", "C2", "C3"),
        fig=None,
        axes=None,
        figsize=(3.5, 2.5),
        display=True,
    ):
        self.save_hyperparameters()
        self.raw_points, self.data = {}, {}

    def draw(self, x, y, label, every_n=1):
        """Take a point of a curve; with each ``every_n`` of them the curve gets one, their mean.

        Parameters
        ----------
        x, y : number or array of one number
            An array is fetched from its device when the curve gets the point.
        label : str
            The curve's name.
        every_n : int

        Raises
        ------
        SettingError
            If ``every_n`` is out of range, ``x`` or ``y`` is not one number, or ``label`` is no name.
        """
        every_n = whole_number("every_n", every_n)
        if not isinstance(label, str):
            raise SettingError(f"label is {brief(label)}; it must be the curve's name.")
        points, curve = self.raw_points.setdefault(label, []), self.data.setdefault(label, [])
        points.append((x, y))
        if len(points) < every_n:
            return
        # Taken out first, so that a point that is no number is not met again.
        self.raw_points[label] = []
        curve.append(Point(*(sum(map(number_of, values)) / len(points) for values in zip(*points))))
        if self.display:
            if in_notebook():
                self._draw()
            else:
                print(f"{self.xlabel or 'x'} {curve[-1].x:g}: {label} {curve[-1].y:.4f}")

    def _draw(self):
        from IPython import display
        from matplotlib import pyplot

        from gluon_cnn.d2l.plots import set_axes

        use_svg_display()
        if self.fig is None:
            self.fig = self.axes.figure if self.axes is not None else pyplot.figure(figsize=self.figsize)
        axes = self.axes if self.axes is not None else self.fig.gca()
        axes.cla()
        for curve, style, color in zip(self.data.values(), itertools.cycle(self.ls), itertools.cycle(self.colors)):
            axes.plot([point.x for point in curve], [point.y for point in curve], linestyle=style, color=color)
        set_axes(axes, self.xlabel, self.ylabel, self.xlim, self.ylim, self.xscale, self.yscale, list(self.data))
        display.display(self.fig)
        display.clear_output(wait=True)

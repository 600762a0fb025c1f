"""Figures in a notebook, under the book's names; without one, ``Animator`` prints."""

import sys

from gluon_cnn.d2l.measures import number_of
from gluon_cnn.data import FASHION_MNIST, get_fashion_mnist_labels
from gluon_cnn.errors import SettingError

__all__ = ["Animator", "set_figsize", "show_fashion_mnist", "show_images", "use_svg_display"]


def use_svg_display():
    """Draw a notebook's figures as SVG (book, section 3.2 of the first edition); elsewhere nothing happens."""
    if _in_notebook():
        from matplotlib_inline import backend_inline  # which Jupyter brings

        backend_inline.set_matplotlib_formats("svg")


def set_figsize(figsize=(3.5, 2.5)):
    """Set the size of figures, (width, height) in inches."""
    from matplotlib import pyplot

    use_svg_display()
    pyplot.rcParams["figure.figsize"] = figsize


def show_images(imgs, num_rows, num_cols, titles=None, scale=1.5):
    """Draw images in a grid (book, section 3.5 of the English edition).

    Parameters
    ----------
    imgs : sequence of array
        H×W or H×W×C each, ``mx.nd``, ``mx.np`` or NumPy.
    num_rows, num_cols : int
    titles : sequence of str, optional
    scale : float
        Width and height of each image in inches.

    Returns
    -------
    np.ndarray of matplotlib.axes.Axes
        In the order of the images; flat with titles or without.
    """
    from matplotlib import pyplot

    _, axes = pyplot.subplots(num_rows, num_cols, figsize=(num_cols * scale, num_rows * scale), squeeze=False)
    axes = axes.flatten()
    for number, axis in enumerate(axes):
        axis.axis("off")
        if number < len(imgs):
            image = imgs[number]
            axis.imshow(image.asnumpy() if hasattr(image, "asnumpy") else image, cmap="gray")
            if titles is not None:
                axis.set_title(titles[number])
    return axes


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
    from matplotlib import pyplot

    side = FASHION_MNIST.side
    names = [label if isinstance(label, str) else get_fashion_mnist_labels([label])[0] for label in labels]
    _, row = pyplot.subplots(1, len(images), figsize=(12, 12), squeeze=False)
    for axes, image, name in zip(row[0], images, names):
        pixels = image.asnumpy() if hasattr(image, "asnumpy") else image
        axes.imshow(pixels.reshape(side, side), cmap="gray")
        axes.set_title(name)
        axes.axis("off")
    return row[0]


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
        fmts=("-", "m--", "g-.", "r:"),
        nrows=1,
        ncols=1,
        figsize=(3.5, 2.5),
    ):
        self.xlabel, self.legend, self.fmts = xlabel or "x", legend or [], fmts
        self.X, self.Y = [], []
        self.fig = self.axes = None
        if _in_notebook():
            from matplotlib import pyplot

            use_svg_display()
            self.fig, axes = pyplot.subplots(nrows, ncols, figsize=figsize, squeeze=False)
            self.axes = axes.flatten()
            settings = {"xlabel": xlabel, "ylabel": ylabel, "xlim": xlim, "ylim": ylim}
            self._settings = {**settings, "xscale": xscale, "yscale": yscale}

    def add(self, x, y):
        """Add a point to each curve.

        Parameters
        ----------
        x : number or sequence of numbers
            Where the point of every curve is, or of each.
        y : number or sequence of numbers
            One for each curve; None for a curve that gets no point.
        """
        y = _numbers(y)
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

        axes = self.axes[0]
        axes.cla()
        for number, (xs, ys) in enumerate(zip(self.X, self.Y)):
            axes.plot(xs, ys, self.fmts[number % len(self.fmts)])
        axes.set(**{name: value for name, value in self._settings.items() if value is not None})
        if self.legend:
            axes.legend(self.legend)
        axes.grid()
        display.display(self.fig)
        display.clear_output(wait=True)


def _is_sequence(value):
    return len(value.shape) > 0 if hasattr(value, "shape") else hasattr(value, "__len__")


def _places(x, curves):
    """Where each curve's point is: as given, if it is a plain number."""
    numbers = _numbers(x)
    if len(numbers) == 1:
        numbers = [numbers[0] if hasattr(x, "shape") or _is_sequence(x) else x] * curves
    return numbers


def _numbers(values):
    """A number, an array or a sequence as a list of floats, or of None where there is none."""
    if not _is_sequence(values):
        values = [values]
    elif hasattr(values, "shape"):
        values = (values.asnumpy() if hasattr(values, "asnumpy") else values).ravel()
    return [None if value is None else number_of(value) for value in values]


def _in_notebook():
    """Whether this process is a notebook's kernel, without importing IPython."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")

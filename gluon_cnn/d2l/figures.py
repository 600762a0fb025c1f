"""Pictures in a notebook, under the book's names."""

import numbers

import numpy as np

from gluon_cnn.data import FASHION_MNIST, get_fashion_mnist_labels
from gluon_cnn.runtime.notebook import in_notebook

__all__ = ["set_figsize", "show_fashion_mnist", "show_images", "use_svg_display"]


def use_svg_display():
    """Draw a notebook's figures as SVG (book, section 3.2 of the first edition); elsewhere nothing happens."""
    if in_notebook():
        from matplotlib_inline import backend_inline  # which Jupyter brings

        backend_inline.set_matplotlib_formats("svg")


def set_figsize(figsize=(3.5, 2.5)):
    """Set the size of figures, (width, height) in inches."""
    from matplotlib import pyplot

    use_svg_display()
    pyplot.rcParams["figure.figsize"] = figsize


def show_images(imgs, num_rows, num_cols, titles=None, scale=1.5):
    """Draw images in a grid (book, section 3.5 of the English edition, and ``show_images(imgs, num_rows, num_cols,
    scale)`` of the first one).

    Parameters
    ----------
    imgs : sequence of array
        H×W or H×W×C each, ``mx.nd``, ``mx.np`` or NumPy.
    num_rows, num_cols : int
    titles : sequence of str, optional
        A number here is the scale.
    scale : float
        Width and height of each image in inches.

    Returns
    -------
    np.ndarray of matplotlib.axes.Axes
        In the order of the images; flat with titles or without.
    """
    from matplotlib import pyplot

    if isinstance(titles, numbers.Real):
        titles, scale = None, titles
    _, axes = pyplot.subplots(num_rows, num_cols, figsize=(num_cols * scale, num_rows * scale), squeeze=False)
    axes = axes.flatten()
    for number, axis in enumerate(axes):
        axis.axis("off")
        if number < len(imgs):
            image = imgs[number]
            axis.imshow(image.asnumpy() if hasattr(image, "asnumpy") else image, cmap="gray")
            if titles is not None:
                axis.set_title(titles[number])
    return axes.view(_Axes)


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
    return row[0].view(_Axes)


class _Axes(np.ndarray):
    """Axes that show nothing where a cell ends in them, because their figure is shown."""

    def _ipython_display_(self):
        pass

"""What all figures share: their width, colours, scales, and how they are shown and saved."""

import contextlib
import functools
import io
import sys
import textwrap
import warnings
from typing import Any, NamedTuple

import numpy as np

from gluon_cnn.comparison.svg import INK, as_svg
from gluon_cnn.runtime.notebook import in_notebook

__all__ = [
    "AGAINST",
    "FOR",
    "QUIET",
    "WIDTH",
    "Drawn",
    "chart",
    "figure_function",
    "ink",
    "limit_of",
    "png_of",
    "signed_colors",
    "svg_of",
]

WIDTH = 4.6  # inches: on a phone a page shows it about as large
#: What speaks for something, or is too much of it; and what speaks against it. Both are seen on white and on black.
FOR, AGAINST, QUIET = "#d9601a", "#2f7fd6", "#7d8794"
_ZERO = "#f4f3ef"
_TITLE = {"weight": "bold", "size": 10}


class Drawn(NamedTuple):
    """A figure, and what it shows.

    Attributes
    ----------
    arrays : object
        The arrays that are drawn, by their names.
    figure : matplotlib.figure.Figure
    title : str
        What is seen, as a sentence.
    words : str
        What more is seen, and what it does not say: a sentence or two from the numbers.
    """

    arrays: Any
    figure: Any
    title: str
    words: str

    def _ipython_display_(self):
        """Show nothing where a cell ends in it, because its figure is shown by then."""


def figure_function(draw):
    """Make a function that gives a :class:`Drawn` show it in a notebook. ``draw.__wrapped__`` does not."""

    @functools.wraps(draw)
    def quiet(*args, **options):
        with _any_name():
            return draw(*args, **options)

    @functools.wraps(quiet)
    def shown(*args, **options):
        drawn = quiet(*args, **options)
        if drawn is not None and in_notebook():
            display = sys.modules["IPython"].display
            display.display(display.Image(data=png_of(drawn)), display.Markdown(drawn.words))
        return drawn

    return shown


@contextlib.contextmanager
def _any_name():
    """A block in which somebody's class can have any name: one that Matplotlib would read as mathematics, or one of
    characters that its font lacks, which a browser has."""
    from matplotlib import rc_context

    with rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        yield


def chart(height, **options):
    """A figure of a height in inches, and its axes, all in ink; ``options`` are those of ``subplots``."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"font.size": 9.5}):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        axes = figure.subplots(**options)
    for each in np.ravel(axes):
        ink(each)
    return figure, axes


def ink(axes):
    """Give axes the colour that becomes the page's."""
    axes.tick_params(colors=INK)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_color(INK)
        spine.set_visible(side in ("left", "bottom"))


@functools.lru_cache(maxsize=1)
def signed_colors():
    """The colours of values with a sign: from -limit to limit, zero in the middle."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("signed", ["#0f3a70", AGAINST, _ZERO, FOR, "#7a2f00"])


def limit_of(values):
    """The end of a scale for values: the largest distance from 0, or 1 if all are 0."""
    values = np.abs(values[np.isfinite(values)]) if np.size(values) else np.zeros(1)
    return float(values.max()) if values.size and values.max() > 0 else 1.0


def svg_of(drawn, name):
    """A figure as an SVG element, without its title, which the page has."""
    with _any_name():
        return as_svg(drawn.figure, name, drawn.title)


def png_of(drawn):
    """A figure with its title as the bytes of a PNG, on white."""
    figure = drawn.figure
    width, height = figure.get_size_inches()
    lines = _wrapped(drawn.title, 72 * (width - 0.2))
    margin = 0.1 + 0.19 * len(lines)
    engine = figure.get_layout_engine()
    figure.set_size_inches(width, height + margin)
    share = height / (height + margin)
    before = [axes.get_position(original=True) for axes in figure.axes]
    if engine:
        engine.set(rect=(0, 0, 1, share))
    else:
        for axes, box in zip(figure.axes, before):
            axes.set_position([box.x0, box.y0 * share, box.width, box.height * share])
    options = {"va": "top", "color": INK, "parse_math": False, **_TITLE}
    title = figure.text(0.02, 1 - 0.06 / (height + margin), "\n".join(lines), **options)
    title.set_in_layout(False)
    file = io.BytesIO()
    try:
        with _any_name():
            figure.savefig(file, format="png", dpi=120, facecolor="white", metadata={"Software": None})
    finally:
        title.remove()
        figure.set_size_inches(width, height)
        if engine:
            engine.set(rect=(0, 0, 1, 1))
        else:
            for axes, box in zip(figure.axes, before):
                axes.set_position(box)
    return _in_few_colors(file)


def _wrapped(title, width):
    """A title in lines, none of which is wider than that many points; a word that is wider is broken."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(**_TITLE)
    with _any_name():
        for characters in range(72, 1, -1):
            lines = textwrap.wrap(title, characters)
            if all(text_to_path.get_text_width_height_descent(line, font, False)[0] <= width for line in lines):
                break
    return lines


def _in_few_colors(file):
    """A PNG with a palette, which is a third of its size, and looks the same."""
    from PIL import Image

    small = io.BytesIO()
    with Image.open(file) as image:
        image.convert("RGB").quantize(128).save(small, format="PNG", optimize=True)
    return small.getvalue()

"""A figure as part of a page: an SVG element in the colour of the page's text, on the page's ground."""

import io
import re

__all__ = ["INK", "as_svg", "in_ink"]

INK = "#010203"  # axes and words, which in a page take the colour of its text


def as_svg(draw, name, words, size=(4.4, 3.6)):
    """What a function draws as an SVG element for a page, transparent.

    Parameters
    ----------
    draw : callable
        Draws into a Matplotlib figure; what it draws in :data:`INK` takes the colour of the page's text.
    name : str
        Unique in the page; of letters, digits, ``-``, ``.`` and ``_`` alone.
    words : str
        What the figure shows, for those who cannot see it.
    size : (float, float)
        Width and height in inches.

    Returns
    -------
    str
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "font.size": 11}):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    # Matplotlib gives the same ids in every figure; in the page they must be unique.
    svg = re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    return re.sub(
        r'<svg [^>]*?viewBox="([^"]*)"[^>]*>',
        rf'<svg viewBox="\1" role="img" aria-label="{words}">',
        svg,
        count=1,
    )


def in_ink(axes, grid=True):
    """Draw an axes' frame and words in :data:`INK`, over a faint grid."""
    if grid:
        axes.grid(alpha=0.2, color=INK, lw=0.6)
    axes.tick_params(colors=INK)
    for text in (axes.xaxis.label, axes.yaxis.label, axes.title):
        text.set_color(INK)
    for spine in axes.spines.values():
        spine.set_color(INK)

"""A figure as an SVG element of a page."""

import html
import io
import re

__all__ = ["INK", "as_svg"]

#: The colour of axes and words, which in a page becomes that of its text.
INK = "#010203"


def as_svg(figure, name, words):
    """A figure as an SVG element, transparent, its words as text, in the colour of the page's text.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    name : str
        Unique in the page.
    words : str
        What is seen, for those who hear the page.

    Returns
    -------
    str
    """
    from matplotlib import rc_context

    file = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    # Matplotlib gives the same ids in every figure, and to equal images; in the page they must be unique.
    svg = re.sub(r' id="image[0-9a-f]+"', "", svg)
    svg = re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    view = re.search(r'viewBox="([^"]*)"', svg)[1]
    opening = f'<svg viewBox="{view}" role="img" aria-label="{html.escape(words)}">'
    return opening + svg[svg.index(">") + 1 :]

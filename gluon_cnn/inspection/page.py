"""A page about what a network has learned, and its figures as PNG."""

import contextlib
import os
import re
import time
from importlib import metadata
from pathlib import Path

from gluon_cnn.comparison.pages import page_template
from gluon_cnn.errors import SettingError
from gluon_cnn.files import reason_of, write_atomically
from gluon_cnn.inspection.figures.style import png_of, svg_of
from gluon_cnn.inspection.layers import title_of
from gluon_cnn.inspection.look import look
from gluon_cnn.inspection.sections import sections
from gluon_cnn.inspection.words import counted, with_interval

__all__ = ["PAGE", "refuse_no_directory", "write_page"]

PAGE = "inspection.html"
#: The id of a figure's outermost group in the page, of those that not every page has.
_FIGURE = re.compile(
    r'<g id="((?:excites|maps|class-maps|reasons)-[\w.-]+'
    r'|classes-of-channels|doubtful|edges|filters|mistakes|norms|trust)-figure_1"'
)


def write_page(net, inputs, test, out, *, title=None, about=(), untrained=None, answered=None, **choices):
    """Write ``inspection.html`` about what a network has learned, and its figures as PNG beside it.

    Parameters
    ----------
    net, inputs, test
        As for :func:`gluon_cnn.inspection.look.look`. Nothing of the network is changed.
    out : path
        The directory, which is made if it is not there; files of the same names are replaced,
        and figures removed that an earlier page there has and this one has not.
    title : str, optional
        What the page calls the network.
    about : sequence of (str, str)
        What it is, such as ``("recipe", "lenet, zh-v1")``.
    untrained : Block, optional
        The network that its training began with, beside which its filters are judged; see
        :func:`gluon_cnn.inspection.untrained.untrained_network`.
    answered : callable, optional
        Is given the :class:`gluon_cnn.inspection.answers.Answers` for the test images, once the page is written.
    **choices
        ``layers``, ``channels``, ``classes``, ``images``, ``pictures`` and ``quiet`` of
        :func:`gluon_cnn.inspection.look.look`.

    Returns
    -------
    list of Path
        The page, then its figures.

    Raises
    ------
    SettingError, ModelError, DataError
        If there is no such layer, channel, class or image, the network cannot be looked into, or ``out`` cannot be
        written. Nothing is written then.
    """
    out = Path(out)
    refuse_no_directory(out)
    seen = look(net, inputs, test, **choices)
    parts = sections(net, seen, untrained)
    template = page_template(PAGE, package="inspection", svg=lambda figure: svg_of(figure.drawn, figure.name))
    text = template.render(
        name=title or title_of(net),
        about=[*about, ("test images", _accuracy_in_words(seen))],
        sections=parts,
        written=time.strftime("%Y-%m-%d"),
        version=metadata.version("gluon-cnn"),
    )
    files = {f"{figure.name}.png": png_of(figure.drawn) for part in parts for figure in part.figures}
    written = _written(out, {PAGE: text.encode("utf-8", "backslashreplace"), **files})
    if answered:
        answered(seen.answers)
    return written


def _accuracy_in_words(seen):
    accuracy = seen.accuracy
    return f"{counted(int(accuracy.of), 'image')}, {with_interval(accuracy)} of them right"


def refuse_no_directory(out):
    """SettingError if there can be no directory of this name, which is seen before anything is computed."""
    for place in (out, *out.absolute().parents):
        try:
            place.lstat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:  # a name that is too long
            raise SettingError(f"{place} cannot be written ({reason_of(error)}): choose another name.", "out") from None
        if not place.is_dir():
            raise SettingError(f"{place} is not a directory: choose another name.", "out")
        if not os.access(place, os.W_OK | os.X_OK):
            raise SettingError(f"{place} cannot be written: choose another directory.", "out")
        return


def _written(out, files):
    """Write files into a directory, the first one last; their paths, in their order."""
    out.mkdir(parents=True, exist_ok=True)
    earlier = _figures_of(out / PAGE)
    for name in reversed(list(files)):
        with write_atomically(out / name) as temporary:
            temporary.write_bytes(files[name])
    for name in earlier - set(files):
        with contextlib.suppress(OSError):  # it was removed before, and costs little if it stays
            (out / name).unlink()
    return [out / name for name in files]


def _figures_of(page):
    """The names of the PNGs of a page by the ids of its figures, so that somebody's own are never taken for ours."""
    with contextlib.suppress(OSError):
        if page.is_file():
            with open(page, encoding="utf-8", errors="replace") as lines:
                return {f"{name}.png" for line in lines for name in _FIGURE.findall(line)}
    return set()

"""A page about what a network has learned, and its figures as PNG."""

import logging
import time
from importlib import metadata
from pathlib import Path

from gluon_cnn.errors import SettingError
from gluon_cnn.files import write_atomically
from gluon_cnn.inspection.figures.style import png_of, svg_of
from gluon_cnn.inspection.layers import title_of
from gluon_cnn.inspection.look import look
from gluon_cnn.inspection.sections import sections
from gluon_cnn.inspection.words import counted, with_interval

__all__ = ["PAGE", "write_page"]

log = logging.getLogger(__name__)

PAGE = "inspection.html"


def write_page(
    net,
    inputs,
    test,
    out,
    *,
    title=None,
    about=(),
    untrained=None,
    layers=None,
    channels=None,
    classes=None,
    images=None,
    pictures=(),
    quiet=False,
):
    """Write ``inspection.html`` about what a network has learned, and its figures as PNG beside it.

    Parameters
    ----------
    net : Block
        Of any kind that gives N×classes logits; its parameters have values. Nothing of it is changed.
    inputs : gluon_cnn.interop.inputs.Inputs
        The images that it takes: the data set with its classes' names, and their size.
    test : Part or Batches
        The test images, ``images`` uint8 as the data set stores them, and their ``labels``.
    out : path
        The directory, which is made if it is not there; files of the same names are replaced.
    title : str, optional
        What the page calls the network.
    about : sequence of (str, str)
        What it is, such as ``("recipe", "lenet, zh-v1")``.
    untrained : Block, optional
        The network that its training began with, beside which its filters are judged; see
        :func:`gluon_cnn.inspection.untrained.untrained_network`.
    layers : list of str, optional
        Paths of the layers to show; see :func:`gluon_cnn.inspection.layers.all_layers`. By default a few from the
        first to the last.
    channels : list of int, optional
        Of each of these layers; by default the three that answer most strongly, each to other images.
    classes : list of str or int, optional
        The classes, by name or number, for which Grad-CAM and occlusion are shown besides the predicted one.
    images : int, optional
        Take only the first test images.
    pictures : list of (str, np.ndarray)
        Pictures to look at closely, by name, each as the data set stores its images. By default three test images.
    quiet : bool
        Show no progress.

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
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, select_autoescape

    out = Path(out)
    _refuse_no_directory(out)
    seen = look(
        net,
        inputs,
        test,
        layers=layers,
        channels=channels,
        classes=classes,
        images=images,
        pictures=pictures,
        quiet=quiet,
    )
    parts = sections(net, seen, untrained)
    loaders = [PackageLoader(f"gluon_cnn.{package}", "templates") for package in ("inspection", "comparison")]
    environment = Environment(
        loader=ChoiceLoader(loaders),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["svg"] = lambda figure: svg_of(figure.drawn, figure.name)
    name = title or title_of(net)
    text = environment.get_template(PAGE).render(
        name=name,
        about=[*about, ("test images", _accuracy_in_words(seen))],
        sections=parts,
        written=time.strftime("%Y-%m-%d"),
        version=metadata.version("gluon-cnn"),
    )
    files = {f"{figure.name}.png": png_of(figure.drawn) for part in parts for figure in part.figures}
    return _written(out, {PAGE: text.encode("utf-8", "backslashreplace"), **files})


def _accuracy_in_words(seen):
    accuracy = seen.accuracy
    return f"{counted(int(accuracy.of), 'image')}, {with_interval(accuracy)} of them right"


def _refuse_no_directory(out):
    """SettingError if there can be no directory of this name."""
    for path in (out, *out.parents):
        if path.exists():
            if not path.is_dir():
                raise SettingError(f"{path} is not a directory: choose another name.", "out")
            return


def _written(out, files):
    """Write files into a directory, the first one last; their paths, in their order."""
    out.mkdir(parents=True, exist_ok=True)
    for name in reversed(list(files)):
        with write_atomically(out / name) as temporary:
            temporary.write_bytes(files[name])
    return [out / name for name in files]

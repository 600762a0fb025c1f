"""Figures of a picture's way through a network: feature maps layer by layer, and the maps of classes."""

from typing import Dict, NamedTuple, Optional

import numpy as np

from gluon_cnn.inspection.choice import layer_shapes
from gluon_cnn.inspection.figures.sheet import Sheet, picture_of
from gluon_cnn.inspection.figures.style import FOR, WIDTH, Drawn, figure_function, limit_of
from gluon_cnn.inspection.layers import activations, as_batch, innermost_layers, output_of
from gluon_cnn.inspection.words import among, place_in_words, short, short_path

__all__ = ["ClassMaps", "FeatureMaps", "class_maps", "feature_maps", "find_class_maps"]

_COLUMNS = 8
_MOST_CLASSES = 20


class FeatureMaps(NamedTuple):
    """What layers give for one picture.

    Attributes
    ----------
    picture : np.ndarray
        C×H×W in [0, 1].
    maps : dict
        Path to float array channels×H'×W', the channel with the largest number first.
    channels : dict
        Path to int array: which channel each is.
    silent : dict
        Path to how many of the layer's channels are 0 everywhere.
    """

    picture: np.ndarray
    maps: Dict[str, np.ndarray]
    channels: Dict[str, np.ndarray]
    silent: Dict[str, int]


@figure_function
def feature_maps(net, X, picture, paths):
    """Draw what layers give for a picture, the strongest channels first.

    Parameters
    ----------
    net : Block
    X : array
        1×C×H×W as the network takes it.
    picture : np.ndarray
        The same C×H×W in [0, 1].
    paths : list of str
        The layers; those whose output has no rows and columns are left out.

    Returns
    -------
    Drawn
        ``arrays`` is :class:`FeatureMaps`; None if no layer gives maps.
    """
    given = activations(net, X, paths).layers
    given = {path: array[0] for path, array in given.items() if array.ndim == 4 and array.shape[2] * array.shape[3] > 1}
    if not given:
        return None
    order = {path: np.argsort(-array.max(axis=(1, 2)), kind="stable") for path, array in given.items()}
    arrays = FeatureMaps(
        picture,
        {path: array[order[path]] for path, array in given.items()},
        order,
        {path: int((array == 0).all(axis=(1, 2)).sum()) for path, array in given.items()},
    )
    size, heading = WIDTH / _COLUMNS, 0.2
    first, height = 1.0, heading + size + 0.06
    sheet = Sheet(first + 0.1 + len(given) * height + 0.4)
    sheet.picture(picture_of(picture), 0.02, 0.02, first)
    sheet.words("the picture, and below it\nof each layer the eight\nstrongest channels", 1.15, 0.25)
    for row, (path, maps) in enumerate(arrays.maps.items()):
        top, limit = first + 0.1 + row * height, limit_of(maps)
        shape = "×".join(map(str, maps.shape[1:]))
        least = f"{maps.min():.3g} to " if maps.min() < 0 else "0 to "
        sheet.words(f"layer {short_path(path)}: {len(maps)} maps of {shape}, {least}{maps.max():.3g}", 0.03, top + 0.02)
        for place, values in enumerate(maps[:_COLUMNS]):
            sheet.signed(values, place * size + 0.02, top + heading, size - 0.04, limit)
    top = first + 0.1 + len(given) * height + 0.05
    sheet.scale(1, top, "of each layer's largest number", all((maps >= 0).all() for maps in given.values()))
    return Drawn(arrays, sheet.figure, *_maps_in_words(arrays))


def _maps_in_words(arrays):
    sizes = ["×".join(map(str, maps.shape[1:])) for maps in arrays.maps.values()]
    paths = list(arrays.maps)
    total = {path: len(maps) for path, maps in arrays.maps.items()}
    silent = arrays.silent[paths[-1]]
    title = (
        f"In layer {paths[-1]}, {total[paths[-1]] - silent} of {total[paths[-1]]} channels answer to this picture, at "
        f"{sizes[-1]} positions"
    )
    shares = [f"{arrays.silent[path] / total[path]:.0%} in layer {path}" for path in paths]
    words = f"Channels that are 0 everywhere: {among(shares, 10)}. "
    rough = {path: _alike(maps[0], arrays.picture) for path, maps in arrays.maps.items()}
    words += (
        f"The strongest map of layer {paths[0]} has a correlation of {rough[paths[0]]:+.2f} with the picture's "
        f"brightness" + (f", that of layer {paths[-1]} {rough[paths[-1]]:+.2f}." if len(paths) > 1 else ".")
    )
    return title, words


def _alike(values, picture):
    """The correlation of a map with the picture at the map's size."""
    rows, columns = (np.arange(n) * side // n for n, side in zip(values.shape, picture.shape[1:]))
    bright = np.add.reduceat(np.add.reduceat(picture.mean(axis=0), rows, axis=0), columns, axis=1)
    a, b = (each - each.mean() for each in (values, bright))
    length = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / length) if length > 0 else 0.0


class ClassMaps(NamedTuple):
    """A map for each class, whose means are the logits.

    Attributes
    ----------
    path : str
        The layer.
    maps : np.ndarray
        classes×H'×W'.
    """

    path: str
    maps: np.ndarray


def find_class_maps(net, X) -> Optional[ClassMaps]:
    """The layer whose maps are averaged to the logits, as NiN's last block; None if a network has none.

    Parameters
    ----------
    net : Block
    X : array
        1×C×H×W.
    """
    shapes = layer_shapes(net, X)
    number = output_of(net, as_batch(net, X)).shape[1]
    paths = [path for path, shape in shapes.items() if len(shape) == 4 and shape[1] == number and shape[2:] != (1, 1)]
    given = activations(net, X, paths)
    innermost = [path for path in innermost_layers(net) if path in paths]
    for path in dict.fromkeys([*innermost, *paths]):
        maps = given.layers[path]
        if np.allclose(maps.mean(axis=(2, 3)), given.output, rtol=1e-4, atol=1e-5):
            return ClassMaps(path, maps[0])
    return None


@figure_function
def class_maps(net, X, picture, classes=(), field=None):
    """Draw the map of each class over the picture, of a network whose last layer has one.

    Parameters
    ----------
    net, X, picture
        As for :func:`feature_maps`.
    classes : sequence of str
        The classes' names.
    field : callable, optional
        Gives the :class:`gluon_cnn.inspection.receptive.ReceptiveField` of a path, or None.

    Returns
    -------
    Drawn
        ``arrays`` is :class:`ClassMaps`; None if a network has none.
    """
    arrays = find_class_maps(net, X)
    if arrays is None:
        return None
    logits = arrays.maps.mean(axis=(1, 2))
    order = np.argsort(-logits, kind="stable")[:_MOST_CLASSES]
    names = (*map(str, classes), *(f"class {n}" for n in range(len(classes), len(logits))))
    columns = 5
    size, heading = WIDTH / columns, 0.38
    rows = -(-len(order) // columns)
    limit = limit_of(arrays.maps)
    sheet = Sheet(rows * (size + heading) + 0.4)
    for place, label in enumerate(order):
        row, column = divmod(place, columns)
        left, top = column * size + 0.03, row * (size + heading)
        sheet.words(f"{short(names[label], 12)}\n{logits[label]:.2f}", left, top + 0.03, size=9)
        box = sheet.picture(0.6 * picture_of(picture), left, top + heading, size - 0.06)
        field_of = field(arrays.path) if field else None
        sheet.overlay_map(arrays.maps[label], box, limit, field_of, picture.shape[1:])
        if place == 0:
            sheet.outline(*box, FOR, lw=1.5)
    unsigned = arrays.maps.min() >= 0
    sheet.scale(limit, rows * (size + heading) + 0.06, "at a position; the logit is the mean", unsigned, overlay=True)
    return Drawn(arrays, sheet.figure, *_classes_in_words(arrays, logits, names))


def _classes_in_words(arrays, logits, names):
    best, second = np.argsort(-logits, kind="stable")[[0, 1 if len(logits) > 1 else 0]]
    maps = arrays.maps
    row, column = np.unravel_index(maps[best].argmax(), maps[best].shape)
    top = int((maps.argmax(axis=0) == best).sum())
    where = place_in_words(row, column, maps[0].shape)
    title = f"Class {names[best]} leads at {top} of {maps[0].size} positions, most strongly in {where}"
    none = [names[n] for n in range(len(logits)) if (maps[n] == 0).all()]
    words = (
        f"Layer {arrays.path} is a map for each class, and its mean is the logit: {names[best]} {logits[best]:.2f}, "
        f"then {names[second]} {logits[second]:.2f}. "
    )
    words += f"Nothing anywhere speaks for {among(none)}. " if none else ""
    return title, words + "A position sees more than the square that is coloured: its receptive field."

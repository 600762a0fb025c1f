"""The sections of a page about a network: their figures and tables, and what is left out of them."""

import re
from typing import List, NamedTuple

import numpy as np

from gluon_cnn.errors import ModelError
from gluon_cnn.inspection.figures import attribution, errors, excitation, filters, maps, pictures
from gluon_cnn.inspection.layers import run
from gluon_cnn.inspection.words import with_interval

__all__ = ["Figure", "Section", "Table", "sections"]

_MOST_ROWS = 40


class Figure(NamedTuple):
    """A figure in a page: its file's name without the ending, what it is about, and the figure."""

    name: str
    about: str
    drawn: object


class Table(NamedTuple):
    """A table in a page; a cell that is a number, or its text, stands on the right."""

    caption: str
    header: List[str]
    rows: List[list]


class Section(NamedTuple):
    """A section of a page."""

    title: str
    figures: List[Figure]
    tables: List[Table]
    left_out: List[str]


def sections(net, seen, untrained=None):
    """The :class:`Section` objects of a page about a network.

    Parameters
    ----------
    net : Block
    seen : gluon_cnn.inspection.look.Seen
    untrained : Block, optional
        The network that the training began with.
    """
    return [
        _errors(seen),
        _filters(net, seen),
        _excitation(seen),
        _way(net, seen),
        _reasons(net, seen),
        _measures(net, seen, untrained),
    ]


def _made(items):
    """The figures of (name, about, drawn), without those that there is nothing to draw for."""
    return [Figure(*item) for item in items if item[2] is not None]


def _plain(draw, *args, **options):
    """What a figure's function gives, not shown in a notebook: the page is shown there."""
    return draw.__wrapped__(*args, **options)


def _errors(seen):
    found, classes, pictures_of = seen.answers, seen.classes, seen.images.pictures
    figures = _made(
        [
            ("confusion", "", _plain(errors.confusion_matrix, found, classes)),
            ("classes", "", _plain(errors.shares_by_class, found, classes)),
            ("trust", "", _plain(errors.trust, found)),
            ("mistakes", "", _plain(pictures.mistakes, found, pictures_of, classes)),
            ("doubtful", "", _plain(pictures.doubtful, found, pictures_of, classes)),
        ]
    )
    arrays = figures[0].drawn.arrays
    left_out = [] if (~found.right).any() else ["There is no mistake to show."]
    left_out += [] if found.right.any() else ["There is no right answer to show."]
    return Section("Where it errs", figures, [_confusion_table(arrays), _share_table(arrays)], left_out)


def _confusion_table(arrays):
    if len(arrays.classes) > 20:
        rows = [
            [arrays.classes[row], arrays.classes[column], times, of, f"{times / of:.1%}"]
            for row, column, times, of in errors.confused_pairs(arrays, _MOST_ROWS)
        ]
        return Table("The most frequent mistakes", ["class", "taken for", "images", "of", "share"], rows)
    rows = [[name, *counts] for name, counts in zip(arrays.classes, arrays.counts.tolist())]
    return Table("Images of each class (row) that were taken for each class (column)", ["", *arrays.classes], rows)


def _share_table(arrays):
    rows = []
    for number in np.argsort(np.nan_to_num(arrays.recall.value, nan=2), kind="stable")[:_MOST_ROWS]:
        cells = []
        for share in (arrays.recall, arrays.precision):
            one = type(share)(*(part[number] for part in share))
            cells += [int(one.of), with_interval(one) if one.of else "–"]
        rows.append([arrays.classes[number], *cells])
    every = ["all", int(arrays.accuracy.of), with_interval(arrays.accuracy), "", ""]
    header = ["class", "images", "recall (95% interval)", "answers", "precision (95% interval)"]
    return Table(
        "Recall: of a class's images, those found. Precision: of its answers, those right", header, [*rows, every]
    )


def _filters(net, seen):
    figures, left_out = [], []
    channels = seen.images.inputs.dataset.channels
    for name, draw, args in (
        ("filters", filters.drawn_filters, (net, channels)),
        ("norms", filters.norms, (net, seen.excitations)),
    ):
        try:
            figures.append(Figure(name, "", _plain(draw, *args)))
        except ModelError as error:
            left_out.append(str(error))
    tables = []
    for figure in figures:
        if figure.name == "norms":
            tables.append(_norm_table(figure.drawn.arrays))
    return Section("Filters", figures, tables, left_out)


def _norm_table(arrays):
    rows = []
    for path in dict.fromkeys([*arrays.norms, *arrays.dead]):
        strength = arrays.norms.get(path)
        dead = arrays.dead.get(path)
        three = ["", "", ""] if strength is None else [f"{n:.3g}" for n in np.percentile(strength, (0, 50, 100))]
        total = arrays.channels.get(path, len(strength) if strength is not None else "")
        listed = "" if dead is None else f"{len(dead)}" + (f": {_listed(dead)}" if len(dead) else "")
        rows.append([path, total, *three, listed])
    return Table(
        "Strength of the channels of each layer", ["layer", "channels", "weakest", "median", "strongest", "dead"], rows
    )


def _listed(numbers, most=24):
    text = ", ".join(map(str, numbers[:most]))
    return text + (f" and {len(numbers) - most} more" if len(numbers) > most else "")


def _excitation(seen):
    items, left_out = [], list(seen.left_out)
    for path in seen.layers:
        drawn = _plain(
            excitation.strongest_images,
            path,
            seen.excitations[path],
            seen.images.pictures,
            seen.fields.get(path),
            seen.channels[path],
            seen.classes,
        )
        items.append((f"excites-{_in_a_file_name(path)}", "", drawn))
        if drawn is None:
            why = "has none of these channels" if seen.channels[path] == [] else "has only dead channels"
            left_out.append(f"Layer {path} {why}.")
    return Section("What excites a channel", _made(items), [], left_out)


def _in_a_file_name(path):
    """A layer's path as a part of a file's name, because somebody's layer may be called anything."""
    return re.sub(r"[^\w.-]", "_", path)[-100:]


def _way(net, seen):
    items = []
    for number, case in enumerate(seen.cases, 1):
        drawn = _plain(maps.feature_maps, net, case.X, case.picture, list(seen.layers))
        items.append((f"maps-{number}", case.name, drawn))
        drawn = _plain(maps.class_maps, net, case.X, case.picture, seen.classes, seen.field(net))
        items.append((f"class-maps-{number}", case.name, drawn))
    made = _made(items)
    left_out = [] if made else ["None of the layers gives maps."]
    if made and not any(figure.name.startswith("class") for figure in made):
        left_out = ["The network has no layer that is a map for each class, as NiN's last block is."]
    return Section("A picture's way through the network", made, [], left_out)


def _reasons(net, seen):
    items = []
    for number, case in enumerate(seen.cases, 1):
        others = seen.others
        if others is None and case.label is not None and case.label != int(run(net, case.X, {})[0].argmax()):
            others = [case.label]  # of a mistake, what would have been right
        drawn = _plain(attribution.reasons, net, case.X, case.picture, seen.classes, others, field=seen.field(net))
        items.append((f"reasons-{number}", case.name, drawn))
    return Section("What the answer hangs on", _made(items), [], [])


def _measures(net, seen, untrained):
    items, left_out = [], []
    if untrained is None:
        left_out.append(
            "Whether filters are edges is left out, because the network that training began with is not known."
        )
    else:
        try:
            items.append(("edges", "", _plain(filters.orientation, net, untrained)))
        except ModelError as error:
            left_out.append(f"Whether filters are edges is left out. {error}")
    layers = {path: seen.excitations[path] for path in seen.layers}
    items.append(("classes-of-channels", "", _plain(excitation.what_channels_answer_to, layers)))
    return Section("Edges or not, measured", _made(items), [], left_out)

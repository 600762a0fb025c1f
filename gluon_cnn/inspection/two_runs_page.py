"""Two runs side by side, as text for a terminal and as a page with its figures."""

import time
from importlib import metadata
from pathlib import Path

import numpy as np

from gluon_cnn.comparison.pages import page_template
from gluon_cnn.comparison.svg import as_svg
from gluon_cnn.data.thumbnail import thumbnail
from gluon_cnn.files import write_atomically
from gluon_cnn.inspection.two_runs import most_confident_disagreements
from gluon_cnn.inspection.two_runs_figures import any_letters, draw_classes, draw_curves, draw_pictures
from gluon_cnn.training.history import MEASURES

__all__ = ["PAGE", "two_runs_in_words", "write_two_runs"]

PAGE = "compare-runs.html"
_MOST = 20  # classes in a table
_CHANCE = 0.05  # a p from which on a difference may well be chance
_HEADER = ("class", "both right", "only A", "only B", "both wrong")


def two_runs_in_words(found):
    """Two runs' comparison (see :func:`gluon_cnn.inspection.two_runs.compare_two`) as lines for a terminal."""
    lines = [f"{letter}  {name}: {title}" for letter, name, title in zip("AB", found.names, found.titles)]
    lines += ["", *_table([("recipe", "A", "B"), *found.differences])] if found.differences else ["", _same_recipe()]
    ends = _ends(found)
    lines += ["", *_table([("last epoch", "A", "B"), *ends])] if ends else []
    tested = found.tested
    if tested is None:
        return "\n".join([*lines, "", f"not compared on test images: {found.why_not}"])
    lines += [
        "",
        *_accuracies(found),
        "",
        *_table([_HEADER, *_by_class(tested)], right=range(1, 5)),
        *_left_out(tested),
    ]
    return "\n".join([*lines, "", *_verdict(found)])


def write_two_runs(found, out):
    """Write ``compare-runs.html``, which needs no network, and its figures as PNG into a directory.

    Returns
    -------
    list of Path
        The page, then its figures.
    """
    tested, pictures = found.tested, []
    figures = dict(zip(MEASURES, draw_curves(found.names, found.histories)))
    curves, classes = list(figures), []
    if tested:
        chosen = most_confident_disagreements(tested)
        pictures = [_picture(tested, number) for number in chosen]
        figures["classes"] = draw_classes(found.names, tested)
        classes = ["classes"]
        if pictures:
            figures["pictures"] = draw_pictures(found.names, tested, chosen)
    with any_letters():
        svgs = {name: as_svg(figures[name], name, _TITLES[name]) for name in (*curves, *classes)}
        text = page_template(PAGE, package="inspection").render(
            found=found,
            curves=[svgs[name] for name in curves],
            classes=[svgs[name] for name in classes],
            ends=_ends(found),
            accuracies=_accuracies(found) if tested else [],
            by_class=_by_class(tested) if tested else [],
            left_out=_left_out(tested) if tested else [],
            verdict=_verdict(found) if tested else [],
            header=_HEADER,
            pictures=pictures,
            same_recipe=_same_recipe(),
            written=time.strftime("%Y-%m-%d"),
            version=metadata.version("gluon-cnn"),
        )
        return _written(Path(out), text, figures)


_TITLES = {**{name: column.words for name, column in MEASURES.items()}, "classes": "where they disagree, by class"}


def _written(out, text, figures):
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, figure in figures.items():
        paths.append(out / f"{name.replace('_', '-')}.png")
        with write_atomically(paths[-1]) as temporary:
            figure.savefig(temporary, dpi=120, format="png")
    with write_atomically(out / PAGE) as temporary:
        # The bytes of a directory's name need not be UTF-8.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
    return [out / PAGE, *paths]


def _same_recipe():
    return "Both have the same recipe."


def _ends(found):
    """Each measure at the last epoch of both runs, in words; empty if one has no epoch."""
    if not all(found.histories):
        return []
    last = [history[-1] for history in found.histories]
    rows = [("epoch", *(str(result.epoch) for result in last))]
    return rows + [
        (column.words, *(f"{getattr(result, name):.4f}" for result in last)) for name, column in MEASURES.items()
    ]


def _accuracies(found):
    tested = found.tested
    return [f"{len(tested.answers[0].labels):,} test images, with exact intervals at 95%:"] + [
        f"{letter} after epoch {epoch}: {share.value:.4f} ({share.low:.4f} to {share.high:.4f}) right"
        for letter, epoch, share in zip("AB", tested.epochs, tested.accuracy)
    ]


def _by_class(tested):
    """The rows of the table by class, of many classes those on which they disagree most, then all together."""
    rows = []
    order = np.arange(len(tested.classes))
    if len(order) > _MOST:
        order = np.argsort(-tested.by_class[:, 1:3].sum(axis=1), kind="stable")[:_MOST]
    for number in order:
        rows.append((tested.classes[number], *(f"{count:,}" for count in tested.by_class[number])))
    return [*rows, ("all", *(f"{count:,}" for count in tested.by_class.sum(axis=0)))]


def _left_out(tested):
    more = len(tested.classes) - _MOST
    return [f"of {len(tested.classes)} classes those on which they disagree most"] if more > 0 else []


def _verdict(found):
    """Where two runs disagree, and whether one is right more often, in sentences."""
    tested, d = found.tested, found.tested.disagreement
    images = len(tested.answers[0].labels)
    lines = [
        f"They answer differently to {len(d.different):,} of {images:,} images. Only A has {d.only_first_right:,} "
        f"right, only B {d.only_second_right:,}, both {d.both_right:,}, neither {d.both_wrong:,}."
    ]
    p = f"McNemar's exact p = {d.p:.3g}" if d.p else "McNemar's exact p is below 1e-300"
    if d.only_first_right == d.only_second_right:
        return [*lines, f"{p}: both are right equally often."]
    better = "A" if d.only_first_right > d.only_second_right else "B"
    if d.p < _CHANCE:
        return [*lines, f"{p}: {better} is right more often on such images."]
    return [*lines, f"{p}: {better} is right more often here, which may be chance."]


def _picture(tested, number):
    label = tested.answers[0].labels[number]
    return {
        "number": int(number),
        "picture": thumbnail(tested.images[number : number + 1][0]),
        "label": tested.classes[label],
        "answers": [
            (letter, tested.classes[one.predicted[number]], f"{one.confidence[number]:.1%}")
            for letter, one in zip("AB", tested.answers)
        ],
    }


def _table(rows, right=()):
    """Rows as lines whose columns are as wide as their longest cell."""
    rows = [[" ".join(str(cell).split()) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [
        "  ".join(
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in rows
    ]

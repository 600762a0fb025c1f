"""The confusion matrix: its sentence, and the figure for any number of classes of any names."""

import re

import numpy as np
import pytest
from matplotlib.figure import Figure

from gluon_cnn.comparison.confusion_figure import any_letters, commonest_mistake, confusion_svg, draw_confusion

NAMES = ["a $^$ & <b>", "牛\n", "x" * 300]


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        ([[3, 0], [0, 4]], "7 of 7 right"),
        ([[3, 1], [1200, 4]], "7 of 1,208 right; most often, shoe is taken for hat (1,200)"),
        ([[0, 0], [0, 0]], "0 of 0 right"),
    ],
)
def test_sentence_names_the_commonest_mistake(counts, sentence):
    assert commonest_mistake(counts, ["hat", "shoe"]) == sentence


@pytest.mark.parametrize("classes", [1, 3, 16, 50])
def test_any_classes_can_be_drawn(classes, tmp_path):
    names = [f"{NAMES[number % 3]} {number}" for number in range(classes)]
    counts = np.random.RandomState(0).poisson(2, (classes, classes))
    svg = confusion_svg(counts, names, "one")
    assert "<b>" not in svg
    assert "currentColor" in svg
    assert all(name.startswith("one-") for name in re.findall(r'\bid="([^"]*)"', svg))
    figure = Figure(figsize=(6, 6), layout="constrained")
    with any_letters():
        draw_confusion(figure, counts, names)
        figure.savefig(tmp_path / "figure.png")


def test_cells_show_their_counts():
    svg = confusion_svg([[30, 11], [12, 1400]], ["hat", "shoe"], "one")
    assert all(f">{number}<" in svg for number in ("30", "11", "12", "1,400"))

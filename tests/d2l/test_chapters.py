"""The book's chapters: cells that call the helpers as each edition does, and the table of ``docs/chapters.md``."""

import ast
import inspect
import re
import textwrap
from pathlib import Path

import chapters_classes
import chapters_classes_linear
import chapters_cnn
import chapters_linear
import chapters_mlp
import chapters_performance
import matplotlib
import mxnet as mx
import pytest
from chapters import CELLS, EDITIONS

import gluon_cnn
from gluon_cnn import d2l, load_data_fashion_mnist
from gluon_cnn.d2l.classes import data
from gluon_cnn.data import SAMPLE

DOCUMENT = Path(__file__).parents[2] / "docs" / "chapters.md"
# These fill CELLS.
assert {chapters_linear, chapters_mlp, chapters_cnn, chapters_performance}
assert {chapters_classes, chapters_classes_linear}


@pytest.fixture
def notebook(monkeypatch):
    """Fashion-MNIST is the sample, of which large images are few, and figures are closed after the cells."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    def load(batch_size, resize=None, *_, **__):
        size = 512 if resize is None else 32
        return load_data_fashion_mnist(batch_size, resize, SAMPLE, train_size=size, test_size=size // 2)

    def few(self, batch_size=64, resize=(28, 28)):
        make(self, min(batch_size, 128 if resize == (28, 28) else 8), resize)

    monkeypatch.setattr(gluon_cnn, "load_data_fashion_mnist", load)
    monkeypatch.setattr(data, "load_data_fashion_mnist", load)
    make = data.FashionMNIST.__init__
    monkeypatch.setattr(data.FashionMNIST, "__init__", few)
    yield
    pyplot.close("all")


@pytest.mark.parametrize(("name", "edition"), CELLS)
def test_cells_of_a_chapter_run(name, edition, notebook, request):
    if EDITIONS[edition]:
        request.getfixturevalue("np_arrays")
    mx.random.seed(0)
    CELLS[name, edition](d2l)


def test_cells_look_at_what_they_compute():
    sources = {cells: ast.parse(textwrap.dedent(inspect.getsource(cells))) for cells in CELLS.values()}
    asserts = {cells: any(isinstance(node, ast.Assert) for node in ast.walk(sources[cells])) for cells in sources}
    assert [key for key, cells in CELLS.items() if not asserts[cells]] == []


def table():
    """The rows of the document's first table, by chapter: what stands for each edition."""
    lines = [line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    heads, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return heads, {row[0].split(",")[0]: row[1:] for row in rows if len(row) == len(heads)}


def test_document_says_what_runs():
    heads, rows = table()
    assert [re.match(r"[\w.-]+", head).group() for head in heads[1:]] == list(EDITIONS)
    said = {(name, edition) for name, row in rows.items() for edition, cell in zip(EDITIONS, row) if cell == "runs"}
    assert said == set(CELLS)


def test_document_explains_what_does_not_run():
    _, rows = table()
    text = DOCUMENT.read_text(encoding="utf-8")
    marks = {cell for row in rows.values() for cell in row} - {"runs", "—"}
    assert marks == set(re.findall(r"^- (\w)\. ", text, re.MULTILINE))

"""Curves: what may be given for them."""

import matplotlib
import mxnet as mx
import numpy as np
import pytest

from gluon_cnn import GluonCNNError, d2l


@pytest.fixture(autouse=True)
def figures():
    matplotlib.use("Agg")
    yield
    d2l.plt.close("all")


def drawn():
    """The curves of the current figure, as lists of x and y."""
    return [(list(map(float, line.get_xdata())), list(map(float, line.get_ydata()))) for line in d2l.plt.gca().lines]


ARRAYS = [list, tuple, np.array, mx.nd.array, mx.np.array, lambda values: [mx.nd.array([v]) for v in values]]


@pytest.mark.parametrize("array", [*ARRAYS, lambda values: [mx.np.array(v) for v in values]])
def test_plot_one_curve(array):
    d2l.plot(array([1, 2, 3]), array([4, 5, 6]), "x", "y")
    assert drawn() == [([1, 2, 3], [4, 5, 6])]
    d2l.plot(array([4, 5, 6]))
    assert drawn() == [([0, 1, 2], [4, 5, 6])]
    assert d2l.plt.gca().get_xlabel() == ""


@pytest.mark.parametrize("array", ARRAYS)
def test_plot_several_curves(array):
    first, second, at = array([4, 5]), array([6, 7]), array([1, 2])
    d2l.plot(at, [first, second], legend=["a", "b"])
    assert drawn() == [([1, 2], [4, 5]), ([1, 2], [6, 7])]
    assert [text.get_text() for text in d2l.plt.gca().get_legend().get_texts()] == ["a", "b"]
    d2l.plot([at, array([1, 2, 3])], [first, array([6, 7, 8])])
    assert drawn() == [([1, 2], [4, 5]), ([1, 2, 3], [6, 7, 8])]
    d2l.plot([first, second])
    assert drawn() == [([0, 1], [4, 5]), ([0, 1], [6, 7])]


def test_plot_of_rows_and_many_curves():
    d2l.plot(range(3), mx.nd.array([[1, 2, 3], [4, 5, 6]]), yscale="log", xlim=[0, 2], fmts=None)
    assert drawn() == [([0, 1, 2], [1, 2, 3]), ([0, 1, 2], [4, 5, 6])]
    assert d2l.plt.gca().get_yscale() == "log"
    _, axes = d2l.plt.subplots()
    d2l.plot([0, 1], np.ones((6, 2)), axes=axes)
    assert len(axes.lines) == 6


@pytest.mark.parametrize(
    ("X", "Y", "reason"),
    [
        ([1, 2], [1, 2, 3], "2 places do not fit 3 values"),
        ([[1, 2], [1, 2]], [1, 2], "2 and 2 places do not fit 2 values"),
        ([1, 2], [[1, 2], [1]], "2 and 2 places do not fit 2 and 1 values"),
        ([1, 2], ["one", "two"], "A single number is needed"),
    ],
)
def test_plot_of_what_does_not_fit(X, Y, reason):
    with pytest.raises(GluonCNNError, match=reason):
        d2l.plot(X, Y)


def test_semilogy_of_one_curve_and_of_two():
    d2l.semilogy(range(1, 3), [3.0, 2.0], "epochs", "loss")
    assert drawn() == [([1, 2], [3, 2])]
    d2l.semilogy(range(1, 3), [3.0, 2.0], "epochs", "loss", range(1, 3), [4.0, 5.0], ["train", "test"], (4, 2))
    assert drawn() == [([1, 2], [3, 2]), ([1, 2], [4, 5])]
    axes = d2l.plt.gca()
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_yscale()) == ("epochs", "loss", "log")

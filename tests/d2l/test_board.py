"""Curves by their names, whose points are means."""

import mxnet as mx
import numpy as np
import pytest

from gluon_cnn import GluonCNNError, ProgressBoard


def test_a_point_is_the_mean_of_several(capsys):
    board = ProgressBoard("epoch")
    for x in range(5):
        board.draw(x, mx.nd.array([x * x]), "square", every_n=2)
        board.draw(x, mx.np.array(-x), "minus", every_n=3)
    assert board.data == {"square": [(0.5, 0.5), (2.5, 6.5)], "minus": [(1, -1)]}
    assert board.data["square"][1].y == 6.5
    assert [len(points) for points in board.raw_points.values()] == [1, 2]
    assert capsys.readouterr().out.splitlines() == [
        "epoch 0.5: square 0.5000",
        "epoch 1: minus -1.0000",
        "epoch 2.5: square 6.5000",
    ]


def test_nothing_is_printed_where_nothing_is_displayed(capsys):
    board = ProgressBoard(display=False)
    board.draw(np.float64(1), 2, "curve")
    assert board.data == {"curve": [(1, 2)]}
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((1, 2, "a", 0), "every_n is 0"),
        ((1, 2, "a", 1.5), "every_n is 1.5"),
        ((1, [2, 3], "a"), "A single number is needed"),
        ((1, mx.nd.zeros(2), "a"), "A single number is needed"),
        (("one", 2, "a"), "A single number is needed"),
    ],
)
def test_no_point_is_made_of_what_is_none(arguments, reason):
    board = ProgressBoard()
    with pytest.raises(GluonCNNError, match=reason):
        board.draw(*arguments)
    board.draw(1, 2, "a")
    assert board.data["a"] == [(1, 2)]


def test_settings_can_be_changed_at_any_time(capsys):
    board = ProgressBoard()
    board.draw(1, 2, "a")
    board.xlabel = "step"
    board.draw(2, 3, "a")
    assert capsys.readouterr().out == "x 1: a 2.0000\nstep 2: a 3.0000\n"

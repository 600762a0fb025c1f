"""Curves, one point for all of them at a place or one each."""

import mxnet as mx
import numpy as np
import pytest

from gluon_cnn import Animator, GluonCNNError


@pytest.mark.parametrize("x", [[1, 1], (1, 1), np.array([1, 1]), mx.nd.array([1, 1]), 1, mx.nd.array([1]), np.ones(())])
@pytest.mark.parametrize("y", [[2, 3], mx.nd.array([2, 3]), [mx.nd.array([2]), mx.np.array(3)]])
def test_a_place_for_all_curves(x, y, capsys):
    animator = Animator(xlabel="epoch")
    animator.add(x, y)
    assert (animator.X, animator.Y) == ([[1], [1]], [[2.0], [3.0]])
    assert capsys.readouterr().out == "epoch 1: y1 2.0000, y2 3.0000\n"


def test_a_place_for_each_curve(capsys):
    animator = Animator(legend=["a", "b", "c"])
    animator.add([1, 2, 1], [3, 4, 5])
    animator.add([None, 3, 4], [6, 7, None])
    assert (animator.X, animator.Y) == ([[1], [2, 3], [1]], [[3.0], [4.0, 7.0], [5.0]])
    assert capsys.readouterr().out.splitlines() == [
        "x 1: a 3.0000, c 5.0000",
        "x 2: b 4.0000",
        "x 3: b 7.0000",
    ]


@pytest.mark.parametrize(
    ("x", "y", "reason"),
    [
        ([1, 1, 1], [2, 3], "x has 3 numbers and y has 2"),
        ([1, 1], 2, "x has 2 numbers and y has 1"),
        (1, [[2, 3]], "A single number is needed"),
        (np.array("now"), 2, "A single number is needed"),
    ],
)
def test_points_that_are_none(x, y, reason):
    animator = Animator()
    with pytest.raises(GluonCNNError, match=reason):
        animator.add(x, y)
    assert animator.X == []

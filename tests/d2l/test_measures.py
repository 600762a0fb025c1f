"""The book's small tools for measuring."""

import mxnet as mx

from gluon_cnn import Accumulator, Timer, accuracy


def test_accuracy_counts():
    scores = mx.nd.array([[0.1, 0.3, 0.6], [0.3, 0.2, 0.5]])
    assert accuracy(scores, mx.nd.array([0, 2])) == 1.0
    assert accuracy(mx.nd.array([0, 2]), mx.nd.array([0, 2])) == 2.0


def test_accumulator_adds_side_by_side():
    sums = Accumulator(2)
    sums.add(1, 2.5)
    sums.add(mx.nd.array([2]).asscalar(), 1)
    assert (sums[0], sums[1]) == (3.0, 3.5)
    sums.reset()
    assert sums.data == [0.0, 0.0]


def test_timer_sums_its_stretches():
    timer = Timer()
    first = timer.stop()
    timer.start()
    second = timer.stop()
    assert timer.sum() == first + second
    assert timer.avg() == (first + second) / 2
    assert timer.cumsum() == [first, first + second]

"""The book's small tools for measuring."""

import re

import mxnet as mx
import numpy as np
import pytest

from gluon_cnn import Accumulator, Benchmark, GluonCNNError, Timer, accuracy, benchmark


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


def test_accumulator_adds_arrays_of_one_number():
    sums = Accumulator(5)
    sums.add(mx.nd.array([2]), mx.np.array(2.5), np.array([[3]]), np.float32(4), 5)
    assert sums.data == [2.0, 2.5, 3.0, 4.0, 5.0]


@pytest.mark.parametrize("wrong", [mx.nd.array([1, 2]), np.zeros(0), "many", None, [1]])
def test_accumulator_refuses_what_is_not_one_number(wrong):
    with pytest.raises(GluonCNNError, match="A single number is needed"):
        Accumulator(1).add(wrong)


@pytest.mark.parametrize("number", [1, 3])
def test_accumulator_wants_a_number_for_each_sum(number):
    with pytest.raises(GluonCNNError, match="give one for each"):
        Accumulator(2).add(*range(number))


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
@pytest.mark.parametrize("array", [mx.nd.array, mx.np.array, np.array])
def test_accuracy_of_labels_in_columns(array, shape):
    labels = array(np.reshape([0, 2], shape))
    assert accuracy(array(np.array([[0.1, 0.3, 0.6], [0.3, 0.2, 0.5]])), labels) == 1.0
    assert accuracy(array(np.array([0, 2])), labels) == accuracy(array(np.array([[0], [2]])), labels) == 2.0


def test_accuracy_of_pixels():
    assert accuracy(mx.nd.zeros((2, 3, 4, 4)), mx.nd.zeros((2, 4, 4))) == 32.0
    with pytest.raises(GluonCNNError, match="2×3 does not fit labels of 3"):
        accuracy(mx.nd.zeros((2, 3)), mx.nd.zeros(3))


def test_timer_without_a_stretch():
    with pytest.raises(GluonCNNError, match="call stop"):
        Timer().avg()


@pytest.mark.parametrize(
    ("block", "printed"),
    [
        (lambda: Benchmark(), r"Done: \d\.\d{4} sec"),
        (lambda: Benchmark(None), r"Done: \d\.\d{4} sec"),
        (lambda: Benchmark("GPU1 & GPU2"), r"GPU1 & GPU2: \d\.\d{4} sec"),
        (lambda: Benchmark(description="100 % numpy"), r"100 % numpy: \d\.\d{4} sec"),
        (lambda: Benchmark(prefix="Run on CPU."), r"Run on CPU\. time: \d\.\d{4} sec"),
        (lambda: benchmark(), r"Done in \d\.\d{4} sec"),
        (lambda: benchmark("waitall : %.4f sec"), r"waitall : \d\.\d{4} sec"),
    ],
)
def test_benchmark_prints_its_seconds(block, printed, capsys):
    with block():
        print("inside")
    assert re.fullmatch(f"inside\n{printed}\n", capsys.readouterr().out)
    with pytest.raises(ZeroDivisionError), block():
        raise ZeroDivisionError
    assert re.fullmatch(f"{printed}\n", capsys.readouterr().out)

"""Sums that do not depend on when they are read, and the pace at which they are."""

import mxnet as mx
import numpy as np
import pytest

from gluon_cnn.errors import DataError, ModelError
from gluon_cnn.training.metrics import Pace, Sums


def step(sums, losses, right):
    """Add a step of two images with these losses, of which so many are classified right."""
    outputs = mx.nd.array([[1, 0], [1, 0]])
    labels = mx.nd.array([0, 0] if right == 2 else [0, 1] if right == 1 else [1, 1], dtype="int32")
    sums.add([mx.nd.array(losses)], [outputs], [labels])


def test_sums_do_not_depend_on_their_reading():
    once, often = Sums(), Sums()
    for i in range(50):
        for sums in (once, often):
            step(sums, [1 / (i + 3), 1e6 / (i + 1)], i % 3)
        if i % 7 == 0:
            often.read()
    assert once.read().loss == often.read().loss
    assert once.correct == often.correct == sum(i % 3 for i in range(50))
    assert once.images == 100


def test_first_step_that_is_not_finite_is_known():
    sums = Sums(steps=10)
    for loss in (1.0, float("nan"), float("inf")):
        step(sums, [1.0, loss], 1)
    assert sums.read().bad_step == 12


def test_pace_follows_the_time_of_a_step(monkeypatch):
    """It waits after the first step, which shows how long one takes."""
    now = [0.0]
    monkeypatch.setattr("gluon_cnn.training.metrics.time.monotonic", lambda: now[0])
    pace = Pace(seconds=1.0)
    waited = []
    for i in range(1, 41):
        now[0] += 0.125
        if pace.due():
            pace.waited()
            waited.append(i)
    assert waited == [1, 9, 17, 25, 33]


def sums_of(output, label, loss=None):
    sums = Sums()
    for _ in range(2):
        sums.add([None if loss is None else array(loss)], [array(output)], [array(label)])
    return sums.read()


def array(values):
    return mx.np.array(values) if mx.util.is_np_array() else mx.nd.array(values)


SCORES = np.eye(4, 3)  # the largest is that of class 0, 1, 2 and 0


@pytest.mark.parametrize("mode", [mx.npx.set_np, mx.npx.reset_np])
@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 1, 1)])
def test_accuracy_is_the_share_of_labels(mode, shape):
    mode()
    try:
        sums = sums_of(SCORES, np.reshape([0, 1, 2, 1], shape), np.reshape([1, 2, 3, 4], shape))
    finally:
        mx.npx.reset_np()
    assert (sums.accuracy, sums.mean_loss, sums.labels) == (0.75, 2.5, 8)


def test_accuracy_of_pixels(np_arrays):
    """And a class is dead if no pixel has a logit of it."""
    scores = np.stack([SCORES, SCORES]).transpose(0, 2, 1).reshape(2, 3, 2, 2)
    scores[:, 2] = 0
    sums = sums_of(scores, [[[0, 1], [2, 0]], [[1, 1], [1, 1]]], [1.0, 2.0])
    assert (sums.accuracy, sums.mean_loss, sums.images, sums.dead_classes) == (0.5, 1.5, 4, [2])


def test_pictures_of_several_sizes():
    sums = Sums()
    for side in (2, 4):
        sums.add([None], [mx.nd.zeros((1, 3, side, side))], [mx.nd.full((1, side, side), side == 4)])
    assert sums.read().accuracy == 4 / 20


def test_more_pixels_than_float32_counts():
    side = 4097
    sums = Sums()
    sums.add([None], [mx.nd.zeros((1, 2, side, side))], [mx.nd.zeros((1, side, side))])
    assert sums.read().correct == side**2


def test_mean_of_losses_of_any_shape(np_arrays):
    """The book divides by the number of losses."""
    assert sums_of(SCORES, [0, 1, 2, 1], 3.0).mean_loss == 3.0
    assert sums_of(SCORES, [0, 1, 2, 1], np.arange(8).reshape(4, 2)).mean_loss == 3.5


@pytest.mark.parametrize(("output", "label"), [((4, 3), (4, 3)), ((2, 4, 3), (2, 4)), ((4,), (4,)), ((4, 3), (2, 2))])
def test_outputs_that_do_not_fit_the_labels(output, label):
    with pytest.raises(ModelError, match=f"{'×'.join(map(str, output))} does not fit labels"):
        sums_of(np.zeros(output), np.zeros(label))


def test_no_images_have_no_accuracy():
    with pytest.raises(DataError, match="no images"):
        assert Sums().read().accuracy


@pytest.mark.parametrize(
    ("labels", "correct"), [([300, 44], 1), ([44, 44], 0), ([1, 0], 0)], ids=["int32", "uint8", "bool"]
)
def test_labels_of_few_bits_are_no_other_class(labels, correct, request):
    kind = request.node.callspec.id
    sums, output = Sums(), mx.nd.one_hot(mx.nd.array([300, 300]), 301)
    sums.add([None], [output], [mx.nd.array(labels).astype(kind)])
    assert sums.read().correct == correct

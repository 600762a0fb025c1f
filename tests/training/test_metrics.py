"""Sums that do not depend on when they are read, and the pace at which they are."""

import mxnet as mx

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

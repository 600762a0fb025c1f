"""Answers that are known: confusion, intervals, mistakes, reliability, and two networks beside each other."""

import numpy as np
import pytest
from scipy.stats import binomtest

from gluon_cnn import lenet
from gluon_cnn.errors import DataError, GluonCNNError, ModelError
from gluon_cnn.inspection.answers import (
    Answers,
    answers,
    checked,
    disagreement,
    least_certain_right,
    most_confident_mistakes,
    reliability,
)
from gluon_cnn.inspection.confusion import clopper_pearson, confusion
from gluon_cnn.training.initial_weights import initialize_from_seed


def known(predicted, labels, confidence=None, classes=3):
    """Answers with these predictions, each of a probability."""
    confidence = np.full(len(labels), 0.9) if confidence is None else np.asarray(confidence)
    probabilities = np.repeat((1 - confidence)[:, np.newaxis] / (classes - 1), classes, axis=1)
    probabilities[np.arange(len(labels)), predicted] = confidence
    return checked(np.log(probabilities), labels)


def test_confusion_of_known_answers():
    found = confusion(known([0, 0, 1, 1, 1, 0], [0, 0, 0, 1, 1, 1]), ("cat", "dog"))
    assert found.counts.tolist() == [[2, 1, 0], [1, 2, 0], [0, 0, 0]]
    assert found.classes == ("cat", "dog", "class 2")
    assert found.accuracy.value == pytest.approx(4 / 6)
    np.testing.assert_allclose(found.precision.value, [2 / 3, 2 / 3, np.nan])
    np.testing.assert_allclose(found.recall.value, [2 / 3, 2 / 3, np.nan])
    np.testing.assert_allclose(found.per_cent[:2], [[200 / 3, 100 / 3, 0], [100 / 3, 200 / 3, 0]])
    assert np.isnan(found.per_cent[2]).all()
    assert (found.recall.low[2], found.recall.high[2]) == (0, 1)


def test_more_names_than_classes_are_cut():
    assert confusion(known([0], [0]), "abcdef").classes == ("a", "b", "c")


@pytest.mark.parametrize(("right", "cases"), [(0, 10), (10, 10), (7, 10), (9234, 10000), (0, 1)])
def test_interval_is_scipys_exact_one(right, cases):
    expected = binomtest(right, cases).proportion_ci(0.95, "exact")
    found = clopper_pearson(right, cases)
    np.testing.assert_allclose((found.low, found.high), (expected.low, expected.high), rtol=1e-9, atol=1e-12)


def test_mistakes_and_lucky_answers_are_ordered():
    found = known([0, 1, 2, 0, 1], [1, 1, 2, 2, 0], [0.5, 0.6, 0.4, 0.9, 0.7])
    assert most_confident_mistakes(found).tolist() == [3, 4, 0]
    assert most_confident_mistakes(found, 1).tolist() == [3]
    assert least_certain_right(found).tolist() == [2, 1]


def test_reliability_of_known_confidence():
    found = reliability(known([0] * 10, [0] * 8 + [1] * 2, [0.95] * 8 + [0.45] * 2), 10)
    assert found.counts.tolist() == [0, 0, 0, 0, 2, 0, 0, 0, 0, 8]
    np.testing.assert_allclose(found.accuracy[[4, 9]], [0, 1])
    np.testing.assert_allclose(found.confidence[[4, 9]], [0.45, 0.95])
    assert found.error == pytest.approx(0.2 * 0.45 + 0.8 * 0.05)


def test_certain_network_falls_into_last_bin():
    found = reliability(checked([[1000.0, 0.0], [0.0, 0.0]], [0, 0]), 2)
    assert found.counts.tolist() == [1, 1]


def test_mcnemar_is_exact():
    labels = [0] * 20
    first, second = known([0] * 15 + [1] * 5, labels), known([0] * 6 + [1] * 9 + [0] + [2] * 4, labels)
    found = disagreement(first, second)
    assert found[:4] == (6, 9, 1, 4)
    assert found.p == pytest.approx(binomtest(1, 10).pvalue)
    assert found.different.tolist() == list(range(6, 20))
    assert disagreement(first, first).p == 1
    with pytest.raises(DataError, match="same images"):
        disagreement(first, known([0], [0]))


def test_answers_are_those_of_the_network(sample):
    net = lenet()
    initialize_from_seed(net, 0, (1, 1, 28, 28))
    batches = sample(100)[1]
    found = answers(net, batches)
    assert isinstance(found, Answers)
    assert found.labels.tolist() == batches.labels.tolist()
    X, _ = next(iter(batches))
    np.testing.assert_array_equal(found.logits[:100], net(X).asnumpy())
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1)


@pytest.mark.parametrize(
    ("logits", "labels", "kind", "message"),
    [
        ([[np.nan, 0]], [0], ModelError, "no finite numbers"),
        ([[0.0, 1]], [2], DataError, "from 2 to 2, and the network has 2 classes"),
        ([[0.0, 1]], [-1], DataError, "from -1"),
        ([[0.0, 1]], [0.5], DataError, "from 0.5"),
        ([[0.0, 1]], [0, 1], DataError, "1 answers and 2 labels"),
    ],
)
def test_unfit_answers_are_refused(logits, labels, kind, message):
    with pytest.raises(kind, match=message):
        checked(logits, labels)


def test_no_images_are_refused():
    with pytest.raises(GluonCNNError, match="no images"):
        answers(lenet(), [])

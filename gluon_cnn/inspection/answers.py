"""What a network answers for a data set: its mistakes, and how far its confidence can be trusted."""

from typing import NamedTuple

import numpy as np

from gluon_cnn.checks import brief, whole_number
from gluon_cnn.errors import DataError, ModelError
from gluon_cnn.inspection.layers import as_batch, as_numpy, output_of, title_of

__all__ = [
    "Answers",
    "Disagreement",
    "Reliability",
    "answers",
    "disagreement",
    "least_certain_right",
    "most_confident_mistakes",
    "reliability",
]


class Answers(NamedTuple):
    """What a network answers for images, in their order.

    Attributes
    ----------
    logits : np.ndarray
        N×classes.
    labels : np.ndarray
        int N, the right classes.
    """

    logits: np.ndarray
    labels: np.ndarray

    @property
    def probabilities(self):
        """The softmax of the logits, float64 N×classes."""
        from scipy.special import softmax

        return softmax(self.logits.astype(float), axis=1)

    @property
    def predicted(self):
        """The class of the largest logit, int N."""
        return self.logits.argmax(axis=1)

    @property
    def confidence(self):
        """The largest probability, N."""
        return self.probabilities.max(axis=1)

    @property
    def right(self):
        """Whether the prediction is the label, bool N."""
        return self.predicted == self.labels


def answers(net, batches):
    """Run a network over a data set once.

    Parameters
    ----------
    net : Block
        N×C×H×W to N×classes logits, compiled or not.
    batches : iterable of (X, y)
        Such as :class:`gluon_cnn.data.batches.Batches`.

    Returns
    -------
    Answers

    Raises
    ------
    ModelError
        If the network fails, does not give logits, or gives numbers that are not finite.
    DataError
        If there are no images, or a label is not the number of one of the network's classes.
    """
    logits, labels = [], []
    for X, y in batches:
        logits.append(output_of(net, as_batch(net, X)).asnumpy())
        labels.append(as_numpy(y))
    if not logits:
        raise DataError("There are no images, so there are no answers: the data are empty or were used up.")
    if any(part.ndim != 2 for part in logits):
        raise ModelError(f"{title_of(net)} does not give N×classes, so it gives no class a logit.")
    return checked(np.concatenate(logits), np.concatenate(labels))


def checked(logits, labels):
    """The :class:`Answers` of arrays; a ModelError or DataError as for :func:`answers` if they cannot be any."""
    logits, labels = np.asarray(logits), np.asarray(labels).ravel()
    if not np.isfinite(logits).all():
        raise ModelError("Some of the network's logits are no finite numbers: take a checkpoint before it diverged.")
    if labels.shape != logits.shape[:1]:
        raise DataError(f"There are {len(logits)} answers and {len(labels)} labels: give one label for each image.")
    if labels.dtype.kind == "f" and np.equal(labels, labels.astype(int)).all():
        labels = labels.astype(int)
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise DataError(
            f"The labels are from {labels.min()} to {labels.max()}, and the network has {logits.shape[1]} classes: "
            "give the data set that it was trained on."
        )
    return Answers(logits, labels.astype(int))


def most_confident_mistakes(found, number=9):
    """The indices of the images whose wrong answer is the most confident, the worst first; at most ``number``."""
    return _first(np.flatnonzero(~found.right), -found.confidence, number)


def least_certain_right(found, number=9):
    """The indices of the images whose right answer is the least confident, the least first; at most ``number``."""
    return _first(np.flatnonzero(found.right), found.confidence, number)


def _first(chosen, value, number):
    order = np.argsort(value[chosen], kind="stable")  # of equal ones the first in the data set
    return chosen[order[: whole_number("number", number)]]


class Reliability(NamedTuple):
    """Confidence against accuracy.

    Attributes
    ----------
    edges : np.ndarray
        The bins' limits, bins + 1 numbers from 0 to 1; a bin includes its upper one.
    counts : np.ndarray
        int, answers in each bin.
    confidence, accuracy : np.ndarray
        Their mean confidence, and the share of right ones; not a number in an empty bin.
    error : float
        The expected calibration error: the mean over all answers of the distance between their bin's confidence and
        accuracy, from 0 to 1.
    """

    edges: np.ndarray
    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    error: float


def reliability(found, bins=15):
    """How far a network's confidence can be trusted (Guo et al., "On Calibration of Modern Neural Networks", 2017).

    Parameters
    ----------
    found : Answers
    bins : int
        Of equal width.

    Returns
    -------
    Reliability
    """
    edges = np.linspace(0, 1, whole_number("bins", bins, largest=10_000) + 1)
    confidence = found.confidence
    place = np.searchsorted(edges, confidence, side="left").clip(1, bins) - 1
    counts, sure, right = (
        np.bincount(place, weights, minlength=bins) for weights in (None, confidence, found.right.astype(float))
    )
    with np.errstate(invalid="ignore"):
        sure_mean, accuracy = sure / counts, right / counts
    return Reliability(edges, counts, sure_mean, accuracy, float(np.abs(sure - right).sum() / len(confidence)))


class Disagreement(NamedTuple):
    """Two networks' answers for the same images.

    Attributes
    ----------
    both_right, only_first_right, only_second_right, both_wrong : int
        How many images.
    different : np.ndarray
        The indices of the images for which they answer differently.
    p : float
        McNemar's exact two-sided p: if both are right equally often, how likely the images that only one of them has
        right are divided at least so unevenly.
    """

    both_right: int
    only_first_right: int
    only_second_right: int
    both_wrong: int
    different: np.ndarray
    p: float


def disagreement(first, second):
    """Where two networks disagree, and whether one is right more often (McNemar, Psychometrika 12, 1947).

    Parameters
    ----------
    first, second : Answers
        For the same images in the same order.

    Returns
    -------
    Disagreement

    Raises
    ------
    DataError
        If their labels differ.
    """
    from scipy.stats import binom

    if not np.array_equal(first.labels, second.labels):
        raise DataError(
            f"The two runs were not asked about the same images: the labels of {brief(len(first.labels))} and "
            f"{brief(len(second.labels))} images differ."
        )
    a, b = first.right, second.right
    only_a, only_b = int((a & ~b).sum()), int((~a & b).sum())
    # Both tails are equal, as each image is as likely for either.
    p = min(1.0, 2 * float(binom.cdf(min(only_a, only_b), only_a + only_b, 0.5)))
    different = np.flatnonzero(first.predicted != second.predicted)
    return Disagreement(int((a & b).sum()), only_a, only_b, int((~a & ~b).sum()), different, p)

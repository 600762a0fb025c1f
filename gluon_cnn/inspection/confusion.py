"""Which classes a network takes for which: the confusion matrix, and shares with exact intervals."""

from typing import NamedTuple, Tuple

import numpy as np

__all__ = ["Confusion", "Share", "clopper_pearson", "confusion"]


class Share(NamedTuple):
    """A share of some cases, with its exact interval at 95 %.

    Attributes
    ----------
    value, low, high : float or np.ndarray
        From 0 to 1; ``value`` is not a number where there are no cases.
    of : int or np.ndarray
        How many cases.
    """

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    of: np.ndarray


class Confusion(NamedTuple):
    """Which classes are taken for which.

    Attributes
    ----------
    counts : np.ndarray
        int classes×classes: of the images of a class, by row, how many were taken for each class, by column.
    classes : tuple of str
        Their names.
    accuracy : Share
        Of all images, the right ones.
    precision : Share
        For each class: of the images that were taken for it, those that are it.
    recall : Share
        For each class: of its images, those that were taken for it.
    """

    counts: np.ndarray
    classes: Tuple[str, ...]
    accuracy: Share
    precision: Share
    recall: Share

    @property
    def per_cent(self):
        """``counts`` as a percentage of each class's images; not a number for a class without images."""
        with np.errstate(invalid="ignore"):
            return 100 * self.counts / self.counts.sum(axis=1, keepdims=True)


def confusion(found, classes=()):
    """The confusion matrix of :class:`Answers`.

    Parameters
    ----------
    found : Answers
    classes : sequence of str
        The classes' names; those beyond are called ``class 10`` and so on.

    Returns
    -------
    Confusion
    """
    number = found.logits.shape[1]
    counts = np.bincount(found.labels * number + found.predicted, minlength=number**2).reshape(number, number)
    names = tuple(map(str, classes[:number])) + tuple(f"class {n}" for n in range(len(classes), number))
    right = counts.diagonal()
    return Confusion(
        counts,
        names,
        clopper_pearson(right.sum(), counts.sum()),
        clopper_pearson(right, counts.sum(axis=0)),
        clopper_pearson(right, counts.sum(axis=1)),
    )


def clopper_pearson(successes, cases):
    """A share and its exact interval at 95 %, for one pair of counts or an array of each.

    The interval holds every share of which so many successes, or more extreme ones, are not rarer than 2.5 % on either
    side (Clopper and Pearson, Biometrika 26, 1934). It is from 0 to 1 where there are no cases.

    Returns
    -------
    Share
    """
    from scipy.stats import beta

    k, n = np.asarray(successes), np.asarray(cases)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.where(n > 0, k / n, np.nan)
        low = np.where(k > 0, beta.ppf(0.025, k, n - k + 1), 0.0)
        high = np.where(k < n, beta.ppf(0.975, k + 1, n - k), 1.0)
    return Share(value, low, high, n)

"""A value in a sample, and two small samples against each other."""

import math
import numbers

import numpy as np

from gluon_cnn.checks import brief
from gluon_cnn.errors import ComparisonError

__all__ = ["five_numbers", "mann_whitney", "percentile", "rounded_as", "two_samples"]


def rounded_as(sample, value):
    """``value`` with as many decimals as those of a sample: 0.73541 is not above a 0.735 that was printed."""
    return round(value, max(len(repr(float(other)).partition(".")[2]) for other in sample))


def percentile(value, sample):
    """Where ``value`` stands in a sample, from 0 to 100: the share below it plus half the share equal to it."""
    from scipy.stats import percentileofscore

    _refuse_unfit([value], sample)
    return float(percentileofscore(sample, value, kind="mean"))


def mann_whitney(a, b):
    """Mann–Whitney's U of ``a`` over ``b`` and its exact two-sided p, also where values are equal.

    If both samples come from one distribution, every choice of ``len(a)`` of the pooled values is equally likely. p is
    the share of the choices whose U is at least as far from its mean as ours. SciPy's exact p ignores equal values.

    Returns
    -------
    (float, float)
        U counts the pairs in which ``a`` has the larger value, and equal ones half.
    """
    from scipy.stats import rankdata

    _refuse_unfit(a, b)
    if len(a) > len(b):  # the same p with less to count
        u, p = mann_whitney(b, a)
        return len(a) * len(b) - u, p
    ranks = np.rint(2 * rankdata([*a, *b])).astype(int)  # twice the rank, a whole number where values are equal too
    n, total = len(a), int(ranks.sum())
    # ways[k][s]: in how many ways k of the values so far have doubled ranks that add up to s.
    ways = np.zeros((n + 1, total + 1))
    ways[0][0] = 1
    for rank in ranks:
        ways[1:, rank:] += ways[:-1, : total + 1 - rank].copy()
    doubled_sum, mean = int(ranks[:n].sum()), n * (len(ranks) + 1)
    far = np.abs(np.arange(total + 1) - mean) >= abs(doubled_sum - mean)
    return (doubled_sum - n * (n + 1)) / 2, float(ways[n][far].sum() / ways[n].sum())


def five_numbers(values):
    """How many values there are, and their minimum, quartiles, median and maximum: None if there is no value."""
    names = ("minimum", "lower_quartile", "median", "upper_quartile", "maximum")
    numbers = np.percentile(values, (0, 25, 50, 75, 100)).tolist() if values else [None] * 5
    return {"runs": len(values), **dict(zip(names, numbers))}


def two_samples(ours, published):
    """How many runs each side has, Mann–Whitney's U and exact p, and the Kolmogorov–Smirnov distance."""
    from scipy.stats import ks_2samp

    _refuse_unfit(ours, published)
    u, p = mann_whitney(ours, published)
    distance = float(ks_2samp(ours, published).statistic)
    return {
        "ours_runs": len(ours),
        "published_runs": len(published),
        "mann_whitney_u": u,
        "mann_whitney_p": p,
        "ks_distance": distance,
    }


def _refuse_unfit(*samples):
    """A ComparisonError if a sample is empty, or holds anything but finite numbers."""
    for sample in samples:
        if not len(sample) or not all(isinstance(v, numbers.Real) and math.isfinite(v) for v in sample):
            raise ComparisonError(
                f"A sample must hold finite numbers, and at least one: {brief(list(sample))} does not."
            )

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from gluon_cnn.comparison.statistics import five_numbers, mann_whitney, percentile, rounded_as, two_samples


@pytest.mark.parametrize(
    ("value", "sample", "expected"),
    [
        (3, [1, 2, 3, 4], 62.5),  # two below, itself half: 2.5 of 4
        (1, [1, 2, 3, 4], 12.5),
        (2, [1, 2, 2, 3], 50),  # one below, two equal
        (0, [1, 2, 3, 4], 0),
        (9, [1, 2, 3, 4], 100),
        (5, [5], 50),
        (6, [5], 100),
        (5, [5, 5, 5], 50),
    ],
)
def test_percentile_by_hand(value, sample, expected):
    assert percentile(value, sample) == expected


def by_enumeration(a, b):
    """The share of all ways to choose len(a) of the values whose U is as far from its mean as that of a."""

    def u_of(a, b):
        return sum((x > y) + 0.5 * (x == y) for x in a for y in b)

    pooled, mean = [*a, *b], len(a) * len(b) / 2
    ways = [set(chosen) for chosen in combinations(range(len(pooled)), len(a))]
    far = 0
    for chosen in ways:
        u = u_of([pooled[i] for i in chosen], [v for i, v in enumerate(pooled) if i not in chosen])
        far += abs(u - mean) >= abs(u_of(a, b) - mean)
    return u_of(a, b), far / len(ways)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([1, 2, 3], [4, 5, 6]),
        ([1, 2, 2, 5], [2, 3, 3]),
        ([0.1] * 4, [0.1, 0.1, 0.83]),
        ([7], [1, 2, 3, 7]),
        ([2, 2], [2, 2]),
    ],
)
def test_exact_p_counts_all_ways_to_choose(a, b):
    assert mann_whitney(a, b) == pytest.approx(by_enumeration(a, b))


def test_exact_p_without_ties_is_scipys():
    generator = np.random.default_rng(0)
    a, b = generator.normal(size=15).tolist(), generator.normal(0.7, size=63).tolist()
    expected = mannwhitneyu(a, b, method="exact")
    assert mann_whitney(a, b) == pytest.approx((expected.statistic, expected.pvalue))


def test_the_larger_sample_may_come_first():
    a, b = [1, 2, 2, 5, 6], [2, 3]
    assert mann_whitney(a, b) == pytest.approx(by_enumeration(a, b))


def test_two_samples_apart():
    tests = two_samples([1.0, 2.0, 3.0], [4.0, 5.0, 6.0])
    assert tests["mann_whitney_p"] == pytest.approx(2 / 20)  # 2 of the 20 ways to choose 3 of 6
    assert tests["ks_distance"] == 1
    assert (tests["ours_runs"], tests["published_runs"]) == (3, 3)


def test_five_numbers_of_nothing():
    assert five_numbers([]) == {
        "runs": 0, "minimum": None, "lower_quartile": None, "median": None, "upper_quartile": None, "maximum": None
    }  # fmt: skip


def test_rounded_to_the_decimals_of_the_sample():
    assert rounded_as([0.735, 0.7], 0.73541) == 0.735
    assert rounded_as([0.6694], 0.66587) == 0.6659

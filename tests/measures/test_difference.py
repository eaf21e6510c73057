from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from auditkit.core.design import Design
from auditkit.core.types import Better
from auditkit.measures.difference import difference, paired_mean, relative_degradation
from tests.measures.samples import assert_sound, covers, mean, proportion


def test_two_means_take_welchs_interval():
    rng = np.random.default_rng(0)
    a, b = rng.normal(1, 1, 30), rng.normal(0, 3, 50)
    expected = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    found = difference(mean(a), mean(b))
    assert (found.value, *found.interval) == pytest.approx((a.mean() - b.mean(), *expected))
    assert found.n == 80


def test_two_proportions_take_newcombes_interval():
    # Newcombe (1998), Table II, method 10: 9/10 against 3/10.
    found = difference(proportion(np.arange(10) < 9), proportion(np.arange(10) < 3))
    assert found.value == pytest.approx(0.6)
    assert found.low == pytest.approx(0.1705, abs=0.03)
    assert found.high == pytest.approx(0.8090, abs=0.03)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 50), (50, 1000)])
@pytest.mark.parametrize(("p", "q"), [(0, 0), (1, 0), (1, 1), (0.5, 1)])
def test_a_difference_always_has_width(n, m, p, q):
    assert_sound(difference(proportion(np.arange(n) < n * p), proportion(np.arange(m) < m * q)))


def test_no_rows_on_either_side_is_said():
    empty = proportion([1], [False])
    assert "second sample" in difference(proportion([1, 0]), empty).reason
    assert "first sample" in difference(empty, proportion([1, 0])).reason


def test_a_proportion_is_not_compared_with_a_mean():
    with pytest.raises(ValueError, match="proportion with a mean"):
        difference(proportion([1, 0]), mean([1.0, 2]))


def test_one_row_of_a_mean_gives_no_interval():
    found = difference(mean([1.0]), mean([1.0, 2.0]))
    assert (found.value, found.interval) == (-0.5, None)
    assert "one row" in found.reason


@pytest.mark.parametrize("better", list(Better))
def test_degradation_is_positive_where_test_is_worse(better):
    train = proportion(np.arange(1000) < 800, better=better)
    test = proportion(np.arange(500) < (300 if better is Better.HIGHER else 500 * 0.96), better=better)
    found = relative_degradation(train, test)
    assert found.value == pytest.approx(0.25 if better is Better.HIGHER else 0.2)
    assert_sound(found)
    assert found.low > 0


def test_degradation_without_a_base_does_not_exist():
    none = proportion(np.zeros(50))
    assert "is 0" in relative_degradation(none, proportion(np.ones(50))).reason
    assert "better" in relative_degradation(proportion([1, 0], better=None), proportion([1, 0], better=None)).reason
    assert "negative" in relative_degradation(mean([-1.0, -2]), mean([1.0, 2])).reason


def test_degradation_with_a_base_that_may_be_zero_has_no_interval():
    found = relative_degradation(mean([0.0, 5.0, -3.0]), mean([1.0, 2.0, 3.0]))
    assert found.value is not None
    assert found.interval is None
    assert "may be 0" in found.reason


@pytest.mark.parametrize("kind", ["proportion", "mean"])
def test_coverage_of_degradation(kind):
    rng = np.random.default_rng(1)
    hits = []
    for _ in range(400):
        if kind == "proportion":
            found = relative_degradation(proportion(rng.random(400) < 0.9), proportion(rng.random(150) < 0.72))
            hits.append(covers(found, 0.2))
        else:
            found = relative_degradation(mean(rng.gamma(2, 0.5, 400)), mean(rng.gamma(2, 0.65, 150)))
            hits.append(covers(found, 0.3))
    assert 0.925 <= np.mean(hits) <= 0.985


def test_paired_mean_is_the_paired_t_test():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=60), rng.normal(0.3, 1, 60)
    expected = stats.ttest_rel(a, b).confidence_interval(0.95)
    values = np.append(a - b, np.nan)
    found = paired_mean(values)
    assert (*found.interval, found.n) == pytest.approx((*expected, 60))


@pytest.mark.parametrize("values", [[], [np.nan], [1.0], [0.0, 0.0, 0.0]])
def test_paired_mean_never_has_an_interval_without_width(values):
    found = paired_mean(np.array(values))
    assert found.interval is None
    assert found.reason


def test_clusters_widen_a_paired_mean():
    rng = np.random.default_rng(3)
    cluster = np.repeat(np.arange(40), 25)
    hits, naive = [], []
    for _ in range(200):
        values = rng.normal(size=40)[cluster] + rng.normal(size=1000)
        hits.append(covers(paired_mean(values, Design(cluster=cluster)), 0.0))
        naive.append(covers(paired_mean(values), 0.0))
    assert np.mean(hits) > 0.92
    assert np.mean(naive) < 0.6

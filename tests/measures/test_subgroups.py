"""Subgroups against the rest: by hand, by brute force over pairs, and by simulation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from auditkit.core.design import SIMPLE, Design
from auditkit.core.task import RowStatistic
from auditkit.measures import pairs
from auditkit.measures.intervals import normal_quantile, range_quantile
from auditkit.measures.moments import Moments, moments
from auditkit.measures.subgroups import beside, extreme, widest_gap

RNG = np.random.default_rng(0)
N = 600
DESIGNS = {
    "plain": SIMPLE,
    "weights": Design(weight=RNG.gamma(2.0, size=N)),
    "clusters": Design(cluster=RNG.integers(0, 150, N)),
    "both": Design(weight=RNG.gamma(2.0, size=N), cluster=RNG.integers(0, 150, N)),
    "counts": Design(count=RNG.integers(1, 4, N)),
}


def statistic(kind: Any, seed: int = 1) -> RowStatistic:
    rng = np.random.default_rng(seed)
    counts = rng.random(N) < 0.9
    values = (rng.random(N) < 0.3).astype(float) if kind == "proportion" else rng.normal(5, 2, N)
    return RowStatistic("rate", kind, np.where(counts, values, 0.0), counts, None, "a label")


@pytest.mark.parametrize("kind", ["proportion", "mean"])
@pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS)
def test_the_rest_is_what_the_rows_outside_say(kind: str, design: Design) -> None:
    stat, codes = statistic(kind), np.random.default_rng(2).integers(0, 5, N)
    found = beside(stat, codes, 5, design)
    for group in range(5):
        outside = RowStatistic(
            "rate", stat.kind, stat.numerator * (codes != group), stat.counts & (codes != group), None, "a label"
        )
        same = moments(outside, None, 1, design)
        assert found.rest.n[group] == same.n[0]
        assert found.rest.value[group] == pytest.approx(same.value[0], rel=1e-12)
        # The variance leaves out a correction that is of the order of one unit's share of the weight.
        loose = 1e-9 if design.plain else 0.02
        assert found.rest.variance[group] == pytest.approx(same.variance[0], rel=loose)
        assert found.rest.effective[group] == pytest.approx(same.effective[0], rel=loose)


def test_a_rest_that_subtraction_would_spoil_is_computed_from_its_rows() -> None:
    codes = np.repeat([0, 1], N // 2)
    values = np.where(codes == 0, 1e9, 1e-3) * np.random.default_rng(3).normal(1, 0.1, N)
    stat = RowStatistic("error", "mean", values, np.ones(N, dtype=bool), None, "a value")
    found = beside(stat, codes, 2)
    assert found.rest.variance[0] == pytest.approx(np.var(values[codes == 1], ddof=1) / (N // 2), rel=1e-9)


def test_welch_is_that_of_scipy_where_a_subgroup_has_the_larger_spread() -> None:
    rng = np.random.default_rng(4)
    codes = (np.arange(N) < 60).astype(np.int64)
    values = rng.normal(0, np.where(codes == 1, 3.0, 1.0))
    stat = RowStatistic("error", "mean", values, np.ones(N, dtype=bool), None, "a value")
    found = beside(stat, codes, 2).take(np.array([1]))
    expected = stats.ttest_ind(values[codes == 1], values[codes == 0], equal_var=False).confidence_interval(0.95)
    low, high = found.limits(normal_quantile(0.95))
    assert (low[0], high[0]) == pytest.approx((expected.low, expected.high), rel=1e-9)


def test_far_tails_of_a_small_subgroup_are_exact() -> None:
    """7 of 10 against a rate of 1 in 10 outside: a score interval would need a far smaller error to doubt it."""
    codes = (np.arange(100_000) < 10).astype(np.int64)
    hits = np.where(codes == 1, np.arange(100_000) < 7, np.arange(100_000) % 10 == 0).astype(float)
    stat = RowStatistic("rate", "proportion", hits, np.ones(len(hits), dtype=bool), None, "a label")
    found = beside(stat, codes, 2).take(np.array([1]))
    p = stats.binomtest(7, 10, 0.1, alternative="greater").pvalue
    for scale, above in ((1.5, True), (0.4, False)):
        low, _ = found.limits(normal_quantile(1 - 2 * p * scale))
        assert bool(low[0] > 0) is above


@pytest.mark.parametrize("proportion", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_the_widest_gap_of_many_groups_is_that_over_all_pairs(proportion: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = rng.integers(10, 10 ** rng.integers(2, 5), 300)
    if proportion:
        value = rng.binomial(n, rng.beta(2, 6 if seed % 2 else 200, 300)) / n
        variance = value * (1 - value) / (n - 1)
    else:
        value, variance = rng.normal(0, 0.3 * (seed % 3), 300), rng.gamma(2, 1, 300) / n
    size = n.astype(float)
    found = Moments(n, value, variance, size - 1, size, size, plain=True)
    z = range_quantile(0.95, 300)
    every = pairs.proportion_difference(found, z) if proportion else pairs.mean_difference(found, z)
    # The quantile of many pairs of means is interpolated, to 1e-5 of itself.
    assert widest_gap(found, proportion, z) == pytest.approx(every, rel=1e-12 if proportion else 1e-5)


def test_the_interval_of_the_least_holds_for_the_least() -> None:
    value = np.array([0.2, 0.1, 0.5])
    which, low, high = extreme(value, (value - 0.05, np.array([0.25, 0.3, 0.6])), "least")
    assert (which, low, high) == (1, pytest.approx(0.05), 0.25)

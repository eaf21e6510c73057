"""Shares, goodness of fit and association: against scipy, by rows, and by simulation of their coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from auditkit.core.design import SIMPLE, Design
from auditkit.core.outcomes import Groups
from auditkit.core.task import RowStatistic
from auditkit.measures.moments import moments
from auditkit.measures.representation import association, goodness_of_fit, group_shares

RNG = np.random.default_rng(0)
N = 500
DESIGNS = {
    "plain": SIMPLE,
    "weights": Design(weight=RNG.gamma(2.0, size=N)),
    "clusters": Design(cluster=RNG.integers(0, 120, N)),
    "both": Design(weight=RNG.gamma(2.0, size=N), cluster=RNG.integers(0, 120, N)),
    "counts": Design(count=RNG.integers(1, 4, N)),
}


@pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS)
def test_shares_are_the_means_of_indicators(design: Design) -> None:
    codes = RNG.integers(0, 4, N)
    found = group_shares(Groups("g", tuple("abcd"), codes, count=design.count), design)
    for group in range(4):
        hit = (codes == group).astype(float)
        same = moments(RowStatistic("s", "proportion", hit, np.ones(N, dtype=bool), None, "a row"), None, 1, design)
        assert found.n[group] == same.n[0]
        assert found.value[group] == pytest.approx(same.value[0], rel=1e-12)
        loose = 1e-9 if design.plain else 0.03
        assert found.variance[group] == pytest.approx(same.variance[0], rel=loose)
        assert found.effective[group] == pytest.approx(same.effective[0], rel=loose)


def test_goodness_of_fit_is_that_of_scipy() -> None:
    codes = RNG.choice(3, N, p=[0.5, 0.3, 0.2])
    population = np.array([0.45, 0.35, 0.2])
    fit = goodness_of_fit(group_shares(Groups("g", tuple("abc"), codes), SIMPLE), population)
    expected = stats.power_divergence(np.bincount(codes), N * population, lambda_="log-likelihood")
    assert fit is not None
    assert (fit.statistic, fit.p_value) == pytest.approx((expected.statistic, expected.pvalue))


def test_goodness_of_fit_of_clusters_rejects_as_often_as_it_says() -> None:
    """Clusters of ten equal rows: without the design effect nearly every true population would be rejected."""
    population = np.array([0.5, 0.3, 0.2])
    rejected = plain = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        codes = np.repeat(rng.choice(3, 80, p=population), 10)
        groups = Groups("g", tuple("abc"), codes)
        for design in (Design(cluster=np.repeat(np.arange(80), 10)), SIMPLE):
            fit = goodness_of_fit(group_shares(groups, design), population)
            assert fit is not None
            if design is SIMPLE:
                plain += fit.p_value < 0.05
            else:
                rejected += fit.p_value < 0.05
    assert rejected / 400 < 0.09
    assert plain / 400 > 0.4


@pytest.mark.parametrize(
    "table",
    [
        [[0.25, 0.25], [0.25, 0.25]],
        [[0.1, 0.9], [0.3, 0.7]],
        [[0.02, 0.08], [0.05, 0.85]],
        [[0.45, 0.05], [0.05, 0.45]],
        [[0.3, 0.7], [0.3, 0.7], [0.25, 0.75], [0.1, 0.9]],
        [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.2, 0.7]],
    ],
)
@pytest.mark.parametrize("rows", [200, 3000])
def test_the_interval_of_an_association_covers_it(table: list[list[float]], rows: int) -> None:
    rng, p = np.random.default_rng(1), np.array(table)
    p = p / p.sum()
    expected = p.sum(axis=1, keepdims=True) * p.sum(axis=0, keepdims=True)
    truth = np.sqrt(((p - expected) ** 2 / expected).sum() / (min(p.shape) - 1))
    inside = 0
    for _ in range(300):
        found = association(rng.multinomial(rows, p.ravel()).reshape(p.shape).astype(float), rows)
        assert found.value is not None
        assert found.low is not None
        assert found.high is not None
        assert found.low < found.high
        inside += found.low <= truth + 1e-12 and truth <= found.high
    assert inside / 300 >= 0.92


def test_no_association_without_two_of_each() -> None:
    found = association(np.array([[5.0, 0.0], [7.0, 0.0]]), 12)
    assert found.value is None
    assert found.reason == "an association needs two groups and two labels with rows"

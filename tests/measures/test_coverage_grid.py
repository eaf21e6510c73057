"""How often the intervals of rates, and of gaps and ratios between groups, hold the truth, over a grid.

Rates and pairs of groups are not simulated: the probability of every outcome that an interval covers is summed. Many
groups are simulated. Rates of 0.005 to 0.5, of 30, 300 and 3,000 rows a group, 2, 10 and 60 groups.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from scipy.stats import binom

from auditkit.core.design import Design
from auditkit.measures import by_group, pairs
from auditkit.measures.gaps import gap
from auditkit.measures.intervals import mover_difference, mover_ratio, range_quantile, wilson
from auditkit.measures.moments import Moments
from tests.measures.samples import groups, proportion, rule

SIZES = (30, 300, 3000)
RATES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)


@lru_cache
def limits_of_every_count(n: int, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """The public interval of a rate for each number of hits 0..n, from one call: a group for each."""
    hits = np.arange(n + 1)
    stored = np.stack([np.zeros(n + 1), np.ones(n + 1)])
    count = np.stack([n - hits, hits]).ravel()
    here = count > 0
    by = groups(np.tile(hits, 2)[here], n + 1)
    found = by_group(proportion(stored.ravel()[here]), by, Design(count=count[here]), confidence)
    return np.array([e.low for e in found]), np.array([e.high for e in found])


def coverage(n: int, rate: float, confidence: float = 0.95) -> float:
    low, high = limits_of_every_count(n, confidence)
    inside = (low <= rate + 1e-12) & (rate - 1e-12 <= high)
    return float(binom.pmf(np.arange(n + 1), n, rate)[inside].sum())


def test_rates_cover_as_stated_on_average_over_the_grid():
    found = {(n, rate): coverage(n, rate) for n in SIZES for rate in RATES}
    assert 0.93 <= np.mean(list(found.values())) <= 0.97
    for n in SIZES:
        average = np.mean([found[n, rate] for rate in RATES])
        assert 0.93 <= average <= (0.99 if n <= 40 else 0.97), n  # up to 40 rows the interval is the exact one


@pytest.mark.parametrize("n", [10, 30, 41, 50, 75, 100, 200, 300, 1000, 3000])
def test_no_rate_with_three_expected_on_its_rarer_side_covers_less_than_92_percent(n):
    rates = [rate for rate in np.linspace(3 / n, 0.5, 400) if rate * n >= 3]
    assert min(coverage(n, rate) for rate in rates) >= 0.92
    assert min(coverage(n, 1 - rate) for rate in rates) >= 0.92


@pytest.mark.parametrize("n", SIZES)
def test_other_confidences_cover_as_they_say(n):
    for confidence in (0.8, 0.9, 0.99):
        average = np.mean([coverage(n, rate, confidence) for rate in np.linspace(3.5 / n, 0.5, 200)])
        assert confidence - 0.01 <= average <= confidence + (0.07 if n <= 40 else 0.02)


def pair(sizes: tuple[int, int], rates: tuple[float, float], form: str) -> tuple[float, float]:
    """The exact coverage of the gap between two groups, and how often all of it lies beyond the true gap."""
    z, sides = range_quantile(0.95, 2), []
    for n, rate in zip(sizes, rates, strict=True):
        weight = binom.pmf(np.arange(n + 1), n, rate)
        likely = np.flatnonzero(weight > 1e-7)
        sides.append((likely / n, wilson(likely / n, np.full(len(likely), float(n)), z), weight[likely]))
    (a, la, wa), (b, lb, wb) = sides
    a, la, b, lb = a[:, None], (la[0][:, None], la[1][:, None]), b[None], (lb[0][None], lb[1][None])
    weight = wa[:, None] * wb[None]
    if form == "difference":
        ends = [mover_difference(a, la, b, lb), mover_difference(b, lb, a, la)]
        low, high = (np.maximum(ends[0][i], ends[1][i]) for i in (0, 1))
        truth = abs(rates[0] - rates[1])
        inside, beyond = (np.maximum(low, 0) <= truth + 1e-12) & (truth <= high + 1e-12), low > truth + 1e-12
    else:
        ends = [mover_ratio(a, la, b, lb), mover_ratio(b, lb, a, la)]
        low, high = (np.minimum(ends[0][i], ends[1][i]) for i in (0, 1))
        truth = min(rates) / max(rates)
        exists = (a > 0) | (b > 0)
        inside = exists & (low <= truth + 1e-12) & (truth <= np.minimum(high, 1) + 1e-12)
        beyond, weight = exists & (high < truth - 1e-12), weight / weight[exists].sum()
    return float(weight[inside].sum()), float(weight[beyond].sum())


@pytest.mark.parametrize("form", ["difference", "ratio"])
@pytest.mark.parametrize("sizes", [(30, 30), (300, 300), (3000, 3000), (30, 300), (30, 3000), (300, 3000)])
def test_a_gap_between_two_groups_covers_as_stated(sizes, form):
    covered, beyond = [], []
    for rate in RATES:
        for other in {rate, min(2 * rate, rate + 0.2), rate + 0.1, rate + 0.4}:
            one, far = pair(sizes, (rate, other), form)
            covered.append(one)
            beyond.append(far)
    assert np.mean(covered) >= 0.945
    assert min(covered) >= 0.93
    assert max(beyond) <= 0.056  # a gate at the true gap fails no more often


def moments_of(hits: np.ndarray, n: int) -> Moments:
    size = np.full(len(hits), float(n))
    return Moments(size.astype(np.int64), hits / n, np.zeros(len(hits)), size - 1, size, size, plain=True)


def simultaneous(hits: np.ndarray, n: int, form: str) -> tuple[float, float]:
    limits = pairs.proportion_difference if form == "difference" else pairs.proportion_ratio
    return limits(moments_of(hits, n), range_quantile(0.95, len(hits)))


@pytest.mark.parametrize("form", ["difference", "ratio"])
@pytest.mark.parametrize("count", [2, 10, 60])
def test_these_are_the_limits_that_the_public_gap_takes(count, form):
    hits = np.random.default_rng(1).binomial(300, 0.2, count)
    stored = groups(np.tile(np.arange(count), 2), count)
    design = Design(count=np.concatenate([hits, 300 - hits]))
    found = gap(rule("rate", form=form), [proportion(np.repeat([1, 0], count))], stored, design).estimate
    assert found.interval == pytest.approx(simultaneous(hits, 300, form))


@pytest.mark.slow
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("count", [10, 60])
def test_gaps_among_many_groups_cover_as_stated(count, n):
    draws, covered, beyond = 400, [], []
    for seed, rate in enumerate((0.005, 0.02, 0.1, 0.3, 0.5)):
        far = min(2 * rate, rate + 0.2)
        one, half = np.full(count, rate), np.full(count, rate)
        one[0], half[: count // 2] = far, far
        for kind, rates in enumerate((np.full(count, rate), one, half, np.linspace(rate, far, count))):
            rng = np.random.default_rng([seed, kind, count, n])
            for form in ("difference", "ratio"):
                truth = np.ptp(rates) if form == "difference" else rates.min() / rates.max()
                hits = [h for h in rng.binomial(n, rates, (draws, count)) if form == "difference" or h.any()]
                ends = np.array([simultaneous(h, n, form) for h in hits])
                covered.append(np.mean((ends[:, 0] <= truth + 1e-12) & (truth <= ends[:, 1] + 1e-12)))
                far_end = ends[:, 0] > truth + 1e-12 if form == "difference" else ends[:, 1] < truth - 1e-12
                beyond.append(np.mean(far_end))
    assert np.mean(covered) >= 0.95
    assert min(covered) >= 0.94 - 4 * np.sqrt(0.94 * 0.06 / draws)  # the worst of 40 simulations
    assert max(beyond) <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / draws)

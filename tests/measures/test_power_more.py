"""Every promise of `power`, held against simulated data and the measures themselves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from auditkit.measures import power, power_means, power_ratios
from auditkit.measures.gaps import gap
from auditkit.measures.intervals import mover_ratio, normal_quantile, range_quantile, wilson
from auditkit.measures.rates import estimate
from tests.measures.samples import groups, mean, proportion, rule


def gap_of(rng, rates, n, form):
    """The gap of groups of n rows with these true rates; k hits of n stand for the rows."""
    hits = rng.binomial(n, rates)
    hit = np.concatenate([np.arange(n) < k for k in hits])
    return gap(
        rule("rate", form=form), [proportion(hit)], groups(np.repeat(np.arange(len(rates)), n), len(rates))
    ).estimate


CASES = [
    ("difference", [0.2, 0.2], 0.1, True),
    ("difference", [0.2, 0.24], 0.1, True),
    ("difference", [0.2, 0.36], 0.1, False),
    ("difference", [0.3] * 10, 0.15, True),
    ("difference", [0.2, *[0.3] * 4, 0.5], 0.1, False),
    ("ratio", [0.5, 0.5], 0.8, True),
    ("ratio", [0.45, 0.5], 0.8, True),
    ("ratio", [0.3, 0.5], 0.8, False),
    ("ratio", [0.5] * 6, 0.8, True),
]


@pytest.mark.parametrize(("form", "rates", "bound", "passes"), CASES)
def test_so_many_rows_decide_as_often_as_promised_and_fewer_do_not(form, rates, bound, passes):
    rng = np.random.default_rng(len(rates))
    n = power.rows_needed(min(rates), max(rates), bound, len(rates), form=form)

    def decided(rows):
        found = [gap_of(rng, rates, rows, form) for _ in range(250)]
        if (form == "difference") == passes:
            return np.mean([e.high <= bound for e in found])
        return np.mean([e.low >= bound for e in found])

    assert 0.74 <= decided(n) <= 0.92
    assert decided(n // 2) < 0.65


def test_the_ratio_that_is_detectable_is_detected():
    rng = np.random.default_rng(1)
    ratio = power.detectable_ratio([300, 300, 800], 0.4)
    found = [gap_of(rng, [0.4, 0.4 * ratio], 300, "ratio") for _ in range(10)]
    assert all(e.value is not None for e in found)
    z = range_quantile(0.95, 3)
    n = np.full(4000, 300.0)
    one, two = rng.binomial(300, 0.4 * ratio, 4000) / 300, rng.binomial(300, 0.4, 4000) / 300
    high = mover_ratio(one, wilson(one, n, z), two, wilson(two, n, z))[1]
    assert np.mean(high < 1) == pytest.approx(0.8, abs=0.03)
    assert power.detectable_ratio([3, 3], 0.2) == 0.0


def test_a_rate_relative_to_another():
    rng = np.random.default_rng(2)
    z = normal_quantile(0.95)
    for rate, reference, bound in ((0.81, 0.84, 0.9), (0.6, 0.5, 1.1), (0.3, 0.5, 0.8)):
        n = power_ratios.rows_needed_relative(rate, reference, bound)
        rows = np.full(3000, float(n))
        one, two = rng.binomial(n, rate, 3000) / n, rng.binomial(n, reference, 3000) / n
        low, high = mover_ratio(one, wilson(one, rows, z), two, wilson(two, rows, z))
        decided = low >= bound if rate / reference > bound else high <= bound
        assert np.mean(decided) == pytest.approx(0.8, abs=0.04)


@pytest.mark.parametrize(("rate", "bound"), [(0.83, 0.8), (0.02, 0.05), (0.9, 0.95)])
def test_one_rate(rate, bound):
    rng = np.random.default_rng(3)
    n = power.rows_needed_for_rate(rate, bound)
    found = [estimate(proportion(np.arange(n) < k)) for k in rng.binomial(n, rate, 400)]
    decided = [e.low >= bound if rate > bound else e.high <= bound for e in found]
    assert 0.74 <= np.mean(decided) <= 0.88


def test_one_mean():
    rng = np.random.default_rng(4)
    for centre, bound in ((4.2, 4.0), (1.0, 3.0)):
        n = power_means.rows_needed_for_mean(centre, 3.0, bound)
        found = [estimate(mean(rng.normal(centre, 3.0, n))) for _ in range(300)]
        decided = [e.low >= bound if centre > bound else e.high <= bound for e in found]
        assert 0.73 <= np.mean(decided) <= 0.88


@pytest.mark.parametrize(("means", "bound"), [([0.0, 0.0], 1.0), ([0.0, 2.0], 1.0), ([0.0] * 8, 1.0)])
def test_a_gap_of_means(means, bound):
    rng = np.random.default_rng(5)
    n = power_means.rows_needed_for_mean_gap(max(means) - min(means), 2.0, bound, len(means))
    by = groups(np.repeat(np.arange(len(means)), n), len(means))
    found = [gap(rule("loss"), [mean(rng.normal(np.repeat(means, n), 2.0))], by).estimate for _ in range(200)]
    decided = [e.low >= bound if max(means) > bound else e.high <= bound for e in found]
    assert 0.72 <= np.mean(decided) <= 0.92


def test_a_detectable_gap_of_means_is_the_textbooks():
    """Two samples, known spread: (z + z_power) σ √(1/n + 1/m); with many rows t is z."""
    found = power_means.detectable_mean_gap([4000, 9000], 12.0)
    expected = (norm.ppf(0.975) + norm.ppf(0.8)) * 12 * np.sqrt(1 / 4000 + 1 / 9000)
    assert found == pytest.approx(expected, rel=1e-3)
    assert power_means.detectable_mean_gap([1, 50], 12.0) == np.inf


def test_what_no_number_of_rows_decides():
    assert power.rows_needed(0.4, 0.5, 0.8, form="ratio") is None
    assert power_ratios.rows_needed_relative(0.0, 0.0, 0.8) is None
    assert power.rows_needed_for_rate(0.8, 0.8) is None
    assert power_means.rows_needed_for_mean(1.0, 2.0, 1.0) is None
    assert power_means.rows_needed_for_mean_gap(1.0, 2.0, 1.0) is None
    assert power.rows_needed(0.1, 0.2, 0.1 + 1e-9) is None


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="positive bound"):
        power_ratios.rows_needed_relative(0.5, 0.5, 0.0)
    with pytest.raises(ValueError, match="above 0"):
        power.detectable_ratio([10, 10], 0.0)
    with pytest.raises(ValueError, match="two groups"):
        power_means.detectable_mean_gap([10], 1.0)

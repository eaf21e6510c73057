from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from auditkit.measures.intervals import (
    clopper_pearson,
    mover_difference,
    mover_ratio,
    normal_quantile,
    range_quantile,
    split_confidence,
    student_quantile,
    wilson,
)

Z = normal_quantile(0.95)


@pytest.mark.parametrize("groups", [2, 3, 10, 60, 400])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_range_quantile_is_scipys(groups, confidence):
    expected = stats.studentized_range.ppf(confidence, groups, np.inf) / np.sqrt(2)
    assert range_quantile(confidence, groups) == pytest.approx(expected, abs=1e-6)


def test_quantiles_refuse_what_has_none():
    with pytest.raises(ValueError, match="two groups"):
        range_quantile(0.95, 1)
    with pytest.raises(ValueError, match="between 0 and 1"):
        normal_quantile(1.0)


def test_student_quantile_has_the_tail_of_the_normal_one():
    assert student_quantile(Z, [5, 30, np.inf]) == pytest.approx([*stats.t.ppf(0.975, [5, 30]), Z])


def test_two_families_share_the_confidence():
    assert split_confidence(0.95, 2) ** 2 == pytest.approx(0.95)


@pytest.mark.parametrize(("hits", "n"), [(5, 30), (40, 100), (500, 1000), (996, 1000)])
def test_wilson_is_scipys_away_from_the_ends(hits, n):
    expected = stats.binomtest(hits, n).proportion_ci(method="wilson")
    low, high = wilson(np.array([hits / n]), np.array([float(n)]), Z)
    assert (low[0], high[0]) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize("n", [1, 7, 60, 500])
def test_clopper_pearson_is_scipys(n):
    hits = np.unique([0, 1, n // 2, n - 1, n])
    low, high = clopper_pearson(hits / n, np.full(len(hits), float(n)), Z)
    for i, k in enumerate(hits):
        expected = stats.binomtest(int(k), n).proportion_ci(method="exact")
        assert (low[i], high[i]) == pytest.approx((expected.low, expected.high), abs=1e-9)


@pytest.mark.parametrize("n", [1, 2, 20, 1000])
def test_wilson_at_the_ends_holds_the_value_and_has_width(n):
    low, high = wilson(np.array([0.0, 1.0]), np.full(2, float(n)), Z)
    assert low[0] == 0.0 < high[0] < 1.0
    assert high[1] == 1.0 > low[1] > 0.0


def test_mover_gives_newcombes_published_interval():
    # Newcombe (1998), Statistics in Medicine 17, 873-890, Table II: 56/70 against 48/80, method 10.
    p, n = np.array([56 / 70, 48 / 80]), np.array([70.0, 80.0])
    low, high = wilson(p, n, Z)
    found = mover_difference(p[:1], (low[:1], high[:1]), p[1:], (low[1:], high[1:]))
    assert (found[0][0], found[1][0]) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_mover_ratio_of_a_certain_denominator_scales_the_limits():
    low, high = mover_ratio(
        np.array([0.3]), (np.array([0.2]), np.array([0.45])), np.array([0.5]), (np.array([0.5]), np.array([0.5]))
    )
    assert (low[0], high[0]) == pytest.approx((0.4, 0.9))


def test_mover_ratio_without_a_bound_where_the_denominator_may_be_zero():
    low, high = mover_ratio(
        np.array([0.3]), (np.array([0.2]), np.array([0.4])), np.array([0.0]), (np.array([0.0]), np.array([0.1]))
    )
    assert np.isinf(high[0])
    assert np.isfinite(low[0])


@pytest.mark.parametrize("tiny", [5e-324, 1e-320, 1e-200])
def test_a_ratio_over_the_smallest_floats_does_not_warn(tiny):
    one, small = np.array([0.5]), np.array([tiny])
    low, high = mover_ratio(one, (np.array([0.4]), np.array([0.6])), small, (small / 2, small * 2))
    assert high[0] == np.inf or high[0] > 1e100
    assert not np.isnan([low[0], high[0]]).any()
    below, above = mover_ratio(small, (small / 2, small * 2), one, (np.array([0.4]), np.array([0.6])))
    assert 0 <= below[0] <= above[0] < 1e-100

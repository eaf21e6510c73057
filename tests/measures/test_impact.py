"""Adverse impact against closed forms, scipy, the published example and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import chi2_contingency, fisher_exact

from auditkit.core.design import Design
from auditkit.measures import impact
from auditkit.measures.impact import adverse_impact
from tests.measures.samples import assert_sound, covers, groups, mean, proportion


def table(*selected_of: tuple[int, int]):
    """One group for each (selected, rows)."""
    hit = np.concatenate([np.arange(n) < k for k, n in selected_of])
    codes = np.repeat(np.arange(len(selected_of)), [n for _, n in selected_of])
    return proportion(hit, name="selection_rate"), groups(codes, len(selected_of))


def test_the_example_of_the_uniform_guidelines():
    """Questions and Answers, 12: 48 of 80 whites and 12 of 40 blacks are hired, 60% and 30%; 30/60 is 50%."""
    found = adverse_impact(*table((48, 80), (12, 40)))
    assert found.reference == "g0"
    black = found.groups[1]
    assert black.rate.value == pytest.approx(0.3)
    assert black.ratio.value == pytest.approx(0.5)
    assert black.below_four_fifths
    # By hand: the pooled rate is 60/120, so 20 of 40 are expected, and the standard error is √(¼ (1/80 + 1/40)).
    assert black.shortfall == pytest.approx(20 - 12)
    assert black.deviations == pytest.approx(0.3 / math.sqrt(0.25 * (1 / 80 + 1 / 40)))
    assert black.beyond_two_deviations
    assert black.fisher_p == pytest.approx(fisher_exact([[48, 32], [12, 28]]).pvalue, rel=1e-12)
    assert black.share == pytest.approx(1 / 3)


def test_the_square_of_the_deviations_is_pearsons_chi_square():
    found = adverse_impact(*table((301, 700), (77, 240))).groups[1]
    chi = chi2_contingency([[301, 399], [77, 163]], correction=False)
    assert found.deviations**2 == pytest.approx(chi.statistic, rel=1e-12)


def test_a_group_that_has_more_is_not_short():
    found = adverse_impact(*table((30, 100), (60, 100)), reference="g0")
    assert found.groups[1].ratio.value == pytest.approx(2.0)
    assert found.groups[1].deviations < -2
    assert found.groups[1].shortfall == pytest.approx(-15)
    assert found.groups[1].below_four_fifths is False
    itself = found.groups[0]
    assert itself.ratio.value == 1.0
    assert not itself.ratio.sampled
    assert itself.deviations is None


def test_millions_of_rows_by_their_counts():
    stored, by = table((1, 2), (1, 2))
    found = adverse_impact(stored, by, Design(count=np.array([310_000, 690_000, 933_000, 2_067_000])))
    assert found.reference == "g1"
    expected = fisher_exact([[933_000, 2_067_000], [310_000, 690_000]]).pvalue
    assert 0.01 < expected < 0.1
    assert found.groups[0].fisher_p == pytest.approx(expected, rel=1e-9)
    assert found.groups[1].rate.n == 3_000_000


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("clustered", [False, True])
def test_counted_rows_are_repeated_rows(weighted, clustered):
    rng = np.random.default_rng(1)
    n, count = 90, rng.integers(1, 6, 90)
    hit, codes = rng.random(n) < 0.4, rng.integers(0, 3, n)
    weight, cluster = (rng.random(n) + 0.5 if weighted else None), (rng.integers(0, 40, n) if clustered else None)
    stored = adverse_impact(proportion(hit), groups(codes, 3), Design(weight, cluster, count))
    repeated = Design(
        None if weight is None else np.repeat(weight, count), None if cluster is None else np.repeat(cluster, count)
    )
    theirs = adverse_impact(proportion(np.repeat(hit, count)), groups(np.repeat(codes, count), 3), repeated)
    assert stored.reference == theirs.reference
    for one, other in zip(stored.groups, theirs.groups, strict=True):
        assert one.ratio.n == other.ratio.n
        assert (one.ratio.value, *one.ratio.interval) == pytest.approx((other.ratio.value, *other.ratio.interval))
        assert one.share == pytest.approx(other.share)
        assert (one.deviations is None) == (other.deviations is None)
        if one.deviations is not None:
            assert one.deviations == pytest.approx(other.deviations, rel=1e-9)
            assert one.shortfall == pytest.approx(other.shortfall, rel=1e-9)
            assert one.fisher_p == (None if weighted or clustered else pytest.approx(other.fisher_p, rel=1e-9))


def test_clusters_lower_the_deviations_and_leave_no_exact_test():
    rng = np.random.default_rng(2)
    hit = np.repeat(rng.random(60) < np.repeat([0.6, 0.3], 30), 10)
    codes, cluster = np.repeat([0, 1], 300), np.repeat(np.arange(60), 10)
    plain = adverse_impact(proportion(hit), groups(codes, 2)).groups[1]
    clustered = adverse_impact(proportion(hit), groups(codes, 2), Design(cluster=cluster)).groups[1]
    assert clustered.deviations == pytest.approx(plain.deviations / math.sqrt(10), rel=0.15)
    assert clustered.fisher_p is None
    assert "independent rows" in clustered.fisher_reason


@pytest.mark.parametrize(("size", "rows"), [(2, 60), (6, 150)])
@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_all_ratios_to_the_most_selected_are_covered_at_once(size, rows, spread):
    rng = np.random.default_rng(size)
    truth = np.linspace(0.4 - spread, 0.4, size)
    codes = np.repeat(np.arange(size), rows)
    hits = []
    for _ in range(300):
        found = adverse_impact(proportion(rng.random(size * rows) < truth[codes]), groups(codes, size))
        for one in found.groups:
            if one.ratio.sampled:
                assert_sound(one.ratio)
        hits.append(
            all(
                covers(one.ratio, t) if one.ratio.sampled else t == 1.0
                for one, t in zip(found.groups, truth / truth.max(), strict=True)
            )
        )
    assert np.mean(hits) >= 0.93


def test_what_can_not_be_compared_says_why():
    nobody = adverse_impact(*table((0, 30), (0, 40)))
    assert nobody.reference is None
    assert all(one.ratio.value is None and "no row is selected" in one.ratio.reason for one in nobody.groups)
    hit, by = table((10, 30), (20, 40))
    absent = groups(by.codes, ["a", "b", "gone"])
    found = adverse_impact(hit, absent)
    assert found.groups[1].ratio.value == 1.0
    assert "gone" in found.groups[2].ratio.reason
    assert (
        adverse_impact(hit, absent, reference="gone").groups[0].ratio.reason == "the reference group 'gone' has no rate"
    )
    alone = adverse_impact(proportion(np.ones(20)), groups(np.zeros(20), 1))
    assert "two groups" in alone.groups[0].ratio.reason


def test_a_reference_that_is_as_good_as_nobody_leaves_no_interval():
    hit, by = table((1, 30), (20, 40))
    found = adverse_impact(hit, by, Design(weight=np.where(np.arange(70) == 0, 1e-250, 1.0)), reference="g0")
    assert found.groups[1].ratio.interval is None
    assert "may be 0" in found.groups[1].ratio.reason


def test_what_makes_no_sense_is_refused():
    hit, by = table((10, 30), (20, 40))
    with pytest.raises(ValueError, match="no group 'men'"):
        adverse_impact(hit, by, reference="men")
    with pytest.raises(ValueError, match="compares proportions"):
        adverse_impact(mean(np.arange(70.0)), by)


@pytest.mark.parametrize(
    "table", [(0, 5, 3, 7), (3, 3, 1, 1), (7, 12, 20, 31), (1, 1000, 40, 9000), (31, 100, 300, 1000)]
)
def test_fishers_test_is_scipys(table):
    a, m, b, n = table
    ours = impact.fisher_exact(np.array([a, b], dtype=float), np.array([m, n], dtype=float))
    assert ours == pytest.approx(fisher_exact([[a, m - a], [b, n - b]]).pvalue, rel=1e-9, abs=1e-300)


def test_fishers_test_of_a_hundred_million_rows():
    hits, rows = np.array([3_000_000.0, 27_003_000.0]), np.array([1e7, 9e7])
    expected = fisher_exact([hits.astype(int), (rows - hits).astype(int)]).pvalue
    assert 0.01 < expected < 0.99
    assert impact.fisher_exact(hits, rows) == pytest.approx(expected, rel=1e-6)

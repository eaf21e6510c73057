"""Inequality indices against AIF360's printed numbers, its formulas, the definition, the bootstrap, and simulation."""

from __future__ import annotations

import numpy as np
import pytest

from auditkit.core.design import Design
from auditkit.measures.inequality import (
    benefits,
    coefficient_of_variation,
    entropy_from_counts,
    generalized_entropy,
    inequality,
    theil,
)
from tests.measures.samples import assert_sound, covers, groups

#: Two groups with TN, FP, FN, TP of (50, 7, 12, 31) and (20, 15, 4, 11): benefits of 0 (FN), 1 and 2 (FP).
TABLES = [(50, 7, 12, 31), (20, 15, 4, 11)]
#: What aif360 0.6.1 prints for them: `ClassificationMetric.generalized_entropy_index(alpha)` and
#: `between_all_groups_generalized_entropy_index(alpha)`.
AIF360 = {
    0.5: (0.25777209413944924, 0.00721280821465875),
    1.0: (0.15628233777388273, 0.007298770286704374),
    2.0: (0.11637080867850087, 0.007488905325443689),
    3.0: (0.11781216810802597, 0.007704931440600772),
}
AIF360_COEFFICIENT_OF_VARIATION = 0.4824330185186351


def published():
    """Benefits and groups of the rows behind `TABLES`."""
    target = np.concatenate([np.repeat([0, 0, 1, 1], table) for table in TABLES]).astype(bool)
    prediction = np.concatenate([np.repeat([0, 1, 0, 1], table) for table in TABLES]).astype(bool)
    return benefits(target, prediction), groups(np.repeat([0, 1], [sum(t) for t in TABLES]), 2)


def formula(b, alpha, w=None):
    """The definition, as AIF360 writes it."""
    w = np.ones(len(b)) if w is None else w
    r = b / np.average(b, weights=w)
    if alpha == 1:
        return np.average(np.where(r > 0, r * np.log(np.where(r > 0, r, 1)), 0), weights=w)
    if alpha == 0:
        return -np.average(np.log(r), weights=w)
    return np.average(r**alpha - 1, weights=w) / (alpha * (alpha - 1))


@pytest.mark.parametrize("alpha", list(AIF360))
def test_the_numbers_that_aif360_prints(alpha):
    b, by = published()
    overall, between = AIF360[alpha]
    found = inequality(b, by, alpha)
    assert generalized_entropy(b, alpha).value == pytest.approx(overall, abs=1e-14)
    assert found.overall.value == pytest.approx(overall, abs=1e-14)
    assert found.between.value == pytest.approx(between, abs=1e-14)
    assert found.within.value == pytest.approx(overall - between, abs=1e-14)
    for one in (found.overall, found.between, found.within):
        assert_sound(one)


def test_named_indices():
    b, _ = published()
    assert theil(b) == generalized_entropy(b, 1.0)
    assert coefficient_of_variation(b).value == pytest.approx(AIF360_COEFFICIENT_OF_VARIATION, abs=1e-14)
    assert coefficient_of_variation(b).value == pytest.approx(b.std() / b.mean(), abs=1e-14)
    assert_sound(coefficient_of_variation(b))


@pytest.mark.parametrize("alpha", [-1.0, 0.0, 0.5, 1.0, 2.0, 3.5])
@pytest.mark.parametrize("weighted", [False, True])
def test_any_benefits_by_the_definition_and_within_by_its_own(alpha, weighted):
    rng = np.random.default_rng(1)
    b, codes = rng.lognormal(size=300), rng.integers(0, 3, 300)
    w = rng.random(300) + 0.1 if weighted else None
    found = inequality(b, groups(codes, 3), alpha, Design(weight=w))
    assert found.overall.value == pytest.approx(formula(b, alpha, w), rel=1e-10)
    ones = np.ones(300) if w is None else w
    mean, within = np.average(b, weights=ones), 0.0
    for k in range(3):
        of = codes == k
        share, own = ones[of].sum() / ones.sum(), np.average(b[of], weights=ones[of])
        within += share * (own / mean) ** alpha * formula(b[of], alpha, ones[of])
    assert found.within.value == pytest.approx(within, rel=1e-9)
    assert found.between.value + found.within.value == pytest.approx(found.overall.value, rel=1e-12)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
def test_the_delta_method_is_the_spread_of_resampled_rows(alpha):
    rng = np.random.default_rng(2)
    b = rng.gamma(4.0, size=400)
    drawn = [formula(b[rng.integers(0, 400, 400)], alpha) for _ in range(2000)]
    found = generalized_entropy(b, alpha)
    assert np.log(found.high / found.low) == pytest.approx(3.92 * np.std(np.log(drawn)), rel=0.1)


def test_counts_alone_give_the_same_and_a_matching_interval():
    b, _ = published()
    counts = np.array([np.sum(b == k) for k in (0, 1, 2)])
    for alpha in (1.0, 2.0):
        found = entropy_from_counts(counts, np.arange(3.0), alpha)
        rows = generalized_entropy(b, alpha)
        assert found.value == pytest.approx(rows.value, abs=1e-14)
        assert found.interval == pytest.approx(rows.interval, rel=0.12)
        assert_sound(found)


TRUTHS = [(0.0, 0.03), (0.05, 0.02), (0.0, 0.3), (0.2, 0.1), (0.4, 0.3)]


@pytest.mark.parametrize("n", [60, 1000])
@pytest.mark.parametrize("alpha", [1.0, 2.0])
def test_coverage_of_decisions(n, alpha):
    """(0, 0.3) is near where the index is largest: there the delta method covers 80%."""
    rng = np.random.default_rng(n)
    averages = []
    for denied, granted in TRUTHS:
        p = np.array([denied, 1 - denied - granted, granted])
        exact = p @ np.arange(3.0)
        r = np.arange(3.0) / exact
        truth = p[1:] @ (r * np.log(np.maximum(r, 1e-9)))[1:] if alpha == 1 else (p @ r**2 - 1) / 2
        hits = []
        for _ in range(150):
            found = generalized_entropy(rng.choice(3, size=n, p=p).astype(float), alpha)
            assert_sound(found)
            hits.append(covers(found, truth))
        averages.append(np.mean(hits))
        assert averages[-1] >= 0.9
    assert np.mean(averages) >= 0.93


@pytest.mark.parametrize("gap", [0.0, 0.05, 0.4])
@pytest.mark.parametrize("size", [2, 8])
def test_coverage_between_and_within_groups(gap, size):
    """At equal means the index between is 0, where the delta method covers never."""
    rng = np.random.default_rng(size)
    denied = 0.1 + gap * np.arange(size) / (size - 1)
    codes = np.repeat(np.arange(size), 200)
    p = np.stack([denied, 0.95 - denied, np.full(size, 0.05)], axis=1)
    means, mean = p @ np.arange(3.0), (p @ np.arange(3.0)).mean()
    between = ((means / mean) ** 2 - 1).mean() / 2
    within = (((p @ np.arange(3.0) ** 2) / mean**2).mean() - 1) / 2 - between
    hits = []
    for _ in range(200):
        b = (rng.random(len(codes))[:, None] > np.cumsum(p, axis=1)[codes]).sum(axis=1).astype(float)
        found = inequality(b, groups(codes, size))
        assert_sound(found.between)
        hits.append((covers(found.between, between), covers(found.within, within)))
    assert np.mean(hits, axis=0).min() >= 0.92


def test_clusters_widen_it():
    rng = np.random.default_rng(3)
    b = np.repeat(rng.choice(3, size=80, p=[0.15, 0.7, 0.15]), 10).astype(float)
    cluster = np.repeat(np.arange(80), 10)
    plain, clustered = generalized_entropy(b), generalized_entropy(b, 2.0, Design(cluster=cluster))
    ratio = np.log(clustered.high / clustered.low) / np.log(plain.high / plain.low)
    assert ratio == pytest.approx(np.sqrt(10), rel=0.2)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("decisions", [False, True])
def test_counted_rows_are_repeated_rows(weighted, clustered, decisions):
    rng = np.random.default_rng(4)
    count, codes = rng.integers(1, 5, 60), rng.integers(0, 3, 60)
    b = rng.integers(0, 3, 60).astype(float) if decisions else np.round(rng.lognormal(size=60), 1) + 0.1
    weight, cluster = (rng.random(60) + 0.2 if weighted else None), (rng.integers(0, 25, 60) if clustered else None)
    stored = inequality(b, groups(codes, 3), 1.0, Design(weight, cluster, count))
    repeated = Design(
        None if weight is None else np.repeat(weight, count), None if cluster is None else np.repeat(cluster, count)
    )
    theirs = inequality(np.repeat(b, count), groups(np.repeat(codes, count), 3), 1.0, repeated)
    for one, other in ((getattr(stored, part), getattr(theirs, part)) for part in ("overall", "between", "within")):
        assert one.n == other.n
        assert (one.value, *one.interval) == pytest.approx((other.value, *other.interval), rel=1e-9)


@pytest.mark.parametrize("n", [1, 12, 500])
def test_no_error_has_width_and_one_row_none(n):
    found = generalized_entropy(np.ones(n))
    assert found.value == 0.0
    if n == 1:
        assert "independent unit" in found.reason
    else:
        assert_sound(found)
        assert found.high < 2 / n + 3.7 / n
    assert generalized_entropy(np.full(n, 7.5)).interval is None


def test_what_does_not_exist_says_why():
    assert "no rows" in generalized_entropy(np.array([np.nan])).reason
    assert "all are 0" in generalized_entropy(np.zeros(9)).reason
    assert "α = 0" in generalized_entropy(np.arange(9.0), 0.0).reason
    with pytest.raises(ValueError, match="at least 0"):
        generalized_entropy(np.array([1.0, -2.0]))
    absent = inequality(np.arange(1.0, 30), groups(np.zeros(29), ["a", "b"]))
    assert absent.overall.value is not None
    assert "'b'" in absent.between.reason
    assert absent.within.value is None
    assert "two or more" in inequality(np.arange(1.0, 30), groups(np.zeros(29), 1)).between.reason


def test_a_group_that_gets_nothing():
    b = np.concatenate([np.zeros(40), np.ones(30), np.full(10, 2.0)])
    found = inequality(b, groups(np.repeat([0, 1], 40), 2), 1.0)
    assert found.between.value == pytest.approx(np.log(2))
    assert_sound(found.between)

"""Gaps, worst groups and ranks of any estimate: closed forms, agreement with `gap`, simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from auditkit.core.estimate import Estimate
from auditkit.core.types import Better
from auditkit.measures.between import gap_between, ranks, worst_of
from auditkit.measures.classification import f1
from auditkit.measures.gaps import gap
from auditkit.measures.intervals import normal_quantile, range_quantile
from auditkit.measures.ranking import roc_auc
from auditkit.measures.rates import by_group
from tests.measures.samples import assert_sound, covers, groups, proportion, rule


def normal(values, error=1.0, n=100):
    """Estimates with normal limits."""

    def at(confidence):
        half = normal_quantile(confidence) * np.broadcast_to(error, len(values))
        return [
            Estimate(float(v), float(v - h), float(v + h), confidence, "z", n)
            for v, h in zip(values, half, strict=True)
        ]

    return at


def names(size):
    return [f"g{i}" for i in range(size)]


def test_symmetric_limits_give_tukeys_interval():
    """With equal known errors, MOVER at that critical value is Tukey's honest significant difference."""
    values = [3.0, 9.0, 4.0]
    found = gap_between("difference", names(3), normal(values), share=False)
    half = range_quantile(0.95, 3) * np.sqrt(2)
    assert found.estimate.value == 6.0
    assert found.estimate.interval == pytest.approx((6 - half, 6 + half))
    assert (found.highest, found.lowest, found.compared) == ("g1", "g0", ("g0", "g1", "g2"))


def test_two_groups_of_a_rate_are_newcombes():
    rng = np.random.default_rng(0)
    hit, by = proportion(rng.random(400) < 0.3), groups(rng.integers(0, 2, 400), 2)
    for form in ("difference", "ratio"):
        ours = gap_between(form, by.labels, lambda c: by_group(hit, by, confidence=c))
        theirs = gap(rule("rate", form=form), [hit], by)
        assert ours.estimate.value == pytest.approx(theirs.estimate.value, abs=1e-12)
        assert ours.estimate.interval == pytest.approx(theirs.estimate.interval, abs=1e-9)
        assert ours.estimate.n == theirs.estimate.n
        assert ours.expected_if_equal == pytest.approx(theirs.expected_if_equal, abs=0.02)


AREA = 0.8


def areas_of(scores, positive):
    """AUC estimates of groups, each a row of both arrays."""
    return lambda c: [roc_auc(s, y, confidence=c) for s, y in zip(scores, positive, strict=True)]


def areas(rng, size, rows):
    """AUC estimates of groups that have the same area."""
    y = rng.random((size, rows)) < 0.4
    return areas_of(rng.normal(size=(size, rows)) + norm.ppf(AREA) * np.sqrt(2) * y, y)


def f1s(rng, size, rows):
    """F1 estimates of equal groups."""
    y = rng.random((size, rows)) < 0.4
    p = np.where(rng.random((size, rows)) < 0.75, y, ~y)
    return lambda c: [f1(y[g], p[g], confidence=c) for g in range(size)]


@pytest.mark.parametrize("of", [areas, f1s])
@pytest.mark.parametrize(("size", "rows"), [(2, 60), (2, 400), (10, 60), (10, 250)])
def test_the_gap_of_equal_groups_is_covered(of, size, rows):
    rng = np.random.default_rng(size * rows)
    hits = []
    for _ in range(120):
        found = gap_between("difference", names(size), of(rng, size, rows)).estimate
        assert_sound(found)
        hits.append(found.low == 0.0)
    assert np.mean(hits) >= 0.9


@pytest.mark.parametrize("size", [2, 10])
def test_the_gap_of_unequal_groups_is_covered(size):
    rng = np.random.default_rng(size)
    truth = np.linspace(0.65, 0.85, size)
    shift = norm.ppf(truth)[:, None] * np.sqrt(2)
    hits = []
    for _ in range(120):
        y = rng.random((size, 200)) < 0.4
        s = rng.normal(size=(size, 200)) + shift * y
        at = areas_of(s, y)
        hits.append(
            [
                covers(gap_between("difference", names(size), at).estimate, 0.2),
                covers(gap_between("ratio", names(size), at).estimate, 0.65 / 0.85),
            ]
        )
    assert np.mean(hits, axis=0).min() >= 0.92


def test_a_group_without_a_value_leaves_none_but_a_partial_gap():
    estimates = normal([0.2, 0.5, 0.6], 0.05)

    def at(confidence):
        first, second, _ = estimates(confidence)
        return [first, second, Estimate.undefined("g2: there are no rows with a label")]

    found = gap_between("difference", names(3), at)
    assert found.estimate.value is None
    assert found.estimate.reason == "the group 'g2': there are no rows with a label"
    assert found.undefined == ("g2",)
    assert found.partial.value == pytest.approx(0.3)
    gone = gap_between("difference", names(3), at, absent=["g2"])
    assert (gone.absent, gone.undefined) == (("g2",), ())
    assert "no rows in this split" in gone.estimate.reason
    # An absent group is not compared, so the others are compared as two are.
    assert gone.partial.interval == pytest.approx(
        gap_between("difference", names(2), estimates_of(at, 2)).estimate.interval
    )
    assert worst_of(names(3), at, Better.LOWER).estimate.value is None
    assert worst_of(names(3), at, Better.LOWER).partial.value == pytest.approx(0.5)
    assert ranks(names(3), at)[2].rank is None


def estimates_of(at, size):
    return lambda confidence: at(confidence)[:size]


def test_a_group_without_an_interval_leaves_none():
    def at(confidence):
        return [*normal([0.2, 0.5], 0.05)(confidence), Estimate(0.9, n=1, reason="g2: one row")]

    for found in (gap_between("difference", names(3), at).estimate, worst_of(names(3), at, Better.HIGHER).estimate):
        assert found.value is not None
        assert found.interval is None
        assert found.reason == "the group 'g2' has no interval: one row"
    # It may have any rank; the others are certain of each other alone.
    found = ranks(names(3), at)
    assert [(r.rank, r.low, r.high) for r in found] == [(3, 2, 3), (2, 1, 2), (1, 1, 3)]


@pytest.mark.parametrize(
    ("form", "values", "why"),
    [
        ("ratio", [0.0, 0.0], "0 in every group"),
        ("ratio", [-0.5, 0.5], "negative in some group"),
        ("difference", [0.4], "there is one ('g0')"),
        ("difference", [], "two groups"),
    ],
)
def test_gaps_that_do_not_exist_say_why(form, values, why):
    found = gap_between(form, names(len(values)), normal(values, 0.1))
    assert found.estimate.value is None
    assert why in found.estimate.reason


def test_small_groups_are_named_and_shares_stay_shares():
    found = gap_between("difference", names(2), normal([0.05, 0.97], 0.3, n=7))
    assert found.small == ("g0", "g1")
    assert found.estimate.high == 1.0
    assert gap_between("difference", names(2), normal([0.05, 0.97], 0.3), share=False).estimate.high > 1.0


def test_mismatched_names_are_refused():
    with pytest.raises(ValueError, match="3 groups, but 2 estimates"):
        gap_between("difference", names(3), normal([0.1, 0.2]))
    with pytest.raises(ValueError, match="'x' is not"):
        worst_of(names(2), normal([0.1, 0.2]), Better.LOWER, absent=["x"])


@pytest.mark.parametrize("better", [Better.HIGHER, Better.LOWER])
@pytest.mark.parametrize("truth", [np.zeros(12), np.linspace(0, 3, 12), np.r_[np.zeros(11), [-2.0]]])
def test_the_worst_true_value_is_covered_and_each_end_errs_seldom(better, truth):
    rng = np.random.default_rng(3)
    worst = truth.min() if better is Better.HIGHER else truth.max()
    below, above = 0, 0
    for _ in range(600):
        found = worst_of(names(12), normal(truth + rng.normal(size=12)), better).estimate
        assert_sound(found)
        below += worst < found.low
        above += worst > found.high
    assert below / 600 <= 0.045
    assert above / 600 <= 0.045


def test_the_worst_group_is_named_and_its_bad_end_is_pointwise():
    found = worst_of(names(4), normal([5.0, 1.0, 3.0, 9.0]), Better.HIGHER)
    assert (found.group, found.estimate.value) == ("g1", 1.0)
    assert found.estimate.low == pytest.approx(1.0 - norm.ppf(0.975))
    assert found.estimate.high == pytest.approx(1.0 + norm.ppf(1 - 0.025 / 4))
    high = worst_of(names(4), normal([5.0, 1.0, 3.0, 9.0]), Better.LOWER)
    assert (high.group, high.estimate.high) == ("g3", pytest.approx(9.0 + norm.ppf(0.975)))


def test_ranks_by_hand():
    found = ranks(names(4), normal([10.0, 0.0, 10.0, 5.0], 0.1))
    assert [(r.rank, r.low, r.high) for r in found] == [(1, 1, 2), (4, 4, 4), (1, 1, 2), (3, 3, 3)]
    low = ranks(names(4), normal([10.0, 0.0, 10.0, 5.0], 0.1), Better.LOWER)
    assert [(r.rank, r.low, r.high) for r in low] == [(3, 3, 4), (1, 1, 1), (3, 3, 4), (2, 2, 2)]
    vague = ranks(names(3), normal([1.0, 2.0, 3.0], 50.0))
    assert {(r.low, r.high) for r in vague} == {(1, 3)}
    assert [r.value for r in low] == [10.0, 0.0, 10.0, 5.0]


@pytest.mark.parametrize("truth", [np.arange(8.0) * 2, np.zeros(8), np.array([0, 0, 0, 4, 4, 8, 8, 9.0])])
def test_all_ranks_are_covered_at_once(truth):
    """A true rank is any place among equals: from 1 + those ahead to all but those behind."""
    rng = np.random.default_rng(5)
    first = 1 + (truth[None] > truth[:, None]).sum(axis=1)
    last = len(truth) - (truth[None] < truth[:, None]).sum(axis=1)
    hits = []
    for _ in range(400):
        found = ranks(names(8), normal(truth + rng.normal(size=8)))
        hits.append(all(r.low <= a and b <= r.high for r, a, b in zip(found, first, last, strict=True)))
        assert all(r.low <= r.rank <= r.high for r in found)
    assert np.mean(hits) >= 0.93

"""Mergeable states: any cut and any order gives the same digest, and the answers of the direct measures."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sklearn

from auditkit.core.design import Design
from auditkit.core.outcomes import Groups
from auditkit.core.task import GapRule, RowStatistic
from auditkit.measures import regression
from auditkit.measures.calibration import brier, expected_calibration_error
from auditkit.measures.cells import accuracy, class_metrics
from auditkit.measures.classification import row_log_loss
from auditkit.measures.difference import paired_mean
from auditkit.measures.error_moments import ErrorMoments
from auditkit.measures.gaps import gap
from auditkit.measures.levels import coarser, edges_of, key_of, value_of
from auditkit.measures.quantiles import quantile
from auditkit.measures.ranking import roc_auc
from auditkit.measures.rates import by_group
from auditkit.measures.sketch import QuantileSketch, ScoreTally
from auditkit.measures.states import ExactSums, aligned, ordered
from auditkit.measures.tally import Tally, WeightedTally

CLASSES = ("no", "yes", "maybe")
NAMES = ("b", "a", "c", "unseen")


class Rows:
    """Rows of every kind, and the states of any selection of them, each chunk knowing its own groups only."""

    def __init__(self, n=400, seed=0):
        rng = np.random.default_rng(seed)
        self.code = rng.integers(0, 3, n)
        self.target = rng.integers(-1, 3, n)
        self.given = np.where(rng.random(n) < 0.7, self.target, rng.integers(-1, 3, n))
        self.weight = np.where(rng.random(n) < 0.1, 0.0, rng.lognormal(0, 3, n) * 10.0 ** rng.integers(-9, 9, n))
        self.score = np.clip(rng.beta(0.3, 0.3, n), 0, 1)
        self.score[:3] = [0.0, 1.0, 0.5]
        self.error = rng.normal(0.3, 1, n) * 10.0 ** rng.integers(-6, 6, n)
        self.count = rng.integers(1, 5, n)

    def groups(self, rows):
        present = sorted({int(c) for c in self.code[rows]}, reverse=bool(len(rows) % 2))
        place = {c: i for i, c in enumerate(present)}
        codes = np.array([place[int(c)] for c in self.code[rows]], dtype=np.int64)
        return Groups("group", tuple(NAMES[c] for c in present), codes, count=self.count[rows])

    def states(self, rows, limit):
        groups = self.groups(rows)
        order = CLASSES if len(rows) % 3 else (*CLASSES[1:], CLASSES[0])
        to = np.append([order.index(name) for name in CLASSES], -1)
        target, given_ = to[self.target[rows]], to[self.given[rows]]
        return (
            Tally.of(groups, target, given_, order),
            WeightedTally.of(groups, target, given_, order, self.weight[rows]),
            ScoreTally.of(groups, self.target[rows] == 1, self.score[rows], bits=6, limit=limit),
            QuantileSketch.of(groups, self.error[rows], bits=6, limit=limit),
            ErrorMoments.of(groups, self.error[rows]),
        )


ROWS = Rows()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=400, max_size=400), st.randoms(use_true_random=False), st.booleans())
def test_any_cut_and_any_order_gives_the_same_state(chunk_of, shuffler, few):
    limit = 50 if few else 100_000
    whole = ROWS.states(np.arange(400), limit)
    chunks = [np.flatnonzero(np.array(chunk_of) == c) for c in range(7)]
    chunks = [chunk for chunk in chunks if len(chunk)]
    shuffler.shuffle(chunks)
    for chunk in chunks:
        shuffled = chunk.tolist()
        shuffler.shuffle(shuffled)
        chunk[:] = shuffled
    parts = [ROWS.states(chunk, limit) for chunk in chunks]
    total = list(parts[0])
    for part in parts[1:]:
        total = [a + b for a, b in zip(total, part, strict=True)]
    # The other way round, and as a tree.
    pending = [list(part) for part in parts]
    while len(pending) > 1:
        second, first = pending.pop(), pending.pop(0)
        pending.insert(len(pending) // 2, [b + a for a, b in zip(first, second, strict=True)])
    for a, b, c in zip(whole, total, pending[0], strict=True):
        assert a.digest() == b.digest() == c.digest()
    assert whole[2].roc_auc("a") == total[2].roc_auc("a") == pending[0][2].roc_auc("a")
    assert whole[3].quantile(0.9, "b") == total[3].quantile(0.9, "b")
    assert whole[4].mean_absolute_error() == total[4].mean_absolute_error()
    assert whole[1].rate(accuracy(3)) == pending[0][1].rate(accuracy(3))


def test_a_digest_tells_states_apart():
    rows = np.arange(400)
    changed = Rows()
    changed.target[7] = (changed.target[7] + 2) % 3
    changed.score[7] = np.nextafter(changed.score[7], 1)
    changed.error[7] = np.nextafter(changed.error[7], 1e9)
    changed.weight[7] = np.nextafter(changed.weight[7] + 1, 2)
    for a, b in zip(ROWS.states(rows, 10**6), changed.states(rows, 10**6), strict=True):
        assert a.digest() != b.digest()


def test_a_declared_group_without_rows_is_part_of_the_state():
    groups = Groups("group", ("a", "b"), np.zeros(3, dtype=np.int64))
    alone = Groups("group", ("a",), np.zeros(3, dtype=np.int64))
    y = np.array([0, 1, 1])
    some, other = Tally.of(groups, y, y, CLASSES), Tally.of(alone, y, y, CLASSES)
    assert some.digest() != other.digest()
    assert (some + other).groups == ("a", "b")
    assert (some + other).rows.tolist() == [6, 0]


# --- exact sums ------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=64), min_size=1, max_size=40))
def test_exact_sums_are_fractions(values):
    array = np.array(values)
    found = ExactSums.of(np.zeros(len(array), dtype=np.int64), array, 1)
    assert Fraction(found.total[0], 2**1126) == sum(Fraction(v) for v in values)


def test_exact_sums_are_fsum_over_blocks_and_groups():
    rng = np.random.default_rng(1)
    n = (1 << 19) + 1000
    values, codes = rng.normal(size=n) * 10.0 ** rng.integers(-30, 30, n), rng.integers(0, 3, n)
    found = ExactSums.of(codes, values, 4).values()
    assert found.tolist() == [math.fsum(values[codes == k]) for k in range(4)]


def test_counted_numbers_are_repeated_numbers():
    rng = np.random.default_rng(2)
    values, count, codes = rng.normal(size=300) * 1e-9, rng.integers(0, 50, 300), rng.integers(0, 2, 300)
    count[0] = 0
    repeated = ExactSums.of(np.repeat(codes, count), np.repeat(values, count), 2)
    assert ExactSums.of(codes, values, 2, count) == repeated
    most = ExactSums.of(np.array([0]), np.array([1 / 3]), 1, np.array([2**31 - 1]))
    assert Fraction(most.total[0], 2**1126) == (2**31 - 1) * Fraction(1 / 3)


def test_what_can_not_be_summed_is_refused():
    zero = np.array([0])
    with pytest.raises(ValueError, match="finite"):
        ExactSums.of(zero, np.array([np.inf]), 1)
    with pytest.raises(ValueError, match="at most"):
        ExactSums.of(zero, np.array([1.0]), 1, np.array([2**31]))


def test_names_line_up():
    names, mine, theirs = aligned(("b", "a"), ("c", "a"))
    assert names == ("a", "b", "c")
    assert (mine.tolist(), theirs.tolist()) == ([1, 0], [2, 0])
    with pytest.raises(ValueError, match="twice"):
        ordered(("a", "b", "a"))


# --- tallies ---------------------------------------------------------------------------------------------------------


def binary(n=4000, seed=3):
    rng = np.random.default_rng(seed)
    groups = Groups("group", ("x", "y", "z"), rng.integers(0, 3, n))
    target = rng.integers(0, 2, n)
    given_ = np.where(rng.random(n) < 0.7 + 0.08 * groups.codes, target, 1 - target)
    return groups, target, given_, rng


def statistic(name, hits, counts):
    return RowStatistic(name, "proportion", np.where(counts, hits, 0.0), counts, None, "a row")


def test_rates_and_gaps_of_a_tally_are_those_of_the_rows():
    groups, target, given_, _ = binary()
    tally = Tally.of(groups, target, given_, ("no", "yes"))
    rate = class_metrics(1, 2)[1]
    direct = statistic(rate.name, given_ == 1, target == 1)
    mine, where, design = tally.rows_of(rate)
    assert [(e.value, e.interval, e.n) for e in by_group(mine, where, design)] == [
        (e.value, e.interval, e.n) for e in by_group(direct, groups)
    ]
    rule = GapRule("gap", (rate.name,), "difference")
    assert gap(rule, [mine], where, design).estimate == gap(rule, [direct], groups).estimate


def test_a_tally_keeps_missing_labels_apart_and_its_classes_in_any_order():
    groups = Groups("group", ("x",), np.zeros(5, dtype=np.int64))
    tally = Tally.of(groups, np.array([0, 1, -1, 1, 1]), np.array([0, 0, 1, -1, 1]), ("yes", "no"))
    assert tally.unlabelled.tolist() == [1]
    assert tally.rows.tolist() == [5]
    assert tally.table(("yes", "no")).tolist() == [[[1, 0], [1, 1]]]
    assert tally.table().tolist() == [[[1, 1], [0, 1]]]
    with pytest.raises(ValueError, match="classes are"):
        tally.table(("yes", "maybe"))


def test_a_weighted_tally_answers_as_the_rows_do():
    groups, target, given_, rng = binary()
    weight = rng.lognormal(0, 0.7, len(target))
    state = WeightedTally.of(groups, target, given_, ("no", "yes"), weight)
    for rate, direct in (
        (accuracy(2), statistic("accuracy", target == given_, np.ones(len(target), dtype=bool))),
        (class_metrics(1, 2)[2], statistic("fpr", given_ == 1, target == 0)),
    ):
        for mine, theirs in zip(state.rate(rate), by_group(direct, groups, Design(weight=weight)), strict=True):
            assert mine.value == pytest.approx(theirs.value, abs=1e-12)
            assert mine.n == theirs.n
            assert mine.interval == pytest.approx(theirs.interval, abs=2e-3)


def test_equal_weights_leave_the_plain_interval():
    groups, target, given_, _ = binary()
    state = WeightedTally.of(groups, target, given_, ("no", "yes"), np.full(len(target), 0.1))
    direct = by_group(statistic("accuracy", target == given_, np.ones(len(target), dtype=bool)), groups)
    for mine, theirs in zip(state.rate(accuracy(2)), direct, strict=True):
        assert mine.interval == pytest.approx(theirs.interval, abs=1e-9)


def test_counted_weights_are_repeated_weights():
    rows = np.arange(400)
    groups = ROWS.groups(rows)
    target, given_, weight = ROWS.target, ROWS.given, ROWS.weight
    repeated = np.repeat(rows, ROWS.count)
    bare = Groups(groups.attribute, groups.labels, groups.codes[repeated])
    counted = WeightedTally.of(groups, target, given_, CLASSES, weight)
    long = WeightedTally.of(bare, target[repeated], given_[repeated], CLASSES, weight[repeated])
    assert counted.digest() == long.digest()


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf, 1e200, 1e-200])
def test_a_weight_that_can_not_be_squared_is_refused(weight):
    groups = Groups("group", ("x",), np.zeros(2, dtype=np.int64))
    y = np.array([0, 1])
    with pytest.raises(ValueError, match="weights must be"):
        WeightedTally.of(groups, y, y, ("no", "yes"), np.array([1.0, weight]))


# --- scores ----------------------------------------------------------------------------------------------------------


def scored(n=6000, seed=4):
    groups, target, _, rng = binary(n, seed)
    score = 1 / (1 + np.exp(-(3 * target - 1.5 + rng.normal(0, 1.5, n)) * 2))
    return groups, target == 1, score


def direct_scores(positive, score):
    y = positive.astype(np.int64)
    return {
        "roc_auc": roc_auc(score, positive),
        "log_loss": paired_mean(row_log_loss(np.stack([1 - score, score], axis=1), y)),
        "brier": brier(score, y),
        "expected_calibration_error": expected_calibration_error(score, positive),
    }


@pytest.mark.parametrize("limit", [100_000, 10])
@pytest.mark.parametrize("bits", [4, 10])
def test_answers_from_scores_are_those_of_the_rows_within_the_stated_error(limit, bits):
    groups, positive, score = scored()
    score[:2] = [0.0, 1.0]
    state = ScoreTally.of(groups, positive, score, bits=bits, limit=limit)
    assert state.exact == (limit > 10)
    inside = groups.codes == 1
    for name, direct in direct_scores(positive[inside], score[inside]).items():
        found = getattr(state, name)("y")
        # Equal-mass bins end elsewhere where scores share a cell, which is not part of the stated error.
        allowed = 1e-9 + found.error + (2e-3 if name.startswith("expected") and not state.exact else 0)
        assert abs(found.estimate.value - direct.value) <= allowed, name
        assert found.estimate.n == direct.n
        if state.exact:
            assert found.error == 0
            assert found.estimate.interval == pytest.approx(direct.interval, abs=1e-9)
        else:
            assert 0 < found.error <= 2.0 ** -(bits - 1)
            assert found.estimate.low <= direct.low + allowed
            assert found.estimate.high >= direct.high - allowed
    assert sklearn.roc_auc_score(positive[inside], score[inside]) == pytest.approx(
        direct_scores(positive[inside], score[inside])["roc_auc"].value
    )


def test_the_stated_error_of_the_area_is_needed():
    # Two bits: the cells are so wide that the answer is off by a good part of what is stated.
    groups, positive, score = scored()
    inside = groups.codes == 0
    found = ScoreTally.of(groups, positive, score, bits=2, limit=0).roc_auc("x")
    off = abs(found.estimate.value - roc_auc(score[inside], positive[inside]).value)
    assert 0 < off <= found.error < 0.05


def test_resampled_areas_are_those_of_resampled_rows():
    groups, positive, score = scored(900)
    score = np.round(score, 2)
    inside = groups.codes == 1
    y, s = positive[inside], score[inside]
    found = ScoreTally.of(groups, positive, score).roc_auc_replicates("y", 2000)
    rng = np.random.default_rng(5)
    rows = [rng.integers(0, len(s), len(s)) for _ in range(2000)]
    direct = [sklearn.roc_auc_score(y[r], s[r]) for r in rows]
    assert stats.ks_2samp(found, direct).pvalue > 1e-3
    # A fifth of a standard error apart, they would be told apart.
    assert stats.ks_2samp(found, np.array(direct) + 0.2 * np.std(direct)).pvalue < 1e-3
    assert np.isnan(ScoreTally.of(groups, positive & False, score).roc_auc_replicates("y", 5)).all()
    assert np.isnan(ScoreTally.of(groups, positive, score).roc_auc_replicates("nobody", 5)).all()


def test_scores_near_the_ends_stay_apart():
    score = np.array([1e-300, 1e-12, 1e-6, 0.5, 1 - 1e-6, 1 - 1e-12, 1.0, 0.0])
    groups = Groups("group", ("x",), np.zeros(8, dtype=np.int64))
    state = ScoreTally.of(groups, np.zeros(8, dtype=bool), score, limit=0)
    kept = np.sort(state.rows("x")[0])
    assert len(kept) == 8
    np.testing.assert_allclose(kept[:4], np.sort(score)[:4], rtol=2**-11)
    np.testing.assert_allclose(1 - kept[4:7], 1 - np.sort(score)[4:7], rtol=2**-11, atol=2**-53)


def test_scores_that_are_none_are_refused():
    groups = Groups("group", ("x",), np.zeros(2, dtype=np.int64))
    with pytest.raises(ValueError, match="between 0 and 1"):
        ScoreTally.of(groups, np.array([True, False]), np.array([0.5, 1.2]))
    unscored = ScoreTally.of(groups, np.array([True, False]), np.array([np.nan, 0.2]))
    assert "positive" in unscored.roc_auc("x").estimate.reason
    with pytest.raises(ValueError, match="other cells"):
        unscored + ScoreTally.of(groups, np.array([True, False]), np.array([0.1, 0.2]), bits=5)


# --- quantiles and moments -------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20), st.integers(1, 51))
def test_cells_hold_their_numbers_in_order(values, bits):
    array = np.sort(np.array(values))
    key = coarser(key_of(array), bits)
    assert np.all(np.diff(key) >= 0)
    low, high = edges_of(key, bits)
    assert np.all((low <= array) & (array <= high))
    middle = value_of(key, bits)
    normal = np.abs(array) > 1e-290
    assert np.all(np.abs(middle - array)[normal] <= 2.0 ** -(bits + 1) * np.abs(array)[normal])
    assert np.array_equal(value_of(key_of(array), 52), array)


@pytest.mark.parametrize("q", [0.05, 0.5, 0.9])
@pytest.mark.parametrize("limit", [100_000, 10])
def test_quantiles_are_those_of_the_rows_within_the_stated_error(q, limit):
    groups, _, _, rng = binary()
    values = rng.standard_t(3, len(groups.codes)) * 50 + 5
    state = QuantileSketch.of(groups, values, limit=limit)
    mine = values[groups.codes == 2]
    found, direct = state.quantile(q, "z"), quantile(mine, q)
    assert direct.value == pytest.approx(np.quantile(mine, q))
    assert abs(found.estimate.value - direct.value) <= found.error + 1e-12
    assert found.error <= 2.0**-10 * max(1.0, abs(direct.value))
    if limit > 10:
        assert found.error == 0
        assert found.estimate == direct
    else:
        assert found.error > 0
        assert found.estimate.low <= direct.low
        assert found.estimate.high >= direct.high


@pytest.mark.parametrize("shift", [2, -1])  # no error is negative, or some are
@pytest.mark.parametrize("rows", [40, 4000])
def test_moments_of_errors_answer_as_the_rows_do(rows, shift):
    groups, _, _, rng = binary(rows)
    target = rng.normal(1e4, 30, len(groups.codes))
    prediction = target + shift + rng.standard_exponential(len(target)) ** 2
    assert all((prediction < target)[groups.codes == g].any() == (shift < 0) for g in range(3))
    state = ErrorMoments.of(groups, prediction - target)
    for name in ("mean_error", "mean_absolute_error", "mean_squared_error", "root_mean_squared_error"):
        for g, found in enumerate(getattr(state, name)()):
            inside = groups.codes == g
            direct = getattr(regression, name)(target[inside], prediction[inside])
            assert found.value == pytest.approx(direct.value, rel=1e-12)
            assert found.interval == pytest.approx(direct.interval, rel=1e-9)
            assert (found.n, found.method) == (direct.n, direct.method)


def test_moments_far_from_zero_lose_no_digits():
    # A mean of a thousand standard deviations: sums of squares in plain floats would leave six digits.
    error = 1000 + np.random.default_rng(5).normal(size=5000)
    groups = Groups("group", ("x",), np.zeros(5000, dtype=np.int64))
    found = ErrorMoments.of(groups, error).mean_error()[0]
    direct = regression.mean_error(np.zeros(5000), error)
    assert found.high - found.low == pytest.approx(direct.high - direct.low, rel=1e-8)


def test_errors_without_spread_have_no_interval():
    groups = Groups("group", ("x", "y", "z"), np.array([0, 0, 0, 1]))
    found = ErrorMoments.of(groups, np.array([0.1, 0.1, 0.1, 2.0])).mean_squared_error()
    assert [e.value for e in found] == [pytest.approx(0.01), 4.0, None]
    assert [e.interval for e in found] == [None] * 3
    assert "equal" in found[0].reason
    assert "one row" in found[1].reason
    assert "no rows" in found[2].reason
    with pytest.raises(ValueError, match="larger unit"):
        ErrorMoments.of(groups, np.array([0.1, 0.1, 1e60, 2.0]))

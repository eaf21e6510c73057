"""Mergeable states: any cut and any order gives the same digest, and the answers of the direct measures."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditkit.core.design import Design
from auditkit.core.outcomes import Groups
from auditkit.core.task import GapRule, RowStatistic
from auditkit.measures.cells import accuracy, class_metrics
from auditkit.measures.error_moments import ErrorMoments
from auditkit.measures.gaps import gap
from auditkit.measures.rates import by_group
from auditkit.measures.sketch import QuantileSketch, ScoreTally
from auditkit.measures.states import ExactSums, aligned, ordered
from auditkit.measures.tally import Tally, WeightedTally
from tests.measures.samples import binary

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

from __future__ import annotations

import numpy as np
import pytest

from auditkit.core.estimate import Estimate
from auditkit.measures import pairs
from auditkit.measures.difference import difference
from auditkit.measures.intervals import range_quantile
from auditkit.measures.moments import Moments
from auditkit.measures.power import detectable_gap, rows_needed, rows_to_decide
from auditkit.measures.rates import estimate
from tests.measures.samples import proportion


def test_a_detectable_gap_is_detected_as_often_as_said():
    rng = np.random.default_rng(0)
    delta = detectable_gap([150, 150], 0.2, power=0.8)
    found = [
        difference(proportion(rng.random(150) < 0.2 + delta), proportion(rng.random(150) < 0.2)).low > 0
        for _ in range(600)
    ]
    assert np.mean(found) == pytest.approx(0.8, abs=0.06)


def test_a_detectable_gap_shrinks_with_rows_and_grows_with_groups():
    few, many = detectable_gap([100, 100], 0.3), detectable_gap([10_000, 10_000], 0.3)
    assert few > 8 * many
    assert detectable_gap([100] * 20, 0.3) > few
    assert detectable_gap([1, 1], 0.5) == 1.0
    assert detectable_gap([500, 500], 0.9) == pytest.approx(detectable_gap([500, 500], 0.1), abs=1e-4)


@pytest.mark.parametrize(("a", "b", "bound"), [(0.25, 0.3, 0.2), (0.2, 0.5, 0.1), (0.0, 0.0, 0.05)])
def test_rows_needed_are_enough_and_no_more(a, b, bound):
    n = rows_needed(a, b, bound, power=0.8)
    rng = np.random.default_rng(1)
    gap, decided = abs(a - b), []
    for _ in range(400):
        found = difference(proportion(rng.random(n) < max(a, b)), proportion(rng.random(n) < min(a, b)))
        decided.append(found.high <= bound if gap < bound else found.low >= bound)
    assert np.mean(decided) >= 0.74
    if gap > 0:
        assert np.mean(decided) <= 0.88


def test_ten_groups_of_300_cannot_pass_a_bound_of_one_tenth():
    assert rows_needed(0.2, 0.2, 0.10, groups=10, power=0.5) > 300


def test_a_gap_at_its_bound_is_never_decided():
    assert rows_needed(0.3, 0.4, abs(0.3 - 0.4)) is None


def test_sizes_that_make_no_gap_are_refused():
    with pytest.raises(ValueError, match="two groups"):
        detectable_gap([10], 0.5)
    with pytest.raises(ValueError, match="power"):
        detectable_gap([10, 10], 0.5, power=1.0)


def test_rows_to_decide_are_enough():
    small = estimate(proportion(np.arange(100) < 82))
    n = rows_to_decide(small, 0.80)
    assert small.low < 0.80
    assert estimate(proportion(np.arange(n) < 0.82 * n)).low == pytest.approx(0.80, abs=0.004)
    assert rows_to_decide(Estimate.undefined("nothing"), 0.5) is None
    assert rows_to_decide(Estimate(0.5, 0.4, 0.6, n=10), 0.5) is None


@pytest.mark.parametrize("form", ["difference", "ratio"])
def test_rows_to_decide_are_not_understated_where_an_end_is_cut_off(form):
    rng = np.random.default_rng(4)
    told = []
    for _ in range(300):
        rows = rng.choice([20, 50, 200], 3)
        hits = rng.binomial(rows, np.clip(0.2 + rng.uniform(-0.04, 0.15, 3), 0.01, 0.9))
        bound = 0.1 if form == "difference" else 0.8
        found = _gap_of(hits, rows, form)
        if not (found.low <= bound <= found.high and (found.low == 0 or found.high == 1)):
            continue
        if abs(found.value - bound) < 0.02:
            continue
        # The same rates with so many times the rows: the value stays, the interval shrinks.
        times = 2 * rows_to_decide(found, bound) / found.n
        more = _gap_of(hits * times, rows * times, form)
        told.append(more.low >= bound or more.high <= bound)
    assert len(told) > 60
    assert np.mean(told) > 0.85  # 0.7 and 0.49 where the end that was cut off is taken for the width


def _gap_of(hits, rows, form):
    rates, size = hits / rows, rows.astype(float)
    found = Moments(rows.astype(np.int64), rates, rates * (1 - rates) / (size - 1), size - 1, size, size, plain=True)
    limits = pairs.proportion_difference if form == "difference" else pairs.proportion_ratio
    low, high = limits(found, range_quantile(0.95, len(rows)))
    value = rates.max() - rates.min() if form == "difference" else rates.min() / rates.max()
    return Estimate(value, low, high, n=int(rows.sum()))

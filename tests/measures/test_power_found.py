"""Gaps that `power` says can be shown are shown as often as it says, over sizes, rates and numbers of groups."""

from __future__ import annotations

import numpy as np
import pytest

from auditkit.core.design import Design
from auditkit.measures import pairs
from auditkit.measures.gaps import gap
from auditkit.measures.intervals import range_quantile
from auditkit.measures.moments import Moments
from auditkit.measures.power import detectable_gap, rows_needed
from tests.measures.samples import groups, proportion, rule

DRAWS = 1500
#: Four standard errors of a share of 0.8 over so many draws, and what discrete counts add to it.
CHANCE = 4 * np.sqrt(0.16 / DRAWS) + 0.02


def intervals(rng: np.random.Generator, rows: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Simultaneous intervals of the gap between groups of so many rows, `[DRAWS, 2]`."""
    z, size = range_quantile(0.95, len(rows)), rows.astype(float)
    found = []
    for hits in rng.binomial(rows, rates, (DRAWS, len(rows))):
        seen = Moments(rows, hits / size, np.zeros(len(rows)), size - 1, size, size, plain=True)
        found.append(pairs.proportion_difference(seen, z))
    return np.array(found)


def test_the_limits_here_are_those_of_the_public_gap():
    rows, rates = np.array([150, 400, 90]), np.array([0.2, 0.3, 0.25])
    rng = np.random.default_rng(0)
    hits = np.random.default_rng(0).binomial(rows, rates, (DRAWS, 3))[0]
    by = groups(np.tile(np.arange(3), 2), 3)
    stat, design = proportion(np.repeat([1, 0], 3)), Design(count=np.concatenate([hits, rows - hits]))
    assert gap(rule("rate"), [stat], by, design).estimate.interval == pytest.approx(intervals(rng, rows, rates)[0])


@pytest.mark.parametrize("power", [0.5, 0.8, 0.9])
@pytest.mark.parametrize("rate", [0.05, 0.3, 0.8])
@pytest.mark.parametrize("sizes", [(100, 100), (60, 900), (2000, 2000)])
def test_a_detectable_gap_between_two_groups_is_found_as_often_as_said(sizes, rate, power):
    delta = detectable_gap(sizes, rate, power=power)
    other = rate + delta if rate <= 0.5 else rate - delta
    found = [
        np.mean(intervals(np.random.default_rng(1), np.array(sizes), np.array(rates))[:, 0] > 0)
        for rates in ((rate, other), (other, rate))
    ]
    assert min(found) == pytest.approx(power, abs=CHANCE)  # whichever group has the rate further away
    if sizes[0] == sizes[1]:
        assert max(found) == pytest.approx(power, abs=CHANCE)


@pytest.mark.parametrize("count", [3, 10, 60])
def test_among_many_groups_it_is_found_at_least_as_often(count):
    """The two groups that differ are two of many, which all hold the rate in between: other pairs help a little."""
    rows = np.full(count, 400)
    delta = detectable_gap(rows.tolist(), 0.2)
    rates = np.full(count, 0.2 + delta / 2)
    rates[:2] = 0.2, 0.2 + delta
    found = np.mean(intervals(np.random.default_rng(2), rows, rates)[:, 0] > 0)
    assert 0.8 - CHANCE <= found <= 0.93


@pytest.mark.parametrize("count", [2, 10])
@pytest.mark.parametrize(("a", "b", "bound"), [(0.3, 0.45, 0.05), (0.1, 0.3, 0.1), (0.5, 0.9, 0.2)])
def test_rows_needed_to_fail_a_gate_do_so_as_often_as_said(a, b, bound, count):
    rows = np.full(count, rows_needed(a, b, bound, groups=count))
    rates = np.full(count, (a + b) / 2)
    rates[:2] = a, b
    failed = np.mean(intervals(np.random.default_rng(3), rows, rates)[:, 0] >= bound)
    assert failed == pytest.approx(0.8, abs=CHANCE + (0.05 if count > 2 else 0))


@pytest.mark.parametrize(("a", "b", "bound"), [(0.25, 0.3, 0.2), (0.1, 0.1, 0.05), (0.6, 0.62, 0.1)])
def test_rows_needed_to_pass_a_gate_do_so_as_often_as_said(a, b, bound):
    rows = np.full(2, rows_needed(a, b, bound))
    passed = np.mean(intervals(np.random.default_rng(4), rows, np.array([a, b]))[:, 1] <= bound)
    assert passed >= 0.8 - CHANCE - (0.22 if a == b else 0.02)

"""Of very many groups only some pairs are looked at: the interval is that of every pair."""

import itertools
import time

import numpy as np
import pytest

from auditkit.measures import pairs
from auditkit.measures.intervals import mover_difference, mover_ratio, wilson

KINDS = {"few rows": 4, "some rows": 60, "many rows": 4000}


def limits_of(kind, rng, groups):
    """Values with their limits: of rates with ties, or arbitrary ones of which some are cut at 0."""
    if kind == "arbitrary":
        value = np.round(rng.random(groups), 1)
        return value, (
            np.maximum(value - np.round(rng.random(groups), 1), 0.0),
            value + np.round(rng.random(groups), 1),
        )
    rows = rng.integers(1, KINDS[kind], groups).astype(float)
    value = rng.binomial(rows.astype(int), rng.choice([0.03, 0.5, 0.97])) / rows
    return value, wilson(value, rows, 3.5)


@pytest.mark.parametrize("kind", [*KINDS, "arbitrary"])
def test_leaving_out_pairs_leaves_the_interval(kind, monkeypatch):
    monkeypatch.setattr(pairs, "_FEW_KINDS", 0)
    rng = np.random.default_rng(5)
    for _ in range(40):
        groups = int(rng.integers(2, 15))
        value, (low, high) = limits_of(kind, rng, groups)
        ends = {mover_difference: [], mover_ratio: []}
        for i, j in itertools.permutations(range(groups), 2):
            for mover, found in ends.items():
                with np.errstate(all="ignore"):
                    one = mover(value[[i]], (low[[i]], high[[i]]), value[[j]], (low[[j]], high[[j]]))
                found.append((one[0][0], one[1][0]))
        largest, smallest = np.max(ends[mover_difference], axis=0), np.min(ends[mover_ratio], axis=0)
        assert pairs.largest_difference(value, (low, high)) == pytest.approx(
            (max(0, largest[0]), largest[1]), abs=1e-12
        )
        expected = (max(0, smallest[0]), min(1, smallest[1]))
        assert pairs.smallest_ratio(value, (low, high)) == pytest.approx(expected, abs=1e-12)


def test_a_hundred_thousand_groups_take_no_ten_billion_pairs():
    rng = np.random.default_rng(6)
    rows = rng.integers(20, 5000, 100_000).astype(float)
    value = rng.binomial(rows.astype(int), 0.4) / rows
    began = time.process_time()
    low, high = pairs.largest_difference(value, wilson(value, rows, 5.5))
    assert low <= value.max() - value.min() <= high
    assert time.process_time() - began < 10  # every pair would take minutes

"""Bands: cuts against numpy's quantiles, names that say what is in them, and what is never cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditkit.data.bands import Bands, bands_at, names_rows, quantile_bands
from auditkit.data.distribution import Distribution
from tests.data.bands import ages, holds


def spread(values: Any, batch: int = 1 << 30, counts: Any = None) -> Distribution:
    found = Distribution()
    for start in range(0, len(values), batch):
        some = None if counts is None else counts[start : start + batch]
        found.add(np.asarray(values, dtype=np.float64)[start : start + batch], some)
    return found


# --- the spread of a column


def test_exact_counts_are_those_of_numpy() -> None:
    values = np.array([3.0, -1.5, 3.0, 0.0, -0.0, np.nan, np.inf, -np.inf, np.inf, 7.0])
    found = spread(values, batch=3)
    numbers, counts = found.cells()
    assert (numbers.tolist(), counts.tolist()) == ([-1.5, 0.0, 3.0, 7.0], [1, 2, 2, 1])
    assert (found.rows, found.infinite, found.whole, found.distinct()) == (6, (1, 2), False, 4)


def test_a_stored_row_with_a_count_is_so_many_rows() -> None:
    rng = np.random.default_rng(1)
    values, counts = rng.normal(size=300).round(1), rng.integers(0, 5, 300)
    one, many = spread(values, 70, counts), spread(np.repeat(values, counts))
    assert all(np.array_equal(a, b) for a, b in zip(one.cells(), many.cells(), strict=True))
    assert one.rows == many.rows == counts.sum()


@pytest.mark.parametrize("kind", ["normal", "log-normal", "whole", "tiny and huge"])
def test_the_sketch_is_within_its_error_of_numpys_quantiles(kind: str) -> None:
    """Above the limit of distinct values, a cut is within 0.2% of the exact quantile, whatever the order."""
    rng = np.random.default_rng(2)
    normal = rng.normal(size=200_000)
    values = {
        "normal": normal,
        "log-normal": np.exp(5 * normal),
        "whole": rng.integers(-(10**9), 10**9, 200_000).astype(float),
        "tiny and huge": np.sign(normal) * np.exp(rng.uniform(-740, 709, 200_000)),
    }[kind]
    found = spread(values, 8192)
    assert not found.exact
    lows, counts = found.cells()
    assert len(lows) < 1_500_000
    assert counts.sum() == len(values)
    assert found.distinct() == pytest.approx(len(np.unique(values)), rel=0.08)
    other = spread(rng.permutation(values), 50_000)
    assert all(np.array_equal(a, b) for a, b in zip(found.cells(), other.cells(), strict=True))
    for share in (0.2, 0.4, 0.6, 0.8):
        exact = np.quantile(values, share, method="inverted_cdf")
        place = np.searchsorted(np.cumsum(counts), share * len(values))
        assert lows[place] == pytest.approx(exact, rel=0.0021)


# --- cuts


@given(st.lists(st.integers(-50, 50), min_size=2, max_size=300), st.integers(2, 8))
@settings(max_examples=150, deadline=None)
def test_cuts_are_the_nearest_that_keep_equal_numbers_together(values: list[int], wanted: int) -> None:
    """Against a search over all places where a cut is possible, before rounding (numbers of two digits don't need it).

    Every band has a row, and every number is in the band whose name says so."""
    found = quantile_bands(spread(values), wanted)
    distinct = sorted(set(values))
    if len(distinct) < 2:
        assert found is None
        return
    assert found is not None
    shares = {cut: sum(v < cut for v in values) / len(values) for cut in distinct[1:]}
    nearest = {min(shares, key=lambda cut: (abs(shares[cut] - k / wanted), cut)) for k in range(1, wanted)}
    misses = [min(abs(s - k / wanted) for s in shares.values()) for k in range(1, wanted)]
    reached = [min(abs(shares[e] - k / wanted) for e in found.edges) for k in range(1, wanted)]
    assert np.allclose(misses, reached, atol=1e-12)
    assert len(found.edges) <= len(nearest) + wanted
    labels = found.labels(np.array(values, dtype=float))
    assert set(labels) == set(found.names)
    for value, label in zip(values, labels, strict=True):
        assert holds(label, value)


@given(
    st.lists(st.floats(-1e12, 1e12, allow_nan=False), min_size=2, max_size=200).filter(lambda v: len(set(v)) > 1),
    st.integers(2, 6),
)
@settings(max_examples=150, deadline=None)
def test_rounding_keeps_half_of_each_bands_rows(values: list[float], wanted: int) -> None:
    found = quantile_bands(spread(values), wanted)
    assert found is not None
    cells, counts = spread(values).cells()
    sizes = np.bincount(found.places(cells), weights=counts, minlength=len(found.names))
    assert sizes.min() >= 1
    assert len(set(found.names)) == len(found.names) == len(found.edges) + 1
    for value, label in zip(values, found.labels(np.array(values)), strict=True):
        assert holds(label, value)


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (
            np.arange(1000.0, 1010.0, 0.01),
            "under 1002|1002 to under 1004|1004 to under 1006|1006 to under 1008|1008 and over",
        ),
        (np.arange(0, 100), "under 20|20 to 39|40 to 59|60 to 79|80 and over"),
        (np.arange(-50, 50), "under -30|-30 to -11|-10 to 9|10 to 29|30 and over"),
        (np.arange(0, 1e-6, 3e-7), "under 3e-07|3e-07 to under 6e-07|6e-07 to under 9e-07|9e-07 and over"),
        (np.repeat([0, 5, 6], [95, 3, 2]), "under 5|5 and over"),
        (np.repeat([0, 1, 2, 3], 10), "under 1|1|2|3 and over"),
        (np.arange(0, 10**6, 100), "under 200000|200000 to 399999|400000 to 599999|600000 to 799999|800000 and over"),
    ],
)
def test_names(values: np.ndarray[Any, Any], names: str) -> None:
    found = quantile_bands(spread(values), 5)
    assert found is not None
    assert "|".join(found.names) == names


def test_given_edges() -> None:
    bands = bands_at([25, 45, 46, 65], whole=True)
    assert bands.names == ("under 25", "25 to 44", "45", "46 to 64", "65 and over")
    values = np.array([-np.inf, 24, 25, 44, 45, 46, 65, np.inf, np.nan])
    assert bands.labels(values).tolist() == [
        "under 25", "under 25", "25 to 44", "25 to 44", "45", "46 to 64", "65 and over", "65 and over", None,
    ]  # fmt: skip
    assert bands_at([25.5, 40], whole=True).names == ("under 25.5", "25.5 to under 40", "40 and over")
    assert Bands((0.0,)).names == ("under 0", "0 and over")


@pytest.mark.parametrize(
    ("values", "ids"),
    [
        (np.arange(1, 2001), True),
        (np.arange(1e15, 1e15 + 1000), True),
        (np.arange(1, 2001) + 0.5, False),
        (np.repeat(np.arange(500), 3), False),
        (ages(), False),
        (np.random.default_rng(0).permutation(200_000), True),
        (np.repeat(np.arange(100_000), 3), False),
    ],
)
def test_whole_numbers_that_nearly_all_differ_name_rows(values: np.ndarray[Any, Any], ids: bool) -> None:
    assert names_rows(spread(values, 8192)) is ids

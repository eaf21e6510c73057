"""Bands of numbers: where a numeric sensitive column is cut into groups, and what the groups are called."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from auditkit.core.types import FloatArray, IntArray, ObjectArray
from auditkit.data.distribution import Distribution

#: A column with more distinct numbers than this is cut unless the plan says otherwise ...
MOST_VALUES = 10
#: ... into so many bands, ...
DEFAULT_BANDS = 5
#: ... unless whole numbers are distinct in more than this share of the rows: those name rows.
ID_SHARE = 0.5
_FEWEST_DIGITS, _ALL_DIGITS = 2, 17


@dataclass(frozen=True)
class Bands:
    """`edges`, ascending: a number belongs to the band that begins with the last edge not above it.

    `whole`: all numbers and edges are whole, and bands are named by their first and last number. An infinite number
    is in an end band.
    """

    edges: tuple[float, ...]
    whole: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The bands in ascending order, one more than edges: "under 26", "26 to 33" (numbers that are not all whole:
        "26 to under 34"), ..., "60 and over"."""
        inner = [self._between(a, b) for a, b in itertools.pairwise(self.edges)]
        return (f"under {_shown(self.edges[0])}", *inner, f"{_shown(self.edges[-1])} and over")

    def _between(self, start: float, stop: float) -> str:
        if not self.whole:
            return f"{_shown(start)} to under {_shown(stop)}"
        first, last = int(start), int(stop) - 1
        return _shown(first) if first == last else f"{_shown(first)} to {_shown(last)}"

    def places(self, values: FloatArray) -> IntArray:
        """The band of each number, int64 `[n]`; one more than there are edges where it is NaN."""
        found = np.searchsorted(np.array(self.edges), values, side="right")
        return np.where(np.isnan(values), len(self.edges) + 1, found).astype(np.int64)

    def labels(self, values: FloatArray) -> ObjectArray:
        """The name of each number's band, `[n]`, None where it is NaN."""
        return np.array([*self.names, None], dtype=object)[self.places(values)]


def _shown(value: float) -> str:
    """The shortest text that reads back as the same number."""
    if float(value).is_integer() and abs(value) < 1e15:
        return str(int(value))
    return repr(float(value))


def bands_at(edges: Sequence[float], whole: bool) -> Bands:
    """Bands at given edges; `whole`: whether all numbers of the column are."""
    return Bands(tuple(edges), whole and all(float(edge).is_integer() for edge in edges))


def names_rows(found: Distribution) -> bool:
    """Whether numbers look like ids: all whole, and distinct in more than `ID_SHARE` of the rows."""
    return found.whole and found.rows > 0 and found.distinct() > ID_SHARE * found.rows


def quantile_bands(found: Distribution, bands: int) -> Bands | None:
    """At most `bands` bands of about equally many rows; None where there are no two numbers to cut between.

    An edge is the number that the cut nearest to a quantile stands before; equal numbers stay together, so a frequent
    one may make bands fewer and unequal. Edges are rounded to two significant digits, or to as many more as it takes
    to leave each band at least half of its rows.
    """
    values, counts = found.cells()
    if len(values) < 2:
        return None
    below = np.cumsum(counts)[:-1] / counts.sum()
    wanted = np.arange(1, bands) / bands
    after = np.clip(np.searchsorted(below, wanted), 1, len(below) - 1) if len(below) > 1 else np.zeros(len(wanted), int)
    before = np.maximum(after - 1, 0)
    nearest = np.where(wanted - below[before] <= below[after] - wanted, before, after)
    return bands_at(_rounded(np.unique(values[1:][nearest]), values, counts).tolist(), found.whole)


def _rounded(edges: FloatArray, values: FloatArray, counts: IntArray) -> FloatArray:
    exact = _sizes(edges, values, counts)
    for digits in range(_FEWEST_DIGITS, _ALL_DIGITS):
        near = np.array([float(f"{edge:.{digits - 1}e}") for edge in edges.tolist()]) + 0.0
        if np.all(np.diff(near) > 0) and np.all(np.isfinite(near)):
            sizes = _sizes(near, values, counts)
            if np.all(2 * sizes >= exact) and np.all(sizes > 0):
                return near
    return edges


def _sizes(edges: FloatArray, values: FloatArray, counts: IntArray) -> FloatArray:
    """Rows of each band."""
    places = np.searchsorted(edges, values, side="right")
    return np.asarray(np.bincount(places, weights=counts, minlength=len(edges) + 1), dtype=np.float64)

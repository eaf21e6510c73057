"""How the numbers of a column are spread, in bounded memory: what bands are cut by."""

from __future__ import annotations

import math

import numpy as np

from auditkit.core.types import FloatArray, IntArray
from auditkit.data.hashing import HashArray, hash_numbers

#: Up to so many distinct numbers are kept as they are.
MAX_EXACT = 65_536
#: Beyond that, numbers that differ by less than about this share of themselves fall into one cell.
RELATIVE_ERROR = 0.001
_GROWTH = math.log1p(2 * RELATIVE_ERROR / (1 - RELATIVE_ERROR))
#: Above the number of cells between 1 and the smallest float, so that cells of positive numbers count up from 1.
_OFFSET = 1 << 20
_SMALLEST_HASHES = 4096
_PENDING = 1 << 17


class Distribution:
    """Distinct numbers with how often they occur; above `MAX_EXACT` distinct ones, cells on a logarithmic scale.

    The cells are those of Masson, Rim & Lee 2019 ("DDSketch: a fast and fully-mergeable quantile sketch", PVLDB 12,
    section 2): a number differs from the smallest of its cell by at most `2 * RELATIVE_ERROR` of itself. The order in
    which numbers come does not matter. Memory: at most 1.5 million cells, and far fewer for what data holds.
    """

    def __init__(self) -> None:
        #: Rows with a finite number.
        self.rows = 0
        #: Rows with −∞ and with ∞.
        self.infinite = (0, 0)
        self.whole = True
        self.exact = True
        self._keys = np.empty(0)
        self._lows = np.empty(0)
        self._counts = np.empty(0, dtype=np.int64)
        self._hashes: HashArray = np.empty(0, dtype=np.uint64)
        self._pending: list[tuple[FloatArray, IntArray]] = []
        self._waiting = 0

    def add(self, values: FloatArray, counts: IntArray | None = None) -> None:
        """Take in numbers, float64 `[n]`, each `counts` (int64 `[n]`) times. NaN is left out, infinities are counted
        apart."""
        times = np.ones(len(values), dtype=np.int64) if counts is None else counts
        finite = np.isfinite(values) & (times > 0)
        below, above = (int(times[values == end].sum()) for end in (-np.inf, np.inf))
        self.infinite = (self.infinite[0] + below, self.infinite[1] + above)
        self.rows += int(times[finite].sum())
        found, at = np.unique(values[finite] + 0.0, return_inverse=True)
        if not len(found):
            return
        self.whole = self.whole and bool(np.all(np.mod(found, 1.0) == 0.0))
        if not self.exact:
            self._see_hashes(found)
        self._pending.append((found, np.bincount(at, weights=times[finite]).astype(np.int64)))
        self._waiting += len(found)
        if self._waiting > _PENDING:
            self._fold()

    def cells(self) -> tuple[FloatArray, IntArray]:
        """The smallest number of each cell (float64 `[k]`, ascending) and the rows in it (int64 `[k]`, above 0)."""
        self._fold()
        return self._lows, self._counts

    def distinct(self) -> float:
        """How many distinct finite numbers there are; beyond `MAX_EXACT` an estimate with a standard error of 1.6%.

        From the smallest hashes (Beyer, Haas, Reinwald, Sismanis & Gemulla 2007, "On synopses for distinct-value
        estimation under multiset operations", SIGMOD, section 4).
        """
        self._fold()
        if self.exact:
            return float(len(self._keys))
        return (len(self._hashes) - 1) / (float(self._hashes[-1]) / 2.0**64)

    def _see_hashes(self, values: FloatArray) -> None:
        merged = np.unique(np.concatenate([self._hashes, hash_numbers(values)]))
        self._hashes = merged[:_SMALLEST_HASHES]

    def _fold(self) -> None:
        """Merge what waits into the cells, and go over to wider ones where there are too many."""
        if self._pending:
            values = np.concatenate([part for part, _ in self._pending])
            counts = np.concatenate([part for _, part in self._pending])
            self._pending, self._waiting = [], 0
            keys = values if self.exact else _cell(values)
            self._merge(
                np.concatenate([self._keys, keys]),
                np.concatenate([self._lows, values]),
                np.concatenate([self._counts, counts]),
            )
        if self.exact and len(self._keys) > MAX_EXACT:
            self.exact = False
            self._see_hashes(self._lows)
            self._merge(_cell(self._lows), self._lows, self._counts)

    def _merge(self, keys: FloatArray, lows: FloatArray, counts: IntArray) -> None:
        order = np.lexsort((lows, keys))
        keys, lows = keys[order], lows[order]
        first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
        self._keys, self._lows = keys[first], lows[first]
        self._counts = np.add.reduceat(counts[order], first)


def _cell(values: FloatArray) -> FloatArray:
    """The cell of each finite number; ascending as the numbers do."""
    size = np.abs(values)
    steps = np.ceil(np.log(size, out=np.zeros_like(size), where=size > 0) / _GROWTH) + _OFFSET
    return np.where(size > 0, np.sign(values) * steps, 0.0)

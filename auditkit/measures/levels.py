"""Mergeable counts of numbers: each distinct one as long as there are few, then cells of a stated relative width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from auditkit.core.types import FloatArray, IntArray
from auditkit.measures.states import aligned, digest_of

#: Bits of a float64's mantissa: with all of them a cell holds one number.
WHOLE = 52
#: So many entries are kept as they are; beyond that all become cells.
MOST_EXACT = 65_536


def key_of(values: FloatArray) -> IntArray:
    """A whole number for each finite float64, never 0, in the order of the values' sizes on each side of 0, `[n]`.

    It is the float's own bits, so no logarithm rounds differently on another machine.
    """
    size = (np.abs(values) + 0.0).view(np.int64) + 1
    return np.where(values < 0, -size, size)


def coarser(key: IntArray, bits: int) -> IntArray:
    """The key of the cell that keeps `bits` bits of the mantissa."""
    return np.asarray(np.sign(key) * (((np.abs(key) - 1) >> (WHOLE - bits)) + 1), dtype=np.int64)


def value_of(key: IntArray, bits: int) -> FloatArray:
    """The middle of each cell (the number itself with all bits): within 2^-(bits + 1) of itself of all in it."""
    shift = WHOLE - bits
    raw = (np.abs(key) - 1) << shift
    middle = np.where((raw > 0) & (shift > 0), raw + (1 << shift >> 1), raw)
    return np.asarray(np.sign(key) * middle.view(np.float64), dtype=np.float64)


def edges_of(key: IntArray, bits: int) -> tuple[FloatArray, FloatArray]:
    """The smallest and the largest number of each cell; twice the number itself with all bits."""
    shift = WHOLE - bits
    near = (np.abs(key) - 1) << shift
    far = near + ((1 << shift) - 1)
    inner, outer = near.view(np.float64), far.view(np.float64)
    return np.where(key > 0, inner, -outer), np.where(key > 0, outer, -inner)


@dataclass(frozen=True)
class LevelCounts:
    """How often each number occurs under each of some names; a commutative monoid under `+`.

    Entries (`name` an index into `names`, `key`, `count`: int64 `[m]`) are sorted by name and key. `bits` is `WHOLE`
    while there are at most `limit` entries, else `coarse`: a number and its cell's middle then differ by at most
    2^-(coarse + 1) of it, as in the log-linear buckets of HdrHistogram and of Masson, Rim and Lee (2019, DDSketch).
    Once some chunk has more entries than `limit`, the whole has, too: so the order of the chunks does not matter.
    """

    names: tuple[str, ...]
    name: IntArray
    key: IntArray
    count: IntArray
    bits: int
    coarse: int
    limit: int

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        name: IntArray,
        key: IntArray,
        count: IntArray | None = None,
        coarse: int = 10,
        limit: int = MOST_EXACT,
    ) -> LevelCounts:
        """From the name and the key of n numbers; `names` sorted. Raises `ValueError` outside 1 ≤ coarse ≤ 51."""
        if not 1 <= coarse < WHOLE or limit < 0:
            raise ValueError(f"cells keep 1 to {WHOLE - 1} bits, and the limit is not negative")
        times = np.ones(len(key), dtype=np.int64) if count is None else count
        return _reduced(tuple(names), name, key, times, WHOLE, coarse, limit)

    def __add__(self, other: LevelCounts) -> LevelCounts:
        """The numbers of both. Raises `ValueError` where their cells are not alike."""
        if (self.coarse, self.limit) != (other.coarse, other.limit):
            raise ValueError("states with other cells can't be added")
        names, mine, theirs = aligned(self.names, other.names)
        bits = min(self.bits, other.bits)
        keys = [one.key if one.bits == bits else coarser(one.key, bits) for one in (self, other)]
        name = np.concatenate([mine[self.name], theirs[other.name]]).astype(np.int64)
        count = np.concatenate([self.count, other.count])
        return _reduced(names, name, np.concatenate(keys), count, bits, self.coarse, self.limit)

    @property
    def exact(self) -> bool:
        """Whether every number is kept as it is."""
        return self.bits == WHOLE

    @property
    def relative_error(self) -> float:
        """At most so much of itself does a number differ from what stands for it."""
        return 0.0 if self.exact else 2.0 ** -(self.bits + 1)

    def under(self, name: str) -> tuple[IntArray, IntArray]:
        """Keys and counts under one name; empty for a name that is not there."""
        if name not in self.names:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        at = self.names.index(name)
        start, end = np.searchsorted(self.name, [at, at + 1])
        return self.key[start:end], self.count[start:end]

    def digest(self, kind: str) -> str:
        """SHA-256 of the state, the same for any partition and order of its chunks."""
        return digest_of(kind, (self.names,), self.name, self.key, self.count, self.bits, self.coarse, self.limit)


def _reduced(
    names: tuple[str, ...], name: IntArray, key: IntArray, count: IntArray, bits: int, coarse: int, limit: int
) -> LevelCounts:
    """Each name and key once, in order; cells where there are too many."""
    some = count > 0
    name, key, count = name[some], key[some], count[some]
    order = np.lexsort((key, name))
    name, key, count = name[order], key[order], count[order]
    first = np.ones(len(key), dtype=np.bool_)
    first[1:] = (key[1:] != key[:-1]) | (name[1:] != name[:-1])
    starts = np.flatnonzero(first)
    count = np.add.reduceat(count, starts) if len(starts) else count
    name, key = name[starts], key[starts]
    if bits == WHOLE and len(key) > limit:
        return _reduced(names, name, coarser(key, coarse), count, coarse, coarse, limit)
    return LevelCounts(names, name, key, count.astype(np.int64), bits, coarse, limit)

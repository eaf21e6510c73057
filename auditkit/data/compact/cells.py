"""Distinct combinations of codes, each with how often it occurs; grows with what is distinct, not with the rows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from auditkit.core.types import IntArray

#: So many rows are counted at a time.
BLOCK_ROWS = 1 << 18
#: Up to so many possible combinations are counted in a table of all of them, which needs no sorting.
_DENSE = 1 << 22
_PENDING = 1 << 18
#: So many rows go into that table before somebody looks how many combinations there are.
_UNSEEN = 1 << 22


class Cells:
    """Counts of the combinations of some columns' codes.

    `sizes` of its methods says how many codes each column has by then; codes stay, sizes only grow.
    """

    def __init__(self, columns: int) -> None:
        self._codes = np.empty((0, columns), dtype=np.int64)
        self._counts = np.empty(0, dtype=np.int64)
        self._pending: list[tuple[IntArray, IntArray]] = []
        self._waiting = 0
        self._table = np.empty(0, dtype=np.int64)
        self._shape: tuple[int, ...] = (0,) * columns
        self._unseen = 0

    def add(self, codes: Sequence[IntArray], sizes: Sequence[int]) -> None:
        """Count one block of rows: `codes`, an array `[n]` for each column, each below its size."""
        if not self._fits(sizes):
            self._flush()
            self._shape = tuple(1 << max(size - 1, 0).bit_length() for size in sizes)
            dense = math.prod(self._shape) <= _DENSE
            self._table = np.zeros(math.prod(self._shape) if dense else 0, dtype=np.int64)
        keys = _keys(codes, self._shape)
        if len(self._table) and not isinstance(keys, tuple):
            np.add.at(self._table, keys, 1)
            self._unseen += len(keys)
        else:
            self.put(*_distinct(keys, self._shape, None))

    def put(self, codes: IntArray, counts: IntArray) -> None:
        """Take in combinations (int64 `[k, columns]`) that were counted elsewhere."""
        self._pending.append((codes, counts))
        self._waiting += len(counts)

    def full(self, most: int) -> bool:
        """Whether it is time to merge, where no more than `most` combinations are wanted."""
        return self._unseen >= _UNSEEN or self._waiting > max(min(most, _PENDING), len(self._counts))

    def merge(self, sizes: Sequence[int]) -> tuple[IntArray, IntArray]:
        """All combinations (int64 `[k, columns]`, in the order of the codes) and their counts (int64 `[k]`)."""
        self._flush()
        if self._pending:
            codes = np.concatenate([self._codes, *(part for part, _ in self._pending)])
            counts = np.concatenate([self._counts, *(part for _, part in self._pending)])
            self._pending, self._waiting = [], 0
            self._codes, self._counts = _distinct(_keys(codes.T, sizes), sizes, counts)
        return self._codes, self._counts

    def _fits(self, sizes: Sequence[int]) -> bool:
        return all(size <= held for size, held in zip(sizes, self._shape, strict=True))

    def _flush(self) -> None:
        """Take what the table counted out of it."""
        if self._unseen:
            present = np.flatnonzero(self._table)
            self.put(_digits(present, self._shape), self._table[present])
            self._table[present] = 0
            self._unseen = 0


_Keys = IntArray | tuple[IntArray, IntArray]


def _keys(codes: Sequence[IntArray] | IntArray, sizes: Sequence[int]) -> _Keys:
    """One number for each row; where that would overflow, the rows' distinct combinations and the place of each."""
    if math.prod(max(size, 1) for size in sizes) < 1 << 62:
        key = np.zeros(len(codes[0]) if len(codes) else 0, dtype=np.int64)
        for column, size in zip(codes, sizes, strict=True):
            key *= size
            key += column
        return key
    matrix = np.column_stack([np.asarray(column, dtype=np.int64) for column in codes])
    found, at = np.unique(matrix, axis=0, return_inverse=True)
    return found, at.reshape(-1)


def _distinct(keys: _Keys, sizes: Sequence[int], counts: IntArray | None) -> tuple[IntArray, IntArray]:
    if isinstance(keys, tuple):
        found, at = keys
        return found, _added(at, counts, len(found))
    product = math.prod(max(size, 1) for size in sizes)
    if product <= _DENSE:
        table = _added(keys, counts, product)
        present = np.flatnonzero(table)
        return _digits(present, sizes), table[present]
    present, at = np.unique(keys, return_inverse=True)
    return _digits(present, sizes), _added(at, counts, len(present))


def _added(at: IntArray, counts: IntArray | None, size: int) -> IntArray:
    # Sums of whole numbers below 2^53 are exact in floats.
    return np.bincount(at, weights=counts, minlength=size).astype(np.int64, copy=False)


def _digits(keys: IntArray, sizes: Sequence[int]) -> IntArray:
    digits = np.empty((len(keys), len(sizes)), dtype=np.int64)
    rest = keys
    for place in range(len(sizes) - 1, -1, -1):
        rest, digits[:, place] = np.divmod(rest, max(sizes[place], 1))
    return digits

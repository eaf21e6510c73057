"""Which rows are read: a random sample where the plan limits them, cut into shards."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass

import numpy as np

from auditkit.core.types import IntArray
from auditkit.data.hashing import mixed, text_hash

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Shard:
    """Consecutive rows `start:stop` of a split's file; with `max_rows`, those of them that were sampled.

    `digest` is the sha256 of the split's digest, the range, and what chose the rows.
    """

    split: str
    index: int
    start: int
    stop: int
    digest: str


@dataclass(frozen=True)
class Selection:
    """The rows of one split that are read: all `total`, or the sampled ones in `rows` (ascending, int64)."""

    total: int
    rows: IntArray | None
    chooser: str = "all"

    def __len__(self) -> int:
        return self.total if self.rows is None else len(self.rows)

    def between(self, start: int, stop: int) -> IntArray:
        """The selected rows from `start` up to, without, `stop`."""
        if self.rows is None:
            return np.arange(start, stop, dtype=np.int64)
        first, last = np.searchsorted(self.rows, [start, stop])
        return self.rows[first:last]

    def shards(self, split: str, digest: str, size: int) -> list[Shard]:
        """Shards of `size` selected rows each, the last with what is left; together they cover every selected row."""
        edges = [0 if at == 0 else self._row(at) for at in range(0, len(self), size)] + [self.total]
        found = []
        for index, (start, stop) in enumerate(itertools.pairwise(edges)):
            key = f"{digest}\0{start}\0{stop}\0{self.chooser}"
            found.append(Shard(split, index, start, stop, hashlib.sha256(key.encode()).hexdigest()))
        return found

    def _row(self, at: int) -> int:
        return at if self.rows is None else int(self.rows[at])


def select(split: str, total: int, max_rows: int | None, seed: int) -> Selection:
    """All rows, or `max_rows` of them at random: those with the smallest hash of (seed, split, row).

    Every subset of that size is as likely as any other, and the same arguments give the same one ("bottom-k
    sampling", Cohen & Kaplan 2007, "Summarizing data using bottom-k sketches"). Memory: O(max_rows).
    """
    if max_rows is None or total <= max_rows:
        return Selection(total, None)
    key = np.uint64(text_hash(f"{seed}\0{split}"))
    rows = np.empty(0, dtype=np.int64)
    for start in range(0, total, _BLOCK):
        rows = np.concatenate([rows, np.arange(start, min(start + _BLOCK, total), dtype=np.int64)])
        if len(rows) > max_rows:
            # The hash is a bijection of the row number: no two rows tie.
            rows = rows[np.argpartition(mixed(rows.astype(np.uint64) ^ key), max_rows - 1)[:max_rows]]
    return Selection(total, np.sort(rows), f"{max_rows} of {total} rows, seed {seed}")

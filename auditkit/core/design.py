"""How rows were sampled: what an interval must know of them besides their values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auditkit.core.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Design:
    """The sampling design of n stored rows; all None: independent rows of equal weight, each stored once.

    `weight` (float64 `[n]`, ≥ 0): rows of unequal weight. `cluster` (int64 `[n]`, any integers): rows of one cluster
    are not independent. `count` (int64 `[n]`, ≥ 1): so many rows stand behind a stored one, alike in everything that is
    measured, each with this weight, all in this cluster. A measure answers the same for a row that is stored once with
    count k as for k stored rows.
    """

    weight: FloatArray | None = None
    cluster: IntArray | None = None
    count: IntArray | None = None

    @property
    def plain(self) -> bool:
        """Whether rows are independent and of equal weight (they may be counted)."""
        return self.weight is None and self.cluster is None

    def where(self, keep: BoolArray | IntArray) -> Design:
        """The same for a selection of the stored rows."""
        if self is SIMPLE:
            return self
        return Design(
            None if self.weight is None else self.weight[keep],
            None if self.cluster is None else self.cluster[keep],
            None if self.count is None else self.count[keep],
        )

    def rows(self, keep: BoolArray) -> int:
        """How many rows stand behind those kept (bool `[n]`)."""
        return int(np.count_nonzero(keep)) if self.count is None else int(self.count[keep].sum())


#: Independent rows of equal weight, each stored once.
SIMPLE = Design()

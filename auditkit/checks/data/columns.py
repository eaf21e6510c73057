"""The sums over each input column, put together from the parts in which they were collected."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from auditkit.core.estimate import Estimate
from auditkit.core.figure import Cell
from auditkit.measures.intervals import normal_quantile, wilson


@dataclass(frozen=True)
class ColumnSums:
    """One column of one split. `ends` are its least and its greatest value, None where it has none."""

    split: str
    name: str
    kind: str
    rows: int
    missing: int
    infinite: int
    total: float
    squares: float
    ends: tuple[Cell, Cell]

    @property
    def numeric(self) -> bool:
        """Whether the column holds numbers."""
        return self.kind == "numeric"

    @property
    def constant(self) -> bool:
        """Whether two or more rows all hold the same: one value, or nothing at all."""
        nothing = self.missing == self.rows
        one = self.missing == 0 and self.infinite == 0 and self.ends[0] is not None and self.ends[0] == self.ends[1]
        return self.rows > 1 and (nothing or one)

    def missing_share(self, confidence: float) -> Estimate:
        """The share of empty cells with Wilson's interval (rows taken as independent and equally weighted)."""
        if not self.rows:
            return Estimate.undefined(f"the split '{self.split}' has no rows")
        share = self.missing / self.rows
        low, high = wilson(np.array([share]), np.array([float(self.rows)]), normal_quantile(confidence))
        return Estimate(share, float(low[0]), float(high[0]), confidence, "Wilson", self.rows)

    def cells(self) -> tuple[Cell, ...]:
        """A row of the table of columns: no extremes, which are single rows' values that a report must not show."""
        n = self.rows - self.missing - self.infinite
        mean = self.total / n if self.numeric and n else None
        variance = None if mean is None or n < 2 else (self.squares - n * (mean * mean)) / (n - 1)
        # Sums of numbers beyond 1e154 are too large for a float; 0 would then come from nothing.
        spread = None if variance is None or not math.isfinite(variance) else math.sqrt(max(0.0, variance))
        finite = [v if v is not None and math.isfinite(v) else None for v in (mean, spread)]
        return (self.name, self.kind, self.rows, self.missing, self.infinite, *finite)


def column_sums(table: pa.Table) -> list[ColumnSums]:
    """The columns of every split, in the order in which the table names them; the parts of each put together."""
    parts: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for record in table.to_pylist():
        parts.setdefault((str(record["split"]), str(record["column"])), []).append(record)
    return [_joined(split, name, records) for (split, name), records in parts.items()]


def _joined(split: str, name: str, records: list[dict[str, Any]]) -> ColumnSums:
    kind = str(records[0]["kind"])
    first, last = ("low", "high") if kind == "numeric" else ("first", "last")
    least = min((v for r in records if (v := r.get(first)) is not None), default=None)
    most = max((v for r in records if (v := r.get(last)) is not None), default=None)

    def whole(key: str) -> int:
        return int(sum(r[key] or 0 for r in records))

    def real(key: str) -> float:
        parts = [r[key] or 0.0 for r in records]
        try:
            return math.fsum(parts)
        except (OverflowError, ValueError):  # beyond all floats, or infinite on both sides
            return math.nan

    return ColumnSums(
        split,
        name,
        kind,
        whole("rows"),
        whole("missing"),
        whole("infinite"),
        real("total"),
        real("squares"),
        (least, most),
    )

"""Independent units, and standard errors from influence values, for smooth statistics of any kind."""

from __future__ import annotations

import math

import numpy as np

from auditkit.core.design import SIMPLE, Design
from auditkit.core.types import FloatArray
from auditkit.measures.moments import MORE_THAN_ONE, copies, each_weight, in_range, sums, whole_weight

#: Why a statistic of one unit has no interval.
ONE_UNIT = (
    "all rows are one independent unit (one row, one cluster, or one with nearly all the weight), which says nothing "
    "of the spread"
)


def standard_error(influence: FloatArray, design: Design = SIMPLE) -> tuple[float, float]:
    """Standard error and degrees of freedom of an estimate whose error is about Σ `influence`.

    `influence` `[n]`: the weighted share of the error of each row (of one copy of it), summing to 0 over all copies
    (the infinitesimal jackknife; Binder 1983 for clusters, whose rows are summed first). With m units: √(m/(m−1) Σ
    influence²), m by Kish where rows have weights; (0, 0) below two. Degrees of freedom: (Σ influence²)² / Σ
    influence⁴, at most m − 1: so many units carry the variance (Satterthwaite 1946), which is few where the estimate
    rests on rare or heavy rows, however many there are.
    """
    totals, repeated, weight = _by_unit(influence, design)
    stored = float(len(totals)) if repeated is None else float(repeated.sum())
    m = stored if design.weight is None else kish(weight, repeated)
    if stored < 2 or m <= MORE_THAN_ONE:
        return 0.0, 0.0
    times = 1.0 if repeated is None else repeated
    squared = totals**2
    squares, fourths = float(np.sum(times * squared)), float(np.sum(times * squared * squared))
    df = min(stored - 1.0, squares**2 / fourths) if fourths > 0 else 0.0
    m = max(m, 1.01)
    return math.sqrt(m / (m - 1) * squares), df


def _by_unit(influence: FloatArray, design: Design) -> tuple[FloatArray, FloatArray | None, FloatArray]:
    """Influence, number of copies and weight of each independent unit."""
    repeated = copies(design)
    if design.cluster is None:
        return influence, repeated, each_weight(design, len(influence))
    weight = whole_weight(design, len(influence))
    _, unit = np.unique(design.cluster, return_inverse=True)
    size = int(unit.max()) + 1 if len(unit) else 0
    return sums(unit, influence, size, repeated), None, sums(unit, weight, size)


def effective_units(design: Design, rows: int) -> float:
    """Kish's (1965) effective number of independent units (rows, or clusters) among so many stored rows."""
    _, repeated, weight = _by_unit(np.zeros(rows), design)
    return kish(weight, repeated)


def is_one_unit(design: Design, rows: int) -> bool:
    """Whether one unit is all there is, or holds all the weight but a trace: nothing then shows the spread."""
    return effective_units(design, rows) <= MORE_THAN_ONE


def kish(weight: FloatArray, repeated: FloatArray | None = None) -> float:
    """The effective number of rows of unequal weights, (Σw)² / Σw² (Kish 1965), each row `repeated` so many times; 0
    without weight."""
    w = in_range(weight)
    times = 1.0 if repeated is None else repeated
    squares = float(np.sum(times * w**2))
    return float(np.sum(times * w)) ** 2 / squares if squares > 0 else 0.0

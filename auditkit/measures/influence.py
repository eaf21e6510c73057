"""Standard errors from influence values, for smooth statistics of any kind."""

from __future__ import annotations

import math

import numpy as np

from auditkit.core.types import FloatArray, IntArray
from auditkit.measures.moments import in_range, sums


def standard_error(
    influence: FloatArray, cluster: IntArray | None = None, weight: FloatArray | None = None
) -> tuple[float, float]:
    """Standard error and degrees of freedom of an estimate whose error is about Σ `influence`.

    `influence` `[n]`: each row's weighted share of the error, summing to 0 (the infinitesimal jackknife; Binder 1983
    for clusters, whose rows are summed first). With m units: √(m/(m−1) Σ influence²), m by Kish where `weight` `[n]` is
    given; (0, 0) below two. Degrees of freedom: (Σ influence²)² / Σ influence⁴, at most m − 1: so many units carry the
    variance (Satterthwaite 1946), which is few where the estimate rests on rare or heavy rows, however many there are.
    """
    totals = influence if cluster is None else _cluster_totals(influence, cluster)
    if len(totals) < 2:
        return 0.0, 0.0
    m = float(len(totals))
    if weight is not None:
        m = max(kish(weight if cluster is None else _cluster_totals(weight, cluster)), 1.01)
    squares, fourths = float(np.sum(totals**2)), float(np.sum(totals**4))
    df = min(len(totals) - 1.0, squares**2 / fourths) if fourths > 0 else 0.0
    return math.sqrt(m / (m - 1) * squares), df


def _cluster_totals(influence: FloatArray, cluster: IntArray) -> FloatArray:
    _, unit = np.unique(cluster, return_inverse=True)
    return sums(unit, influence, int(unit.max()) + 1 if len(unit) else 0)


def kish(weight: FloatArray) -> float:
    """The effective number of rows of unequal weights, (Σw)² / Σw² (Kish 1965); 0 without weight."""
    w = in_range(weight)
    squares = float(np.sum(w**2))
    return float(np.sum(w)) ** 2 / squares if squares > 0 else 0.0

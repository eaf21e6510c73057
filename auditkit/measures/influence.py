"""Standard errors from influence values, for smooth statistics of any kind."""

from __future__ import annotations

import numpy as np

from auditkit.core.types import FloatArray, IntArray
from auditkit.measures.moments import sums


def standard_error(influence: FloatArray, cluster: IntArray | None = None) -> tuple[float, float]:
    """Standard error and degrees of freedom of an estimate whose error is about Σ `influence`.

    `influence` `[n]`: each row's weighted share of the error, summing to 0 (the infinitesimal jackknife; Binder 1983
    for clusters, whose rows are summed first). With m units: √(m/(m−1) Σ influence²) and m − 1; (0, 0) below two.
    """
    totals = influence if cluster is None else _cluster_totals(influence, cluster)
    m = len(totals)
    if m < 2:
        return 0.0, 0.0
    return float(np.sqrt(m / (m - 1) * np.sum(totals**2))), float(m - 1)


def _cluster_totals(influence: FloatArray, cluster: IntArray) -> FloatArray:
    _, unit = np.unique(cluster, return_inverse=True)
    return sums(unit, influence, int(unit.max()) + 1 if len(unit) else 0)


def kish(weight: FloatArray) -> float:
    """The effective number of rows of unequal weights, (Σw)² / Σw² (Kish 1965); 0 without weight."""
    squares = float(np.sum(weight**2))
    return float(np.sum(weight)) ** 2 / squares if squares > 0 else 0.0

"""The gap of means that a sample can show, and the rows that decide one; see `power`."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from auditkit.core.types import FloatArray
from auditkit.measures.intervals import normal_quantile, range_quantile, student_quantile
from auditkit.measures.power_search import margin, smallest, smallest_two, stays


def detectable_mean_gap(
    sizes: Sequence[float], deviation: float, confidence: float = 0.95, power: float = 0.8
) -> float:
    """The smallest true difference of means that groups of these `sizes` can show, in the unit of `deviation`, the
    standard deviation of the values within a group; otherwise as `detectable_gap`. Infinite with a group of one row.

    >>> round(detectable_mean_gap([400, 900], deviation=12.0), 2)
    2.02
    """
    rows, z = smallest_two(sizes, confidence)
    error = deviation * math.sqrt(float(np.sum(1 / rows)))
    return (_welch(z, rows) + margin(power)) * error


def rows_needed_for_mean(
    mean: float, deviation: float, bound: float, confidence: float = 0.95, power: float = 0.8
) -> int | None:
    """Rows with which a gate on one mean can be decided against `bound`, as `rows_needed`; `deviation` is the standard
    deviation of the values.

    >>> rows_needed_for_mean(4.2, deviation=3.0, bound=4.0)
    1768
    """
    z = normal_quantile(confidence)

    def decided(rows: float) -> bool:
        critical = float(student_quantile(z, rows - 1)) if rows > 1 else math.inf
        return (critical + margin(power)) * deviation <= abs(mean - bound) * math.sqrt(rows)

    return None if mean == bound else smallest(decided)


def rows_needed_for_mean_gap(
    gap: float, deviation: float, bound: float, groups: int = 2, confidence: float = 0.95, power: float = 0.8
) -> int | None:
    """Rows per group with which a gate on a difference of means can be decided against `bound`, as `rows_needed`.

    >>> rows_needed_for_mean_gap(0.5, deviation=12.0, bound=3.0)
    382
    """
    z = range_quantile(confidence, groups)

    def decided(rows: float) -> bool:
        error = deviation * math.sqrt(2 / rows)
        half = _welch(z, np.array([rows, rows], dtype=np.float64)) * error
        if gap > bound:
            return gap - half - margin(power) * error >= bound
        return stays(gap, bound - gap - half, error, groups, power)

    return None if gap == bound else smallest(decided)


def _welch(z: float, rows: FloatArray) -> float:
    """Welch's critical value of two groups `[2]` with one standard deviation; infinite with one row."""
    if float(rows.min()) <= 1:
        return math.inf
    freedom = float(np.sum(1 / rows)) ** 2 / float(np.sum(1 / (rows**2 * (rows - 1))))
    return float(student_quantile(z, freedom))

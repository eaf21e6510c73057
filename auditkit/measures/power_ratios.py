"""The rows that decide a ratio of two rates; see `power`."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtr

from auditkit.measures.intervals import mover_difference, normal_quantile, range_quantile, wilson
from auditkit.measures.power_search import margin, smallest


def rows_needed_relative(
    rate: float, reference: float, bound: float, confidence: float = 0.95, power: float = 0.8
) -> int | None:
    """Rows on each side with which `rate` / `reference`, of different rows, can be decided against `bound` (> 0).

    The ratio takes MOVER-R, whose limits lie on one side of the bound where MOVER's limits of rate − bound · reference
    lie on one side of 0. None where the ratio is at the bound, or both rates are 0.

    >>> rows_needed_relative(0.81, 0.84, bound=0.90)  # 96% of the reference, at least 90% is asked for
    715
    """
    z, value = normal_quantile(confidence), _excess(rate, reference, bound)

    def decided(rows: float) -> bool:
        low, high, error = _excess_limits(rate, reference, bound, rows, z)
        return high + margin(power) * error <= 0 if value < 0 else low - margin(power) * error >= 0

    return None if value == 0 else smallest(decided)


def rows_for_ratio(low: float, high: float, bound: float, groups: int, z: float, power: float) -> int | None:
    """Rows per group with which the ratio `low` / `high` of the two groups that are furthest apart is decided."""
    value = _excess(low, high, bound)

    def decided(rows: float) -> bool:
        below, above, error = _excess_limits(low, high, bound, rows, z)
        if value < 0:
            return above + margin(power) * error <= 0
        if groups > 2:
            return below >= range_quantile(power, groups) * error
        # Of two groups either may come out on top, and neither ratio may be too small.
        other, _, its_error = _excess_limits(high, low, bound, rows, z)
        if min(below, other) <= 0 or min(error, its_error) == 0:
            return min(below, other) > 0
        return float(ndtr(below / error) + ndtr(other / its_error)) - 1 >= power

    return None if value == 0 else smallest(decided)


def _excess(rate: float, reference: float, bound: float) -> float:
    """How far `rate` is above `bound` times the reference."""
    if not 0 < bound < math.inf:
        raise ValueError(f"a ratio has a positive bound, got {bound}")
    return rate - bound * reference


def _excess_limits(rate: float, reference: float, bound: float, rows: float, z: float) -> tuple[float, float, float]:
    """MOVER's limits of rate − bound · reference where the rates are seen as they are, and its standard error."""
    n, one, other = np.array([rows]), np.array([rate]), np.array([reference])
    below, above = wilson(other, n, z)
    low, high = mover_difference(one, wilson(one, n, z), bound * other, (bound * below, bound * above))
    error = math.sqrt((rate * (1 - rate) + bound**2 * reference * (1 - reference)) / rows)
    return float(low[0]), float(high[0]), error

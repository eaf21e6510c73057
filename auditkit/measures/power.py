"""What it would take: the gap that a sample can show, and the rows that a decision needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import ndtri

from auditkit.core.estimate import Estimate
from auditkit.core.types import FloatArray
from auditkit.measures.intervals import mover_difference, range_quantile, wilson
from auditkit.measures.roots import root

#: Beyond so many rows a group nobody is told to collect more.
_MOST_ROWS = 10**9


def detectable_gap(sizes: Sequence[float], rate: float, confidence: float = 0.95, power: float = 0.8) -> float:
    """The smallest true difference of a rate that groups of these `sizes` (rows, or effective rows) can show.

    "Show": the simultaneous interval over all groups lies above 0 with probability `power`, for the two smallest
    groups, one at `rate` (in [0, 1]) and one further towards 0.5. Returns 1.0 where not even that can be shown.
    Raises `ValueError` with fewer than two sizes, or sizes below 1.
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(f"a gap needs two groups with rows, got sizes {list(sizes)}")
    z = range_quantile(confidence, len(sizes))
    rows = np.sort(np.asarray(sizes, dtype=np.float64))[:2]
    direction = 1.0 if rate <= 0.5 else -1.0

    def surplus(delta: float) -> float:
        low, _, error = _pair_limits(rate + direction * delta, rate, rows, z)
        return low - _power_z(power) * error

    largest = 1 - rate if direction > 0 else rate
    if surplus(largest) <= 0:
        return 1.0
    return float(root(surplus, 0.0, largest, 1e-6))


def rows_needed(
    rate_a: float, rate_b: float, bound: float, groups: int = 2, confidence: float = 0.95, power: float = 0.8
) -> int | None:
    """Rows per group with which a gate on the gap |rate_a − rate_b| can be decided against `bound`.

    "Decided": with probability `power` the simultaneous interval over `groups` equal groups lies wholly on one side
    of the bound, if the rates are what they seem. None where the gap is at the bound: no number of rows decides that.
    """
    gap = abs(rate_a - rate_b)
    z = range_quantile(confidence, groups)

    def decided(rows: float) -> bool:
        low, high, error = _pair_limits(rate_a, rate_b, np.array([rows, rows]), z)
        margin = _power_z(power) * error
        return high + margin <= bound if gap < bound else max(low, 0.0) - margin >= bound

    if gap == bound or not decided(_MOST_ROWS):
        return None
    return _smallest(decided)


def rows_to_decide(estimate: Estimate, bound: float) -> int | None:
    """Rows in all with which an interval such as this one would no longer straddle `bound`.

    Widths shrink with the square root of the rows; the value is taken to stay. An end that stands at 0 or 1 may have
    been cut off there and hides how wide the interval is: the wider side then counts for it. Where that is the upper
    end (of a ratio), the plain scale tells too few rows and the log scale too many: their geometric mean is taken.
    None without an interval, or where the value is at the bound.
    """
    if estimate.value is None or estimate.low is None or estimate.high is None or estimate.n < 1:
        return None
    value, low, high = estimate.value, estimate.low, estimate.high
    if bound == value:
        return None
    down, up = value - low, high - value
    if (low == 0 < value) if bound < value else (high == 1 > value):
        down = up = max(down, up)
    widths = (up if bound > value else down) / abs(bound - value)
    if high == 1 > value and low > 0 and bound > 0:
        widths = max(widths, math.sqrt(widths * math.log(value / low) / abs(math.log(bound / value))))
    needed = estimate.n * widths**2
    return None if needed > _MOST_ROWS else max(1, math.ceil(needed))


def _power_z(power: float) -> float:
    if not 0 < power < 1:
        raise ValueError(f"power must lie between 0 and 1, got {power}")
    return max(0.0, float(ndtri(power)))


def _pair_limits(a: float, b: float, rows: FloatArray, z: float) -> tuple[float, float, float]:
    """Limits of |a − b| where the rates are seen as they are, on `rows` `[2]`, and the standard error of that
    difference."""
    high_rate, low_rate = np.array([max(a, b)]), np.array([min(a, b)])
    high_rows, low_rows = (rows[:1], rows[1:]) if a >= b else (rows[1:], rows[:1])
    first, second = wilson(high_rate, high_rows, z), wilson(low_rate, low_rows, z)
    low, high = mover_difference(high_rate, first, low_rate, second)
    error = math.sqrt(max(0.0, a * (1 - a) / rows[0] + b * (1 - b) / rows[1]))
    return float(low[0]), float(high[0]), error


def _smallest(holds: Callable[[float], bool]) -> int:
    """The smallest whole number that holds, by bisection; it is known that `_MOST_ROWS` does."""
    low, high = 0, 1
    while not holds(high):
        low, high = high, min(2 * high, _MOST_ROWS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high

"""What it would take: the gap that a sample can show, and the rows that a decision needs.

| question | function |
| --- | --- |
| What difference of rates can groups of these sizes show? | `detectable_gap` |
| What ratio of rates? | `detectable_ratio` |
| What difference of means? | `detectable_mean_gap` |
| How many rows a group decide a gate on a gap of rates (difference or ratio), to pass or to fail? | `rows_needed` |
| ... on a rate relative to another (a split, a group)? | `rows_needed_relative` |
| ... on one rate? | `rows_needed_for_rate` |
| ... on one mean, or on a gap of means? | `rows_needed_for_mean`, `rows_needed_for_mean_gap` |
| How many rows in all make an interval that is at hand short enough? | `rows_to_decide` |
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from auditkit.core.estimate import Estimate
from auditkit.core.types import FloatArray
from auditkit.measures.gaps import Form
from auditkit.measures.intervals import mover_difference, normal_quantile, range_quantile, wilson
from auditkit.measures.power_ratios import rows_for_ratio
from auditkit.measures.power_search import MOST_ROWS, margin, smallest, smallest_two, stays
from auditkit.measures.roots import root


def detectable_gap(sizes: Sequence[float], rate: float, confidence: float = 0.95, power: float = 0.8) -> float:
    """The smallest true difference of a rate that groups of these `sizes` (rows, or effective rows) can show.

    "Show": the simultaneous interval over all groups lies above 0 with probability `power`, for the two smallest
    groups, one at `rate` (in [0, 1]) and one further towards 0.5, whichever of them it is. Returns 1.0 where not even
    that can be shown.
    Raises `ValueError` with fewer than two sizes, or sizes below 1.

    >>> round(detectable_gap([400, 900], 0.2), 3)
    0.071
    """
    rows, z = smallest_two(sizes, confidence)
    direction = 1.0 if rate <= 0.5 else -1.0

    def surplus(delta: float) -> float:
        return _shown(rate + direction * delta, rate, rows, z, power)

    largest = 1 - rate if direction > 0 else rate
    if surplus(largest) <= 0:
        return 1.0
    return float(root(surplus, 0.0, largest, 1e-6))


def detectable_ratio(sizes: Sequence[float], rate: float, confidence: float = 0.95, power: float = 0.8) -> float:
    """The largest true ratio below 1 of two rates, the higher at `rate` (in (0, 1]), that groups of these `sizes` can
    show to be below 1; otherwise as `detectable_gap`. 0.0 where not even a ratio of 0 can be shown.

    MOVER-R excludes a ratio of 1 exactly where MOVER excludes a difference of 0, so it is the same question.

    >>> round(detectable_ratio([400, 900], 0.2), 3)
    0.685
    """
    rows, z = smallest_two(sizes, confidence)
    if not 0 < rate <= 1:
        raise ValueError(f"a ratio needs a rate above 0, got {rate}")

    def surplus(ratio: float) -> float:
        return _shown(rate, ratio * rate, rows, z, power)

    return float(root(surplus, 0.0, 1.0, 1e-6)) if surplus(0.0) > 0 else 0.0


def rows_needed(
    rate_a: float,
    rate_b: float,
    bound: float,
    groups: int = 2,
    confidence: float = 0.95,
    power: float = 0.8,
    *,
    form: Form = "difference",
) -> int | None:
    """Rows per group with which a gate on the gap of two rates can be decided against `bound`.

    The gap is |rate_a − rate_b|, or with `form` "ratio" the smaller over the larger rate. "Decided": with probability
    `power` the simultaneous interval over `groups` groups of so many rows lies wholly on the side of the bound where
    the gap is, if the rates are what they seem and those of the other groups lie between them: with a gap below `max`
    (or a ratio above `min`) the gate passes, else it fails. To pass, every pair must stay inside, so the margin is that
    of the range of all groups. None where the gap is at the bound: no number of rows decides that.

    >>> rows_needed(0.20, 0.24, bound=0.10)  # passes
    745
    >>> rows_needed(0.20, 0.36, bound=0.10)  # fails
    861
    >>> rows_needed(0.20, 0.20, bound=0.10, groups=10)  # ten equal groups
    1078
    """
    gap, z = abs(rate_a - rate_b), range_quantile(confidence, groups)
    if form == "ratio":
        return rows_for_ratio(min(rate_a, rate_b), max(rate_a, rate_b), bound, groups, z, power)

    def decided(rows: float) -> bool:
        low, high, error = _pair_limits(rate_a, rate_b, np.array([rows, rows]), z)
        if gap > bound:
            return max(low, 0.0) - margin(power) * error >= bound
        return stays(gap, bound - high, error, groups, power)

    return None if gap == bound else smallest(decided)


def rows_needed_for_rate(rate: float, bound: float, confidence: float = 0.95, power: float = 0.8) -> int | None:
    """Rows in the denominator with which a gate on one rate can be decided against `bound`, as `rows_needed`.

    >>> rows_needed_for_rate(0.83, bound=0.80)
    1313
    """
    z, value = normal_quantile(confidence), np.array([rate])

    def decided(rows: float) -> bool:
        low, high = wilson(value, np.array([rows]), z)
        room = margin(power) * math.sqrt(rate * (1 - rate) / rows)
        return float(high[0]) + room <= bound if rate < bound else float(low[0]) - room >= bound

    return None if rate == bound else smallest(decided)


def rows_to_decide(estimate: Estimate, bound: float) -> int | None:
    """Rows in all with which an interval such as that of `estimate` would no longer straddle `bound`.

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
    return None if needed > MOST_ROWS else max(1, math.ceil(needed))


def _shown(a: float, b: float, rows: FloatArray, z: float, power: float) -> float:
    """How far above 0 the lower limit of |a − b| stays with that probability, whichever group has which rate."""
    found = []
    for placed in (rows, rows[::-1]):
        low, _, error = _pair_limits(a, b, placed, z)
        found.append(low - margin(power) * error)
    return min(found)


def _pair_limits(a: float, b: float, rows: FloatArray, z: float) -> tuple[float, float, float]:
    """Limits of |a − b| where the rates are seen as they are, on `rows` `[2]`, and the standard error of that
    difference."""
    high_rate, low_rate = np.array([max(a, b)]), np.array([min(a, b)])
    high_rows, low_rows = (rows[:1], rows[1:]) if a >= b else (rows[1:], rows[:1])
    first, second = wilson(high_rate, high_rows, z), wilson(low_rate, low_rows, z)
    low, high = mover_difference(high_rate, first, low_rate, second)
    error = math.sqrt(max(0.0, a * (1 - a) / rows[0] + b * (1 - b) / rows[1]))
    return float(low[0]), float(high[0]), error

"""What the functions of `power` share: the smallest number of rows that will do, and the room that chance needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import ndtr, ndtri

from auditkit.core.types import FloatArray
from auditkit.measures.intervals import range_quantile

#: Beyond so many rows a group nobody is told to collect more.
MOST_ROWS = 10**9


def smallest_two(sizes: Sequence[float], confidence: float) -> tuple[FloatArray, float]:
    """The two smallest sizes, `[2]`, and the critical value of all pairs."""
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(f"a gap needs two groups with rows, got sizes {list(sizes)}")
    return np.sort(np.asarray(sizes, dtype=np.float64))[:2], range_quantile(confidence, len(sizes))


def margin(power: float) -> float:
    """Standard errors that an estimate may err by and still be on its side of a bound, with probability `power`."""
    if not 0 < power < 1:
        raise ValueError(f"power must lie between 0 and 1, got {power}")
    return max(0.0, float(ndtri(power)))


def stays(gap: float, room: float, error: float, groups: int, power: float) -> bool:
    """Whether the observed gap exceeds the true one by at most `room` with probability `power`; `error` is the standard
    error of a pair's difference."""
    if room < 0:
        return False
    if error == 0:
        return True
    if groups > 2:
        return room >= range_quantile(power, groups) * error
    # Of two groups either may come out on top.
    return float(ndtr(room / error) - ndtr(-(room + 2 * gap) / error)) >= power


def smallest(holds: Callable[[float], bool]) -> int | None:
    """The smallest whole number that holds, by bisection; None where not even `MOST_ROWS` does."""
    if not holds(MOST_ROWS):
        return None
    low, high = 0, 1
    while not holds(high):
        low, high = high, min(2 * high, MOST_ROWS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high

"""Where a function of one variable is 0. (scipy.optimize finds it too, and takes half a second to import.)"""

from __future__ import annotations

from collections.abc import Callable


def root(function: Callable[[float], float], low: float, high: float, tolerance: float = 1e-12) -> float:
    """A zero of a continuous `function` between `low` and `high`, where its signs differ, to within `tolerance`.

    By bisection. Raises `ValueError` where the signs at both ends are the same.
    """
    at_low, at_high = function(low), function(high)
    if at_low == 0:
        return low
    if at_high == 0:
        return high
    if (at_low > 0) == (at_high > 0):
        raise ValueError(f"the function has the same sign at {low} and {high}")
    while high - low > tolerance:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        value = function(middle)
        if value == 0:
            return middle
        if (value > 0) == (at_low > 0):
            low = middle
        else:
            high = middle
    return (low + high) / 2

"""Confidence limits in closed form: Wilson, Clopper-Pearson, Jeffreys for a proportion; MOVER for two quantities."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, gammaincinv, ndtr, ndtri, stdtrit

from auditkit.core.types import BoolArray, FloatArray
from auditkit.measures.roots import root

Limits = tuple[FloatArray, FloatArray]
#: Up to so many rows Wilson's interval can cover less than 92.5%, and the exact one is taken.
FEW_ROWS = 40.0


def normal_quantile(confidence: float) -> float:
    """The two-sided standard normal critical value: 1.96 for 0.95. Raises `ValueError` outside (0, 1)."""
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    return float(-ndtri((1.0 - confidence) / 2.0))


def student_quantile(z: float, df: npt.ArrayLike) -> FloatArray:
    """The Student t quantile with the same tail probability as the normal quantile `z`; `df` may be infinite."""
    return np.asarray(-stdtrit(np.asarray(df, dtype=np.float64), ndtr(-z)), dtype=np.float64)


def split_confidence(confidence: float, parts: int) -> float:
    """The confidence that each of `parts` families needs so that all hold together (Šidák 1967).

    Exact for independent families (true- and false-positive rates rest on different rows), conservative otherwise.
    """
    return float(confidence ** (1.0 / parts))


@lru_cache(maxsize=256)
def range_quantile(confidence: float, groups: int) -> float:
    """Critical value for all pairs among `groups` quantities at once: q(confidence; groups, ∞) / √2.

    q is the quantile of the range of `groups` independent standard normals (Tukey 1953). For two groups it is the
    ordinary two-sided normal critical value. Raises `ValueError` below two groups.
    """
    if groups < 2:
        raise ValueError(f"pairs need at least two groups, got {groups}")
    if groups == 2:
        return normal_quantile(confidence)
    nodes, step = np.linspace(-9.0, 9.0, 1201, retstep=True)
    density = np.exp(-(nodes**2) / 2) / np.sqrt(2 * np.pi)

    def excess(q: float) -> float:
        inside = ndtr(nodes) - ndtr(nodes - q)
        return float(groups * step * np.sum(density * inside ** (groups - 1))) - confidence

    return float(root(excess, 1e-6, 40.0, 1e-10)) / float(np.sqrt(2.0))


def wilson(p: FloatArray, n: FloatArray, z: float) -> Limits:
    """Modified Wilson limits of proportions `p` (`[G]`, in [0, 1]) that rest on `n` (`[G]`, > 0, real) rows, at the
    normal critical value `z`.

    Wilson (1927); where only one to three rows (two where n ≤ 50) are on one side, the limit towards that side is the
    Poisson one of Brown, Cai and DasGupta (2001, section 4.1.1), because Wilson's own covers badly there.
    """
    p, n = np.asarray(p, dtype=np.float64), np.asarray(n, dtype=np.float64)
    centre = p + z**2 / (2 * n)
    spread = z * np.sqrt(np.maximum(p * (1 - p) / n, 0.0) + z**2 / (4 * n**2))
    scale = 1 + z**2 / n
    low, high = (centre - spread) / scale, (centre + spread) / scale
    low = np.minimum(low, _poisson_lower(p, n, z))
    high = np.maximum(high, 1 - _poisson_lower(1 - p, n, z))
    low = np.where(p <= 0, 0.0, np.clip(low, 0.0, p))
    high = np.where(p >= 1, 1.0, np.clip(high, p, 1.0))
    return low, high


def _poisson_lower(p: FloatArray, n: FloatArray, z: float) -> FloatArray:
    """Brown, Cai and DasGupta's lower limit where it applies, 1 elsewhere."""
    count = p * n
    few = (count > 1e-9) & (count <= np.where(n <= 50, 2.0, 3.0) + 1e-9)
    limit = np.ones_like(p)
    if few.any():
        limit[few] = gammaincinv(count[few], 2 * ndtr(-z)) / n[few]
    return limit


def clopper_pearson(p: FloatArray, n: FloatArray, z: float) -> Limits:
    """Exact limits (Clopper and Pearson 1934) of proportions `p` that rest on `n` rows; arrays as in `wilson`.

    Real `n` (effective rows) through the incomplete beta function, as in Korn and Graubard (1998).
    """
    hits, misses = np.maximum(p * n, 0.0), np.maximum((1 - p) * n, 0.0)
    tail = float(ndtr(-z))
    low = np.where(hits > 0, betaincinv(np.maximum(hits, 1e-300), misses + 1, tail), 0.0)
    high = np.where(misses > 0, betaincinv(hits + 1, np.maximum(misses, 1e-300), 1 - tail), 1.0)
    return np.minimum(low, p), np.maximum(high, p)


def jeffreys(p: FloatArray, n: FloatArray, z: float) -> Limits:
    """Modified Jeffreys limits of proportions `p` that rest on `n` rows; arrays as in `wilson`.

    Quantiles of Beta(hits + ½, misses + ½); with no or one hit (or miss) the limits towards and from that side are the
    exact ones of Brown, Cai and DasGupta (2001, section 4.1.2), because Jeffreys' own cover badly there.
    """
    p, n = np.asarray(p, dtype=np.float64), np.asarray(n, dtype=np.float64)
    hits, misses = np.maximum(p * n, 0.0), np.maximum((1 - p) * n, 0.0)
    tail = float(ndtr(-z))
    low = betaincinv(hits + 0.5, misses + 0.5, tail)
    high = betaincinv(hits + 0.5, misses + 0.5, 1 - tail)
    edge = 1e-9
    low = np.where(misses <= edge, tail ** (1 / n), low)
    high = np.where(hits <= edge, 1 - tail ** (1 / n), high)
    low = np.where(np.abs(hits - 1) <= edge, 1 - (1 - tail) ** (1 / n), low)
    high = np.where(np.abs(misses - 1) <= edge, (1 - tail) ** (1 / n), high)
    low = np.where(hits <= edge, 0.0, np.clip(low, 0.0, p))
    high = np.where(misses <= edge, 1.0, np.clip(high, p, 1.0))
    return low, high


def interval_rule(n: float, sides: Literal[1, 2] = 2) -> Literal["Clopper-Pearson", "Wilson", "Jeffreys"]:
    """Which limits a proportion of `n` rows (or effective rows) takes. This is the rule, whole.

    - **Clopper-Pearson** up to 40 rows: it never covers less than stated. Wilson's can cover 92.2% there (n = 30, 3 to
      5 expected hits), Jeffreys' 91.7%.
    - **Wilson**, modified near the ends, above 40 rows: computed exactly over n = 41 to 3,000 and rates with at least
      three expected hits and misses it covers at least 92.7%, 95.0 to 95.6% on average; Jeffreys' at least 91.2%.
    - **Jeffreys** for one-sided limits (`sides=1`) above 40 rows: Wilson's interval is shifted towards ½, so each of
      its ends alone errs (Cai 2005, J. Stat. Plan. Inference 131); Jeffreys' ends err equally often.
    - **The bootstrap from counts** (`group_bootstrap`) takes percentiles only with at least 20 hits and 20 misses,
      where they cover at least 92.4%; with three expected hits they cover 80%. Below that, where all rows or none are
      hits, and where more than 1% of the replicates have no denominator: the limits above.
    """
    if n <= FEW_ROWS:
        return "Clopper-Pearson"
    return "Wilson" if sides == 2 else "Jeffreys"


def proportion_limits(p: FloatArray, n: FloatArray, z: float, sides: Literal[1, 2] = 2) -> tuple[Limits, str]:
    """Limits of proportions by `interval_rule`, arrays as in `wilson`, and the name of the method.

    With `sides` 1 each end is a limit by itself, at the tail probability of `z`. The name is that of the largest `n`.
    """
    p, n = np.asarray(p, dtype=np.float64), np.asarray(n, dtype=np.float64)
    few, name = n <= FEW_ROWS, interval_rule(float(n.max(initial=0.0)), sides)
    low, high = (wilson if sides == 2 else jeffreys)(p, n, z)
    exact_low, exact_high = clopper_pearson(p, n, z)
    return (np.where(few, exact_low, low), np.where(few, exact_high, high)), name


def mover_difference(first: FloatArray, first_limits: Limits, second: FloatArray, second_limits: Limits) -> Limits:
    """Limits of `first − second`, in their unit; all are arrays that broadcast (`[G]`, say), and `first_limits` and
    `second_limits` are the lower and upper limits of each.

    Newcombe (1998, method 10) where the limits are Wilson's; in general Zou and Donner (2008), MOVER. Their squares are
    added as those of errors that may go either way. Where a lower limit was cut at 0 the value is known to be too large
    rather than too small (a calibration error whose truth is 0), and the distances themselves are added.
    """
    centre = first - second
    low = centre - _joined(first - first_limits[0], second_limits[1] - second, _cut(first, first_limits))
    high = centre + _joined(first_limits[1] - first, second - second_limits[0], _cut(second, second_limits))
    return low, high


def _cut(value: FloatArray, limits: Limits) -> BoolArray:
    """Where the lower limit is 0 below a value above 0: it was cut there."""
    return np.asarray((limits[0] == 0) & (value > 0), dtype=np.bool_)


def _joined(one: FloatArray, other: FloatArray, cut: BoolArray) -> FloatArray:
    """Both distances together: the root of the sum of their squares; their sum where one is cut."""
    both = np.hypot(one, other)
    return np.where(cut, one + other, both) if cut.any() else both


def mover_ratio(first: FloatArray, first_limits: Limits, second: FloatArray, second_limits: Limits) -> Limits:
    """Limits of the ratio `first / second` of quantities that are not negative; arrays as in `mover_difference`.

    MOVER-R: Donner and Zou (2012, eq. 9), rationalised so that zero rates need no special case. The upper limit is
    infinite where the denominator may be 0.
    """
    first, first_limits, second, second_limits = _squarable(first, first_limits, second, second_limits)
    product = first * second
    lower_first = np.maximum(first_limits[0], 0.0)
    a = lower_first * (2 * first - lower_first)
    b = second_limits[1] * (2 * second - second_limits[1])
    c = first_limits[1] * (2 * first - first_limits[1])
    lower_second = np.maximum(second_limits[0], 0.0)
    d = lower_second * (2 * second - lower_second)
    below = product + np.sqrt(np.maximum(product**2 - a * b, 0.0))
    above = product + np.sqrt(np.maximum(product**2 - c * d, 0.0))
    # A rate near the smallest float is as good as 0: what is divided by it is infinite.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        low = np.where(below > 0, a / below, 0.0)
        high = np.where(d > 0, above / d, np.inf)
    return low, high


def _squarable(
    first: FloatArray, first_limits: Limits, second: FloatArray, second_limits: Limits
) -> tuple[FloatArray, Limits, FloatArray, Limits]:
    """The same, divided by a power of two where products of four of them would be too large; a ratio has no unit."""
    largest = max(float(np.max(np.abs(x), initial=0.0)) for x in (first, *first_limits, second, *second_limits))
    if not 1e60 < largest < np.inf:
        return first, first_limits, second, second_limits
    power = -int(np.frexp(largest)[1])
    a, *b, c, d, e = (np.ldexp(x, power) for x in (first, *first_limits, second, *second_limits))
    return a, (b[0], b[1]), c, (d, e)

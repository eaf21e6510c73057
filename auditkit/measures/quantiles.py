"""Quantiles with distribution-free intervals: the median error, the 90th percentile of the absolute error, ..."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr

from auditkit.core.design import SIMPLE, Design
from auditkit.core.estimate import Estimate
from auditkit.core.task import RowStatistic
from auditkit.core.types import FloatArray
from auditkit.measures.influence import ONE_UNIT, is_one_unit
from auditkit.measures.intervals import clopper_pearson, normal_quantile
from auditkit.measures.moments import moments, whole_weight


def quantile(values: FloatArray, q: float, design: Design = SIMPLE, confidence: float = 0.95) -> Estimate:
    """The `q`-quantile (0 < q < 1) of `values` (`[n]`, any unit; rows that are not finite do not count).

    Value: linear between order statistics, as `numpy.quantile`; with weights the smallest value at or below which lies
    the share q of the weight (`method="inverted_cdf"`). Interval, without any assumption on the distribution: order
    statistics whose ranks are binomial limits (Thompson 1936; Hahn and Meeker 1991, section 5.2), so it covers at least
    as often as said. Weights and clusters: Woodruff (1952): Clopper and Pearson's limits of the share q on the
    effective rows of the share at or below the value, read off the weighted distribution. Where equal values would
    leave no width, the end is the next other value. No interval where so few rows can't hold an end, or all are equal.

    Raises `ValueError` where q is not between 0 and 1. O(n log n).
    """
    if not 0.0 < q < 1.0:
        raise ValueError(f"q must lie between 0 and 1, got {q}")
    known = np.isfinite(values) & (True if design.weight is None else design.weight > 0)
    some, n = design.where(known), design.rows(known)
    if n == 0:
        return Estimate.undefined("there are no rows with a value")
    order = _Ordered.of(values[known].astype(np.float64), some)
    value = order.middle(q, n) if some.plain else order.at_share(q)
    method = "order statistics, binomial" if some.plain else "Woodruff"
    if is_one_unit(some, int(np.count_nonzero(known))):
        return Estimate(value, method=method, n=n, reason=ONE_UNIT)
    kept = values[known]
    rows = float(n) if some.plain else _effective(kept, value, some, confidence)
    tail = (1 - confidence) / 2
    if max(q, 1 - q) ** rows > tail or order.distinct == 1:
        why = "all rows have one value" if order.distinct == 1 else _too_few(q, n, rows, tail)
        return Estimate(value, method=method, n=n, reason=why)
    low, high = order.widened(*(_ranks(order, q, n, tail) if some.plain else _woodruff(order, q, rows, confidence)))
    return Estimate(value, low, high, confidence, method, n)


@dataclass(frozen=True)
class _Ordered:
    """Distinct values in ascending order, `[D]`, and the rows (or the weight) at or below each."""

    value: FloatArray
    below: FloatArray

    @classmethod
    def of(cls, values: FloatArray, design: Design) -> _Ordered:
        distinct, place = np.unique(values, return_inverse=True)
        return cls(distinct, np.cumsum(np.bincount(place, weights=whole_weight(design, len(values)))))

    @property
    def distinct(self) -> int:
        return len(self.value)

    def rank(self, k: int) -> float:
        """The k-th smallest value, k from 1."""
        return float(self.value[int(np.searchsorted(self.below, k - 0.5))])

    def middle(self, q: float, n: int) -> float:
        """Between the order statistics on both sides of rank 1 + q (n − 1)."""
        at = q * (n - 1)
        first, second = self.rank(math.floor(at) + 1), self.rank(min(math.floor(at) + 2, n))
        return first + (at - math.floor(at)) * (second - first)

    def at_share(self, share: float) -> float:
        """The smallest value at or below which lies this share of the weight."""
        total = float(self.below[-1])
        at = int(np.searchsorted(self.below, share * total * (1 - 1e-12)))
        return float(self.value[min(at, self.distinct - 1)])

    def widened(self, low: float, high: float) -> tuple[float, float]:
        """The ends; where both are one value, the next other values on each side."""
        if low < high:
            return low, high
        at = int(np.searchsorted(self.value, low))
        return float(self.value[max(at - 1, 0)]), float(self.value[min(at + 1, self.distinct - 1)])


def _ranks(order: _Ordered, q: float, n: int, tail: float) -> tuple[float, float]:
    """X_(l) and X_(u) with P(B < l) and P(B ≥ u) at most `tail`, B binomial (n, q)."""
    # P(B < l) ≤ tail, and P(B ≥ u) ≤ tail is P(B ≤ u − 1) ≥ 1 − tail, which is P(n − B < n − u + 1) ≤ tail.
    return order.rank(_lowest_rank(n, q, tail)), order.rank(n + 1 - _lowest_rank(n, 1 - q, tail))


def _lowest_rank(n: int, q: float, tail: float) -> int:
    """The largest l with P(B < l) ≤ `tail`, B binomial (n, q)."""
    low, high = 0, n
    while high - low > 0:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if bdtr(middle - 1, n, q) <= tail else (low, middle - 1)
    return low


def _woodruff(order: _Ordered, q: float, rows: float, confidence: float) -> tuple[float, float]:
    low, high = clopper_pearson(np.array([q]), np.array([rows]), normal_quantile(confidence))
    return order.at_share(float(low[0])), order.at_share(float(high[0]))


def _effective(values: FloatArray, value: float, design: Design, confidence: float) -> float:
    """Effective rows of the share at or below `value`."""
    everything = np.ones(len(values), dtype=np.bool_)
    below = RowStatistic("share", "proportion", (values <= value).astype(np.float64), everything, None, "a value")
    return float(moments(below, None, 1, design).effective_at(normal_quantile(confidence))[0])


def _too_few(q: float, n: int, rows: float, tail: float) -> str:
    """So few rows leave an end beyond the sample, and how many would not."""
    needed = math.ceil(math.log(tail) / math.log(max(q, 1 - q)) * n / rows)
    return f"{n} rows are too few to bound the {100 * q:g}% quantile on both sides; it takes {needed}"

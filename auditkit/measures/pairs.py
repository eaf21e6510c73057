"""The simultaneous interval over every pair of groups, without ever holding all pairs at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from auditkit.core.types import BoolArray, FloatArray, IntArray
from auditkit.measures.intervals import Limits, mover_difference, mover_ratio, student_quantile
from auditkit.measures.moments import Moments

#: So many pairs are compared at a time.
_BLOCK = 2_000_000
#: Of up to so many kinds of groups every pair is compared.
_FEW_KINDS = 400
_Mover: TypeAlias = Callable[[FloatArray, Limits, FloatArray, Limits], Limits]


@dataclass(frozen=True)
class _Kinds:
    """Groups that look alike count once: their value, limits, and whether there are several of the kind."""

    value: FloatArray
    low: FloatArray
    high: FloatArray
    several: BoolArray

    @property
    def below(self) -> FloatArray:
        """How far the lower limit is away."""
        return self.value - np.maximum(self.low, 0.0)

    @property
    def above(self) -> FloatArray:
        """How far the upper limit is away."""
        return self.high - self.value

    @property
    def cut(self) -> BoolArray:
        """Where the lower limit was cut at 0, which `mover_difference` heeds."""
        return np.asarray((self.low == 0) & (self.value > 0), dtype=np.bool_)


def _kinds(value: FloatArray, limits: Limits) -> _Kinds:
    found, counts = np.unique(np.stack([value, *limits], axis=1), axis=0, return_counts=True)
    return _Kinds(found[:, 0], found[:, 1], found[:, 2], counts > 1)


def _over_pairs(kinds: _Kinds, mover: _Mover, sign: float) -> tuple[float, float]:
    """The largest (`sign` 1) or smallest (−1) lower and upper limit over all ordered pairs of different groups.

    A limit of MOVER moves one way with each group's value and with each distance to its own limits. So where groups are
    very many, only those count that few others beat in both; see `_unbeaten`.
    """
    value, below, above, every = kinds.value, kinds.below, kinds.above, np.arange(len(kinds.value))
    if len(every) <= _FEW_KINDS:
        return _limit(kinds, every, every, mover, sign, 0), _limit(kinds, every, every, mover, sign, 1)
    no = np.zeros(len(every), dtype=np.bool_)
    first, second = sign * value, -sign * value
    low = _unbeaten(first, -sign * below, kinds.cut), _unbeaten(second, -sign * above, no)
    high = _unbeaten(first, sign * above, no), _unbeaten(second, sign * below, kinds.cut)
    return _limit(kinds, *low, mover, sign, 0), _limit(kinds, *high, mover, sign, 1)


def _unbeaten(one: FloatArray, other: FloatArray, always: BoolArray) -> IntArray:
    """The places, ascending, of the points that at most one other beats: is at least as large in `one` and in `other`.

    Of two that beat a point at least one is no group's partner in a pair, so that the point can be left out; and what
    beats one that beats it beats it, too. Those in `always` are kept, and beat nobody.
    """
    order = np.lexsort((-other, -one))
    order = order[~always[order]]
    best = second = -np.inf  # the two largest so far, in `other`
    kept = []
    for at, value in zip(order.tolist(), other[order].tolist(), strict=True):
        if value > second:
            kept.append(at)
            best, second = max(best, value), min(best, value)
    return np.sort(np.concatenate([np.array(kept, dtype=np.int64), np.flatnonzero(always)]))


def _limit(kinds: _Kinds, first: IntArray, second: IntArray, mover: _Mover, sign: float, end: int) -> float:
    """The largest (or smallest) lower (`end` 0) or upper limit over those pairs, a block at a time."""
    found = -np.inf
    ends = (kinds.low[None, second], kinds.high[None, second])
    step = max(1, _BLOCK // len(second))
    for start in range(0, len(first), step):
        block = first[start : start + step]
        own = (kinds.low[block, None], kinds.high[block, None])
        limits = mover(kinds.value[block, None], own, kinds.value[None, second], ends)[end]
        alone = (block[:, None] == second[None]) & ~kinds.several[block, None]
        found = max(found, float(np.max(np.where(alone, -np.inf, sign * limits))))
    return sign * found


def largest_difference(value: FloatArray, limits: Limits) -> tuple[float, float]:
    """Interval of largest minus smallest of `value` (`[G]`), MOVER for each pair from `limits` (`[G]` each), which must
    hold at the simultaneous critical value. The lower end is at least 0."""
    low, high = _over_pairs(_kinds(value, limits), mover_difference, 1.0)
    return max(0.0, low), high


def smallest_ratio(value: FloatArray, limits: Limits) -> tuple[float, float]:
    """Interval of smallest over largest of `value` (`[G]`, not negative), MOVER-R for each pair; at most 1."""
    low, high = _over_pairs(_kinds(value, limits), mover_ratio, -1.0)
    return max(0.0, low), min(1.0, high)


def proportion_difference(found: Moments, z: float) -> tuple[float, float]:
    """Interval of the largest difference: Newcombe's for each pair, at the simultaneous critical value `z`."""
    low, high = largest_difference(found.value, found.wilson(z))
    return low, min(1.0, high)


def proportion_ratio(found: Moments, z: float) -> tuple[float, float]:
    """Interval of smallest over largest: MOVER-R for each pair, at the simultaneous critical value `z`."""
    return smallest_ratio(found.value, found.wilson(z))


def with_pooled_spread(found: Moments) -> Moments | None:
    """Groups of one row, or of equal values, borrow the pooled within-group spread; None where nothing has any."""
    spread = np.isfinite(found.variance) & (found.variance > 0)
    if not spread.any():
        return None
    if spread.all():
        return found
    degrees = found.df[spread]
    row_variance = float(np.sum(degrees * found.variance[spread] * found.units[spread]) / degrees.sum())
    variance = np.where(spread, found.variance, row_variance / found.units)
    df = np.where(spread, found.df, degrees.sum())
    return Moments(found.n, found.value, variance, df, found.effective, found.units, found.plain)


def mean_difference(found: Moments, z: float) -> tuple[float, float] | None:
    """Interval of the largest difference of means: Welch's t for each pair, at the tail probability of `z`.

    Games and Howell (1976), except that the critical value of a pair is the t quantile with the tail probability that
    Tukey's has for known variances: a little wider where the groups are small. None where no group has any spread.
    """
    usable = with_pooled_spread(found)
    if usable is None:
        return None
    low = high = -np.inf
    size = len(usable.value)
    step = max(1, _BLOCK // size)
    for start in range(0, size, step):
        block = slice(start, min(start + step, size))
        centre, half = _welch_block(usable, block, z)
        itself = np.arange(block.start, block.stop)
        half[itself - start, itself] = 0.0
        low = max(low, float(np.max(np.where(half > 0, centre - half, -np.inf))))
        high = max(high, float(np.max(np.where(half > 0, centre + half, -np.inf))))
    return (max(0.0, low), high) if np.isfinite(high) else None


def _welch_block(found: Moments, block: slice, z: float) -> tuple[FloatArray, FloatArray]:
    """Differences and half-widths of a block of groups against all groups."""
    v, df = found.variance, np.maximum(found.df, 1e-3)
    both = v[block, None] + v[None]
    mine, other = v[block, None] / both, v[None] / both
    freedom = 1 / (mine**2 / df[block, None] + other**2 / df[None])
    return found.value[block, None] - found.value[None], _student(z, freedom) * np.sqrt(both)


def _student(z: float, df: FloatArray) -> FloatArray:
    """`student_quantile` on few points of df, interpolated in 1/df (to 1e-5 of itself): exact is slow for many."""
    if df.size <= 2000:
        return student_quantile(z, df)
    inverse = np.concatenate([[0.0], np.geomspace(1e-6, 1.0 / max(float(df.min()), 1e-3), 600)])
    exact = np.concatenate([[z], student_quantile(z, 1 / inverse[1:])])
    return np.asarray(np.interp(1 / df, inverse, exact), dtype=np.float64)


def mean_ratio(found: Moments, z: float) -> tuple[float, float] | None:
    """Interval of smallest over largest mean (none is negative): MOVER-R from t limits. None without any spread."""
    usable = with_pooled_spread(found)
    if usable is None:
        return None
    half = student_quantile(z, np.maximum(usable.df, 1e-3)) * np.sqrt(usable.variance)
    return smallest_ratio(usable.value, (np.maximum(usable.value - half, 0.0), usable.value + half))


def null_gaps(values: list[Moments], kinds: list[str], ratio: bool) -> float | None:
    """The gap that one expects where every group has the pooled rate, by simulation with a fixed generator.

    Counts are drawn from the binomial of the effective rows, means from the normal of their variance; the gap is the
    worst of all statistics, as in the gap itself. None where it can't be said.
    """
    rng = np.random.default_rng(20_240_229)
    size = max(len(found.value) for found in values)
    replicates = int(np.clip(400_000 // size, 50, 2000))
    worst: FloatArray | None = None
    for found, kind in zip(values, kinds, strict=True):
        drawn = _drawn(found, kind, replicates, rng)
        if drawn is None:
            return None
        top, bottom = drawn.max(axis=1), drawn.min(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            gap = bottom / top if ratio else top - bottom
        worst = gap if worst is None else (np.fmin(worst, gap) if ratio else np.fmax(worst, gap))
    if worst is None or not np.isfinite(worst).any():
        return None
    expected = float(np.nanmean(worst))
    return expected if np.isfinite(expected) else None


def _drawn(found: Moments, kind: str, replicates: int, rng: np.random.Generator) -> FloatArray | None:
    pooled = float(np.average(found.value, weights=found.n))
    shape = (replicates, len(found.value))
    if kind == "proportion":
        rows: IntArray = np.maximum(np.rint(found.effective), 1).astype(np.int64)
        counts = rng.binomial(rows, min(max(pooled, 0.0), 1.0), size=shape)
        return np.asarray(counts / rows, dtype=np.float64)
    usable = with_pooled_spread(found)
    if usable is None:
        return None
    return np.asarray(pooled + np.sqrt(usable.variance) * rng.standard_normal(shape), dtype=np.float64)

"""What an interval of a ratio of sums rests on: value, variance, degrees of freedom and effective rows, by group."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auditkit.core.design import SIMPLE, Design
from auditkit.core.task import RowStatistic
from auditkit.core.types import BoolArray, FloatArray, IntArray
from auditkit.measures.intervals import Limits, student_quantile, wilson

#: Why a sum has no value, or a mean no interval: floats end near 1.8e308, and squares of values beyond 1e154 do, too.
TOO_LARGE = "some values are too large to be summed or squared"
#: Weights below this can be squared and added up as they are.
MOST_WEIGHT = 1e100
#: A spread this small against the values is round-off of equal values.
_ROUND_OFF = 1e-12
#: Kish's effective units up to here are one unit: it holds all the weight but some 0.005%.
MORE_THAN_ONE = 1 + 1e-4


@dataclass(frozen=True)
class Moments:
    """One statistic in G groups; every array is `[G]`.

    `n`: rows in the denominator. `value`: NaN where the denominator is 0. `variance`: that of the value, NaN where
    fewer than two independent units (rows, or clusters) carry it, 0 where all values are equal, infinite where it is
    too large for a float. `df`: degrees of
    freedom of that variance. `effective`: so many independent, equally weighted rows would know as much about a
    proportion. `units`: Kish's (1965) effective number of independent units. `skewness`: that of a mean's own
    distribution, as its values show it (their skewness over √n); None for proportions.
    """

    n: IntArray
    value: FloatArray
    variance: FloatArray
    df: FloatArray
    effective: FloatArray
    units: FloatArray
    plain: bool
    skewness: FloatArray | None = None

    @property
    def defined(self) -> BoolArray:
        """Where the denominator is not 0, `[G]`."""
        return np.isfinite(self.value)

    @property
    def too_large(self) -> BoolArray:
        """Where there are rows, but their sum is beyond what a float can hold, `[G]`."""
        return np.asarray((self.n > 0) & ~self.defined, dtype=np.bool_)

    def take(self, keep: IntArray | BoolArray) -> Moments:
        """The same for some of the groups."""
        return Moments(
            self.n[keep],
            self.value[keep],
            self.variance[keep],
            self.df[keep],
            self.effective[keep],
            self.units[keep],
            self.plain,
            None if self.skewness is None else self.skewness[keep],
        )

    def effective_at(self, z: float) -> FloatArray:
        """Effective rows for the critical value `z`, `[G]`.

        Korn and Graubard (1998): a variance that was itself estimated from few units counts for less, by (z/t)². Rows
        that repeat each other within their cluster are worth no less than one row a cluster, so it stops there. Fewer
        effective rows than units are left where heavy weights go with the rarer value, which few rows show: it then
        takes no more than that has taken.
        """
        if self.plain:
            return self.effective
        shrunk = self.effective * (z / student_quantile(z, np.maximum(self.df, 1e-3))) ** 2
        return np.maximum(shrunk, np.minimum(self.units, self.effective**2 / np.maximum(self.units, 1.0)))

    def wilson(self, z: float) -> Limits:
        """Wilson limits of a proportion; the value of every group must be defined."""
        return wilson(self.value, self.effective_at(z), z)


def moments(stat: RowStatistic, codes: IntArray | None = None, groups: int = 1, design: Design = SIMPLE) -> Moments:
    """Moments of `stat` in each of `groups` groups; `codes` (`[n]`, all rows in one group without) name the groups.

    `design` says how the rows were sampled. A row of weight 0 is no row.
    """
    rows = np.flatnonzero(stat.counts if design.weight is None else stat.counts & (design.weight > 0))
    everything = len(rows) == len(stat.counts)
    group = np.zeros(len(rows), dtype=np.int64) if codes is None else (codes if everything else codes[rows])
    values = stat.numerator if everything else stat.numerator[rows]
    some = design if everything else design.where(rows)
    with np.errstate(over="ignore", invalid="ignore"):
        of_design = _plain if some.plain else _weighted
        return of_design(values, group, groups, some, stat.kind == "mean")


def copies(design: Design) -> FloatArray | None:
    """How often each stored row occurs, float64 `[n]`; None: once."""
    return None if design.count is None else design.count.astype(np.float64)


def each_weight(design: Design, rows: int) -> FloatArray:
    """The weight of one copy of each of the stored rows, `[rows]`, in range; ones without weights."""
    return np.ones(rows) if design.weight is None else in_range(design.weight)


def whole_weight(design: Design, rows: int) -> FloatArray:
    """The weight of all copies of each of the stored rows together, `[rows]`, in range; ones for plain rows."""
    weight, repeated = each_weight(design, rows), copies(design)
    return weight if repeated is None else weight * repeated


def in_range(weight: FloatArray) -> FloatArray:
    """The weights, divided by a power of two where they are too large to be squared: no measure depends on their unit.

    A positive weight below 2^-300 of the largest is raised to that, or its square would be 0.
    """
    largest = float(np.max(weight, initial=0.0))
    if largest < MOST_WEIGHT:
        return weight
    scaled = np.ldexp(weight, -int(np.frexp(largest)[1]))
    return np.where(weight > 0, np.maximum(scaled, 2.0**-300), 0.0)


def sums(of: IntArray, values: FloatArray | BoolArray, groups: int, copies: FloatArray | None = None) -> FloatArray:
    """Σ `values` (`[n]`) in each of `groups` groups, in the order of the rows, each row so many times (`copies`)."""
    counted = values if copies is None else values * copies
    return np.bincount(of, weights=counted, minlength=groups).astype(np.float64, copy=False)


def _plain(values: FloatArray, group: IntArray, groups: int, design: Design, mean: bool) -> Moments:
    k = copies(design)
    n = np.bincount(group, weights=k, minlength=groups).astype(np.int64)
    total = sums(group, values, groups, k)
    size, skewness = n.astype(np.float64), None
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.where(n > 0, total / size, np.nan)
        if mean:
            squares = sums(group, (values - value[group]) ** 2, groups, k)
            variance = np.where(n > 1, squares / (size - 1) / size, np.nan)
            skewness = _skewness(group, (values - value[group]) / size[group], variance, k)
        else:
            variance = np.where(n > 1, value * (1 - value) / (size - 1), np.nan)
    variance = _without_round_off(variance, value)
    return Moments(n, value, variance, np.maximum(size - 1, 0), size, size, plain=True, skewness=skewness)


def _weighted(values: FloatArray, group: IntArray, groups: int, design: Design, mean: bool) -> Moments:
    """Linearised variance of a ratio over cluster totals, with Bell and McCaffrey's (2002) bias correction (CR2) and
    degrees of freedom for a mean. With equal weights and one row a cluster it is s²/n with n − 1."""
    n = np.bincount(group, weights=design.count, minlength=groups).astype(np.int64)
    of, size, total, k = _units(values, group, design)
    whole = sums(of, size, groups, k)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.where(whole > 0, sums(of, total, groups, k) / whole, np.nan)
        if not mean:
            value = np.clip(value, 0.0, 1.0)
    share = size / whole[of]
    residual = total / size - value[of]
    variance, df, squares = _bell_mccaffrey(of, groups, share, residual, k)
    skewness = _skewness(of, share * residual, variance, k) if mean else None
    variance = _without_round_off(variance, value)
    with np.errstate(invalid="ignore", divide="ignore"):
        units = np.where(squares > 0, 1.0 / squares, 0.0)
        effective = value * (1 - value) / (1 - squares) / variance
    # Where one unit holds all the weight but a trace, the others say nothing of how far that one may be off.
    several = units > MORE_THAN_ONE
    variance, df = np.where(several, variance, np.nan), np.where(several, df, 0.0)
    known = np.isfinite(effective) & (variance > 0) & several
    effective = np.minimum(np.where(known, effective, units), n)
    return Moments(n, value, variance, df, effective, np.minimum(units, n), plain=False, skewness=skewness)


def _units(
    values: FloatArray, group: IntArray, design: Design
) -> tuple[IntArray, FloatArray, FloatArray, FloatArray | None]:
    """The independent units: the group, the weight, the weighted sum and the number of copies of each."""
    if design.cluster is None:
        w = each_weight(design, len(values))
        return group, w, w * values, copies(design)
    w = whole_weight(design, len(values))
    _, compact = np.unique(design.cluster, return_inverse=True)
    width = int(compact.max()) + 1 if len(compact) else 1
    keys, unit = np.unique(group * width + compact, return_inverse=True)
    size = sums(unit, w, len(keys))
    return (keys // width).astype(np.int64), size, sums(unit, w * values, len(keys)), None


def _bell_mccaffrey(
    of: IntArray, groups: int, share: FloatArray, residual: FloatArray, k: FloatArray | None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Variance, degrees of freedom, and Σ share² of each group, from its units' shares of the weight (`k` copies).

    The residual of unit i has variance M_ii σ², M_ij = δ_ij − h_i − h_j + Σh². Dividing its square by M_ii makes the
    variance unbiased, and the degrees of freedom are Satterthwaite's, (Σh²)² / tr(B²), B_ij = √(a_i a_j) M_ij.
    """

    def total(x: FloatArray) -> FloatArray:
        return sums(of, x, groups, k)

    squares = total(share**2)
    leverage = 1 - 2 * share + squares[of]
    alone = leverage <= 1e-12
    a = np.where(alone, 0.0, share**2 / np.where(alone, 1.0, leverage))
    several = sums(of, ~alone, groups, k) > 1
    squared = np.where(a > 0, residual**2, 0.0)
    variance = np.where(several, total(a * squared), np.nan)
    a0, a1, a2 = total(a), total(a * share), total(a * share**2)
    trace = squares**2 * a0**2 + 2 * a0 * a2 + 2 * a1**2 - 4 * squares * a0 * a1
    trace += total((a * leverage) ** 2 - (a * (squares[of] - 2 * share)) ** 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        df = np.where(several & (trace > 0), squares**2 / trace, 0.0)
    return variance, df, squares


def _skewness(of: IntArray, residual: FloatArray, variance: FloatArray, k: FloatArray | None) -> FloatArray:
    """Σ (residual / √variance)³ of each group, `residual` being each unit's share of the error (`k` copies of it); 0
    without variance."""
    known = np.isfinite(variance) & (variance > 0)
    error = np.sqrt(np.where(known, variance, np.inf))
    scaled = residual / error[of]
    return np.where(known, sums(of, scaled * scaled * scaled, len(variance), k), 0.0)  # `** 3` is ten times slower


def _without_round_off(variance: FloatArray, value: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore"):
        return np.where(np.sqrt(variance) <= _ROUND_OFF * np.abs(value), 0.0, variance)

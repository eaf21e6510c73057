"""Many subgroups of the same rows: each against all other rows, the worst of them, and the gap between them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from auditkit.core.design import SIMPLE, Design
from auditkit.core.task import RowStatistic
from auditkit.core.types import BoolArray, FloatArray, IntArray
from auditkit.measures import pairs
from auditkit.measures.intervals import Limits, clopper_pearson, mover_difference, student_quantile
from auditkit.measures.moments import Moments, copies, each_weight, moments, sums

#: Below this share of all squares, what is left of them after subtraction is computed anew, from the rows themselves.
_CANCELLED = 1e-9


@dataclass(frozen=True)
class Beside:
    """A statistic in each of G subgroups (`own`), and over all rows outside it (`rest`); moments `[G]` each.

    `proportion`: limits are those of a share. A subgroup of rows, and the rest of them, are independent samples.
    """

    own: Moments
    rest: Moments
    proportion: bool

    def take(self, keep: IntArray | BoolArray) -> Beside:
        """The same for some of the subgroups."""
        return replace(self, own=self.own.take(keep), rest=self.rest.take(keep))

    def supported(self, least: int) -> BoolArray:
        """Where at least `least` rows stand behind the value inside, and as many behind the one outside, `[G]`."""
        enough = (self.own.n >= least) & (self.rest.n >= least) & self.own.defined & self.rest.defined
        return np.asarray(enough if self.proportion else enough & np.isfinite(self._spread()[0]), dtype=np.bool_)

    def value(self, factor: float = 1.0) -> FloatArray:
        """own − `factor` · rest, `[G]`."""
        return np.asarray(self.own.value - factor * self.rest.value, dtype=np.float64)

    def limits(self, z: float, factor: float = 1.0, within: Limits | None = None) -> Limits:
        """Limits of own − `factor` · rest at the critical value `z`, `[G]` each; every subgroup must be supported.
        `within` are the limits that `within(z)` gives, where they are known already.

        Shares: MOVER (Zou and Donner 2008) from Clopper and Pearson's limits of each. Wilson's, as in Newcombe's
        interval, are those of a score test, which errs in the far tails that a search over many subgroups asks for (7
        of 10 against one in ten: 2e-10 in place of 9e-6). Means: Welch's t, each subgroup with the larger of its own
        spread and that of the rest: of skewed values a few may all be small by chance, and seem sure of it.
        """
        if self.proportion:
            inside = self.within(z) if within is None else within
            outside = clopper_pearson(self.rest.value, self.rest.effective_at(z), z)
            scaled = (factor * outside[0], factor * outside[1])
            return mover_difference(self.own.value, inside, factor * self.rest.value, scaled)
        variance, df = self._spread()
        other = factor**2 * self.rest.variance
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            both = variance + other
            parts = (variance / both) ** 2 / df + (other / both) ** 2 / np.maximum(self.rest.df, 1e-3)
            half = student_quantile(z, np.where(parts > 0, 1 / parts, np.inf)) * np.sqrt(both)
        centre = self.value(factor)
        return centre - half, centre + half

    def within(self, z: float) -> Limits:
        """Limits of each subgroup's own value at the critical value `z`, `[G]` each, by the same means."""
        if self.proportion:
            return clopper_pearson(self.own.value, self.own.effective_at(z), z)
        variance, df = self._spread()
        half = student_quantile(z, df) * np.sqrt(variance)
        return self.own.value - half, self.own.value + half

    def _spread(self) -> tuple[FloatArray, FloatArray]:
        """Variance of each subgroup's mean and its degrees of freedom; NaN or 0 where nothing has any spread."""
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            borrowed = self.rest.variance * self.rest.units / np.maximum(self.own.units, 1.0)
            larger = np.fmax(self.own.variance, borrowed)
        df = np.where(self.own.variance >= borrowed, self.own.df, self.rest.df)
        return np.where(larger > 0, larger, np.nan), np.maximum(df, 1e-3)


def beside(stat: RowStatistic, codes: IntArray, groups: int, design: Design = SIMPLE) -> Beside:
    """`stat` in each of `groups` subgroups (`codes`, int64 `[n]`) and over the rest of the rows; O(rows + groups).

    The rest is what remains of the sums over all rows. Its variance is the linearised one of a ratio, over rows or
    over clusters, u/(u − 1) times the plain sum of squares for u units: with equal weights and one row a cluster s²/n.
    """
    own = moments(stat, codes, groups, design)
    proportion = stat.kind == "proportion"
    rows = np.flatnonzero(stat.counts if design.weight is None else stat.counts & (design.weight > 0))
    some = design.where(rows)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        rest, doubtful = _rest(stat.numerator[rows], codes[rows], groups, some, proportion)
    for group in np.flatnonzero(doubtful):
        _replace(rest, int(group), moments(replace(stat, counts=stat.counts & (codes != group)), None, 1, design))
    return Beside(own, rest, proportion)


def _rest(
    values: FloatArray, codes: IntArray, groups: int, design: Design, proportion: bool
) -> tuple[Moments, BoolArray]:
    """Moments of all rows outside each subgroup, and where they must be computed from the rows."""
    k, w = copies(design), each_weight(design, len(values))
    n_in = sums(codes, np.ones(len(values)), groups, k)
    n = n_in.sum() - n_in
    whole = float(np.sum(w if k is None else w * k))
    centre = 0.0 if proportion or whole <= 0 else float(np.sum(w * values if k is None else w * k * values) / whole)
    parts = _Totals.of(codes, groups, w, w * (values - centre), k, design.cluster)
    size, total, units = parts.size, parts.total, parts.units
    mean = np.where(n > 0, total / size, np.nan)
    spread = parts.squares - 2 * mean * parts.products + mean**2 * parts.sizes
    doubtful = ~proportion & (n > 0) & (spread < _CANCELLED * float(np.max(parts.squares, initial=0.0)))
    kish = np.where(parts.sizes > 0, size**2 / parts.sizes, 0.0)
    variance = np.where(units > 1, np.maximum(spread, 0.0) / size**2 * units / (units - 1), np.nan)
    value = np.clip(mean, 0.0, 1.0) if proportion else mean + centre
    effective = kish if design.plain else _effective(value, variance, kish, n)
    rest = Moments(
        n.astype(np.int64), value, variance, np.maximum(kish - 1, 0.0), effective, np.minimum(kish, n), design.plain
    )
    return rest, np.asarray(doubtful, dtype=np.bool_)


def _effective(value: FloatArray, variance: FloatArray, kish: FloatArray, n: FloatArray) -> FloatArray:
    """So many independent rows of equal weight would know as much of a proportion, as in `moments`."""
    found = value * (1 - value) / (1 - 1 / kish) / variance
    return np.minimum(np.where(np.isfinite(found) & (variance > 0) & (kish > 1), found, kish), n)


@dataclass(frozen=True)
class _Totals:
    """Sums over the units (rows, or clusters) outside each subgroup, `[G]` each: of weights W, of weighted values T, of
    T², TW and W², and the number of units."""

    size: FloatArray
    total: FloatArray
    squares: FloatArray
    products: FloatArray
    sizes: FloatArray
    units: FloatArray

    @staticmethod
    def of(
        codes: IntArray, groups: int, w: FloatArray, t: FloatArray, k: FloatArray | None, cluster: IntArray | None
    ) -> _Totals:
        if cluster is not None:
            return _Totals._of_clusters(codes, groups, w, t, k, cluster)

        def outside(x: FloatArray) -> FloatArray:
            inside = sums(codes, x, groups, k)
            return np.asarray(inside.sum() - inside, dtype=np.float64)

        return _Totals(outside(w), outside(t), outside(t * t), outside(t * w), outside(w * w), outside(np.ones(len(w))))

    @staticmethod
    def _of_clusters(
        codes: IntArray, groups: int, w: FloatArray, t: FloatArray, k: FloatArray | None, cluster: IntArray
    ) -> _Totals:
        """A cluster that a subgroup has rows of counts with its other rows, and not at all where it has none."""
        _, compact = np.unique(cluster, return_inverse=True)
        width = int(compact.max()) + 1 if len(compact) else 1
        keys, part = np.unique(codes * width + compact, return_inverse=True)
        of, whose = (keys // width).astype(np.int64), keys % width
        every = [sums(compact, x, width, k) for x in (w, t, np.ones(len(w)))]
        mine = [sums(part, x, len(keys), k) for x in (w, t, np.ones(len(w)))]
        (all_w, all_t, all_n), (in_w, in_t, in_n) = every, mine
        left_w, left_t = all_w[whose] - in_w, all_t[whose] - in_t

        def outside(x: FloatArray, changed: FloatArray) -> FloatArray:
            return np.asarray(x.sum() - sums(of, x[whose] - changed, groups), dtype=np.float64)

        gone = (all_n[whose] == in_n).astype(np.float64)
        return _Totals(
            outside(all_w, left_w),
            outside(all_t, left_t),
            outside(all_t * all_t, left_t * left_t),
            outside(all_t * all_w, left_t * left_w),
            outside(all_w * all_w, left_w * left_w),
            width - sums(of, gone, groups),
        )


def _replace(rest: Moments, group: int, found: Moments) -> None:
    """Put moments that were computed from the rows in place of those that subtraction spoiled."""
    for name in ("value", "variance", "df", "effective", "units"):
        getattr(rest, name)[group] = getattr(found, name)[0]


def widest_gap(found: Moments, proportion: bool, z: float) -> tuple[float, float] | None:
    """The interval of the largest difference between any two of G groups, as `gaps.gap` computes it, for many groups.

    Only groups that can hold an end of the interval are compared with each other. None where means have no spread.
    """
    if proportion:
        low, high = found.wilson(z)
        below, above = found.value - low, high - found.value
        return pairs.proportion_difference(_contenders(found, (below, above), (below, above), z, proportion=True), z)
    usable = pairs.with_pooled_spread(found)
    if usable is None or not np.isfinite(usable.variance).all():
        return None
    # The critical value of a pair lies between the normal one and that of the fewest degrees of freedom of all.
    error = np.sqrt(usable.variance)
    least, most = z * error, float(student_quantile(z, max(float(usable.df.min()), 1e-3))) * error
    return pairs.mean_difference(_contenders(usable, (least, least), (most, most), z, proportion=False), z)


def _contenders(found: Moments, least: Limits, most: Limits, z: float, *, proportion: bool) -> Moments:
    """The groups between which the largest lower and the largest upper limit of a difference can lie.

    `least` and `most`: between which half-widths of a group (below, above its value) its part in the root of a sum of
    squares lies. That root is at least 1/√2 of their sum, and at most their sum, or the root with the widest group of
    all: so far could a group reach with any other. One that could not reach what one pair does reach is left out.
    """
    if len(found.value) < 50:
        return found
    value = found.value
    top, bottom = value + most[1], value - most[0]
    near_top, near_bottom = value - least[0] / np.sqrt(2), value + least[1] / np.sqrt(2)
    certain, reached = 0.0, -np.inf
    for high, low in ((np.argmax(near_top), np.argmin(near_bottom)), (np.argmax(top), np.argmin(bottom))):
        if high != low:
            pair = found.take(np.array([high, low]))
            ends = pairs.proportion_difference(pair, z) if proportion else pairs.mean_difference(pair, z)
            certain, reached = (certain, reached) if ends is None else (max(certain, ends[0]), max(reached, ends[1]))
    # Round-off must not part a group from what it reaches itself.
    slack = 1e-9 * float(np.max(np.abs(value), initial=0.0)) + 1e-12
    up = np.minimum(top - bottom.min(), value - value.min() + np.hypot(most[1], most[0].max()))
    down = np.minimum(top.max() - bottom, value.max() - value + np.hypot(most[0], most[1].max()))
    keep = np.maximum(up, down) >= reached - slack
    keep |= near_top - near_bottom.min() >= certain - slack
    keep |= near_top.max() - near_bottom >= certain - slack
    return found.take(keep) if keep.sum() > 1 else found


def extreme(value: FloatArray, limits: Limits, side: Literal["least", "most"]) -> tuple[int, float, float]:
    """Which of G quantities is the least (or the most), and the interval of the least: that of all lower, and of all
    upper limits. It holds where the limits of all hold together, and the least itself lies inside."""
    pick, at = (np.min, np.argmin) if side == "least" else (np.max, np.argmax)
    return int(at(value)), float(pick(limits[0])), float(pick(limits[1]))

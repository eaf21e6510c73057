"""Every metric of every group with its interval, and the gaps between groups, from one set of resamples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from auditkit.core.estimate import Estimate
from auditkit.core.types import BoolArray, FloatArray, IntArray
from auditkit.measures.cells import CellMetric, CellRate, CellStatistic
from auditkit.measures.intervals import normal_quantile, proportion_limits, range_quantile
from auditkit.measures.pairs import largest_difference, smallest_ratio
from auditkit.measures.resample import MOST_UNDEFINED, draw, draw_shares, tails

#: A rate needs so many hits and misses for percentile limits: with fewer they cover less than 92% (80% at three).
FEWEST_HITS = 20
#: A cell with fewer rows than this is drawn from Jeffreys' posterior where a statistic is no rate.
FEWEST_IN_CELL = 10

Limits = tuple[float, float]


@dataclass(frozen=True)
class MetricBootstrap:
    """One metric: of all rows, of each group (in their order), and its gaps.

    `difference` (largest − smallest) and `ratio` (smallest / largest) have simultaneous intervals, which hold whatever
    the true gap is; they are what a verdict may rest on. `percentile_difference` and `percentile_ratio` are the plain
    percentiles of the resampled gaps, as fairlearn's `MetricFrame` reports them. They are WRONG where groups are
    nearly equal: a resampled gap lies above the true one, so with 60 equal groups of 30 rows they never hold the true
    gap of 0, and 70% of the time not even the measured one. They are here to be compared with, and None where a group
    has no value in more than 1% of the resamples.
    """

    name: str
    overall: Estimate
    by_group: tuple[Estimate, ...]
    difference: Estimate
    ratio: Estimate
    percentile_difference: Limits | None
    percentile_ratio: Limits | None


def bootstrap_groups(
    counts: IntArray,
    metrics: Sequence[CellMetric],
    names: Sequence[str] | None = None,
    confidence: float = 0.95,
    *,
    replicates: int = 10_000,
    rng: np.random.Generator | None = None,
) -> tuple[MetricBootstrap, ...]:
    """`metrics` of all rows and of each group with intervals, gaps and ratios; `counts`: int64 `[G, C, C]`.

    Rows are resampled within groups (their sizes are given, not found out), for `overall` over all rows. O(G · C² ·
    replicates), whatever the number of rows is; two groups' resamples are independent. `names`: of the groups, for the
    reasons. Limits of a group's metric:

    - a rate (`CellRate`): percentiles where it has at least 20 hits and 20 misses, and lacks a denominator in at most
      1% of the resamples; else, as where all or none are hits, `intervals.proportion_limits`;
    - any other (`CellStatistic`): percentiles where no cell has fewer than 10 rows; else percentiles of the statistic
      over Jeffreys' posterior of the cells (`resample.draw_shares`).

    Gaps: MOVER over all pairs of groups at the studentised-range critical value, from limits in closed form at that
    value, or from percentile limits moved out in proportion. No gap where a group has no value: its reason names them.
    Raises `ValueError` for counts of another shape.
    """
    if counts.ndim != 3 or counts.shape[1] != counts.shape[2] or any(m.name == "" for m in metrics):
        raise ValueError("bootstrap_groups() takes counts [groups, classes, classes] and metrics with a name")
    labels = [f"group {g}" for g in range(len(counts))] if names is None else list(names)
    generator = np.random.default_rng(7) if rng is None else rng
    z = normal_quantile(confidence)
    critical = range_quantile(confidence, len(counts)) if len(counts) > 1 else z
    whole = _OneTable(counts.sum(axis=0), metrics, z, z, confidence, replicates, generator)
    overall = [whole.estimate(m, "all rows")[0] for m in range(len(metrics))]
    extremes = _Extremes(len(metrics), replicates)
    single: list[list[tuple[Estimate, Limits]]] = [[] for _ in metrics]
    for table, label in zip(counts, labels, strict=True):
        one = _OneTable(table, metrics, z, critical, confidence, replicates, generator)
        extremes.add(one.values)
        for m in range(len(metrics)):
            single[m].append(one.estimate(m, label))
    return tuple(
        _joined(metric, overall[m], single[m], labels, confidence, extremes.limits(m, confidence))
        for m, metric in enumerate(metrics)
    )


class _Extremes:
    """The largest and the smallest value of each metric over the groups, in each resample; groups pass one by one."""

    def __init__(self, metrics: int, replicates: int) -> None:
        self.top = np.full((metrics, replicates), -np.inf)
        self.bottom = np.full((metrics, replicates), np.inf)

    def add(self, values: FloatArray) -> None:
        """Values `[M, R]` of one more group; one that is NaN makes the gap NaN."""
        np.maximum(self.top, values, out=self.top)
        np.minimum(self.bottom, values, out=self.bottom)

    def limits(self, m: int, confidence: float) -> tuple[Limits | None, Limits | None]:
        """Percentile limits of the difference and of the ratio."""
        with np.errstate(invalid="ignore", divide="ignore"):
            gaps = np.stack([self.top[m] - self.bottom[m], self.bottom[m] / self.top[m]])
        low, high, undefined = tails(np.where(np.isfinite(gaps), gaps, np.nan), confidence)
        found = [(float(low[i]), float(high[i])) if undefined[i] <= MOST_UNDEFINED else None for i in (0, 1)]
        return found[0], found[1]


class _OneTable:
    """The resamples of one table, and what they say of each metric."""

    def __init__(
        self,
        table: IntArray,
        metrics: Sequence[CellMetric],
        z: float,
        critical: float,
        confidence: float,
        replicates: int,
        rng: np.random.Generator,
    ) -> None:
        self.table, self.metrics, self.z, self.critical, self.confidence = table, metrics, z, critical, confidence
        self.replicates, self.rng = replicates, rng
        drawn = draw(table.reshape(1, -1), replicates, rng=rng)[0]
        #: Each metric in each resample, `[M, R]`.
        self.values = _values(drawn, metrics, len(table))
        self.low, self.high, self.undefined = tails(self.values, confidence)

    def estimate(self, m: int, name: str) -> tuple[Estimate, Limits]:
        """A metric with its limits, and its limits at the simultaneous critical value."""
        metric = self.metrics[m]
        if isinstance(metric, CellRate):
            return self._rate(m, metric, name)
        return self._statistic(m, metric, name)

    def _rate(self, m: int, rate: CellRate, name: str) -> tuple[Estimate, Limits]:
        hits, n = int(self.table[rate.hits].sum()), int(self.table[rate.counts].sum())
        if n == 0:
            return Estimate.undefined(f"{name}: there are no rows with {rate.empty}"), (np.nan, np.nan)
        p, rows = np.array([hits / n]), np.array([float(n)])
        value = float(rate.curved(p)[0])
        if min(hits, n - hits) >= FEWEST_HITS and self.undefined[m] <= MOST_UNDEFINED:
            return self._from_tails(value, m, n, 0.0, 1.0)
        (low, high), method = proportion_limits(p, rows, self.z)
        wide, _ = proportion_limits(p, rows, self.critical)
        ends = [float(rate.curved(end)[0]) for end in (low, high, *wide)]
        method += " of the Jaccard index" if rate.curve is not None else ""
        return Estimate(value, ends[0], ends[1], self.confidence, method, n), (ends[2], ends[3])

    def _statistic(self, m: int, statistic: CellStatistic, name: str) -> tuple[Estimate, Limits]:
        n = int(self.table.sum())
        value = float(statistic.of(self.table.astype(np.float64)))
        if not np.isfinite(value):
            why = f"{name}: {statistic.name} does not exist for these counts" if n else f"{name}: there are no rows"
            return Estimate.undefined(why, n), (np.nan, np.nan)
        if int(self.table.min()) >= FEWEST_IN_CELL and self.undefined[m] <= MOST_UNDEFINED:
            return self._from_tails(value, m, n, statistic.low, statistic.high)
        size = len(self.table)
        shares = draw_shares(self.table.ravel(), self.replicates, rng=self.rng)
        low, high, _ = tails(statistic.of(shares.T.reshape(-1, size, size)), self.confidence)
        limits = min(float(low), value), max(float(high), value)
        found = Estimate(value, *limits, self.confidence, f"Jeffreys' posterior, {self.replicates:,} draws", n)
        return found, self._moved_out(value, *limits, statistic.low, statistic.high)

    def _from_tails(self, value: float, m: int, n: int, least: float, most: float) -> tuple[Estimate, Limits]:
        low, high = min(float(self.low[m]), value), max(float(self.high[m]), value)
        if not low < high:
            return Estimate(value, n=n, reason="no resampling of the rows changes the value"), (np.nan, np.nan)
        method = f"multinomial bootstrap, percentile, {self.replicates:,} replicates"
        found = Estimate(value, low, high, self.confidence, method, n)
        return found, self._moved_out(value, low, high, least, most)

    def _moved_out(self, value: float, low: float, high: float, least: float, most: float) -> Limits:
        """Limits at the simultaneous critical value, the distances to each end in proportion: with 10,000 replicates
        the tails of 60 groups' pairs would rest on one or two of them."""
        factor = self.critical / self.z
        return max(least, value - factor * (value - low)), min(most, value + factor * (high - value))


def _values(drawn: FloatArray, metrics: Sequence[CellMetric], classes: int) -> FloatArray:
    """Each metric of each resample: rates by one matrix product over the cells `[K, R]`, the others one by one."""
    out = np.empty((len(metrics), drawn.shape[-1]))
    rates = [(m, metric) for m, metric in enumerate(metrics) if isinstance(metric, CellRate)]
    if rates:
        masks = np.stack([mask.ravel() for _, r in rates for mask in (r.hits, r.counts)]).astype(np.float64)
        # Sums of whole numbers below 2^53 are exact in any order, so the product is, too.
        found = (masks @ drawn).reshape(len(rates), 2, -1)
        with np.errstate(invalid="ignore", divide="ignore"):
            shares = found[:, 0] / found[:, 1]
        for at, (m, rate) in enumerate(rates):
            out[m] = rate.curved(shares[at])
    tables = drawn.T.reshape(-1, classes, classes)
    for m, metric in enumerate(metrics):
        if isinstance(metric, CellStatistic):
            out[m] = metric.of(tables)
    return out


def _joined(
    metric: CellMetric,
    overall: Estimate,
    single: Sequence[tuple[Estimate, Limits]],
    labels: Sequence[str],
    confidence: float,
    percentiles: tuple[Limits | None, Limits | None],
) -> MetricBootstrap:
    by_group = tuple(estimate for estimate, _ in single)
    difference, ratio = _gaps(metric, by_group, np.array([wide for _, wide in single]), labels, confidence)
    return MetricBootstrap(metric.name, overall, by_group, difference, ratio, *percentiles)


def _gaps(
    metric: CellMetric, by_group: tuple[Estimate, ...], wide: FloatArray, labels: Sequence[str], confidence: float
) -> tuple[Estimate, Estimate]:
    n = sum(e.n for e in by_group)
    lacking = [label for label, e in zip(labels, by_group, strict=True) if e.value is None]
    if lacking or len(by_group) < 2:
        why = f"{metric.name} does not exist for {', '.join(lacking[:5])}" if lacking else "a gap needs two groups"
        return Estimate.undefined(why, n), Estimate.undefined(why, n)
    value = np.array([e.value for e in by_group], dtype=np.float64)
    top, bottom = float(value.max()), float(value.min())
    known: BoolArray = np.asarray(np.isfinite(wide).all(axis=1), dtype=np.bool_)
    none = "some group's metric has no interval"
    difference = Estimate(top - bottom, n=n, reason=none)
    if top <= 0 or bottom < 0:
        what = "is 0 in every group" if top == 0 == bottom else "is negative in some group"
        ratio = Estimate.undefined(f"the ratio does not exist: {metric.name} {what}", n)
    else:
        ratio = Estimate(bottom / top, n=n, reason=none)
    if not known.all():
        return difference, ratio
    low, high = largest_difference(value, (wide[:, 0], wide[:, 1]))
    method = "simultaneous MOVER of the groups' limits"
    difference = Estimate(top - bottom, low, high, confidence, method, n)
    if ratio.value is not None:
        limits = smallest_ratio(value, (np.maximum(wide[:, 0], 0.0), wide[:, 1]))
        ratio = replace(ratio, low=limits[0], high=limits[1], confidence=confidence, method=method + "-R", reason=None)
    return difference, ratio

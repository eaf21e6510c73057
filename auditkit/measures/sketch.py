"""Mergeable states of numbers: quantiles, and everything that is made of scores and labels, by group."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from auditkit.core.design import Design
from auditkit.core.estimate import Estimate
from auditkit.core.outcomes import Groups
from auditkit.core.types import BoolArray, FloatArray, IntArray
from auditkit.measures.calibration import brier, expected_calibration_error
from auditkit.measures.classification import row_log_loss
from auditkit.measures.difference import paired_mean
from auditkit.measures.levels import MOST_EXACT, LevelCounts, edges_of, key_of, value_of
from auditkit.measures.quantiles import quantile
from auditkit.measures.ranking import roc_auc
from auditkit.measures.resample import draw
from auditkit.measures.states import ordered

#: So many counts are drawn at a time.
_MOST_DRAWN = 2_000_000
_LABELS = ("negative", "positive")
_BETWEEN = "\x1f"


@dataclass(frozen=True)
class Bounded:
    """An estimate from cells: its value is within `error` of what the rows give, and its interval is so much wider."""

    estimate: Estimate
    error: float


def _bounded(found: Estimate, error: float, low: float = -np.inf, high: float = np.inf) -> Bounded:
    """The interval widened by the error on both sides, inside the range of the quantity."""
    if error == 0 or found.low is None or found.high is None:
        return Bounded(found, error)
    method = f"{found.method}, cells within {error:.2g}"
    ends = max(low, found.low - error), min(high, found.high + error)
    return Bounded(replace(found, low=ends[0], high=ends[1], method=method), error)


@dataclass(frozen=True)
class QuantileSketch:
    """Values by group, for any quantile; a commutative monoid under `+`.

    Exact up to `limit` distinct values; then each value is known to 2^-(bits + 1) of itself (0.05% by default), and so
    is each quantile: the relative error of Masson, Rim and Lee (2019). 16 bytes an entry.
    """

    levels: LevelCounts

    @classmethod
    def of(
        cls, groups: Groups, values: FloatArray, count: IntArray | None = None, bits: int = 10, limit: int = MOST_EXACT
    ) -> QuantileSketch:
        """From n values (any unit; those that are not finite do not count). O(n log n)."""
        known = np.isfinite(values)
        times = groups.count if count is None else count
        names, place = ordered(groups.labels)
        name, times = place[groups.codes[known]], None if times is None else times[known]
        return cls(LevelCounts.of(names, name, key_of(values[known]), times, bits, limit))

    def __add__(self, other: QuantileSketch) -> QuantileSketch:
        """The values of both."""
        return QuantileSketch(self.levels + other.levels)

    def digest(self) -> str:
        """SHA-256 of the state, the same for any partition and order of its chunks."""
        return self.levels.digest("quantile sketch")

    def quantile(self, q: float, group: str, confidence: float = 0.95) -> Bounded:
        """The `q`-quantile of a group, see `quantiles.quantile`. What the rows give lies between the quantiles of the
        cells' smallest and largest numbers, and so do the ends of the interval."""
        key, count = self.levels.under(group)
        bits, design = self.levels.bits, Design(count=count)
        found = quantile(value_of(key, bits), q, design, confidence)
        if self.levels.exact or found.value is None:
            return Bounded(found, 0.0)
        below, above = (quantile(edge, q, design, confidence) for edge in edges_of(key, bits))
        assert below.value is not None
        assert above.value is not None
        error = max(found.value - below.value, above.value - found.value)
        if found.low is None or below.low is None or above.high is None:
            return Bounded(found, error)
        method = f"{found.method}, cells within {error:.2g}"
        return Bounded(replace(found, low=below.low, high=above.high, method=method), error)


@dataclass(frozen=True)
class ScoreTally:
    """Scores in 0..1 by group and label (of this class, or not); a commutative monoid under `+`.

    Exact up to `limit` distinct scores (over all groups and labels). Then a score is known to δ = 2^-(bits + 1) of its
    distance from the nearer end, so that scores near 0 and 1 stay apart; every answer states what that can change, and
    its interval is so much wider. 16 bytes an entry, at most about 2^bits entries an octave of that distance.
    """

    levels: LevelCounts

    @classmethod
    def of(
        cls,
        groups: Groups,
        positive: BoolArray,
        score: FloatArray,
        count: IntArray | None = None,
        bits: int = 10,
        limit: int = MOST_EXACT,
    ) -> ScoreTally:
        """From n rows with a label: `score` `[n]`; rows whose score is not finite do not count. O(n log n).

        Raises `ValueError` for scores outside 0..1.
        """
        known = np.isfinite(score)
        if np.any((score[known] < 0) | (score[known] > 1)):
            raise ValueError("scores must lie between 0 and 1")
        times = groups.count if count is None else count
        labels = [f"{group}{_BETWEEN}{label}" for group in groups.labels for label in _LABELS]
        names, place = ordered(labels)
        name = place[groups.codes[known] * 2 + positive[known]]
        times = None if times is None else times[known]
        return cls(LevelCounts.of(names, name, _folded(score[known]), times, bits, limit))

    def __add__(self, other: ScoreTally) -> ScoreTally:
        """The rows of both."""
        return ScoreTally(self.levels + other.levels)

    def digest(self) -> str:
        """SHA-256 of the state, the same for any partition and order of its chunks."""
        return self.levels.digest("score tally")

    @property
    def exact(self) -> bool:
        """Whether every score is kept as it is."""
        return self.levels.exact

    def rows(self, group: str) -> tuple[FloatArray, BoolArray, Design]:
        """Scores, labels, and how often each occurs: what the measures of scores take."""
        parts = [self.levels.under(f"{group}{_BETWEEN}{label}") for label in _LABELS]
        score = np.concatenate([_unfolded(key, self.levels.bits) for key, _ in parts])
        positive = np.repeat([False, True], [len(key) for key, _ in parts])
        return score, positive, Design(count=np.concatenate([count for _, count in parts]))

    def roc_auc(self, group: str, confidence: float = 0.95) -> Bounded:
        """The area under the ROC curve (DeLong). Error: half the share of pairs that fall into one cell."""
        score, positive, design = self.rows(group)
        found = roc_auc(score, positive, design, confidence)
        return _bounded(found, 0.0 if self.exact or found.value is None else self._tied(group), 0.0, 1.0)

    def roc_auc_replicates(
        self, group: str, replicates: int = 1000, rng: np.random.Generator | None = None
    ) -> FloatArray:
        """The area in so many resamples of the group's rows, `[R]`; NaN where a resample lacks a label.

        From counts: one multinomial over the distinct scores (or cells) of both labels, O(scores · R) whatever the
        number of rows is. DeLong's interval needs none of this; it is for statistics of several areas, and to check it.
        """
        score, positive, design = self.rows(group)
        if not len(score):
            return np.full(replicates, np.nan)
        assert design.count is not None
        levels, place = np.unique(score, return_inverse=True)
        counts = np.zeros((2, len(levels)), dtype=np.int64)
        np.add.at(counts, (positive.astype(np.int64), place), design.count)
        generator = np.random.default_rng(7) if rng is None else rng
        step = max(1, _MOST_DRAWN // counts.size)
        sizes = [min(step, replicates - at) for at in range(0, replicates, step)]
        return np.concatenate([_areas(draw(counts.reshape(1, -1), size, rng=generator)[0]) for size in sizes])

    def _tied(self, group: str) -> float:
        (negative, n), (positive, p) = (self.levels.under(f"{group}{_BETWEEN}{label}") for label in _LABELS)
        _, at, also = np.intersect1d(negative, positive, assume_unique=True, return_indices=True)
        return float(np.sum(n[at] / n.sum() * (p[also] / p.sum())) / 2)

    def log_loss(self, group: str, confidence: float = 0.95) -> Bounded:
        """Mean of −ln of the label's score, in nats. Error: δ / (1 − δ), as a cell's middle is that near in ln."""
        delta = self.levels.relative_error

        def loss(score: FloatArray, positive: BoolArray, design: Design) -> Estimate:
            rows = row_log_loss(np.stack([1 - score, score], axis=1), positive.astype(np.int64))
            return paired_mean(rows, design, confidence)

        return self._over(group, loss, delta / (1 - delta), np.inf)

    def brier(self, group: str, confidence: float = 0.95) -> Bounded:
        """Mean of (score − label)², in 0..1. Error: (δ + δ²) / 2."""
        delta = self.levels.relative_error

        def loss(score: FloatArray, positive: BoolArray, design: Design) -> Estimate:
            return brier(score, positive.astype(np.int64), design, confidence)

        return self._over(group, loss, (delta + delta**2) / 2, 1.0)

    def expected_calibration_error(self, group: str, bins: int = 15, confidence: float = 0.95) -> Bounded:
        """Debiased ECE. Error: δ / 2, by which the mean score of a bin can be off; bins end between cells."""
        delta = self.levels.relative_error

        def error(score: FloatArray, positive: BoolArray, design: Design) -> Estimate:
            return expected_calibration_error(score, positive, bins, design, confidence)

        return self._over(group, error, delta / 2, 1.0)

    def _over(
        self, group: str, measure: Callable[[FloatArray, BoolArray, Design], Estimate], error: float, most: float
    ) -> Bounded:
        return _bounded(measure(*self.rows(group)), error, 0.0, most)


def _areas(drawn: FloatArray) -> FloatArray:
    """Areas of resampled counts `[2L, R]`: the negatives at each of L rising scores, then the positives."""
    negative, positive = drawn[: len(drawn) // 2], drawn[len(drawn) // 2 :]
    below = np.cumsum(negative, axis=0) - negative / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(
            np.einsum("lr,lr->r", positive, below) / (positive.sum(axis=0) * negative.sum(axis=0)), dtype=np.float64
        )


def _folded(score: FloatArray) -> IntArray:
    """The key of a score: of its distance from 0 where that is the nearer end, else minus that of the one from 1.

    1 − score is exact from ½ on (Sterbenz 1974), so with all bits no score is lost.
    """
    near = score < 0.5
    return np.where(near, key_of(score), -key_of(1.0 - np.where(near, 1.0, score)))


def _unfolded(key: IntArray, bits: int) -> FloatArray:
    distance = value_of(np.abs(key), bits)
    return np.where(key > 0, distance, 1.0 - distance)

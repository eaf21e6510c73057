"""Measures of a ranking: area under the ROC curve, average precision, true-positive rate at a false-positive rate."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from auditkit.core.design import SIMPLE, Design
from auditkit.core.estimate import Estimate
from auditkit.core.task import RowStatistic
from auditkit.core.types import BoolArray, FloatArray
from auditkit.measures.influence import ONE_UNIT, effective_units, is_one_unit, standard_error
from auditkit.measures.intervals import clopper_pearson, normal_quantile, student_quantile, wilson
from auditkit.measures.moments import MORE_THAN_ONE, copies, each_weight, moments, sums, whole_weight
from auditkit.measures.rates import estimate
from auditkit.measures.roots import root

#: With fewer expected misrankings of a row than this, DeLong's variance rests on too few of them.
_FEW = 3.0
#: Where most rows of a class have one score, fewer with another than this are too few to show a variance.
_APART = 5.0
#: A false-positive rate α needs so many negatives over α.
_NEGATIVES = 10.0


def roc_auc(
    score: FloatArray,
    positive: BoolArray,
    design: Design = SIMPLE,
    confidence: float = 0.95,
) -> Estimate:
    """P(score of a positive > score of a negative) + ½ P(equal), from `score` `[n]` and `positive` `[n]`.

    Interval: DeLong, DeLong and Clarke-Pearson (1988), with ties, on the logit scale; clusters as in Obuchowski (1997),
    with Student's t on as many degrees of freedom as clusters carry the variance. Where few rows carry DeLong's
    variance (near 0 and 1: fewer than three rows' worth of misrankings; or most rows of a class with one score, and
    fewer than five with another), the wider of it and the score interval of Newcombe (2006, method 5). No interval
    where all rows of a class are one cluster. Rows whose score is not finite do not count. O(n log n). Raises
    `ValueError` where `positive` holds anything but true and false (scikit-learn takes the labels first; here the score
    comes first).
    """
    known = _Ranked.of(score, positive, design)
    if isinstance(known, Estimate):
        return known
    s, y, some, n = known.score, known.positive, known.design, known.n
    whole = whole_weight(some, len(s))
    beaten = _placements(s, y, whole)
    value = min(1.0, float(np.average(beaten[y], weights=whole[y])))
    method, units, rows = "DeLong, logit", _units_of(y, some), _units_of(y, replace(some, cluster=None))
    one_cluster = any(unit <= MORE_THAN_ONE < row for unit, row in zip(units, rows, strict=True))
    if is_one_unit(some, len(s)) or one_cluster:
        reason = ONE_UNIT if is_one_unit(some, len(s)) else "all rows of one of the labels are one cluster"
        return Estimate(value, method=method, n=n, reason=reason)
    z = normal_quantile(confidence)
    few = min(value, 1 - value) * min(rows) < _FEW or _nearly_one_score(s, y, whole, units)
    error, df = _delong_error(beaten, value, y, some, units)
    ends: list[tuple[float, float]] = []
    if error > 0 and 0 < value < 1:
        ends.append(_logit(value, error, float(student_quantile(z, max(df, 1e-2)))))
    if few or not ends:
        ends.append(_newcombe(value, *units, z))
        method = "DeLong, logit; Newcombe's method 5 where few rows carry the variance"
    return Estimate(value, min(e[0] for e in ends), max(e[1] for e in ends), confidence, method, n)


def _placements(s: FloatArray, y: BoolArray, w: FloatArray) -> FloatArray:
    """Of each row: the share of the other class that it is ranked rightly against, ties half; `[n]`."""
    _, level = np.unique(s, return_inverse=True)
    size = int(level.max()) + 1
    placed = np.empty(len(s))
    for mine, below in ((y, True), (~y, False)):
        other = sums(level[~mine], w[~mine], size)
        before = np.cumsum(other) - other / 2
        share = before / other.sum()
        placed[mine] = share[level[mine]] if below else 1 - share[level[mine]]
    return placed


def _nearly_one_score(s: FloatArray, y: BoolArray, w: FloatArray, units: tuple[float, float]) -> bool:
    """Whether most rows of a class have one score and too few have another for their spread to be seen."""
    _, level = np.unique(s, return_inverse=True)
    for side, m in zip((y, ~y), units, strict=True):
        mass = sums(level[side], w[side], int(level.max()) + 1)
        apart = 1 - float(mass.max() / mass.sum())
        if apart < 0.5 and m * apart < _APART:
            return True
    return False


def _delong_error(
    placed: FloatArray, value: float, y: BoolArray, design: Design, units: tuple[float, float]
) -> tuple[float, float]:
    """Standard error and degrees of freedom from the placements; unweighted and unclustered it is DeLong's.

    With clusters each class counts its own, `units`: a class that stands in few has seen little of its spread.
    """
    if design.cluster is None:
        sides = (_mean_variance(placed[side], value, design.where(side)) for side in (y, ~y))
        return float(np.sqrt(sum(sides))), np.inf
    whole = whole_weight(design, len(y))
    share = each_weight(design, len(y)) / np.where(y, whole[y].sum(), whole[~y].sum())
    unbiased = np.where(y, *(math.sqrt(m / (m - 1)) if m > MORE_THAN_ONE else 1.0 for m in units))
    return standard_error(unbiased * share * (placed - value), replace(design, weight=None))


def _mean_variance(x: FloatArray, mean: float, design: Design) -> float:
    """Variance of a weighted mean, unbiased for equal variances; 0 for one row."""
    repeated = copies(design)
    times = np.ones(len(x)) if repeated is None else repeated
    share = each_weight(design, len(x))
    share = share / np.sum(times * share)
    leverage = 1 - 2 * share + np.sum(times * share**2)
    if times.sum() < 2:
        return 0.0
    several = leverage > 1e-12  # a row that has all the weight says nothing of the spread
    return float(np.sum((times * share**2 * (x - mean) ** 2)[several] / leverage[several]))


def _logit(value: float, error: float, z: float) -> tuple[float, float]:
    """Limits on the logit scale: they stay inside (0, 1)."""
    centre = np.log(value / (1 - value))
    half = z * error / (value * (1 - value))
    low, high = 1 / (1 + np.exp(-np.clip(np.array([centre - half, centre + half]), -700, 700)))
    return float(low), float(high)


def _newcombe(value: float, positives: float, negatives: float, z: float) -> tuple[float, float]:
    """Newcombe (2006, method 5): the areas θ that lie within z standard errors of `value`, the error taken at θ."""
    star = max(0.0, (positives + negatives) / 2 - 1)

    def off(theta: float) -> float:
        spread = 1 + star * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return (value - theta) ** 2 - z**2 * theta * (1 - theta) * spread / (positives * negatives)

    low = 0.0 if value <= 0 else float(root(off, 0.0, value)) if off(0.0) > 0 > off(value) else 0.0
    high = 1.0 if value >= 1 else float(root(off, value, 1.0)) if off(1.0) > 0 > off(value) else 1.0
    if value >= 1:
        low = float(root(off, 0.0, 1 - 1e-12))
    if value <= 0:
        high = float(root(off, 1e-12, 1.0))
    return low, high


def _units_of(y: BoolArray, design: Design) -> tuple[float, float]:
    """Kish's effective number of units among the positives and among the negatives."""
    first, second = (effective_units(design.where(side), int(np.count_nonzero(side))) for side in (y, ~y))
    return first, second


@dataclass(frozen=True)
class _Ranked:
    """The stored rows that have a score, and how many rows they stand for; both labels occur."""

    score: FloatArray
    positive: BoolArray
    design: Design
    n: int

    @classmethod
    def of(cls, score: FloatArray, positive: BoolArray, design: Design) -> _Ranked | Estimate:
        """The rows that count, or why they can't be ranked. Raises `ValueError` where `positive` is none."""
        score, positive = np.asarray(score), np.asarray(positive)
        if positive.dtype != np.bool_:
            if not np.isin(positive, (0, 1)).all():
                raise ValueError(
                    "`positive` must be true or false for each row; is it the score? The score comes first"
                )
            positive = positive.astype(np.bool_)
        known = np.isfinite(score) & (True if design.weight is None else design.weight > 0)
        y, n = positive[known], design.rows(known)
        if y.all() or not y.any():
            lacking = "positive" if not y.any() else "negative"
            return Estimate.undefined(f"there are no rows with a {lacking} label and a score", n)
        return cls(score[known], y, design.where(known), n)


def average_precision(
    score: FloatArray, positive: BoolArray, design: Design = SIMPLE, confidence: float = 0.95
) -> Estimate:
    """Σ over thresholds of (gain in recall) · precision, in 0..1, from `score` `[n]` and `positive` `[n]`.

    The definition of scikit-learn's `average_precision_score`: no interpolation, equal scores are one threshold. A
    ranking that says nothing gets the share of positives. Interval: the influence of each row on the sum, on the logit
    scale (Boyd, Eng and Page 2013) with Student's t on as many degrees of freedom as rows carry the variance; with
    fewer than three positives' worth on either side, the wider of it and Wilson's interval on the positives. Rows whose
    score is not finite do not count. O(n log n).
    """
    known = _Ranked.of(score, positive, design)
    if isinstance(known, Estimate):
        return known
    y, some, rows = known.positive, known.design, len(known.score)
    value, slope = _precision_and_slope(known)
    method = "influence function, logit"
    positives = _units_of(y, some)[0]
    if is_one_unit(some, rows) or (some.cluster is not None and positives <= MORE_THAN_ONE):
        reason = ONE_UNIT if is_one_unit(some, rows) else "all positive rows are one cluster"
        return Estimate(value, method=method, n=known.n, reason=reason)
    z = normal_quantile(confidence)
    error, df = standard_error(each_weight(some, rows) * slope, some)
    ends: list[tuple[float, float]] = []
    if error > 0 and 0 < value < 1:
        ends.append(_logit(value, error, float(student_quantile(z, max(df, 1e-2)))))
    if not ends or min(value, 1 - value) * positives < _FEW:
        low, high = wilson(np.array([value]), np.array([positives]), z)
        ends.append((float(low[0]), float(high[0])))
        method += "; Wilson on the positives near the end"
    return Estimate(value, min(e[0] for e in ends), max(e[1] for e in ends), confidence, method, known.n)


def _precision_and_slope(known: _Ranked) -> tuple[float, FloatArray]:
    """Average precision and its derivative by the weight of each row, `[n]`; their weighted sum is 0."""
    y, w = known.positive, whole_weight(known.design, len(known.score))
    _, level = np.unique(-known.score, return_inverse=True)
    size = int(level.max()) + 1
    hits, total = sums(level[y], w[y], size), np.cumsum(sums(level, w, size))
    found = np.cumsum(hits)
    precision = found / total
    value = min(1.0, float(hits @ precision / found[-1]))
    # A row at one level changes the precision at this and every lower threshold.
    of_positive = np.cumsum((hits * (total - found) / total**2)[::-1])[::-1]
    of_negative = -np.cumsum((hits * found / total**2)[::-1])[::-1]
    slope = np.where(y, precision[level] - value + of_positive[level], of_negative[level])
    return value, slope / found[-1]


def true_positive_rate_at(
    score: FloatArray,
    positive: BoolArray,
    false_positive_rate: float,
    design: Design = SIMPLE,
    confidence: float = 0.95,
) -> Estimate:
    """The highest true-positive rate among thresholds whose false-positive rate is at most `false_positive_rate`, 0..1.

    `score` `[n]`, `positive` `[n]`; the ROC curve is not interpolated. Below 10 / `false_positive_rate` negatives (or
    effective ones) too few lie beyond the threshold to place it: no value. Interval: MOVER (Zou and Donner 2008) joins
    two independent errors, that of the rate on the positives at the threshold (Wilson, or Clopper and Pearson), and
    that of the threshold on the negatives (Clopper and Pearson's limits of the false-positive rate, read off the
    negatives as Woodruff 1952 does). Raises `ValueError` where `false_positive_rate` is not between 0 and 1.
    """
    if not 0.0 < false_positive_rate < 1.0:
        raise ValueError(f"false_positive_rate must lie between 0 and 1, got {false_positive_rate}")
    known = _Ranked.of(score, positive, design)
    if isinstance(known, Estimate):
        return known
    s, y, some = known.score, known.positive, known.design
    negatives = _units_of(y, some)[1]
    needed = _NEGATIVES / false_positive_rate
    if negatives < needed * (1 - 1e-9):
        needs = f"it needs at least {math.ceil(needed - 1e-9):,} negatives (10 / {false_positive_rate:g})"
        there = f"there are {'' if some.plain else 'effectively '}{negatives:,.0f}"
        return Estimate.undefined(f"{needs}, and {there}", known.n)
    whole = whole_weight(some, len(s))
    at = _beyond(s[~y], whole[~y], false_positive_rate)
    above = RowStatistic(
        "true_positive_rate", "proportion", (y & (s > at)).astype(np.float64), y, None, "a positive label"
    )
    rate = estimate(above, some, confidence)
    if rate.value is None or rate.low is None or rate.high is None:
        return rate
    passed = RowStatistic("false_positive_rate", "proportion", (~y & (s > at)).astype(np.float64), ~y, None, "")
    z = normal_quantile(confidence)
    limits = clopper_pearson(np.array([false_positive_rate]), moments(passed, None, 1, some).effective_at(z), z)
    down, up = (float(np.average(s[y] > _beyond(s[~y], whole[~y], float(end[0])), weights=whole[y])) for end in limits)
    low = max(0.0, rate.value - math.hypot(rate.value - rate.low, rate.value - min(down, rate.value)))
    high = min(1.0, rate.value + math.hypot(rate.high - rate.value, max(up, rate.value) - rate.value))
    return Estimate(rate.value, low, high, confidence, f"MOVER of {rate.method} and Woodruff", known.n)


def _beyond(score: FloatArray, weight: FloatArray, share: float) -> float:
    """The smallest of these scores beyond which at most `share` of the weight lies."""
    order = np.argsort(score, kind="stable")
    level, first = np.unique(score[order], return_index=True)
    mass = np.add.reduceat(weight[order], first)
    above = mass.sum() - np.cumsum(mass)
    return float(level[int(np.argmax(above <= share * mass.sum() * (1 + 1e-12)))])

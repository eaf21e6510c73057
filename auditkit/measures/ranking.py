"""The area under the ROC curve."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.optimize import brentq

from auditkit.core.design import SIMPLE, Design
from auditkit.core.estimate import Estimate
from auditkit.core.types import BoolArray, FloatArray
from auditkit.measures.influence import ONE_UNIT, effective_units, is_one_unit, standard_error
from auditkit.measures.intervals import normal_quantile
from auditkit.measures.moments import copies, each_weight, sums, whole_weight

#: With fewer expected misrankings of a row than this, DeLong's variance rests on too few of them.
_FEW = 3.0


def roc_auc(
    score: FloatArray,
    positive: BoolArray,
    design: Design = SIMPLE,
    confidence: float = 0.95,
) -> Estimate:
    """P(score of a positive > score of a negative) + ½ P(equal), from `score` `[n]` and `positive` `[n]`.

    Interval: DeLong, DeLong and Clarke-Pearson (1988), with ties, on the logit scale; clusters as in Obuchowski (1997).
    Near 0 and 1 (fewer than three rows' worth of misrankings), where DeLong's variance vanishes, the wider of it and
    the score interval of Newcombe (2006, method 5). Rows whose score is not finite do not count. O(n log n).
    """
    known = np.isfinite(score) & (True if design.weight is None else design.weight > 0)
    s, y, some, n = score[known], positive[known], design.where(known), design.rows(known)
    if y.all() or not y.any():
        lacking = "positive" if not y.any() else "negative"
        return Estimate.undefined(f"there are no rows with a {lacking} label and a score", n)
    whole = whole_weight(some, len(s))
    beaten = _placements(s, y, whole)
    value = min(1.0, float(np.average(beaten[y], weights=whole[y])))
    if is_one_unit(some, len(s)):
        return Estimate(value, method="DeLong, logit", n=n, reason=ONE_UNIT)
    z = normal_quantile(confidence)
    m = _units_of(y, replace(some, cluster=None))
    few = min(value, 1 - value) * min(m) < _FEW
    error, _ = _delong_error(beaten, value, y, some)
    ends: list[tuple[float, float]] = [] if error <= 0 or not 0 < value < 1 else [_logit(value, error, z)]
    if few or not ends:
        ends.append(_newcombe(value, *_units_of(y, some), z))
    method = "DeLong, logit" if len(ends) == 1 and not few else "DeLong, logit; Newcombe's method 5 near the end"
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


def _delong_error(placed: FloatArray, value: float, y: BoolArray, design: Design) -> tuple[float, float]:
    """Standard error from the placements; unweighted and unclustered it is DeLong's."""
    if design.cluster is None:
        sides = (_mean_variance(placed[side], value, design.where(side)) for side in (y, ~y))
        return float(np.sqrt(sum(sides))), np.inf
    whole = whole_weight(design, len(y))
    share = each_weight(design, len(y)) / np.where(y, whole[y].sum(), whole[~y].sum())
    return standard_error(share * (placed - value), replace(design, weight=None))


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

    low = 0.0 if value <= 0 else float(brentq(off, 0.0, value)) if off(0.0) > 0 > off(value) else 0.0
    high = 1.0 if value >= 1 else float(brentq(off, value, 1.0)) if off(1.0) > 0 > off(value) else 1.0
    if value >= 1:
        low = float(brentq(off, 0.0, 1 - 1e-12))
    if value <= 0:
        high = float(brentq(off, 1e-12, 1.0))
    return low, high


def _units_of(y: BoolArray, design: Design) -> tuple[float, float]:
    """Kish's effective number of units among the positives and among the negatives."""
    first, second = (effective_units(design.where(side), int(np.count_nonzero(side))) for side in (y, ~y))
    return first, second

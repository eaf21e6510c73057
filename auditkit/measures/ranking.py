"""The area under the ROC curve."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq

from auditkit.core.estimate import Estimate
from auditkit.core.types import BoolArray, FloatArray, IntArray
from auditkit.measures.influence import kish, standard_error
from auditkit.measures.intervals import normal_quantile
from auditkit.measures.moments import in_range, sums

#: With fewer expected misrankings of a row than this, DeLong's variance rests on too few of them.
_FEW = 3.0


def roc_auc(
    score: FloatArray,
    positive: BoolArray,
    weight: FloatArray | None = None,
    cluster: IntArray | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """P(score of a positive > score of a negative) + ½ P(equal), from `score` `[n]` and `positive` `[n]`.

    Interval: DeLong, DeLong and Clarke-Pearson (1988), with ties, on the logit scale; clusters as in Obuchowski (1997).
    Near 0 and 1 (fewer than three rows' worth of misrankings), where DeLong's variance vanishes, the wider of it and
    the score interval of Newcombe (2006, method 5). Rows whose score is not finite do not count. O(n log n).
    """
    known = np.isfinite(score) & (True if weight is None else weight > 0)
    s, y = score[known], positive[known]
    w = np.ones(len(s)) if weight is None else in_range(weight[known])
    n = len(s)
    if y.all() or not y.any():
        lacking = "positive" if not y.any() else "negative"
        return Estimate.undefined(f"there are no rows with a {lacking} label and a score", n)
    beaten = _placements(s, y, w)
    value = min(1.0, float(np.average(beaten[y], weights=w[y])))
    z = normal_quantile(confidence)
    m = (kish(w[y]), kish(w[~y]))
    few = min(value, 1 - value) * min(m) < _FEW
    error, _ = _delong_error(beaten, value, y, w, None if cluster is None else cluster[known])
    ends: list[tuple[float, float]] = [] if error <= 0 or not 0 < value < 1 else [_logit(value, error, z)]
    if few or not ends:
        if cluster is not None:
            m = _cluster_units(y, w, cluster[known])
        ends.append(_newcombe(value, *m, z))
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


def _delong_error(
    placed: FloatArray, value: float, y: BoolArray, w: FloatArray, cluster: IntArray | None
) -> tuple[float, float]:
    """Standard error from the placements; unweighted and unclustered it is DeLong's."""
    if cluster is None:
        return float(np.sqrt(sum(_mean_variance(placed[side], value, w[side]) for side in (y, ~y)))), np.inf
    whole = np.where(y, w[y].sum(), w[~y].sum())
    return standard_error(w * (placed - value) / whole, cluster)


def _mean_variance(x: FloatArray, mean: float, w: FloatArray) -> float:
    """Variance of a weighted mean, unbiased for equal variances; 0 for one row."""
    share = w / w.sum()
    leverage = 1 - 2 * share + np.sum(share**2)
    if len(x) < 2:
        return 0.0
    several = leverage > 1e-12  # a row that has all the weight says nothing of the spread
    return float(np.sum(share[several] ** 2 * (x[several] - mean) ** 2 / leverage[several]))


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


def _cluster_units(y: BoolArray, w: FloatArray, cluster: IntArray) -> tuple[float, float]:
    """Kish's effective number of clusters among the positives and among the negatives."""
    _, unit = np.unique(cluster, return_inverse=True)
    size = int(unit.max()) + 1
    return kish(sums(unit[y], w[y], size)), kish(sums(unit[~y], w[~y], size))

"""How far scores can be taken as probabilities: debiased calibration error, reliability bins, Brier score."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr

from auditkit.core.design import SIMPLE, Design
from auditkit.core.estimate import Estimate
from auditkit.core.task import RowStatistic
from auditkit.core.types import BoolArray, FloatArray, IntArray
from auditkit.measures.classification import row_brier
from auditkit.measures.difference import paired_mean
from auditkit.measures.influence import ONE_UNIT, is_one_unit
from auditkit.measures.intervals import normal_quantile
from auditkit.measures.moments import copies, each_weight, sums, whole_weight
from auditkit.measures.rates import estimate

#: A bin holds at least so many rows, so that its observed rate means something.
_ROWS_PER_BIN = 20
#: Largest variance of the debiased |δ| against that of the bin's mean residual (at 1.9 standard errors from 0).
_VARIANCE_FACTOR = 1.64


@dataclass(frozen=True)
class ReliabilityBin:
    """Rows of one range of scores: mean score, observed rate with its interval, rows, and share of the weight."""

    mean_score: float
    observed: Estimate
    n: int
    share: float


def bin_of(score: FloatArray, bins: int = 15, count: IntArray | None = None) -> IntArray:
    """The equal-mass bin of each row, int64 `[n]`, 0 for the lowest scores; equal scores share a bin.

    Fewer than `bins` where there are fewer distinct scores, or fewer than 20 rows a bin. `count` (int64 `[n]`): how
    often each row occurs.
    """
    rows = len(score) if count is None else int(count.sum())
    number = max(1, min(bins, rows // _ROWS_PER_BIN))
    at = np.floor(np.linspace(0, 1, number + 1)[1:-1] * (rows - 1)).astype(np.int64)
    order = np.argsort(score, kind="stable")
    stored = at if count is None else np.searchsorted(np.cumsum(count[order]), at, side="right")
    edges = np.unique(score[order[stored]])
    raw = np.searchsorted(edges, score, side="left")
    return np.unique(raw, return_inverse=True)[1].astype(np.int64)


def expected_calibration_error(
    confidence_scores: FloatArray,
    correct: FloatArray | BoolArray,
    bins: int = 15,
    design: Design = SIMPLE,
    confidence: float = 0.95,
) -> Estimate:
    """Debiased expected calibration error, Σ over bins of share · |observed − mean score|, in 0..1.

    `confidence_scores`: `[n]` in [0, 1]; `correct`: `[n]`, 0 or 1; rows that are not finite do not count. Equal-mass
    bins. The plug-in is biased upward (Bröcker 2012; Kumar, Liang and Ma 2019 debias the square): noise alone gives
    √(2/π) standard errors in each bin. Here |δ| is estimated by sign(δ from one half of the rows) · (δ from the other
    half), averaged over all random splits, which has the closed form d·(2Φ(x) − 1) − 2τφ(x), x = d/τ, with d the bin's
    mean residual and τ its standard error under calibration. Its expectation is exactly 0 for a calibrated bin, and
    never above |δ|. The sum is cut at 0.

    Interval: the lower end from the debiased sum, which errs low, the upper end from the plug-in, which errs high, each
    minus or plus z standard errors of the sum; so both ends are safe whatever the true error. It is the error of the
    binned scores, a lower bound of the error of the scores themselves.
    """
    known = np.isfinite(confidence_scores) & np.isfinite(np.asarray(correct, dtype=np.float64))
    if design.weight is not None:
        known &= design.weight > 0
    n, some = design.rows(known), design.where(known)
    if n == 0:
        return Estimate.undefined("there are no rows with a score and a label")
    s, y = confidence_scores[known], np.asarray(correct, dtype=np.float64)[known]
    parts = _binned(s, y, bin_of(s, bins, some.count), some)
    z = normal_quantile(confidence)
    debiased, plug_in, error = _debiased(parts), float(np.sum(parts.share * np.abs(parts.gap))), _error(parts)
    if is_one_unit(some, len(s)):
        return Estimate(max(0.0, debiased), method="debiased", n=n, reason=ONE_UNIT)
    low = max(0.0, debiased - z * math.sqrt(_VARIANCE_FACTOR) * error)
    high = min(1.0, plug_in + z * error)
    method = f"debiased, {len(parts.gap)} equal-mass bins"
    return Estimate(max(0.0, debiased), low, high, confidence, method, n)


@dataclass(frozen=True)
class _Bins:
    """Of each bin, `[B]`: share of the weight, observed − mean score, and the variance of that gap."""

    share: FloatArray
    gap: FloatArray
    under_calibration: FloatArray
    observed: FloatArray


def _binned(s: FloatArray, y: FloatArray, which: IntArray, design: Design) -> _Bins:
    size, w, k = int(which.max()) + 1, each_weight(design, len(s)), copies(design)
    whole, squares = sums(which, w, size, k), sums(which, w**2, size, k)
    rows = whole**2 / squares
    gap = sums(which, w * (y - s), size, k) / whole
    spread = w**2 * (y - s - gap[which]) ** 2
    sampled = sums(which, spread, size, k) / whole**2 * rows / np.maximum(rows - 1, 1)
    null = sums(which, w**2 * s * (1 - s), size, k) / whole**2
    rate = sums(which, w * y, size, k) / whole
    silent = (rate <= 0) | (rate >= 1) | (sampled <= 1e-24)
    seen = np.where(silent, _pure_variance(rows), sampled)
    inflation = _design_effect(w * (y - s - gap[which]) / whole[which], which, design)
    return _Bins(whole / whole.sum(), gap, null * inflation, np.maximum(null, seen) * inflation)


def _pure_variance(rows: FloatArray) -> FloatArray:
    """Agresti and Coull's (1998) variance of a rate of 0 or 1 that rests on so many rows."""
    moderated = 2 / (rows + 4)
    return moderated * (1 - moderated) / (rows + 4)


def _design_effect(influence: FloatArray, which: IntArray, design: Design) -> float:
    """Variance of the bins' gaps with clusters over that without, pooled over the bins; at least 1.

    Without any residual: rows per cluster, as if the rows of a cluster were copies.
    """
    if design.cluster is None:
        return 1.0
    k = copies(design)
    times = np.ones(len(influence)) if k is None else k
    _, unit = np.unique(design.cluster, return_inverse=True)
    clusters = int(unit.max()) + 1
    keys, joint = np.unique(which * clusters + unit, return_inverse=True)
    apart = float(np.sum(times * influence**2))
    if apart <= 1e-24:
        return float(times.sum()) / clusters
    return max(1.0, float(np.sum(sums(joint, influence, len(keys), k) ** 2)) / apart)


def _debiased(parts: _Bins) -> float:
    """The debiased sum before it is cut at 0: unbiased where every bin is calibrated."""
    tau = np.sqrt(parts.under_calibration)
    x = parts.gap / np.where(tau > 0, tau, 1.0)
    density = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    split = parts.gap * (2 * ndtr(x) - 1) - 2 * tau * density
    return float(np.sum(parts.share * np.where(tau > 0, split, np.abs(parts.gap))))


def _error(parts: _Bins) -> float:
    return float(np.sqrt(np.sum(parts.share**2 * parts.observed)))


def reliability(
    scores: FloatArray,
    outcomes01: FloatArray | BoolArray,
    bins: int = 15,
    design: Design = SIMPLE,
    confidence: float = 0.95,
) -> list[ReliabilityBin]:
    """The reliability curve: equal-mass bins in the order of their scores, each with the observed rate of 1.

    `scores`: `[n]` in [0, 1]; `outcomes01`: `[n]`, 0 or 1; rows that are not finite do not count. The intervals are
    pointwise, see `rates.estimate`.
    """
    y = np.asarray(outcomes01, dtype=np.float64)
    known = np.isfinite(scores) & np.isfinite(y) & (True if design.weight is None else design.weight > 0)
    if not known.any():
        return []
    s, y, some = scores[known], y[known], design.where(known)
    which, mass = bin_of(s, bins, some.count), whole_weight(some, len(s))
    found = []
    for b in range(int(which.max()) + 1):
        inside = which == b
        stat = RowStatistic("observed", "proportion", np.where(inside, y, 0.0), inside, None, "a score in this range")
        mean = float(np.average(s[inside], weights=mass[inside]))
        share = float(mass[inside].sum() / mass.sum())
        found.append(ReliabilityBin(mean, estimate(stat, some, confidence), some.rows(inside), share))
    return found


def brier(
    scores: FloatArray,
    target: IntArray,
    design: Design = SIMPLE,
    confidence: float = 0.95,
) -> Estimate:
    """Mean Brier score (Brier 1950). `scores` `[n]` (probability of code 1; in 0..1) or `[n, C]` (summed over classes;
    in 0..2).

    `target`: int64 `[n]`, negative where unknown. Student's t; the lower end is at least 0.
    """
    rows = np.where(target >= 0, (scores - target) ** 2, np.nan) if scores.ndim == 1 else row_brier(scores, target)
    found = paired_mean(rows, design, confidence)
    if found.high is None:
        return found
    return replace(found, high=min(found.high, 1.0 if scores.ndim == 1 else 2.0))

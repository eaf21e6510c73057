"""Measures of classifiers that are no plain rate: F1, balanced accuracy, Matthews correlation, losses of rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from auditkit.core.design import SIMPLE, Design
from auditkit.core.estimate import Estimate
from auditkit.core.task import RowStatistic
from auditkit.core.types import BoolArray, FloatArray, IntArray
from auditkit.measures.bootstrap import from_counts
from auditkit.measures.influence import ONE_UNIT, effective_units, is_one_unit, standard_error
from auditkit.measures.intervals import normal_quantile, student_quantile
from auditkit.measures.moments import each_weight, moments, whole_weight
from auditkit.measures.rates import estimate

#: Scores are clipped here before their logarithm is taken, as scikit-learn does for float64.
SMALLEST_SCORE = float(np.finfo(np.float64).eps)
#: With more classes than this there are too many cells to draw from: limits in closed form take the bootstrap's place.
_MOST_DRAWN = 40
#: Fewer hits or errors of a class than this are too few to resample.
_FEWEST = 10


def confusion(target: IntArray, prediction: IntArray, classes: int, design: Design = SIMPLE) -> FloatArray:
    """Rows (or Σ weight) of each pair of codes, `[C, C]`: rows are targets, columns are predictions.

    `target` and `prediction`: int64 `[n]` in 0..C−1, C being `classes`; rows with a negative code in either do not
    count.
    """
    keep = (target >= 0) & (prediction >= 0)
    cell = target[keep] * classes + prediction[keep]
    weight = None if design.weight is None and design.count is None else whole_weight(design.where(keep), len(cell))
    counts = np.bincount(cell, weights=weight, minlength=classes**2)
    return counts.reshape(classes, classes).astype(np.float64)


def row_log_loss(scores: FloatArray, target: IntArray) -> FloatArray:
    """−ln of the true class's score, `[n]`, in nats; scores `[n, C]` are clipped at 2.2e-16. NaN without a label."""
    known = (target >= 0) & np.isfinite(scores).all(axis=1)
    loss = np.full(len(target), np.nan)
    chosen = scores[known, target[known]]
    loss[known] = -np.log(np.clip(chosen, SMALLEST_SCORE, 1.0))
    return loss


def row_brier(scores: FloatArray, target: IntArray) -> FloatArray:
    """Σ over classes of (score − 1[class is true])² (Brier 1950), `[n]`, in 0..2; NaN without a label or a score."""
    loss = np.full(len(target), np.nan)
    known = (target >= 0) & np.isfinite(scores).all(axis=1)
    s = scores[known]
    chosen = s[np.arange(len(s)), target[known]]
    loss[known] = np.sum(s**2, axis=1) - 2 * chosen + 1
    return np.asarray(np.maximum(loss, 0.0), dtype=np.float64)


def f1(
    actual: BoolArray,
    predicted: BoolArray,
    design: Design = SIMPLE,
    confidence: float = 0.95,
) -> Estimate:
    """F1 = 2TP / (2TP + FP + FN) of one class, in 0..1 (van Rijsbergen 1979); no value where the class is neither true
    nor predicted.

    `actual` and `predicted`: bool `[n]`, whether a row is, or is called, of the class. F1 = 2J/(1 + J) with J = TP /
    (TP + FP + FN), which is a proportion of rows: its Wilson limits, transformed, are those of F1. `n` counts the rows
    of that denominator.
    """
    counts = actual | predicted
    both = (actual & predicted).astype(np.float64)
    stat = RowStatistic("f1", "proportion", both, counts, None, "the class as label or as prediction")
    jaccard = estimate(stat, design, confidence)
    if jaccard.value is None or jaccard.low is None or jaccard.high is None:
        return jaccard
    low, value, high = (2 * j / (1 + j) for j in (jaccard.low, jaccard.value, jaccard.high))
    return Estimate(value, low, high, confidence, f"{jaccard.method} of the Jaccard index", jaccard.n)


def error_odds(
    false_negative: BoolArray, false_positive: BoolArray, design: Design = SIMPLE, confidence: float = 0.95
) -> Estimate:
    """False negatives over false positives, FN / FP, at least 0: what "treatment equality" compares between groups.

    `false_negative` and `false_positive`: bool `[n]`; no row is both. Source: Berk, Heidari, Jabbari, Kearns and Roth
    (2021), "Fairness in criminal justice risk assessments: the state of the art". FN / FP = p / (1 − p) with p the
    share of false negatives among all errors: the limits of that share (see `rates.estimate`), transformed. No value
    without a false positive: nothing then bounds the ratio from above. `n` counts the errors.
    """
    counts = false_negative | false_positive
    stat = RowStatistic("error_odds", "proportion", false_negative.astype(np.float64), counts, None, "an error")
    share = estimate(stat, design, confidence)
    if share.value is None:
        return share
    if share.value >= 1.0:
        return Estimate.undefined("there is no false positive to divide by", share.n)
    odds = share.value / (1 - share.value)
    if share.low is None or share.high is None or share.high >= 1.0:
        return Estimate(odds, method=share.method, n=share.n, reason=share.reason or "there may be no false positive")
    low, high = share.low / (1 - share.low), share.high / (1 - share.high)
    return Estimate(odds, low, high, confidence, f"odds of {share.method}", share.n)


def balanced_accuracy(
    target: IntArray,
    prediction: IntArray,
    labels: tuple[str, ...],
    design: Design = SIMPLE,
    confidence: float = 0.95,
) -> Estimate:
    """Mean over the classes of the rate at which each is found, in 0..1; no value where a class has no row.

    `target` and `prediction`: int64 `[n]`, codes into `labels`; rows with a negative code in either do not count.
    The classes' rates rest on different rows: MOVER (Zou and Donner 2008) joins their Wilson limits. Clusters that
    hold several classes widen it by the ratio of the clustered to the stratified standard error.
    """
    known = (target >= 0) & (prediction >= 0)
    right = RowStatistic("recall", "proportion", (known & (target == prediction)).astype(float), known, None, "a label")
    found = moments(right, np.maximum(target, 0), len(labels), design)
    n = int(found.n.sum())
    if not found.defined.all():
        return Estimate.undefined(f"there are no rows with the label {labels[int(np.argmin(found.defined))]!r}", n)
    size, value, method = len(labels), float(found.value.mean()), "MOVER of Wilson limits"
    if _one_unit(known, design):
        return Estimate(value, method=method, n=n, reason=ONE_UNIT)
    low, high = found.wilson(normal_quantile(confidence))
    wider = _cluster_effect(right, target, found.value, design)
    down = wider * float(np.sqrt(np.sum((found.value - low) ** 2))) / size
    up = wider * float(np.sqrt(np.sum((high - found.value) ** 2))) / size
    return Estimate(value, max(0.0, value - down), min(1.0, value + up), confidence, method, n)


def _one_unit(known: BoolArray, design: Design) -> bool:
    """Whether the rows that count are one independent unit."""
    counts = known if design.weight is None else known & (design.weight > 0)
    return is_one_unit(design.where(counts), int(np.count_nonzero(counts)))


def _cluster_effect(right: RowStatistic, target: IntArray, recall: FloatArray, design: Design) -> float:
    """Clustered standard error of the mean recall over that of clusters split by class; at least 1."""
    if design.cluster is None:
        return 1.0
    rows = np.flatnonzero(right.counts)
    t, some = target[rows], design.where(rows)
    assert some.cluster is not None
    whole = np.bincount(t, weights=whole_weight(some, len(rows)), minlength=len(recall))
    influence = each_weight(some, len(rows)) * (right.numerator[rows] - recall[t]) / whole[t]
    unweighted = replace(some, weight=None)
    together, _ = standard_error(influence, unweighted)
    by_class = np.unique(some.cluster, return_inverse=True)[1] * len(recall) + t
    apart, _ = standard_error(influence, replace(unweighted, cluster=by_class))
    return max(1.0, together / apart) if apart > 0 else 1.0


def macro_f1(
    target: IntArray,
    prediction: IntArray,
    labels: tuple[str, ...],
    design: Design = SIMPLE,
    confidence: float = 0.95,
) -> Estimate:
    """Mean of the classes' `f1`, in 0..1; no value where a class is neither true nor predicted anywhere.

    `target` and `prediction`: int64 `[n]`, codes into `labels`; rows with a negative code in either do not count.
    Unweighted, up to 40 classes with at least 10 hits and 10 errors each: the bootstrap from counts. Else, or where
    that fails: the mean of the classes' own limits, which is conservative (the standard deviation of a mean is at most
    the mean of the standard deviations).
    """
    known = (target >= 0) & (prediction >= 0)
    size, n, method = len(labels), design.rows(known), "mean of the classes' Wilson limits"
    single = [f1(known & (target == k), known & (prediction == k), design, confidence) for k in range(size)]
    for label, one in zip(labels, single, strict=True):
        if one.value is None:
            return Estimate.undefined(f"no row has the class {label!r} as label or as prediction", n)
    if _one_unit(known, design):
        return Estimate(
            float(np.mean([e.value for e in single if e.value is not None])), method=method, n=n, reason=ONE_UNIT
        )
    table = confusion(target, prediction, size, replace(design, weight=None)).astype(np.int64)
    if design.plain and size <= _MOST_DRAWN and not _has_rare_class(table):
        found = from_counts(table.ravel(), lambda c: _macro_f1(c.reshape(len(c), size, size)), confidence)
        if found.low is not None:
            return found
    ends = np.array([[e.value, e.low, e.high] for e in single], dtype=np.float64).mean(axis=0)
    value, low, high = (float(e) for e in ends)
    return Estimate(value, low, high, confidence, method, n)


def _has_rare_class(table: IntArray) -> bool:
    """Whether some class has few hits or few errors: resampling its rows can't show what they might have been."""
    hits = np.diag(table)
    errors = table.sum(axis=0) + table.sum(axis=1) - 2 * hits
    return bool(np.any(np.minimum(hits, errors) < _FEWEST))


def _macro_f1(counts: FloatArray) -> FloatArray:
    """Macro F1 of confusion counts `[R, C, C]`; NaN where a class does not occur."""
    hit = np.einsum("rkk->rk", counts)
    both = counts.sum(axis=1) + counts.sum(axis=2)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.mean(2 * hit / both, axis=1), dtype=np.float64)


def matthews_correlation(
    target: IntArray,
    prediction: IntArray,
    classes: int,
    design: Design = SIMPLE,
    confidence: float = 0.95,
) -> Estimate:
    """Matthews' correlation in −1..1, for any number of classes (Gorodkin 2004); no value where there is one class.

    `target` and `prediction`: int64 `[n]` in 0..C−1, C being `classes`; rows with a negative code do not count.
    Unweighted, up to 40 classes: the bootstrap from counts. Else the delta method on Fisher's z scale, with Student's
    t on as many degrees of freedom as rows carry the variance; where every row is right, from Clopper and Pearson's
    limit of the share that could be wrong.
    """
    known = (target >= 0) & (prediction >= 0)
    some, n = design.where(known), design.rows(known)
    cells = confusion(target, prediction, classes, design)
    if cells.sum() <= 0:
        return Estimate.undefined("there are no rows with a label and a prediction", n)
    value = float(_matthews(cells[None])[0])
    if not np.isfinite(value):
        return Estimate.undefined("the labels or the predictions are all of one class", n)
    if _one_unit(known, design):
        return Estimate(value, method="delta method", n=n, reason=ONE_UNIT)
    if value >= 1 - 1e-12 and classes > _MOST_DRAWN:
        return _all_right(known, cells, design, confidence)
    if (design.plain and classes <= _MOST_DRAWN) or abs(value) >= 1 - 1e-12:
        effective = _effective_counts(cells, n, some, int(np.count_nonzero(known)))
        found = from_counts(effective, lambda c: _matthews(c.reshape(len(c), classes, classes)), confidence)
        if found.low is None:
            return Estimate(value, method=found.method, n=n, reason=found.reason)
        return Estimate(value, found.low, found.high, confidence, found.method, n)
    slope = _matthews_slope(cells / cells.sum())[target[known], prediction[known]]
    w, whole = each_weight(some, len(slope)), whole_weight(some, len(slope))
    influence = w * (slope - np.average(slope, weights=whole)) / whole.sum()
    error, df = standard_error(influence, some)
    if error <= 0:
        return Estimate(value, method="delta method", n=n, reason="fewer than two independent units")
    half = float(student_quantile(normal_quantile(confidence), df)) * error / (1 - value**2)
    low, high = np.tanh(np.arctanh(value) + np.array([-half, half]))
    return Estimate(value, float(low), float(high), confidence, "delta method, Fisher z", n)


def _all_right(known: BoolArray, cells: FloatArray, design: Design, confidence: float) -> Estimate:
    """A correlation of 1. Where a share e of rows is wrong and the margins p stay, it is 1 − e / (1 − Σp²)."""
    stat = RowStatistic("accuracy", "proportion", known.astype(np.float64), known, None, "a label and a prediction")
    right = estimate(stat, design, confidence)
    assert right.low is not None
    share = cells.sum(axis=1) / cells.sum()
    low = max(-1.0, 1 - (1 - right.low) / (1 - float(share @ share)))
    return Estimate(1.0, low, 1.0, confidence, f"{right.method} of the share that is right", right.n)


def _effective_counts(cells: FloatArray, n: int, design: Design, stored: int) -> IntArray:
    """Whole counts of so many independent rows as there are, `[C²]`; every cell that has a row keeps one."""
    if design.plain:
        return cells.ravel().astype(np.int64)
    scaled = cells.ravel() / cells.sum() * min(effective_units(design, stored), n)
    return np.where(cells.ravel() > 0, np.maximum(np.rint(scaled), 1), 0).astype(np.int64)


def _matthews(counts: FloatArray) -> FloatArray:
    """Matthews correlation of confusion counts `[R, C, C]`; NaN where a margin has one class."""
    p = counts / counts.sum(axis=(1, 2), keepdims=True)
    rows, columns = p.sum(axis=2), p.sum(axis=1)
    together = np.einsum("rkk->r", p) - np.sum(rows * columns, axis=1)
    product = (1 - np.sum(rows**2, axis=1)) * (1 - np.sum(columns**2, axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(product > 1e-15, together / np.sqrt(np.maximum(product, 0)), np.nan)


def _matthews_slope(p: FloatArray) -> FloatArray:
    """Derivative of the correlation by the share of each cell, `[C, C]`."""
    rows, columns = p.sum(axis=1), p.sum(axis=0)
    a = float(np.trace(p) - rows @ columns)
    b, d = 1 - float(rows @ rows), 1 - float(columns @ columns)
    of_a = np.eye(len(p)) - columns[:, None] - rows[None]
    relative = -2 * rows[:, None] / b - 2 * columns[None] / d
    return np.asarray((of_a - a / 2 * relative) / np.sqrt(b * d), dtype=np.float64)

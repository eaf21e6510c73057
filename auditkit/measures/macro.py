"""Metrics of single classes averaged over the classes, each class counting the same (macro averages).

All in closed form and in one pass over the confusion counts, so that every group can have them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from auditkit.core.design import SIMPLE, Design
from auditkit.core.estimate import Estimate
from auditkit.core.outcomes import Groups
from auditkit.core.task import RowStatistic
from auditkit.core.types import BoolArray, FloatArray, IntArray
from auditkit.measures.classification import confusion, f1
from auditkit.measures.influence import standard_error
from auditkit.measures.intervals import normal_quantile, student_quantile
from auditkit.measures.moments import each_weight
from auditkit.measures.rates import by_group, estimate

ClassRate = Literal["true_positive_rate", "false_negative_rate", "false_positive_rate", "positive_predictive_value"]
#: Fewer hits or errors of a class than this don't carry the delta method.
_FEWEST = 10
_EMPTY: dict[str, str] = {
    "true_positive_rate": "the label",
    "false_negative_rate": "the label",
    "false_positive_rate": "a label other than",
    "positive_predictive_value": "the prediction",
}


def macro_rate(
    rate: ClassRate,
    target: IntArray,
    prediction: IntArray,
    labels: Sequence[str],
    design: Design = SIMPLE,
    confidence: float = 0.95,
) -> Estimate:
    """Mean over the C classes of a rate of each class against the rest, in 0..1; no value where a class has none.

    `target` and `prediction`: int64 `[n]`, codes into `labels`; rows with a negative code in either do not count.
    `n` counts the rows that do. The macro true positive rate is the balanced accuracy.

    Interval: MOVER (Zou and Donner 2008) of the classes' own limits, as for a mean of independent rates. Recalls (and
    precisions) of different classes rest on different rows; false positive rates share rows, but a row that is given to
    one class is not given to another, so that they vary against one another and the interval is conservative. Clusters
    may tie the classes together: the mean of the limits takes MOVER's place, which holds however they depend.
    """
    known = (target >= 0) & (prediction >= 0)
    n = design.rows(known)
    if design.plain:
        single = _from_counts(rate, target, prediction, labels, design, confidence)
    else:
        single = _from_rows(rate, target, prediction, labels, known, design, confidence)
    for label, one in zip(labels, single, strict=True):
        if one.value is None:
            return Estimate.undefined(f"there are no rows with {_EMPTY[rate]} {label!r}", n)
        if one.low is None or one.high is None:
            return Estimate(float(np.mean([e.value for e in single])), n=n, reason=one.reason)
    value, low, high = np.array([[e.value, e.low, e.high] for e in single], dtype=np.float64).T
    size, centre = len(labels), float(value.mean())
    if design.cluster is not None:
        ends = (float(low.mean()), float(high.mean()))
        return Estimate(centre, *ends, confidence, "mean of the classes' limits", n)
    down = float(np.sqrt(np.sum((value - low) ** 2))) / size
    up = float(np.sqrt(np.sum((high - value) ** 2))) / size
    method = "MOVER of the classes' limits"
    return Estimate(centre, max(0.0, centre - down), min(1.0, centre + up), confidence, method, n)


def _hits(rate: ClassRate, right: BoolArray) -> BoolArray:
    return right if rate in ("true_positive_rate", "positive_predictive_value") else ~right


def _from_counts(
    rate: ClassRate,
    target: IntArray,
    prediction: IntArray,
    labels: Sequence[str],
    design: Design,
    confidence: float,
) -> Sequence[Estimate]:
    """The classes' rates from the confusion counts: two stored rows a class, hits and misses."""
    cells = confusion(target, prediction, len(labels), design)
    rows, columns, right = cells.sum(axis=1), cells.sum(axis=0), np.diag(cells)
    hit, whole = {
        "true_positive_rate": (right, rows),
        "false_negative_rate": (rows - right, rows),
        "false_positive_rate": (columns - right, cells.sum() - rows),
        "positive_predictive_value": (right, columns),
    }[rate]
    return _shares(rate, hit, whole, labels, confidence)


def _shares(
    name: str, hit: FloatArray, whole: FloatArray, labels: Sequence[str], confidence: float
) -> tuple[Estimate, ...]:
    """`hit` of `whole` rows of each class as a share."""
    count = np.rint(np.concatenate([hit, whole - hit])).astype(np.int64)
    code = np.tile(np.arange(len(labels)), 2)
    kept = count > 0
    numerator = np.repeat([1.0, 0.0], len(labels))[kept]
    stat = RowStatistic(name, "proportion", numerator, np.ones(len(numerator), dtype=np.bool_), None, "the class")
    return by_group(stat, Groups("class", tuple(labels), code[kept]), Design(count=count[kept]), confidence)


def _from_rows(
    rate: ClassRate,
    target: IntArray,
    prediction: IntArray,
    labels: Sequence[str],
    known: BoolArray,
    design: Design,
    confidence: float,
) -> Sequence[Estimate]:
    """The classes' rates from the rows, which have weights or clusters."""
    if rate == "false_positive_rate":
        return [
            estimate(
                RowStatistic(
                    rate,
                    "proportion",
                    (known & (target != k) & (prediction == k)) * 1.0,
                    known & (target != k),
                    None,
                    "",
                ),
                design,
                confidence,
            )
            for k in range(len(labels))
        ]
    right = known & (target == prediction)
    codes = prediction if rate == "positive_predictive_value" else target
    stat = RowStatistic(rate, "proportion", (known & _hits(rate, right)).astype(np.float64), known, None, "the class")
    return by_group(stat, Groups("class", tuple(labels), np.maximum(codes, 0)), design, confidence)


def macro_f1_of_group(
    target: IntArray,
    prediction: IntArray,
    labels: Sequence[str],
    design: Design = SIMPLE,
    confidence: float = 0.95,
) -> Estimate:
    """Mean of the C classes' F1, as `classification.macro_f1`, without a bootstrap; arguments as in `macro_rate`.

    Interval: the delta method on the logit scale with Student's t (Takahashi, Yamamoto, Kuchiba and Koyama 2022,
    "Confidence interval for micro-averaged F1 and macro-averaged F1 scores", Applied Intelligence 52) where every class
    has 10 hits and 10 errors; else the mean of the classes' own limits (from those of the Jaccard index J, by F1 =
    2J/(1 + J)), which holds however the classes depend.
    """
    known = (target >= 0) & (prediction >= 0)
    n, cells = design.rows(known), confusion(target, prediction, len(labels), design)
    hits, both = np.diag(cells), cells.sum(axis=0) + cells.sum(axis=1)
    if not (both > 0).all():
        return Estimate.undefined(f"no row has the class {labels[int(np.argmin(both))]!r} as label or prediction", n)
    value = float(np.mean(2 * hits / both))
    rows = confusion(target, prediction, len(labels), Design(count=design.count))
    seen = np.diag(rows)
    fewest = np.minimum(seen, rows.sum(axis=0) + rows.sum(axis=1) - 2 * seen).min()
    if fewest >= _FEWEST:
        some, t, p = design.where(known), target[known], prediction[known]
        slope = -2 * hits / both**2
        gradient = slope[t] + slope[p] + np.where(t == p, 2 / both[t], 0.0)
        # The gradient is homogeneous of degree 0: Σ weight · gradient is 0, as an influence must be.
        influence = each_weight(some, len(t)) * gradient / len(labels)
        error, df = standard_error(influence, some)
        if error > 0:
            half = float(student_quantile(normal_quantile(confidence), df)) * error / (value * (1 - value))
            centre = np.log(value / (1 - value))
            low, high = 1 / (1 + np.exp(-np.clip(centre + np.array([-half, half]), -700, 700)))
            return Estimate(value, float(low), float(high), confidence, "delta method, logit", n)
    return _mean_of_limits(value, n, target, prediction, labels, known, design, confidence)


def _mean_of_limits(
    value: float,
    n: int,
    target: IntArray,
    prediction: IntArray,
    labels: Sequence[str],
    known: BoolArray,
    design: Design,
    confidence: float,
) -> Estimate:
    if design.plain:
        cells = confusion(target, prediction, len(labels), design)
        hits = np.diag(cells)
        jaccard = _shares("f1", hits, cells.sum(axis=0) + cells.sum(axis=1) - hits, labels, confidence)
        ends = [tuple(2 * j / (1 + j) for j in e.interval) if e.interval else None for e in jaccard]
    else:
        single = (f1(known & (target == k), known & (prediction == k), design, confidence) for k in range(len(labels)))
        ends = [e.interval for e in single]
    limits = [interval for interval in ends if interval is not None]
    method = "mean of the classes' limits"
    if len(limits) < len(ends):
        return Estimate(value, method=method, n=n, reason="a class has one independent unit, so there is no interval")
    low, high = np.array(limits, dtype=np.float64).mean(axis=0)
    return Estimate(value, float(low), float(high), confidence, method, n)

"""Measures of regressors: mean and absolute error, mean squared error and its root, R²."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from auditkit.core.design import SIMPLE, Design
from auditkit.core.estimate import Estimate
from auditkit.core.types import FloatArray
from auditkit.measures.difference import paired_mean
from auditkit.measures.influence import standard_error
from auditkit.measures.intervals import normal_quantile, student_quantile
from auditkit.measures.moments import TOO_LARGE, each_weight, whole_weight

# In every function: `target` and `prediction` are float64 `[n]`. Rows where target or prediction is not finite do not
# count. An error too large for a float leaves no value, as its row must not be dropped.


def mean_error(
    target: FloatArray,
    prediction: FloatArray,
    design: Design = SIMPLE,
    confidence: float = 0.95,
) -> Estimate:
    """Mean of prediction − target (`[n]` each), in the target's unit: positive where the model answers too much.
    Student's t, as `paired_mean`."""
    return paired_mean(errors(target, prediction), design, confidence)


def mean_absolute_error(
    target: FloatArray,
    prediction: FloatArray,
    design: Design = SIMPLE,
    confidence: float = 0.95,
) -> Estimate:
    """Mean of |prediction − target| (`[n]` each), in the target's unit. Student's t, as `paired_mean`; the lower end is
    at least 0."""
    return paired_mean(np.abs(errors(target, prediction)), design, confidence)


def mean_squared_error(
    target: FloatArray,
    prediction: FloatArray,
    design: Design = SIMPLE,
    confidence: float = 0.95,
) -> Estimate:
    """Mean of (prediction − target)² (`[n]` each), in the target's unit squared. Student's t, as `paired_mean`; the
    lower end is at least 0."""
    return paired_mean(squared_errors(target, prediction), design, confidence)


def errors(target: FloatArray, prediction: FloatArray) -> FloatArray:
    """prediction − target, `[n]`; NaN where either is not finite, infinite where the difference is too large."""
    known = np.isfinite(target) & np.isfinite(prediction)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.where(known, prediction - target, np.nan)


def squared_errors(target: FloatArray, prediction: FloatArray) -> FloatArray:
    """(prediction − target)², `[n]`; NaN where either is not finite, infinite where the square is too large."""
    with np.errstate(over="ignore"):
        return np.asarray(errors(target, prediction) ** 2, dtype=np.float64)


def root_mean_squared_error(
    target: FloatArray,
    prediction: FloatArray,
    design: Design = SIMPLE,
    confidence: float = 0.95,
) -> Estimate:
    """Root of the mean squared error of `prediction` for `target` (`[n]` each), in the target's unit; its limits are
    the roots of those of `mean_squared_error`."""
    return root_of(mean_squared_error(target, prediction, design, confidence))


def root_of(squared: Estimate) -> Estimate:
    """The root of an estimate that is not negative; its limits are the roots of those."""
    if squared.value is None:
        return squared
    root = math.sqrt(squared.value)
    if squared.low is None or squared.high is None:
        return replace(squared, value=root)
    method = f"root of {squared.method}"
    return replace(squared, value=root, low=math.sqrt(squared.low), high=math.sqrt(squared.high), method=method)


def r_squared(
    target: FloatArray,
    prediction: FloatArray,
    design: Design = SIMPLE,
    confidence: float = 0.95,
) -> Estimate:
    """R² = 1 − Σ(prediction − target)² / Σ(target − mean)², at most 1, negative where the mean would do better.

    `target` and `prediction`: `[n]`. Interval: the delta method (Cramér 1946, section 28.4) on ln(1 − R²), a log ratio
    of two means, with Student's t and cluster totals. No value where the target has no spread; no interval where every
    prediction is exact.
    """
    known = np.isfinite(target) & np.isfinite(prediction) & (True if design.weight is None else design.weight > 0)
    some, y, n = design.where(known), target[known], design.rows(known)
    if n < 2 or float(y.max()) == float(y.min()):
        return Estimate.undefined("the target has no spread on these rows", n)
    weight = whole_weight(some, len(y))
    share = weight / weight.sum()
    with np.errstate(over="ignore", invalid="ignore"):
        squared = squared_errors(y, prediction[known])
        spread = (y - float(share @ y)) ** 2
        missed, total = float(share @ squared), float(share @ spread)
    if total == 0:
        return Estimate.undefined("the target has no spread on these rows", n)
    value = 1 - missed / total
    if not (math.isfinite(total) and math.isfinite(value)):
        return Estimate.undefined(TOO_LARGE, n)
    if missed <= 1e-24 * total:
        return Estimate(value, method="delta method", n=n, reason="every prediction is exact, so errors have no spread")
    each = each_weight(some, len(y)) / weight.sum()
    error, df = standard_error(each * (squared / missed - spread / total), some)
    if error <= 0:
        return Estimate(value, method="delta method", n=n, reason="there are fewer than two independent units")
    half = float(student_quantile(normal_quantile(confidence), df)) * error
    low, high = (1 - (1 - value) * math.exp(min(end, 700.0)) for end in (half, -half))
    if half > 50 or not math.isfinite(low):
        return Estimate(value, method="delta method", n=n, reason=f"{n} rows are too few for an interval")
    return Estimate(value, low, high, confidence, "delta method, log scale", n)

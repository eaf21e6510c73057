"""Two samples compared (train and test), and the mean of paired differences."""

from __future__ import annotations

import numpy as np

from auditkit.core.design import SIMPLE, Design
from auditkit.core.estimate import Estimate
from auditkit.core.task import RowStatistic
from auditkit.core.types import Better, FloatArray
from auditkit.measures.intervals import (
    Limits,
    mover_difference,
    mover_ratio,
    normal_quantile,
    student_quantile,
)
from auditkit.measures.moments import TOO_LARGE, Moments, moments
from auditkit.measures.rates import estimate, no_spread


def difference(
    first: RowStatistic,
    second: RowStatistic,
    first_design: Design = SIMPLE,
    second_design: Design = SIMPLE,
    confidence: float = 0.95,
) -> Estimate:
    """`first − second` on two independent samples.

    Proportions: Newcombe's hybrid score interval (1998, method 10). Means: Welch's t with Satterthwaite's degrees of
    freedom. Designs as in `rates.estimate`. `n` counts the rows of both. Raises `ValueError` where a
    proportion meets a mean.
    """
    pair = _pair(first, second, first_design, second_design)
    if isinstance(pair, Estimate):
        return pair
    one, two, n = pair
    value = float(one.value[0]) - float(two.value[0])
    if not np.isfinite(value):
        return Estimate.undefined(f"{first.name}: {TOO_LARGE}", n)
    z = normal_quantile(confidence)
    if first.kind == "mean":
        low, high = _welch(one, two, z)
        method = "Welch t"
    else:
        low, high = mover_difference(one.value, one.wilson(z), two.value, two.wilson(z))
        method = "Newcombe"
    if not (low[0] < high[0] and np.isfinite(high[0] - low[0])):
        return Estimate(value, method=method, n=n, reason=f"{first.name}: {_whose(one, two)}")
    return Estimate(value, float(low[0]), float(high[0]), confidence, method, n)


def relative_degradation(
    train: RowStatistic,
    test: RowStatistic,
    train_design: Design = SIMPLE,
    test_design: Design = SIMPLE,
    confidence: float = 0.95,
) -> Estimate:
    """How much worse `test` is than `train`, relative to `train`: 1 − test/train where higher is better, test/train − 1
    where lower is better; 0.1 is ten percent worse, negative is better.

    `train_design` and `test_design` are the samples' own. The ratio takes MOVER-R (Donner and Zou 2012) from the limits
    of each sample. No value where train is 0, or where
    the statistic is negative or has no better direction; no interval where train may be 0.
    """
    pair = _pair(train, test, train_design, test_design)
    if isinstance(pair, Estimate):
        return pair
    before, after, n = pair
    if train.better is None:
        return Estimate.undefined(f"{train.name} is neither better high nor better low", n)
    if before.value[0] <= 0 or after.value[0] < 0:
        is_ = "0" if before.value[0] == 0 else "negative"
        return Estimate.undefined(f"{train.name} is {is_}, so nothing can be relative to it", n)
    ratio = float(after.value[0]) / float(before.value[0])
    if not np.isfinite(ratio):
        return Estimate.undefined(f"{train.name}: {TOO_LARGE}", n)
    if np.isinf(before.variance[0]) or np.isinf(after.variance[0]):
        return Estimate(_worse(train, ratio), method="MOVER-R", n=n, reason=f"{train.name}: {TOO_LARGE}")
    z = normal_quantile(confidence)
    low, high = mover_ratio(after.value, _limits(train, after, z), before.value, _limits(train, before, z))
    value, higher = _worse(train, ratio), train.better is Better.HIGHER
    if not (low[0] < high[0] and np.isfinite(high[0])):
        certain = np.isfinite(before.variance[0]) and np.isfinite(after.variance[0])
        why = f"{train.name} on train may be 0" if certain and high[0] == np.inf else _whose(before, after)
        return Estimate(value, method="MOVER-R", n=n, reason=why)
    ends = (1 - float(high[0]), 1 - float(low[0])) if higher else (float(low[0]) - 1, float(high[0]) - 1)
    return Estimate(value, *ends, confidence, "MOVER-R", n)


def _worse(stat: RowStatistic, ratio: float) -> float:
    """How much worse a sample is than another that it is `ratio` times."""
    return 1 - ratio if stat.better is Better.HIGHER else ratio - 1


def paired_mean(
    values: FloatArray,
    design: Design = SIMPLE,
    confidence: float = 0.95,
) -> Estimate:
    """Mean of one value a row (`[n]`; rows that are NaN do not count), by Student's t, cluster-robust (see `estimate`).

    Differences of two measurements of the same rows belong here. One row, or equal values: no interval, and why. A
    value that is infinite is one that was too large to be computed: it counts, so that the mean does not exist.
    """
    counts = ~np.isnan(values)
    stat = RowStatistic("mean", "mean", np.where(counts, values, 0.0), counts, None, "a value")
    return estimate(stat, design, confidence)


def _pair(
    first: RowStatistic, second: RowStatistic, first_design: Design, second_design: Design
) -> tuple[Moments, Moments, int] | Estimate:
    if first.kind != second.kind:
        raise ValueError(f"can't compare a {first.kind} with a {second.kind}")
    one = moments(first, None, 1, first_design)
    two = moments(second, None, 1, second_design)
    n = int(one.n[0] + two.n[0])
    for stat, found, which in ((first, one, "first"), (second, two, "second")):
        if found.too_large[0]:
            return Estimate.undefined(f"{stat.name} of the {which} sample: {TOO_LARGE}", n)
        if not found.defined[0]:
            return Estimate.undefined(f"{stat.name}: the {which} sample has no rows with {stat.empty}", n)
    return one, two, n


def _limits(stat: RowStatistic, found: Moments, z: float) -> Limits:
    if stat.kind == "proportion":
        return found.wilson(z)
    half = student_quantile(z, np.maximum(found.df, 1e-3)) * np.sqrt(found.variance)
    with np.errstate(over="ignore"):
        return found.value - half, found.value + half


def _welch(one: Moments, two: Moments, z: float) -> Limits:
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        value, both = one.value - two.value, one.variance + two.variance
        parts = (one.variance / both) ** 2 / one.df + (two.variance / both) ** 2 / two.df
        half = student_quantile(z, np.where(parts > 0, 1 / parts, np.inf)) * np.sqrt(both)
        return value - half, value + half


def _whose(one: Moments, two: Moments) -> str:
    """The sample that has no spread, or one beyond all floats."""
    if np.isinf(one.variance[0]) or np.isinf(two.variance[0]):
        return TOO_LARGE
    which = one if not np.isfinite(one.variance[0]) else two
    return no_spread(int(which.n[0]))

"""The gap between groups: largest minus smallest rate, or smallest over largest, with a simultaneous interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from auditkit.core.design import SIMPLE, Design
from auditkit.core.estimate import Estimate
from auditkit.core.outcomes import Groups
from auditkit.core.task import GapRule, RowStatistic
from auditkit.core.types import BoolArray
from auditkit.measures import pairs
from auditkit.measures.intervals import range_quantile, split_confidence
from auditkit.measures.moments import TOO_LARGE, Moments, moments
from auditkit.measures.rates import FEWEST_OF_A_MEAN
from auditkit.measures.shared import opposed

Form = Literal["difference", "ratio"]


@dataclass(frozen=True)
class Gap:
    """A gap and what it rests on.

    `highest` and `lowest`: the groups whose rates are furthest apart (of the worst statistic). `compared`: the groups
    that have every rate. `absent`: groups without a row here; `undefined`: groups with rows, but none in a
    denominator; `small`: groups with fewer than `min_group` rows in a denominator. Where `absent` or `undefined` is
    not empty, `estimate` has no value and `partial` holds the gap over `compared`.
    `expected_if_equal`: the gap that the sample sizes alone would show if all groups had the pooled rate.
    """

    estimate: Estimate
    highest: str | None = None
    lowest: str | None = None
    compared: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    undefined: tuple[str, ...] = ()
    small: tuple[str, ...] = ()
    expected_if_equal: float | None = None
    partial: Estimate | None = None


def gap(
    rule: GapRule,
    stats: Sequence[RowStatistic],
    groups: Groups,
    design: Design = SIMPLE,
    confidence: float = 0.95,
    min_group: int = 10,
    *,
    expected: bool = True,
) -> Gap:
    """The gap that `rule` names, over all groups; the rule picks its statistics from `stats` by name and class.

    Value: max − min (or min / max) of the groups' rates, as fairlearn's `method="between_groups"`; with several
    statistics the worst. Interval: simultaneous over all pairs of groups and over the statistics, [max of the pairs'
    lower limits, max of their upper limits], each pair by Newcombe/MOVER from Wilson limits (means: Welch's t; ratios:
    MOVER-R) at the studentised-range critical value; several statistics share the confidence by Šidák's split.
    The value always lies inside. Where clusters have rows in several groups, groups are taken as independent, or as
    running against one another as far as they are seen to (`shared.opposed`), which is conservative.
    `expected` False leaves out `expected_if_equal`, which costs as much as the rest where rows are few.
    """
    chosen = _chosen(rule, stats)
    if isinstance(chosen, str):
        return Gap(Estimate.undefined(chosen))
    if len(groups.labels) < 2:
        only = f" ({groups.labels[0]!r})" if groups.labels else ""
        return Gap(Estimate.undefined(f"a gap needs two groups, and '{groups.attribute}' has one{only}"))
    every = [moments(stat, groups.codes, len(groups.labels), design) for stat in chosen]
    found = [opposed(m, stat, groups.codes, design) for m, stat in zip(every, chosen, strict=True)]
    defined = np.logical_and.reduce([m.defined for m in found])
    present = groups.sizes() > 0
    few = np.logical_or.reduce([_few(stat, m, min_group) & m.defined for stat, m in zip(chosen, found, strict=True)])
    result = _over(rule, chosen, [m.take(defined) for m in found], _names(groups, defined), confidence, expected)
    result = replace(
        result,
        absent=_names(groups, ~present),
        undefined=_names(groups, present & ~defined),
        small=_names(groups, few & defined),
    )
    if defined.all():
        return result
    reason = _missing(result, chosen, found, groups)
    partial = result.estimate if len(result.compared) > 1 else None
    return replace(result, estimate=Estimate.undefined(reason, result.estimate.n), partial=partial)


def _few(stat: RowStatistic, found: Moments, min_group: int) -> BoolArray:
    """Groups that rest on too few rows for a pass, `[G]`."""
    of_mean = stat.kind == "mean"
    return np.asarray((found.n < min_group) | (of_mean & (found.units < FEWEST_OF_A_MEAN)), dtype=np.bool_)


def _names(groups: Groups, keep: BoolArray) -> tuple[str, ...]:
    return tuple(groups.labels[i] for i in np.flatnonzero(keep))


def _chosen(rule: GapRule, stats: Sequence[RowStatistic]) -> list[RowStatistic] | str:
    """The statistics of the rule, in its order, or why there are none."""
    by_name = {stat.name: stat for stat in stats if stat.class_ == rule.class_}
    missing = [name for name in rule.statistics if name not in by_name]
    if missing:
        return f"{rule.name}: '{missing[0]}' was not measured on these rows"
    return [by_name[name] for name in rule.statistics]


def _missing(result: Gap, stats: list[RowStatistic], found: list[Moments], groups: Groups) -> str:
    """Which groups have no rate, and what they lack."""
    parts = []
    if result.absent:
        parts.append(f"{_list(result.absent)} of '{groups.attribute}' {_has(result.absent)} no rows in this split")
    for stat, m in zip(stats, found, strict=True):
        lacking = tuple(name for name in _names(groups, ~m.defined & ~m.too_large) if name in result.undefined)
        if lacking:
            parts.append(f"{_list(lacking)} of '{groups.attribute}' {_has(lacking)} no rows with {stat.empty}")
        if m.too_large.any():
            named = _list(_names(groups, m.too_large))
            parts.append(f"{stat.name} of {named} of '{groups.attribute}': {TOO_LARGE}")
    return "; ".join(dict.fromkeys(parts))


def _list(names: tuple[str, ...]) -> str:
    shown = ", ".join(repr(name) for name in names[:5])
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"the group {shown}" if len(names) == 1 else f"the groups {shown}{more}"


def _has(names: tuple[str, ...]) -> str:
    return "has" if len(names) == 1 else "have"


def _over(
    rule: GapRule,
    stats: list[RowStatistic],
    found: list[Moments],
    names: tuple[str, ...],
    confidence: float,
    expected: bool,
) -> Gap:
    """The gap over groups that all have every rate."""
    rows = sum(int(m.n.sum()) for m in found) if _disjoint(stats) else max(int(m.n.sum()) for m in found)
    if len(names) < 2:
        return Gap(Estimate.undefined("a gap needs two groups that have a rate", rows), compared=names)
    per_statistic = split_confidence(confidence, len(stats))
    z = range_quantile(per_statistic, len(names))
    single = [_one(rule.form, stat, m, z) for stat, m in zip(stats, found, strict=True)]
    undefined = next((e.reason for e in single if e.value is None), None)
    if undefined is not None:
        return Gap(Estimate.undefined(undefined, rows), compared=names)
    values = [e.value for e in single if e.value is not None]
    pick = max if rule.form == "difference" else min
    worst = values.index(pick(values))
    return Gap(
        replace(_joined(single, pick(values), rule.form, confidence), n=rows),
        highest=names[int(np.argmax(found[worst].value))],
        lowest=names[int(np.argmin(found[worst].value))],
        compared=names,
        expected_if_equal=_null(rule, stats, found) if expected else None,
    )


def _null(rule: GapRule, stats: list[RowStatistic], found: list[Moments]) -> float | None:
    return pairs.null_gaps(found, [stat.kind for stat in stats], rule.form == "ratio")


def _disjoint(stats: list[RowStatistic]) -> bool:
    return len(stats) > 1 and not np.logical_and.reduce([stat.counts for stat in stats]).any()


def _joined(single: list[Estimate], value: float, form: Form, confidence: float) -> Estimate:
    """The worst gap of several statistics; limits that hold for each hold for the worst."""
    method = single[0].method + ("" if len(single) == 1 else f" over {len(single)} rates")
    intervals = [e.interval for e in single]
    known = [interval for interval in intervals if interval is not None]
    if len(known) < len(intervals):
        return Estimate(value, method=method, reason=next(e.reason for e in single if e.interval is None))
    pick = max if form == "difference" else min
    low, high = pick(i[0] for i in known), pick(i[1] for i in known)
    return Estimate(value, low, high, confidence, method)


def _one(form: Form, stat: RowStatistic, found: Moments, z: float) -> Estimate:
    """The gap of one statistic, its limits at the critical value `z`."""
    top, bottom = float(found.value.max()), float(found.value.min())
    proportion = stat.kind == "proportion"
    if not np.isfinite(top - bottom):
        return Estimate.undefined(f"{stat.name}: {TOO_LARGE}")
    if form == "ratio" and (top <= 0 or bottom < 0):
        what = "is 0 in every group" if top == 0 == bottom else "is negative in some group"
        return Estimate.undefined(f"the ratio does not exist: {stat.name} {what}")
    value = top - bottom if form == "difference" else bottom / top
    if not proportion and np.isinf(found.variance).any():
        return Estimate(value, method="", reason=f"{stat.name}: {TOO_LARGE}")
    limits: tuple[float, float] | None
    if form == "difference":
        limits = pairs.proportion_difference(found, z) if proportion else pairs.mean_difference(found, z)
        method = "simultaneous Newcombe" if proportion else "simultaneous Welch t"
    else:
        limits = pairs.proportion_ratio(found, z) if proportion else pairs.mean_ratio(found, z)
        method = "simultaneous MOVER-R"
    if limits is None or not (limits[0] < limits[1] and np.isfinite(limits[1] - limits[0])):
        return Estimate(value, method=method, reason=f"{stat.name} has no spread within the groups, so no interval")
    return Estimate(value, limits[0], limits[1], method=method)

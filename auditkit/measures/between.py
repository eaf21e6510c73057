"""Gaps, the worst group and ranks of any quantity that has an estimate for each group: AUC, F1, a quantile, ..."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from auditkit.core.estimate import Estimate
from auditkit.core.types import Better
from auditkit.measures.gaps import Form, Gap
from auditkit.measures.group_estimates import EstimatesAt, GroupEstimates
from auditkit.measures.intervals import mover_difference, normal_quantile, range_quantile
from auditkit.measures.pairs import largest_difference, smallest_ratio

#: Draws behind `Gap.expected_if_equal`.
_NULL_DRAWS = 200_000
#: So many pairs of groups are compared at a time.
_BLOCK = 2_000_000


def gap_between(
    form: Form,
    names: Sequence[str],
    estimates_at: EstimatesAt,
    *,
    confidence: float = 0.95,
    min_group: int = 10,
    share: bool = True,
    absent: Sequence[str] = (),
) -> Gap:
    """Largest minus smallest (`form` "difference") or smallest over largest ("ratio") of one estimate a group.

    `names`: the G groups. `estimates_at(confidence)` gives their estimates, each with its own pointwise interval at
    that confidence; the groups must rest on different rows. `share`: the quantity lies in 0..1, and so does the gap.
    `absent` are the names without a row. `confidence` is that of the gap, `min_group` marks groups that rest on fewer
    rows.

    Interval: simultaneous over all pairs of groups, as in `gap`: [max of the pairs' lower limits, max of their upper
    limits], each pair by MOVER (Zou and Donner 2008; ratios: MOVER-R, Donner and Zou 2012) from the groups' limits at
    1 − 2Φ(−z), z the studentised-range critical value q/√2 (Tukey 1953). The value lies inside. A group without a
    value leaves none, and `partial` holds the gap of the others; a group without an interval leaves no interval. A
    ratio needs values that are not negative, and one above 0. Raises `ValueError` where names and estimates don't
    match.
    """
    found = GroupEstimates.of(names, estimates_at, absent, _all_pairs(confidence))
    estimate, partial = _gap(form, found, confidence, share), None
    several = int(found.defined.sum()) > 1
    if len(names) > 1 and not found.defined.all():
        partial = estimate if several else None
        estimate = Estimate.undefined(found.why(), estimate.n)
    return Gap(
        estimate,
        highest=found.names[int(np.nanargmax(found.value))] if several else None,
        lowest=found.names[int(np.nanargmin(found.value))] if several else None,
        compared=found.named(found.defined),
        absent=found.absent,
        undefined=found.undefined,
        small=found.small(min_group),
        expected_if_equal=_expected(form, found, share),
        partial=partial,
    )


def _all_pairs(confidence: float) -> Callable[[int], float]:
    """The pointwise confidence with which each pair of so many groups is compared, so that all hold together."""
    return lambda groups: 1 - 2 * float(ndtr(-range_quantile(confidence, max(groups, 2))))


def _gap(form: Form, found: GroupEstimates, confidence: float, share: bool) -> Estimate:
    """The gap over the groups that have a value."""
    value, n = found.value[found.defined], found.rows()
    if len(found.names) < 2:
        only = f" ({found.names[0]!r})" if found.names else ""
        return Estimate.undefined(f"a gap needs two groups, and there is one{only}", n)
    if len(value) < 2:
        return Estimate.undefined("a gap needs two groups that have a value", n)
    top, bottom = float(value.max()), float(value.min())
    if form == "ratio" and (top <= 0 or bottom < 0):
        what = "it is negative in some group" if bottom < 0 else "it is 0 in every group"
        return Estimate.undefined(f"the ratio does not exist: {what}", n)
    plain = top - bottom if form == "difference" else bottom / top
    if not np.isfinite(plain):
        return Estimate.undefined("the groups' values are too far apart for a number", n)
    method = "simultaneous MOVER" if form == "difference" else "simultaneous MOVER-R"
    without = found.without_interval()
    if without is not None:
        return Estimate(plain, method=method, n=n, reason=without)
    low, high = (largest_difference if form == "difference" else smallest_ratio)(value, found.limits)
    if form == "difference" and share:
        high = min(1.0, high)
    if not (low < high and np.isfinite(high)):
        return Estimate(plain, method=method, n=n, reason="the groups' intervals leave none for the gap")
    return Estimate(plain, low, high, confidence, method, n)


def _expected(form: Form, found: GroupEstimates, share: bool) -> float | None:
    """The gap that one expects where all groups have the pooled value, from normal errors of the intervals' width."""
    value, n = found.value[found.defined], found.n[found.defined]
    if len(value) < 2 or found.without_interval() is not None:
        return None
    error = (found.limits[1] - found.limits[0]) / (2 * normal_quantile(found.confidence))
    pooled = float(np.average(value, weights=np.maximum(n, 1)))
    draws = int(np.clip(_NULL_DRAWS // len(error), 50, 2000))
    drawn = pooled + error * np.random.default_rng(20_240_229).standard_normal((draws, len(error)))
    drawn = np.clip(drawn, 0.0, 1.0) if share else drawn
    top, bottom = drawn.max(axis=1), drawn.min(axis=1)
    if form == "difference":
        return float(np.mean(top - bottom))
    positive = top > 0
    return float(np.mean(np.maximum(bottom[positive], 0.0) / top[positive])) if positive.any() else None


@dataclass(frozen=True)
class Worst:
    """The worst group's value, and which group that is; the other fields are as in `Gap`."""

    estimate: Estimate
    group: str | None = None
    compared: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    undefined: tuple[str, ...] = ()
    small: tuple[str, ...] = ()
    partial: Estimate | None = None


def worst_of(
    names: Sequence[str],
    estimates_at: EstimatesAt,
    better: Better,
    *,
    confidence: float = 0.95,
    min_group: int = 10,
    absent: Sequence[str] = (),
) -> Worst:
    """The worst group's value: the smallest where higher is better, the largest where lower is; arguments as in
    `gap_between`, but here groups may share rows.

    The interval is that of the worst of the *true* values, whichever group has it. The end towards worse is the worst
    of the groups' pointwise ends: it errs only if the interval of the truly worst group does (the intersection-union
    test, Berger 1982). The end towards better is the worst of the groups' ends at confidence 1 − (1 − confidence) / G,
    because any group may err there (Bonferroni). The value lies inside. A group without a value leaves none, and
    `partial` holds the worst of the others.
    """
    near = GroupEstimates.of(names, estimates_at, absent, lambda groups: confidence)
    known = near.defined
    estimate = Estimate.undefined("there is no group")
    group, partial = None, None
    if known.any():
        far = GroupEstimates.of(names, estimates_at, absent, lambda groups: 1 - (1 - confidence) / groups)
        estimate, group = _worst(near, far, better is Better.HIGHER, confidence)
    if not known.all():
        partial = estimate if known.any() else None
        estimate = Estimate.undefined(near.why(), near.rows())
    return Worst(
        estimate, group, near.named(known), near.absent, near.undefined, near.small(min_group), partial=partial
    )


def _worst(near: GroupEstimates, far: GroupEstimates, higher: bool, confidence: float) -> tuple[Estimate, str]:
    """The worst of the groups that have a value, and its name; `near` holds pointwise limits, `far` Bonferroni's."""
    pick = np.nanargmin if higher else np.nanargmax
    worst = int(pick(near.value))
    value, method = float(near.value[worst]), f"worst of {int(near.defined.sum())} groups"
    without = near.without_interval()
    if without is not None:
        return Estimate(value, method=method, n=near.rows(), reason=without), near.names[worst]
    low, high = (near.limits[0], far.limits[1]) if higher else (far.limits[0], near.limits[1])
    ends = (low.min(), high.min()) if higher else (low.max(), high.max())
    return Estimate(value, float(ends[0]), float(ends[1]), confidence, method, near.rows()), near.names[worst]


@dataclass(frozen=True)
class Rank:
    """One group's place among those that have a value: `rank` 1 is the best, and the true rank lies in `low`..`high`.

    All None where the group has no value.
    """

    name: str
    value: float | None
    rank: int | None = None
    low: int | None = None
    high: int | None = None


def ranks(
    names: Sequence[str], estimates_at: EstimatesAt, better: Better | None = Better.HIGHER, *, confidence: float = 0.95
) -> tuple[Rank, ...]:
    """The rank of each group, 1 for the best, and an interval for it; aligned with `names`, arguments as above.

    `better` None ranks from the largest. Equal values share the better rank. The intervals hold for all groups at once:
    a group is surely behind those that are better with certainty and ahead of those that are worse with certainty, by
    the simultaneous intervals of all pairs' differences (Mogstad, Romano, Shaikh and Wilhelm 2024, "Inference for
    ranks", section 3), here MOVER's as in `gap_between`. Groups without a value have no rank and are not counted; one
    without an interval is certain of nothing. O(G²).
    """
    found = GroupEstimates.of(names, estimates_at, (), _all_pairs(confidence))
    value, (low, high) = found.value[found.defined], found.limits
    if better is Better.LOWER:
        value, low, high = -value, -high, -low
    size = len(value)
    ahead, behind, beaten_by = (np.zeros(size, dtype=np.int64) for _ in range(3))
    step = max(1, _BLOCK // max(size, 1))
    for start in range(0, size, step):
        one = np.s_[start : start + step, None]
        lower, upper = mover_difference(value[one], (low[one], high[one]), value[None], (low[None], high[None]))
        ahead[start : start + step] = np.sum(lower > 0, axis=1)
        behind[start : start + step] = np.sum(upper < 0, axis=1)
        beaten_by[start : start + step] = np.sum(value[None] > value[one], axis=1)
    result = [Rank(name, one.value) for name, one in zip(found.names, found.estimates, strict=True)]
    for at, i in enumerate(np.flatnonzero(found.defined)):
        result[i] = Rank(
            found.names[i], result[i].value, int(beaten_by[at]) + 1, int(behind[at]) + 1, size - int(ahead[at])
        )
    return tuple(result)

"""Adverse impact: how a group's selection rate compares with another's, and the tests that regulators use."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from auditkit.core.design import SIMPLE, Design
from auditkit.core.estimate import Estimate
from auditkit.core.outcomes import Groups
from auditkit.core.task import RowStatistic
from auditkit.core.types import FloatArray, IntArray
from auditkit.measures.intervals import mover_ratio, normal_quantile, range_quantile
from auditkit.measures.moments import Moments, moments
from auditkit.measures.rates import by_group
from auditkit.measures.shared import opposed

#: A selection rate below this share of the highest one is "generally regarded as evidence of adverse impact"
#: (29 CFR 1607.4 D).
FOUR_FIFTHS = 0.8
#: Beyond "two or three standard deviations" chance is suspect (Castaneda v. Partida 1977, note 17).
TWO_DEVIATIONS = 2.0
#: So many pairs of groups are compared at a time.
_BLOCK = 2_000_000


@dataclass(frozen=True)
class Impact:
    """One group against the reference group.

    `rate`: its selection rate, pointwise interval. `ratio`: its rate over that of the reference, simultaneous interval.
    `deviations`: how many standard deviations its selections are short of what it would have if both groups had their
    pooled rate (negative: it has more). `fisher_p`: Fisher's exact test of equal rates, two-sided, None with a
    `fisher_reason`. `shortfall`: how many selections it is short of its part at the pooled rate (negative: it has
    more), rows. `share`: of all rows that count (29 CFR 1607.15 A asks for no determination below 0.02). All None for
    the reference itself and where a rate does not exist, except `rate`, `ratio` and `share`.
    """

    group: str
    rate: Estimate
    ratio: Estimate
    share: float
    deviations: float | None = None
    fisher_p: float | None = None
    fisher_reason: str | None = None
    shortfall: float | None = None

    @property
    def below_four_fifths(self) -> bool | None:
        """Whether the ratio itself is below 4/5: the rule of thumb, which asks for no certainty. None without one."""
        return None if self.ratio.value is None else self.ratio.value < FOUR_FIFTHS

    @property
    def beyond_two_deviations(self) -> bool | None:
        """Whether the difference is more than two standard deviations, in either direction."""
        return None if self.deviations is None else abs(self.deviations) > TWO_DEVIATIONS


@dataclass(frozen=True)
class AdverseImpact:
    """Every group's `Impact`, aligned with `groups.labels`, and the group that they are compared with."""

    reference: str | None
    groups: tuple[Impact, ...]


def adverse_impact(
    selected: RowStatistic,
    groups: Groups,
    design: Design = SIMPLE,
    confidence: float = 0.95,
    reference: str | None = None,
) -> AdverseImpact:
    """The selection rate of each group against that of the most selected group, or of the group named `reference`.

    `selected`: a proportion over n rows, 1 for the favourable decision; `groups`: the group of each row. Sources: the
    Uniform Guidelines on Employee Selection Procedures (29 CFR 1607.4 D) and their Questions and Answers 10 to 24
    (44 FR 11996, 1979); Castaneda v. Partida, 430 U.S. 482 (1977), note 17; Hazelwood School District v. United States,
    433 U.S. 299 (1977), note 14; for two samples, the z test with pooled variance.

    The ratio takes MOVER-R (Donner and Zou 2012) from Wilson limits. Against the most selected group, which chance
    picks, it is θ_g / max θ = the smallest ratio of θ_g to any group, and its interval holds for all groups at once:
    [min of the lower limits, min of the upper limits] over all groups, at the studentised-range critical value (a group
    that is the most selected with certainty has the exact ratio 1). Against
    a named group the G − 1 comparisons share the confidence (Bonferroni). Weights and clusters enter through effective
    rows; Fisher's test needs independent rows of equal weight. Raises `ValueError` where `reference` is no group, or
    `selected` no proportion.
    """
    if selected.kind != "proportion":
        raise ValueError(f"adverse impact compares proportions, and {selected.name!r} is a {selected.kind}")
    if reference is not None and reference not in groups.labels:
        raise ValueError(f"no group {reference!r} of '{groups.attribute}'")
    rates = by_group(selected, groups, design, confidence)
    every = moments(selected, groups.codes, len(groups.labels), design)
    found = opposed(every, selected, groups.codes, design)
    known = np.flatnonzero(found.defined)
    some, share = found.take(known), found.n / max(int(found.n.sum()), 1)
    names = [groups.labels[i] for i in known]
    at = _reference(some, names, reference)
    if isinstance(at, str):
        nothing = [Estimate.undefined(at if rate.value is not None else rate.reason or at, rate.n) for rate in rates]
        made = zip(groups.labels, rates, nothing, share.tolist(), strict=True)
        return AdverseImpact(reference, tuple(Impact(*parts) for parts in made))
    ratios = _to_named(some, at, confidence) if reference is not None else _to_most(some, confidence)
    made_of = {name: i for i, name in enumerate(names)}
    result = []
    for i, name in enumerate(groups.labels):
        if name not in made_of:
            why = Estimate.undefined(rates[i].reason or "it has no rate", rates[i].n)
            result.append(Impact(name, rates[i], why, float(share[i])))
            continue
        one = Impact(name, rates[i], ratios[made_of[name]], float(share[i]))
        result.append(one if made_of[name] == at else _tested(one, some, made_of[name], at, confidence))
    return AdverseImpact(names[at], tuple(result))


def _reference(found: Moments, names: list[str], wanted: str | None) -> int | str:
    """Where the group to compare with stands among those that have a rate, or why there is none."""
    if wanted is not None and wanted not in names:
        return f"the reference group {wanted!r} has no rate"
    if len(names) < 2:
        return "a comparison needs two groups that have a rate"
    # Of several groups with the highest rate, the largest tells most.
    at = names.index(wanted) if wanted is not None else int(np.lexsort((found.n, found.value))[-1])
    if found.value[at] <= 0:
        return "no row is selected" if wanted is None else f"no row of the reference group {wanted!r} is selected"
    return at


def _to_most(found: Moments, confidence: float) -> list[Estimate]:
    """Each group's rate over the highest, with limits that hold for all groups at once."""
    z = range_quantile(confidence, len(found.value))
    low, high = found.wilson(z)
    v, size = found.value, len(found.value)
    lower, upper = np.ones(size), np.ones(size)
    step = max(1, _BLOCK // size)
    for start in range(0, size, step):
        one = np.s_[start : start + step, None]
        below, above = mover_ratio(v[one], (low[one], high[one]), v[None], (low[None], high[None]))
        itself = np.arange(start, min(start + step, size))
        below[itself - start, itself] = above[itself - start, itself] = 1.0
        lower[itself], upper[itself] = below.min(axis=1), above.min(axis=1)
    return _estimates(v / v.max(), lower, np.minimum(upper, 1.0), found.n, confidence, "simultaneous MOVER-R")


def _to_named(found: Moments, at: int, confidence: float) -> list[Estimate]:
    """Each group's rate over that of the group at `at`."""
    z = normal_quantile(1 - (1 - confidence) / (len(found.value) - 1))
    low, high = found.wilson(z)
    ends = np.s_[at : at + 1]
    lower, upper = mover_ratio(found.value, (low, high), found.value[ends], (low[ends], high[ends]))
    result = _estimates(found.value / found.value[at], lower, upper, found.n, confidence, "MOVER-R, Bonferroni")
    result[at] = Estimate.exact(1.0, int(found.n[at]), "the reference group itself")
    return result


def _estimates(
    value: FloatArray, low: FloatArray, high: FloatArray, n: IntArray, confidence: float, method: str
) -> list[Estimate]:
    result = []
    for v, lower, upper, rows in zip(value.tolist(), low.tolist(), high.tolist(), n.tolist(), strict=True):
        if lower < upper < math.inf:
            result.append(Estimate(v, lower, upper, confidence, method, rows))
        elif lower >= upper:
            result.append(Estimate.exact(v, rows, "the most selected group, with certainty"))
        else:
            why = "the rate of the reference group may be 0"
            result.append(Estimate(v, method=method, n=rows, reason=why))
    return result


def fisher_exact(hits: FloatArray, rows: FloatArray) -> float:
    """Two-sided p of Fisher's exact test that two rates are equal: `hits` of `rows`, whole numbers `[2]`.

    The probability, given all margins, of every table that is no likelier than the one at hand (Fisher 1935), as in
    scipy and R. Tables beyond 40 standard deviations, whose probability no float holds, are left out: O(√rows).
    """
    total, found = float(rows.sum()), float(hits.sum())
    share = found / total
    deviation = math.sqrt(share * (1 - share) * float(rows.prod()) / max(total - 1, 1))
    centre, reach = share * float(rows[0]), 40 * deviation + 40
    first = max(0.0, found - float(rows[1]), math.floor(centre - reach))
    last = min(float(rows[0]), found, math.ceil(centre + reach))
    if not first <= hits[0] <= last:
        return 0.0
    table = np.arange(first, last)
    # Each table's probability from the one before: logarithms of whole factorials would cancel to noise.
    ratio = (rows[0] - table) * (found - table) / ((table + 1) * (rows[1] - found + table + 1))
    log_p = np.append(0.0, np.cumsum(np.log(ratio)))
    p = np.exp(log_p - log_p.max())
    return float(min(1.0, p[p <= p[int(hits[0] - first)] * (1 + 1e-7)].sum() / p.sum()))


def _tested(one: Impact, found: Moments, mine: int, at: int, confidence: float) -> Impact:
    """The same with the tests of equal rates in the group at `mine` and the reference at `at`."""
    pair = np.array([mine, at])
    rate, rows = found.value[pair], found.n[pair].astype(np.float64)
    effective = found.effective_at(normal_quantile(confidence))[pair]
    pooled = float(np.average(rate, weights=effective))
    error = math.sqrt(max(pooled * (1 - pooled), 0.0) * float(np.sum(1 / effective)))
    behind = float(rate[1] - rate[0])
    hits = np.rint(rate * rows)
    return Impact(
        one.group,
        one.rate,
        one.ratio,
        one.share,
        deviations=behind / error if error > 0 else 0.0,
        fisher_p=fisher_exact(hits, rows) if found.plain else None,
        fisher_reason=None if found.plain else "Fisher's test needs independent rows of equal weight",
        shortfall=behind * float(rows.prod() / rows.sum()),
    )

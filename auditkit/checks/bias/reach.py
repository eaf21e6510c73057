"""What the rows at hand can show of a gap, and how many would show a small one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from auditkit.checks.bias.comparison import Comparison
from auditkit.core.task import GapRule, RowStatistic
from auditkit.measures.gaps import Gap
from auditkit.measures.intervals import range_quantile, split_confidence
from auditkit.measures.moments import moments
from auditkit.measures.power import detectable_gap, rows_needed

#: The gap that the text gives the rows for: half of the tolerance that is usual.
SMALL_GAP = 0.05


@dataclass(frozen=True)
class Reach:
    """`detectable`: the true gap between the two smallest groups that is shown four times out of five (1: none is);
    `rows`: how many rows each group needs to show a gap of `SMALL_GAP`, None where these rows do, or no number that
    anyone could collect."""

    detectable: float
    rows: int | None


def reach(comparison: Comparison, rule: GapRule, found: Gap) -> Reach | None:
    """The reach of a difference of shares that is not shown (its interval holds 0), over the worst of its statistics;
    None for other gaps, and for those of measures that are no rate."""
    hidden = found.estimate.low is not None and found.estimate.low <= 0
    if rule.form != "difference" or not hidden or not comparison.of(rule) or not comparison.is_share(rule):
        return None
    # Several statistics share the confidence, as in the interval of the gap itself.
    confidence = split_confidence(comparison.confidence, len(rule.statistics))
    reaches = [_of_statistic(comparison, statistic, confidence) for statistic in comparison.of(rule)]
    counted = [r.rows for r in reaches if r.rows is not None]
    return Reach(max(r.detectable for r in reaches), max(counted, default=None))


def _of_statistic(comparison: Comparison, statistic: RowStatistic, confidence: float) -> Reach:
    """The reach of one rate. Unequal weights and clusters make rows worth less: effective rows count, and the rows
    that are asked for are as many more."""
    groups, outcomes = comparison.groups, comparison.outcomes
    found = moments(statistic, groups.codes, len(groups.labels), outcomes.design)
    found = found.take(found.defined)
    effective = np.maximum(found.effective_at(range_quantile(confidence, len(found.n))), 1.0)
    rate = float(np.average(found.value, weights=effective))
    seen = _reach_of(tuple(effective.tolist()), rate, confidence)
    if seen.rows is None or found.plain:
        return seen
    return Reach(seen.detectable, math.ceil(seen.rows * float(found.n.sum() / effective.sum())))


@lru_cache(maxsize=512)
def _reach_of(sizes: tuple[float, ...], rate: float, confidence: float) -> Reach:
    """Of groups of these sizes around one rate. Several gaps rest on one statistic, so answers are kept."""
    detectable = detectable_gap(sizes, rate, confidence)
    if detectable <= SMALL_GAP:
        return Reach(detectable, None)
    other = rate + SMALL_GAP if rate <= 0.5 else rate - SMALL_GAP
    return Reach(detectable, rows_needed(rate, other, 0.0, len(sizes), confidence))

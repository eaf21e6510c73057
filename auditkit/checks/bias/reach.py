"""What the rows at hand can show of a gap, and how many would show a small one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from auditkit.checks.bias.comparison import Comparison
from auditkit.core.task import GapRule
from auditkit.measures.gaps import Gap
from auditkit.measures.power import detectable_gap, rows_needed

#: The gap that the text gives the rows for: half of the tolerance that is usual.
SMALL_GAP = 0.05


@dataclass(frozen=True)
class Reach:
    """`detectable`: the smallest true gap that these groups would show, four times out of five; `rows`: how many rows
    each group needs to show a gap of `SMALL_GAP`, None where these rows do, or no number that anyone could collect."""

    detectable: float
    rows: int | None


def reach(comparison: Comparison, rule: GapRule, found: Gap) -> Reach | None:
    """The reach of a difference of shares that is not shown (its interval holds 0), over the worst of its statistics;
    None for other gaps."""
    hidden = found.estimate.low is not None and found.estimate.low <= 0
    if rule.form != "difference" or not hidden or not comparison.is_share(rule):
        return None
    reaches = []
    for statistic, values in zip(comparison.statistics, comparison.estimates, strict=True):
        if statistic.name in rule.statistics and statistic.class_ == rule.class_:
            sizes = tuple(e.n for e in values if e.value is not None)
            rate = sum(e.n * (e.value or 0.0) for e in values) / sum(sizes)
            reaches.append(_reach_of(sizes, rate, comparison.confidence))
    counted = [r.rows for r in reaches if r.rows is not None]
    return Reach(max(r.detectable for r in reaches), max(counted, default=None))


@lru_cache(maxsize=512)
def _reach_of(sizes: tuple[int, ...], rate: float, confidence: float) -> Reach:
    """Of groups of these sizes around one rate. Several gaps rest on one statistic, so answers are kept."""
    detectable = detectable_gap(sizes, rate, confidence)
    if detectable <= SMALL_GAP:
        return Reach(detectable, None)
    other = rate + SMALL_GAP if rate <= 0.5 else rate - SMALL_GAP
    return Reach(detectable, rows_needed(rate, other, 0.0, len(sizes), confidence))

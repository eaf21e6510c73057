"""What the rows at hand can show of a gap, and how many would show a small one."""

from __future__ import annotations

from dataclasses import dataclass

from auditkit.checks.bias.comparison import Comparison
from auditkit.core.task import GapRule
from auditkit.measures.gaps import Gap
from auditkit.measures.power import detectable_gap, rows_needed

#: The gap that the text gives the rows for: half of the tolerance that is usual.
SMALL_GAP = 0.05


@dataclass(frozen=True)
class Reach:
    """`detectable`: the smallest true gap that these groups would show, four times out of five; `rows`: how many rows
    each group needs to show a gap of `SMALL_GAP`, None where no number of rows that anyone could collect does."""

    detectable: float
    rows: int | None


def reach(comparison: Comparison, rule: GapRule, found: Gap) -> Reach | None:
    """The reach of a difference of shares, over the worst of its statistics; None for other gaps."""
    if rule.form != "difference" or not comparison.is_share(rule) or len(found.compared) < 2:
        return None
    reaches = []
    for statistic, values in zip(comparison.statistics, comparison.estimates, strict=True):
        if statistic.name in rule.statistics and statistic.class_ == rule.class_:
            known = [e for e in values if e.value is not None]
            sizes = [e.n for e in known]
            rate = sum(e.n * (e.value or 0.0) for e in known) / sum(sizes)
            other = rate + SMALL_GAP if rate <= 0.5 else rate - SMALL_GAP
            confidence = comparison.confidence
            rows = rows_needed(rate, other, 0.0, len(known), confidence)
            reaches.append(Reach(detectable_gap(sizes, rate, confidence), rows))
    counted = [r.rows for r in reaches if r.rows is not None]
    return Reach(max(r.detectable for r in reaches), max(counted) if len(counted) == len(reaches) else None)

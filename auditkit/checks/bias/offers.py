"""What gates may name of `bias.groups`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from auditkit.checks.bias.comparison import UNLABELLED, UNLABELLED_RULES, WORST
from auditkit.checks.bias.group_findings import IMPACT
from auditkit.checks.bias.inequality import BETWEEN, ENTROPY, THEIL
from auditkit.checks.bias.more import SELECTION
from auditkit.checks.reading import known_statistics, limits_of_gap, no_outcomes
from auditkit.core.task import GapRule, GroupMeasure, Offer, Task
from auditkit.core.types import Better


def offers_of(task: Task) -> Sequence[Offer]:
    """Every metric by group, its gaps and its worst group; adverse impact and inequality where a label is favourable;
    counts of groups and of rows without a label."""
    known, measures = known_statistics(task), task.group_measures()
    values = [
        Offer(s.name, by=True, group=True, class_=s.class_ is not None, better=s.better, low=low, high=high)
        for s in known
        for low, high in [s.limits]
    ]
    values += [
        Offer(m.name, by=True, group=True, class_=m.class_ is not None, better=m.better, low=m.low, high=m.high)
        for m in measures
    ]
    gaps = [
        Offer(rule.name, by=True, class_=rule.class_ is not None, better=rule.better, low=low, high=high)
        for rule in (*task.gap_rules(), *UNLABELLED_RULES)
        for low, high in [limits_of_gap(rule, known)]
    ]
    gaps += [_gap_of_measure(rule, measure) for measure in measures for rule in measure.rules]
    counts = [
        Offer(UNLABELLED, by=True, group=True, better=Better.LOWER, low=0.0, high=1.0),
        Offer("groups_found", by=True, low=0.0),
    ]
    every = [*values, *gaps, *task.on_request(), *counts]
    every += [*_worst(every), *_favourable(task, {s.name for s in known if s.class_ is None})]
    # The first offer of a name stands: those that are always measured come before those on request.
    return list({(o.metric, o.class_): o for o in reversed(every)}.values())[::-1]


def _gap_of_measure(rule: GapRule, measure: GroupMeasure) -> Offer:
    ends = (measure.low, measure.high)
    high = 1.0 if rule.form == "ratio" else None if None in ends else (ends[1] or 0.0) - (ends[0] or 0.0)
    return Offer(rule.name, by=True, class_=rule.class_ is not None, better=rule.better, low=0.0, high=high)


def _worst(offers: Iterable[Offer]) -> list[Offer]:
    """The worst group of whatever a single group has, and that has a good direction."""
    return [
        replace(offer, metric=WORST + offer.metric, group=False)
        for offer in offers
        if offer.group and offer.better is not None
    ]


def _favourable(task: Task, known: set[str]) -> list[Offer]:
    """What speaks of a favourable label."""
    found = []
    if SELECTION in known:
        found.append(Offer(IMPACT, by=True, group=True, better=Better.HIGHER, low=0.0, high=1.0))
    if task.benefits(no_outcomes(task)) is not None:
        found += [Offer(name, better=Better.LOWER, low=0.0) for name in (ENTROPY, THEIL)]
        found.append(Offer(BETWEEN, by=True, better=Better.LOWER, low=0.0))
    return found

"""Groups of one attribute on one split: every metric in each group, and every gap between them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import pairwise

import numpy as np

from auditkit.checks.bias.told import MOST_TOLD, furthest, values_of
from auditkit.checks.reading import is_share, names_rows, share_of
from auditkit.core.estimate import Estimate
from auditkit.core.evidence import Evidence
from auditkit.core.outcomes import Groups, Outcomes
from auditkit.core.task import GapRule, GroupMeasure, Named, RowStatistic, Task
from auditkit.core.types import Better, IntArray
from auditkit.measures.between import gap_between
from auditkit.measures.gaps import Gap, gap
from auditkit.measures.rates import by_group

#: Before the name of a metric: its value in the group that fares worst by it.
WORST = "worst_group_"
UNLABELLED = "unlabelled_rate"
UNLABELLED_RULES = (GapRule(f"{UNLABELLED}_difference", (UNLABELLED,), "difference"),)
#: With more groups than this, metrics that are no rate or mean are measured only where a gate names them: each group
#: has to be gone through by itself.
MOST_MEASURED = MOST_TOLD


@dataclass(frozen=True)
class Comparison:
    """What `bias.groups` knows of one attribute on one split.

    `estimates` holds one tuple (a value a group) for each of `statistics`, `measured` one for each of `measures`;
    `gaps` is aligned with `rules`, None where the attribute names rows rather than groups. `asked`: what gates name.
    """

    outcomes: Outcomes
    groups: Groups
    statistics: tuple[RowStatistic, ...]
    estimates: tuple[tuple[Estimate, ...], ...]
    rules: tuple[GapRule, ...]
    gaps: tuple[Gap | None, ...]
    names_rows: bool
    min_group: int
    confidence: float
    measures: tuple[GroupMeasure, ...] = ()
    measured: tuple[tuple[Estimate, ...], ...] = ()
    asked: frozenset[Named] = frozenset()
    #: Labels whose own rates are not compared, because there are too many of them.
    labels_left_out: int = 0
    #: Metrics that were not measured, because there are too many groups.
    measures_left_out: tuple[str, ...] = ()
    #: What was computed before: many gaps go by two names, and worst groups and ranks ask for the same estimates.
    _gaps: dict[tuple[object, ...], Gap] = field(default_factory=dict, repr=False, compare=False)
    _estimates: dict[tuple[object, ...], tuple[Estimate, ...]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def split(self) -> str:
        """The split that is looked at."""
        return self.outcomes.split

    @property
    def attribute(self) -> str:
        """The sensitive column, or `sex×race`."""
        return self.groups.attribute

    @cached_property
    def absent(self) -> tuple[str, ...]:
        """Groups without a row here."""
        return labels_with(self.groups, self.groups.sizes().tolist(), empty=True)

    @cached_property
    def told(self) -> IntArray:
        """The places of the groups that have findings of their own whatever gates name; see `told`."""
        over_all = zip(self.statistics, self.estimates, strict=False)
        return furthest((values_of(found) for s, found in over_all if s.class_ is None), self.groups.sizes())

    def told_by(self, metric: str, class_: str | None = None) -> IntArray:
        """The places of the groups that have a finding on that metric: every group where a gate names it."""
        return np.arange(len(self.groups.labels)) if (metric, class_) in self.asked else self.told

    @cached_property
    def parts(self) -> tuple[Outcomes, ...]:
        """The rows of each group, from one sort."""
        codes = self.groups.codes
        order = np.argsort(codes, kind="stable")
        ends = np.searchsorted(codes[order], np.arange(len(self.groups.labels) + 1))
        return tuple(self.outcomes.where(order[a:b]) for a, b in pairwise(ends.tolist()))

    def of(self, rule: GapRule) -> tuple[RowStatistic, ...]:
        """The statistics that a rule compares; none where it compares a measure."""
        return tuple(s for s in self.statistics if s.name in rule.statistics and s.class_ == rule.class_)

    def measure_of(self, rule: GapRule) -> GroupMeasure | None:
        """The measure that a rule compares, None where it compares statistics."""
        return next((m for m in self.measures if (m.name,) == rule.statistics and m.class_ == rule.class_), None)

    def at(self, rule: GapRule, confidence: float) -> Gap:
        """The gap of a rule with an interval of that confidence."""
        key = (rule.statistics, rule.form, rule.class_, confidence)
        if key not in self._gaps:
            self._gaps[key] = self._gap(rule, confidence)
        return self._gaps[key]

    def _gap(self, rule: GapRule, confidence: float) -> Gap:
        measure = self.measure_of(rule)
        if measure is not None:
            found = gap_between(
                rule.form,
                self.groups.labels,
                partial(self.estimates_of, measure),
                confidence=confidence,
                min_group=self.min_group,
                share=measure.share,
                absent=self.absent,
            )
        else:
            design = self.outcomes.design
            found = gap(rule, self.of(rule), self.groups, design, confidence, self.min_group)
        return replace(found, estimate=_because(found.estimate, self.outcomes.problem))

    def estimates_of(self, metric: RowStatistic | GroupMeasure, confidence: float) -> tuple[Estimate, ...]:
        """One estimate a group, pointwise at that confidence."""
        key = (metric.name, metric.class_, confidence)
        if key not in self._estimates:
            found: Sequence[Estimate]
            if isinstance(metric, RowStatistic):
                found = by_group(metric, self.groups, self.outcomes.design, confidence)
            else:
                each = zip(self.groups.labels, self.parts, strict=True)
                found = [_of_group(metric, label, part, confidence) for label, part in each]
            self._estimates[key] = tuple(_because(one, self.outcomes.problem) for one in found)
        return self._estimates[key]

    def is_share(self, rule: GapRule) -> bool:
        """Whether a difference of this rule reads in percentage points."""
        measure = self.measure_of(rule)
        return all(is_share(s) for s in self.of(rule)) if measure is None else measure.share

    def better_of(self, rule: GapRule) -> set[Better | None]:
        """The good directions of what a rule compares."""
        measure = self.measure_of(rule)
        return {s.better for s in self.of(rule)} if measure is None else {measure.better}


def _of_group(measure: GroupMeasure, label: str, part: Outcomes, confidence: float) -> Estimate:
    if not len(part):
        return Estimate.undefined(f"{label}: there are no rows with this value of the attribute")
    found = measure.of(part, confidence)
    known = found.reason is None or found.reason.startswith(f"{label}: ")
    return found if known else replace(found, reason=f"{label}: {found.reason}")


def unlabelled_rows(outcomes: Outcomes) -> RowStatistic:
    """The share of rows without a label."""
    return share_of(UNLABELLED, ~outcomes.labelled, "this value of the attribute")


def compare(
    evidence: Evidence, split: str, attribute: str, min_group: int, asked: frozenset[Named] = frozenset()
) -> Comparison:
    """Every metric of the task by the groups of `attribute`, and every gap that the groups allow.

    `asked`: metrics that gates name here; some are measured only then.
    """
    outcomes, groups = evidence.outcomes(split), evidence.groups(split, attribute)
    also = with_what_it_needs(evidence.task, asked)
    every = tuple(evidence.task.group_measures(also))
    few = len(groups.labels) <= MOST_MEASURED
    measures = tuple(m for m in every if few or also & {(name, m.class_) for name in _names(m)})
    bare = Comparison(
        outcomes=outcomes,
        groups=groups,
        statistics=(*evidence.task.statistics(outcomes, also), unlabelled_rows(outcomes)),
        estimates=(),
        rules=all_rules(evidence.task, also, measures),
        gaps=(),
        names_rows=names_rows(groups),
        min_group=min_group,
        confidence=evidence.confidence,
        measures=measures,
        asked=asked,
        labels_left_out=_labels_left_out(evidence.task),
        measures_left_out=tuple(m.name for m in every if m not in measures),
    )
    if bare.names_rows:
        return replace(bare, gaps=(None,) * len(bare.rules))
    return replace(
        bare,
        estimates=tuple(bare.estimates_of(statistic, evidence.confidence) for statistic in bare.statistics),
        measured=tuple(bare.estimates_of(measure, evidence.confidence) for measure in measures),
        gaps=tuple(bare.at(rule, evidence.confidence) for rule in bare.rules),
    )


def _because(found: Estimate, problem: str | None) -> Estimate:
    """The estimate; where it has no value, the reason is what keeps all rows from being measured, if anything does."""
    return found if problem is None or found.value is not None else replace(found, reason=problem)


def all_rules(
    task: Task, also: Collection[Named] = (), measures: Sequence[GroupMeasure] | None = None
) -> tuple[GapRule, ...]:
    """The gaps of the task, those of its measures (all of them without `measures`), and of the rows without a label."""
    chosen = task.group_measures(also) if measures is None else measures
    return (*task.gap_rules(also), *(rule for measure in chosen for rule in measure.rules), *UNLABELLED_RULES)


def with_what_it_needs(task: Task, asked: Collection[Named]) -> frozenset[Named]:
    """What gates name, the statistics that the gaps among it compare, and what the worst group is sought by."""
    named = [rule for rule in task.gap_rules(asked) if (rule.name, rule.class_) in asked]
    behind = {(name, rule.class_) for rule in named for name in rule.statistics}
    return frozenset(asked) | behind | {(name.removeprefix(WORST), class_) for name, class_ in asked}


def _names(measure: GroupMeasure) -> tuple[str, ...]:
    """The measure and its gaps by name."""
    return (measure.name, *(rule.name for rule in measure.rules))


def _labels_left_out(task: Task) -> int:
    """How many labels the task has, where none is favourable and the rates of none are compared unasked."""
    compared = task.positive is not None or any(rule.class_ is not None for rule in task.gap_rules())
    return 0 if compared else len(task.classes)


def worst_off(comparison: Comparison, rule: GapRule, found: Gap) -> str | None:
    """The group that fares worse of the two that make the gap: the lower one, for errors the higher one."""
    return found.highest if comparison.better_of(rule) == {Better.LOWER} else found.lowest


def labels_with(groups: Groups, sizes: Sequence[int], empty: bool) -> tuple[str, ...]:
    """The labels that have rows, or (`empty`) those that have none."""
    return tuple(label for label, rows in zip(groups.labels, sizes, strict=True) if (rows == 0) is empty)

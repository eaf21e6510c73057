"""What one attribute says of one split by itself: shares of groups, labels by group, rows without either."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from auditkit.checks.bias.asking import asked_here
from auditkit.checks.bias.comparison import UNLABELLED_RULES, unlabelled_rows
from auditkit.checks.bias.told import furthest, values_of
from auditkit.checks.reading import names_rows, share_of
from auditkit.checks.texts import listed
from auditkit.core.estimate import Estimate
from auditkit.core.evidence import Evidence
from auditkit.core.outcomes import Groups, Outcomes
from auditkit.core.task import GapRule, Named, RowStatistic, Task
from auditkit.core.types import MISSING_GROUP, BoolArray, IntArray
from auditkit.measures.gaps import Gap, gap
from auditkit.measures.moments import Moments, moments, sums
from auditkit.measures.rates import by_group, estimate
from auditkit.measures.representation import association, group_shares

LABEL, MEAN = "label_rate", "mean_target"


def label_statistics(task: Task, outcomes: Outcomes, most: int) -> tuple[RowStatistic, ...]:
    """The share of the favourable label; without one that of each label (of up to `most`); of numbers their mean."""
    target, known = outcomes.target, outcomes.labelled
    if not task.classes:
        values = np.where(known, target, 0.0).astype(np.float64)
        return (RowStatistic(MEAN, "mean", values, known, None, "a target value"),)
    labels = [task.positive] if task.positive is not None else list(task.classes) if len(task.classes) <= most else []
    return tuple(
        RowStatistic(
            LABEL,
            "proportion",
            (target == task.classes.index(label)).astype(np.float64),
            known,
            None,
            "a label",
            None if task.positive is not None else label,
        )
        for label in labels
    )


def label_rules(statistics: tuple[RowStatistic, ...]) -> tuple[GapRule, ...]:
    """Difference and ratio of label rates, difference of means, and the difference in rows without a label."""
    rules = [
        GapRule(f"{s.name}_{form}", (s.name,), form, s.class_)
        for s in statistics
        for form in (("difference", "ratio") if s.kind == "proportion" else ("difference",))
    ]
    return (*rules, *UNLABELLED_RULES)


@dataclass(frozen=True)
class Composition:
    """One attribute on one split. `population` holds the share of each of its groups elsewhere, where that is known;
    `least`: rows that a group and a label should have together. `asked`: what gates name."""

    task: Task
    outcomes: Outcomes
    groups: Groups
    labels: tuple[RowStatistic, ...]
    population: dict[str, float]
    confidence: float
    least: int
    asked: frozenset[Named] = frozenset()

    @property
    def split(self) -> str:
        """The split."""
        return self.outcomes.split

    @property
    def attribute(self) -> str:
        """The sensitive column."""
        return self.groups.attribute

    @property
    def names_rows(self) -> bool:
        """Whether the attribute names rows rather than groups."""
        return names_rows(self.groups)

    @property
    def unlabelled(self) -> RowStatistic:
        """The share of rows without a label."""
        return unlabelled_rows(self.outcomes)

    @cached_property
    def told(self) -> IntArray:
        """The places of the groups that have findings of their own whatever gates name; see `told`."""
        sizes, over_all = self.groups.sizes(), [s for s in self.labels if s.class_ is None]
        ends = [values_of(self.of_group(s)) for s in (*over_all, self.unlabelled)]
        if self.population:
            known = np.array([self.population.get(label, np.nan) for label in self.groups.labels])
            ends.append(self.shares().value / known)
        return furthest(ends, sizes)

    def told_by(self, metric: str, class_: str | None = None) -> list[int]:
        """The places of the groups that have a finding on that metric: every group where a gate names it."""
        named = (metric, class_) in self.asked
        return list(range(len(self.groups.labels))) if named else [int(at) for at in self.told]

    def missing(self) -> Estimate:
        """The share of rows whose group is missing."""
        labels = self.groups.labels
        code = labels.index(MISSING_GROUP) if MISSING_GROUP in labels else -1
        stat = share_of("missing_group_rate", self.groups.codes == code, "this split")
        return estimate(stat, self.outcomes.design, self.confidence)

    def shares(self) -> Moments:
        """The share of each group."""
        return group_shares(self.groups, self.outcomes.design)

    def of_group(self, statistic: RowStatistic) -> tuple[Estimate, ...]:
        """A statistic in each group."""
        return by_group(statistic, self.groups, self.outcomes.design, self.confidence)

    def gap(self, rule: GapRule, confidence: float) -> Gap:
        """A gap between the groups."""
        stats = (*self.labels, self.unlabelled)
        return gap(rule, stats, self.groups, self.outcomes.design, confidence, self.least)

    def cells(self) -> tuple[tuple[str, str, int], ...]:
        """Rows with each group and each label; nothing where labels are numbers."""
        codes, size = self.groups.codes, len(self.task.classes)
        known = self.outcomes.labelled
        if not size:
            return ()
        key = codes[known] * size + self.outcomes.target[known]
        count = self.outcomes.count
        weights = None if count is None else count[known].astype(np.float64)
        rows = np.bincount(key, weights=weights, minlength=len(self.groups.labels) * size).astype(np.int64)
        return tuple(
            (group, label, int(rows[g * size + c]))
            for g, group in enumerate(self.groups.labels)
            for c, label in enumerate(self.task.classes)
        )

    def association(self) -> Estimate:
        """How far labels go with groups: Cramér's V; with weights and clusters of effective rows."""
        size = len(self.task.classes)
        known = self.outcomes.labelled
        key = self.groups.codes[known] * size + self.outcomes.target[known]
        design = self.outcomes.design.where(known)
        weight = np.ones(len(key)) if design.weight is None else design.weight
        weight = weight / max(float(weight.max(initial=0.0)), 1e-300)
        weight = weight if design.count is None else weight * design.count
        table = sums(key, weight, len(self.groups.labels) * size).reshape(-1, size)
        rows = self.outcomes.rows_where(known)
        total = float(table.sum())
        if total <= 0:
            return Estimate.undefined("there are no rows with a label")
        if absent := [label for label, rows in zip(self.groups.labels, self.groups.sizes(), strict=True) if not rows]:
            return Estimate.undefined(f"there are no rows of {listed(absent)}", self.outcomes.rows_where(known))
        effective = float(rows) if design.plain else self._effective(known)
        return replace(association(table * (rows / total), effective, self.confidence), n=rows)

    def _effective(self, known: BoolArray) -> float:
        """So many independent rows know as much of the labels in the groups: the sum over groups, the least of all
        labels."""
        found = []
        for code in range(len(self.task.classes)):
            hits = (self.outcomes.target == code).astype(np.float64)
            stat = RowStatistic(LABEL, "proportion", hits, known, None, "a label")
            one = moments(stat, self.groups.codes, len(self.groups.labels), self.outcomes.design)
            found.append(float(one.effective[one.defined].sum()))
        return min(found)


def compose(evidence: Evidence, split: str, attribute: str, most_labels: int, least: int, check: str) -> Composition:
    """What the rows of a split say of an attribute; `check` is the one that asks."""
    outcomes = evidence.outcomes(split)
    labels = label_statistics(evidence.task, outcomes, most_labels)
    population = dict(evidence.data.population.get(attribute, {}))
    groups = evidence.groups(split, attribute)
    asked = asked_here(evidence, check, split, attribute)
    return Composition(evidence.task, outcomes, groups, labels, population, evidence.confidence, least, asked)

"""Groups of one attribute on one split: every statistic in each group, and every gap between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from auditkit.checks.reading import is_share
from auditkit.core.estimate import Estimate
from auditkit.core.evidence import Evidence
from auditkit.core.outcomes import Groups, Outcomes
from auditkit.core.task import GapRule, RowStatistic, Task
from auditkit.core.types import Better
from auditkit.measures.gaps import Gap, gap
from auditkit.measures.rates import by_group

#: An attribute with more groups than this, and fewer than two rows a group on average, names rows.
_MANY_GROUPS = 10
UNLABELLED = "unlabelled_rate"
UNLABELLED_RULES = (GapRule(f"{UNLABELLED}_difference", (UNLABELLED,), "difference"),)


@dataclass(frozen=True)
class Comparison:
    """What `bias.groups` knows of one attribute on one split. `estimates` holds one tuple (a value a group) for each
    of `statistics`; `gaps` is aligned with `rules`, None where the attribute names rows rather than groups."""

    outcomes: Outcomes
    groups: Groups
    statistics: tuple[RowStatistic, ...]
    estimates: tuple[tuple[Estimate, ...], ...]
    rules: tuple[GapRule, ...]
    gaps: tuple[Gap | None, ...]
    names_rows: bool
    min_group: int
    confidence: float

    @property
    def split(self) -> str:
        """The split that is looked at."""
        return self.outcomes.split

    @property
    def attribute(self) -> str:
        """The sensitive column, or `sex×race`."""
        return self.groups.attribute

    def of(self, rule: GapRule) -> tuple[RowStatistic, ...]:
        """The statistics that a rule compares."""
        return tuple(s for s in self.statistics if s.name in rule.statistics and s.class_ == rule.class_)

    def at(self, rule: GapRule, confidence: float) -> Gap:
        """The gap of a rule with an interval of that confidence."""
        outcomes = self.outcomes
        return gap(
            rule,
            self.of(rule),
            self.groups,
            weight=outcomes.weight,
            cluster=outcomes.cluster,
            confidence=confidence,
            min_group=self.min_group,
        )

    def is_share(self, rule: GapRule) -> bool:
        """Whether a difference of this rule reads in percentage points."""
        return all(is_share(s) for s in self.of(rule))


def compare(evidence: Evidence, split: str, attribute: str, min_group: int) -> Comparison:
    """Every statistic of the task by the groups of `attribute`, and every gap that the groups allow."""
    outcomes, groups = evidence.outcomes(split), evidence.groups(split, attribute)
    statistics = (*evidence.task.statistics(outcomes), _unlabelled(outcomes))
    rules = all_rules(evidence.task)
    names_rows = len(groups.labels) > max(_MANY_GROUPS, len(groups.codes) / 2)
    estimates: tuple[tuple[Estimate, ...], ...] = ()
    if not names_rows:
        weights = (outcomes.weight, outcomes.cluster, evidence.confidence)
        estimates = tuple(by_group(statistic, groups, *weights) for statistic in statistics)
    bare = Comparison(
        outcomes, groups, statistics, estimates, rules, (None,) * len(rules), names_rows, min_group, evidence.confidence
    )
    if names_rows:
        return bare
    gaps = tuple(bare.at(rule, evidence.confidence) for rule in rules)
    return Comparison(outcomes, groups, statistics, estimates, rules, gaps, names_rows, min_group, evidence.confidence)


def all_rules(task: Task) -> tuple[GapRule, ...]:
    """The gaps of the task, and that of the rows without a label."""
    return (*task.gap_rules(), *UNLABELLED_RULES)


def better_of(rule: GapRule) -> Better:
    """The good direction of a gap: small differences, large ratios."""
    return Better.LOWER if rule.form == "difference" else Better.HIGHER


def worst_off(comparison: Comparison, rule: GapRule, found: Gap) -> str | None:
    """The group that fares worse of the two that make the gap: the lower one, for errors the higher one."""
    statistics = comparison.of(rule)
    errors = bool(statistics) and all(s.better is Better.LOWER for s in statistics)
    return found.highest if errors else found.lowest


def labels_with(groups: Groups, sizes: Sequence[int], empty: bool) -> tuple[str, ...]:
    """The labels that have rows, or (`empty`) those that have none."""
    return tuple(label for label, rows in zip(groups.labels, sizes, strict=True) if (rows == 0) is empty)


def _unlabelled(outcomes: Outcomes) -> RowStatistic:
    everywhere = np.ones(len(outcomes), dtype=np.bool_)
    missing = (~outcomes.labelled).astype(np.float64)
    return RowStatistic(UNLABELLED, "proportion", missing, everywhere, Better.LOWER, "this value of the attribute")

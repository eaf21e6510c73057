"""Groups of one attribute on one split: every statistic in each group, and every gap between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from auditkit.checks.reading import is_share, names_rows, share_of
from auditkit.core.estimate import Estimate
from auditkit.core.evidence import Evidence
from auditkit.core.outcomes import Groups, Outcomes
from auditkit.core.task import GapRule, RowStatistic, Task
from auditkit.core.types import Better
from auditkit.measures.gaps import Gap, gap
from auditkit.measures.rates import by_group

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
    #: Labels whose own rates are not compared, because there are too many of them.
    labels_left_out: int = 0

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
        found = gap(
            rule,
            self.of(rule),
            self.groups,
            design=outcomes.design,
            confidence=confidence,
            min_group=self.min_group,
        )
        return replace(found, estimate=_because(found.estimate, outcomes.problem))

    def is_share(self, rule: GapRule) -> bool:
        """Whether a difference of this rule reads in percentage points."""
        return all(is_share(s) for s in self.of(rule))


def compare(evidence: Evidence, split: str, attribute: str, min_group: int) -> Comparison:
    """Every statistic of the task by the groups of `attribute`, and every gap that the groups allow."""
    outcomes, groups = evidence.outcomes(split), evidence.groups(split, attribute)
    unlabelled = share_of(UNLABELLED, ~outcomes.labelled, "this value of the attribute")
    statistics = (*evidence.task.statistics(outcomes), unlabelled)
    rules = all_rules(evidence.task)
    bare = Comparison(
        outcomes=outcomes,
        groups=groups,
        statistics=statistics,
        estimates=(),
        rules=rules,
        gaps=(None,) * len(rules),
        names_rows=names_rows(groups),
        min_group=min_group,
        confidence=evidence.confidence,
        labels_left_out=_labels_left_out(evidence.task, rules),
    )
    if bare.names_rows:
        return bare
    estimates = tuple(
        tuple(
            _because(one, outcomes.problem) for one in by_group(statistic, groups, outcomes.design, evidence.confidence)
        )
        for statistic in statistics
    )
    return replace(bare, estimates=estimates, gaps=tuple(bare.at(rule, evidence.confidence) for rule in rules))


def _because(found: Estimate, problem: str | None) -> Estimate:
    """The estimate; where it has no value, the reason is what keeps all rows from being measured, if anything does."""
    return found if problem is None or found.value is not None else replace(found, reason=problem)


def all_rules(task: Task) -> tuple[GapRule, ...]:
    """The gaps of the task, and that of the rows without a label."""
    return (*task.gap_rules(), *UNLABELLED_RULES)


def _labels_left_out(task: Task, rules: Sequence[GapRule]) -> int:
    """How many labels the task has, where none is favourable and the rates of none are compared."""
    compared = task.positive is not None or any(rule.class_ is not None for rule in rules)
    return 0 if compared else len(task.classes)


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

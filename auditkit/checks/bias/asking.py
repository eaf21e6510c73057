"""What gates ask of `bias.groups`, and what has a finding of its own without being asked for.

The rule: the rates and gaps that the field goes by are findings. What can be read off them (a rate that is one minus
another, a ratio beside a difference) and what only specialists ask for stands in tables, with the same intervals, until
a gate names it; it is then a finding, too.
"""

from __future__ import annotations

from auditkit.checks.bias.comparison import WORST
from auditkit.checks.reading import known_statistics
from auditkit.core.evidence import Evidence
from auditkit.core.task import GapRule, GroupMeasure, Named, RowStatistic, Task
from auditkit.core.types import INTERSECTION

#: In a table unless a gate names them, and so are their gaps.
_TOLD_BY_OTHERS = frozenset({"error_rate", "false_discovery_rate", "false_omission_rate", "macro_false_negative_rate"})
#: Their gaps are findings, their values by group stand in a table (calibration by group is a check of its own).
_GAPS_ALONE = frozenset({
    "balanced_accuracy", "average_precision", "expected_calibration_error", "error_odds", "macro_false_positive_rate",
    "macro_positive_predictive_value", "root_mean_squared_error", "absolute_error_90th_percentile",
})  # fmt: skip
#: The one gap of a measure whose ratio is as usual as its difference.
_TREATMENT = "treatment_equality_ratio"


def asked_here(evidence: Evidence, check: str, split: str, attribute: str) -> frozenset[Named]:
    """The metrics (and classes) that gates name of a check on that split by that attribute.

    A gate that names no class of a metric of single classes asks for all of them.
    """
    task, columns = evidence.task, sorted(attribute.split(INTERSECTION))
    by_class = {offer.metric for offer in task.on_request()} - _of_all_classes(task)
    found: set[Named] = set()
    for asked in evidence.asked_of(check):
        here = sorted(asked.by) == columns if asked.by is not None else len(columns) == 1
        if asked.split != split or not here:
            continue
        found.add((asked.metric, asked.class_))
        if asked.class_ is None and asked.metric.removeprefix(WORST) in by_class:
            found |= {(asked.metric, class_) for class_ in task.classes}
    return frozenset(found)


def _of_all_classes(task: Task) -> set[str]:
    """Metrics over all classes together."""
    single: list[RowStatistic | GroupMeasure] = [*known_statistics(task), *task.group_measures()]
    return {one.name for one in single if one.class_ is None} | {r.name for r in task.gap_rules() if r.class_ is None}


def value_is_told(metric: RowStatistic | GroupMeasure, asked: frozenset[Named]) -> bool:
    """Whether the metric's value in each group is a finding."""
    usual = metric.name not in _TOLD_BY_OTHERS | _GAPS_ALONE
    return usual or (metric.name, metric.class_) in asked


def gap_is_told(rule: GapRule, measure: GroupMeasure | None, asked: frozenset[Named]) -> bool:
    """Whether the gap is a finding."""
    usual = not set(rule.statistics) <= _TOLD_BY_OTHERS
    if measure is not None and rule.form == "ratio":
        usual = rule.name == _TREATMENT
    return usual or (rule.name, rule.class_) in asked


def worst_is_told(metric: RowStatistic | GroupMeasure, asked: frozenset[Named]) -> bool:
    """Whether the worst group's value is a finding: only where a gate names it, as it is the value of some group."""
    return (WORST + metric.name, metric.class_) in asked

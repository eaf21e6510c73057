"""Names as people say them: of metrics, of what a finding is about, of bounds and checks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from auditkit.checks.registry import CHECKS
from auditkit.core.finding import Bounds, Finding, Scope
from auditkit.report.messages import FAMILIES, text
from auditkit.report.numbers import bound
from auditkit.report.small import rates_behind
from auditkit.report.text import line

_ACRONYMS = {
    "auc": "AUC", "roc": "ROC", "pr": "PR", "ece": "ECE", "mce": "MCE", "f1": "F1", "r2": "R²", "mae": "MAE",
    "mse": "MSE", "rmse": "RMSE", "mape": "MAPE", "id": "ID", "roc_auc": "ROC AUC", "mcc": "MCC",
}  # fmt: skip
_FEW_WORDS = {
    "recall": "Recall (true positive rate)",
    "precision": "Precision (positive predictive value)",
    "f1_score": "F1 score",
    "r2_score": "R²",
    "brier": "Brier score",
    "brier_score": "Brier score",
    "theil_index": "Theil index",
    "between_group_theil_index": "Theil index between groups",
    "between_group_generalized_entropy_index": "Generalized entropy index between groups",
}

#: Rates that are worse where they are higher, and those that are worse where they are lower.
_ERRORS = frozenset({
    "log_loss", "loss", "brier", "mean_absolute_error", "mean_squared_error", "root_mean_squared_error",
    "expected_calibration_error", "unlabelled_rate", "error_rate", "median_absolute_error",
    "absolute_error_90th_percentile", "macro_false_positive_rate", "macro_false_negative_rate",
})  # fmt: skip
_MERITS = frozenset({
    "accuracy", "balanced_accuracy", "positive_predictive_value", "negative_predictive_value", "precision", "recall",
    "f1", "macro_f1", "roc_auc", "r2", "average_precision", "macro_true_positive_rate",
    "macro_positive_predictive_value",
})  # fmt: skip


def metric_label(metric: str) -> str:
    """`equalized_odds_difference` as `Equalized odds difference`, `roc_auc` as `ROC AUC`."""
    if metric in _FEW_WORDS:
        return _FEW_WORDS[metric]
    words = [_ACRONYMS.get(word.lower(), word) for word in line(metric).replace("_", " ").split()]
    if words and words[0].islower():
        words[0] = words[0].capitalize()
    return " ".join(words)


def check_title(check: str) -> str:
    """The title of a check's section: its own where it is installed, else made from its id."""
    if check in CHECKS.names():
        return line(CHECKS.get(check).title)
    return metric_label(check.partition(".")[2] or check)


def family_title(family: str) -> str:
    """The title of a family's section."""
    return FAMILIES[family][0] if family in FAMILIES else metric_label(family)


def group_name(group: str) -> str:
    """A group as shown; the empty string has a name too."""
    return line(group) or text("group.empty")


def slice_text(scope: Scope) -> str:
    """`age >= 40 and sex == Female`, or an empty string."""
    terms = scope.slice or ()
    return line(" and ".join(f"{t.column} {t.op} {_value(t.value)}" for t in terms))


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def scope_parts(scope: Scope, *, split: bool = True) -> list[str]:
    """What a finding is about, in a few words each; `split` leaves out `test`, which is the usual one."""
    parts = [f"by {line(scope.attribute)}"] if scope.attribute and scope.compared is not None else []
    if scope.attribute and scope.compared is None:
        groups = ", ".join(group_name(g) for g in scope.groups or ())
        parts.append(f"{line(scope.attribute)}: {groups}" if groups else f"by {line(scope.attribute)}")
    named = (("class", scope.class_), ("input", scope.feature or scope.input), ("layer", scope.layer))
    parts += [f"{name} {line(value)}" for name, value in named if value is not None]
    if scope.slice:
        parts.append(f"where {slice_text(scope)}")
    if scope.condition:
        parts.append(line(", ".join(f"{k} {_value(v)}" for k, v in scope.condition.items())))
    if scope.reference:
        parts.append(f"against {line(scope.reference)}")
    if split and scope.split not in (None, "test"):
        parts.append(f"on {line(scope.split or '')}")
    return parts


def finding_label(finding: Finding) -> str:
    """The metric and what it is about: `Equalized odds difference by sex`. What a gate holds it against stands in the
    gate's bounds."""
    scope = finding.scope
    if finding.gate is not None and finding.gate.relative_to is not None and scope.reference is not None:
        earlier = scope.reference.removesuffix(finding.gate.relative_to.label).removesuffix(", ")
        scope = scope.model_copy(update={"reference": earlier or None})
    return labelled(finding.metric, scope_parts(scope))


def labelled(metric: str, parts: Sequence[str]) -> str:
    """The metric and the parts of its scope in one phrase."""
    leading = 1 if parts and parts[0].startswith("by ") else 0
    return ", ".join([" ".join([metric_label(metric), *parts[:leading]]), *parts[leading:]])


def bounds_text(gate: Bounds) -> str:
    """`at most 0.10`; of a gate that is relative, `at least 0.95 of that on train`."""
    if gate.max is not None and gate.min is not None:
        said = text("bound.both", low=bound(gate.min), high=bound(gate.max))
    elif gate.max is not None:
        said = text("bound.max", bound=bound(gate.max))
    else:
        said = text("bound.min", bound=bound(gate.min if gate.min is not None else 0.0))
    if gate.relative_to is None:
        return said
    return text(f"bound.relative.{gate.as_}", bound=said, reference=line(gate.relative_to.said))


def requirement(finding: Finding) -> str:
    """A gate in words: `equalized odds difference by sex at most 0.10`."""
    label = finding_label(finding)
    head = label.split(" ", 1)[0]
    plain = label if head.isupper() or any(c.isdigit() for c in head) else label[:1].lower() + label[1:]
    return f"{plain} {bounds_text(finding.gate)}" if finding.gate else plain


def affected(finding: Finding) -> str:
    """Who is affected: what the check says, else read off the scope."""
    scope = finding.scope
    if finding.affected:
        return line(finding.affected, 400)
    if scope.attribute and scope.compared is not None and len(scope.groups or ()) == 2:
        high, low = map(group_name, scope.groups or ())
        return _affected_by_gap(finding, high, low, line(scope.attribute))
    if scope.attribute and scope.groups:
        groups = ", ".join(group_name(g) for g in scope.groups)
        return text("affected.group", group=groups, attribute=line(scope.attribute))
    if scope.attribute:
        return text("affected.attribute", attribute=line(scope.attribute))
    if scope.slice:
        return text("affected.slice", terms=slice_text(scope))
    if scope.class_ is not None:
        return text("affected.class", class_=line(scope.class_))
    if scope.feature is not None:
        return text("affected.feature", feature=line(scope.feature))
    return text("affected.all", split=line(scope.split)) if scope.split else text("affected.any")


def is_alike(finding: Finding) -> bool:
    """Whether a gap found every group alike, so that none of them is the highest or the lowest."""
    groups = finding.scope.groups or ()
    none = 1.0 if finding.metric.endswith("_ratio") else 0.0
    return finding.scope.compared is not None and (len(set(groups)) < len(groups) or finding.value == none)


def _affected_by_gap(finding: Finding, high: str, low: str, attribute: str) -> str:
    """Who fares worse: of errors the highest group, of what is good the lowest, of answers whoever gets fewer."""
    if is_alike(finding):
        return text("affected.alike", attribute=attribute)
    rates = rates_behind(finding.metric)
    if rates == ("selection_rate",):
        named = finding.scope.class_ is not None
        key = "affected.class.fewer" if named else "affected.fewer"
        return text(key, worse=low, other=high, attribute=attribute, class_=line(finding.scope.class_ or ""))
    sides = {_worse_side(rate) for rate in rates}
    if sides == {"high"}:
        return text("affected.worse", worse=high, other=low, attribute=attribute)
    if sides == {"low"}:
        return text("affected.worse", worse=low, other=high, attribute=attribute)
    return text("affected.gap", low=low, high=high, attribute=attribute)


def _worse_side(rate: str) -> str | None:
    """On which side of a rate the worse-off group stands, None where neither is better."""
    if rate.startswith("false_") or rate in _ERRORS:
        return "high"
    return "low" if rate.startswith("true_") or rate in _MERITS else None

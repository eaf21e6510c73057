"""Inequality of what decisions give people: the findings on the generalised entropy and Theil's index."""

from __future__ import annotations

from collections.abc import Iterable

from auditkit.checks.bias.comparison import Comparison
from auditkit.checks.glossary import meaning
from auditkit.checks.texts import count, name_of, sentence, span
from auditkit.core.check import Check
from auditkit.core.estimate import Estimate
from auditkit.core.evidence import Evidence
from auditkit.core.finding import Finding, Scope
from auditkit.core.types import Better
from auditkit.measures.inequality import generalized_entropy, inequality

ENTROPY, THEIL, BETWEEN = "generalized_entropy_index", "theil_index", "between_group_theil_index"
#: The exponents of the two indices: half the squared coefficient of variation, and Theil's.
_ALPHA = {ENTROPY: 2.0, THEIL: 1.0}


def inequality_findings(check: Check, evidence: Evidence, split: str) -> Iterable[Finding]:
    """How unequally the model's mistakes fall on the rows of a split; nothing where no label is favourable."""
    outcomes = evidence.outcomes(split)
    benefit = evidence.task.benefits(outcomes)
    if benefit is None:
        return
    for metric, alpha in _ALPHA.items():
        found = generalized_entropy(benefit, alpha, outcomes.design, evidence.confidence)
        yield _finding(check, metric, Scope(split=split), _because(found, outcomes.problem), f"on {split}")


def between_findings(check: Check, evidence: Evidence, comparison: Comparison) -> Iterable[Finding]:
    """The part of Theil's index that lies between the groups."""
    outcomes, groups = comparison.outcomes, comparison.groups
    benefit = evidence.task.benefits(outcomes)
    if benefit is None:
        return
    if comparison.names_rows:
        words = {"attribute": groups.attribute, "groups": len(groups.labels), "rows": count(groups.rows)}
        found = Estimate.undefined(check.say("idlike", **words), groups.rows)
    else:
        found = inequality(benefit, groups, _ALPHA[THEIL], outcomes.design, evidence.confidence).between
    scope = Scope(split=comparison.split, attribute=groups.attribute)
    where = f"by {groups.attribute} on {comparison.split}"
    yield _finding(check, BETWEEN, scope, _because(found, outcomes.problem), where)


def _because(found: Estimate, problem: str | None) -> Estimate:
    return Estimate.undefined(problem, found.n) if problem is not None and found.value is None else found


def _finding(check: Check, metric: str, scope: Scope, found: Estimate, where: str) -> Finding:
    return check.finding(
        metric,
        scope,
        found,
        title=check.say("inequality", metric=sentence(name_of(metric)), where=where, value=span(found, share=False)),
        explanation=meaning(metric),
        better=Better.LOWER,
    )

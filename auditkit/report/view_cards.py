"""Cards: the findings that need attention, each with what, who is affected, how sure, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from auditkit.core.finding import Finding
from auditkit.core.types import Status
from auditkit.report.gates import GateRow, anchor, gate_row
from auditkit.report.labels import affected, check_title, family_title, labelled, metric_label, requirement, scope_parts
from auditkit.report.messages import counted, text
from auditkit.report.plain import plain
from auditkit.report.text import clean, join, line
from auditkit.report.values import ShownValue, shown_value
from auditkit.report.view_findings import check_anchor

#: Findings of one kind that a card lists.
MOST_ITEMS = 40
_ADVICE = {
    Status.FAIL: "todo.fail",
    Status.ERROR: "todo.error",
    Status.INCONCLUSIVE: "todo.inconclusive",
    Status.WARN: "todo.warn",
}


@dataclass(frozen=True)
class Item:
    """One of several findings that share a card."""

    anchor: str
    label: str
    value: ShownValue
    who: str


@dataclass(frozen=True)
class Card:
    """What needs attention. `plain` tells a gate's finding without the metric's name; `items` are the findings of a
    card that stands for several of one kind."""

    row: GateRow
    anchor: str
    title: str
    plain: str
    requirement: str
    who: str
    explanation: str
    todo: str
    where: str
    where_anchor: str
    items: tuple[Item, ...] = ()
    more: str = ""


def cards(needing: Sequence[Finding], positive: str | None) -> list[Card]:
    """The cards in the order of their first findings; warnings that differ by input and split alone share one."""
    kinds: dict[tuple[str, ...], list[Finding]] = {}
    for finding in needing:
        kinds.setdefault(_kind(finding), []).append(finding)
    return [_one(found[0], positive) if len(found) == 1 else _several(found) for found in kinds.values()]


def _kind(finding: Finding) -> tuple[str, ...]:
    by_input = finding.status is Status.WARN and finding.gate is None and finding.scope.feature is not None
    return (finding.check, finding.metric) if by_input else (finding.check, finding.metric, finding.id)


def _one(finding: Finding, positive: str | None) -> Card:
    return Card(
        row=gate_row(finding),
        anchor=anchor(finding),
        title=line(finding.title, 300),
        plain=plain(finding, positive),
        requirement=requirement(finding) if finding.gate else "",
        who=affected(finding),
        explanation=clean(finding.explanation),
        todo=clean(finding.remedy) if finding.remedy else text(_ADVICE[finding.status]),
        where=f"{family_title(finding.family)} › {check_title(finding.check)}",
        where_anchor=check_anchor(finding.check),
    )


def _several(findings: Sequence[Finding]) -> Card:
    first, total = findings[0], len(findings)
    alike = len({f.explanation for f in findings}) == 1
    inputs = list(dict.fromkeys(line(f.scope.feature or "") for f in findings))
    # Items carry the anchors of their findings, so the card has one of its own.
    return Card(
        row=gate_row(first),
        anchor=f"{anchor(first)}-all",
        title=text("card.group", metric=metric_label(first.metric).lower(), count=total),
        plain="",
        requirement="",
        who=counted("affected.inputs", len(inputs), features=join(inputs, 8)),
        explanation=clean(first.explanation) if alike else "",
        todo=clean(first.remedy) if first.remedy else text(_ADVICE[first.status]),
        where=f"{family_title(first.family)} › {check_title(first.check)}",
        where_anchor=check_anchor(first.check),
        items=tuple(map(_item, findings[:MOST_ITEMS])),
        more=text("card.more", count=total - MOST_ITEMS) if total > MOST_ITEMS else "",
    )


def _item(finding: Finding) -> Item:
    split = "" if finding.scope.split is None else text("on.split", split=line(finding.scope.split))
    parts = scope_parts(finding.scope, split=False)
    label = ", ".join(parts) if parts else labelled(finding.metric, parts)
    return Item(anchor(finding), f"{label}{split}", shown_value(finding), line(finding.affected or "", 200))

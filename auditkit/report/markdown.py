"""`summary.md`: the verdict, the gates and the worst findings, for the job summary of a CI run."""

from __future__ import annotations

from collections.abc import Iterable

from auditkit.core.audit import Audit, count_statuses
from auditkit.core.finding import Finding
from auditkit.core.types import Status
from auditkit.report.format import Format, Pages
from auditkit.report.gates import GateRow, gate_rows
from auditkit.report.labels import affected, finding_label
from auditkit.report.messages import text
from auditkit.report.numbers import count
from auditkit.report.privacy import protect
from auditkit.report.text import markdown
from auditkit.report.trusted import trusted_files
from auditkit.report.values import ShownValue, shown_value
from auditkit.report.verdict import verdict_sentence, worst

#: GitHub takes 1 MiB of summary; a reader takes far less.
MOST_BYTES = 48_000
MOST_FINDINGS = 20
_MARKS = {
    Status.PASS: "✅",
    Status.FAIL: "❌",
    Status.INCONCLUSIVE: "❔",
    Status.ERROR: "⛔",
    Status.WARN: "⚠️",
}


def _render(audit: Audit, _pages: Pages) -> str:
    shown = protect(audit)
    word = text(f"verdict.word.{shown.verdict.value}")
    head = [
        f"## {markdown(shown.name)}: {word}",
        "",
        f"**{markdown(verdict_sentence(shown), 2000)}**",
        "",
        _facts(shown),
        *(line for said in trusted_files(shown) for line in ("", f"{_MARKS[Status.WARN]} {markdown(said, 400)}")),
    ]
    parts = [*_gates(gate_rows(shown)), *_worst(shown), "", _counts(shown), "", text("md.interval")]
    return "\n".join([*head, *_bounded(parts, MOST_BYTES - len("\n".join(head).encode()))]) + "\n"


def _facts(audit: Audit) -> str:
    model = f"{markdown(audit.model.kind)}, {markdown(audit.model.task)}"
    rows = ", ".join(f"{markdown(d.split)} {count(d.rows)}" for d in audit.data)
    return text("md.facts", model=model, rows=rows, version=markdown(audit.environment.auditkit))


def _gates(rows: list[GateRow]) -> list[str]:
    if not rows:
        return ["", text("gates.none")]
    head = " | ".join(text(f"column.{name}") for name in ("gate", "value", "interval", "bound", "outcome", "reason"))
    body = [_gate(row) for row in rows]
    return ["", f"### {text('head.gates')}", "", f"| {head} |", "| --- | --- | --- | --- | --- | --- |", *body]


def _gate(row: GateRow) -> str:
    remarks = "; ".join(part for part in (row.value.reason, *row.value.remarks) if part)
    cells = (
        markdown(row.label),
        row.value.number,
        _interval(row.value),
        row.bound,
        f"{_MARKS.get(Status(row.status), '')} {row.word}".strip(),
        markdown(remarks, 600),
    )
    return f"| {' | '.join(cells)} |"


def _worst(audit: Audit) -> list[str]:
    needing = worst(audit)
    if not needing:
        return ["", text("worst.none")]
    rest = len(needing) - MOST_FINDINGS
    more = [f"- {text('md.more', count=rest)}"] if rest > 0 else []
    return ["", f"### {text('head.worst')}", "", *map(_finding, needing[:MOST_FINDINGS]), *more]


def _finding(finding: Finding) -> str:
    value = shown_value(finding)
    sure = _measured(value)
    said = markdown(finding.title or finding_label(finding), 300)
    parts = [f"{_MARKS.get(finding.status, '')} **{said}**", markdown(affected(finding), 400), sure]
    remedy = [markdown(finding.remedy, 600)] if finding.remedy else []
    return "- " + " · ".join(part for part in [*parts, *remedy] if part)


def _measured(value: ShownValue) -> str:
    if not value.defined:
        return markdown(value.reason, 400)
    rows = text("md.n", n=value.n) if value.n else ""
    return " ".join(part for part in (value.number, _interval(value), rows) if part)


def _interval(value: ShownValue) -> str:
    """The interval, its brackets escaped: markdown would read a link."""
    return value.interval.replace("[", "\\[").replace("]", "\\]")


def _counts(audit: Audit) -> str:
    counts = count_statuses(audit.findings)
    listed = ", ".join(f"{text(f'status.{status.value}').lower()} {number}" for status, number in counts.items())
    return text("md.counts", total=len(audit.findings), listed=listed)


def _bounded(lines: Iterable[str], room: int) -> list[str]:
    """As many lines as fit into `room` bytes; what is left out is said."""
    kept: list[str] = []
    for line in lines:
        room -= len(line.encode()) + 1
        if room < 0:
            return [*kept, "", text("md.cut")]
        kept.append(line)
    return kept


FORMAT = Format("summary.md", _render)

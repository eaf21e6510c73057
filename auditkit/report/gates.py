"""The gates as rows: what must hold, what was measured, and what became of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from auditkit.core.audit import Audit
from auditkit.core.finding import Finding
from auditkit.report.labels import bounds_text, finding_label
from auditkit.report.messages import text
from auditkit.report.strip import Strip, strip
from auditkit.report.values import ShownValue, shown_value


@dataclass(frozen=True)
class GateRow:
    """One gate. `anchor` is where its card stands, empty where it has none."""

    label: str
    check: str
    family: str
    bound: str
    status: str
    word: str
    value: ShownValue
    strip: Strip | None
    anchor: str


def anchor(finding: Finding) -> str:
    """Where a finding's card stands in the report. Ids come from a file and may hold anything."""
    return f"finding-{re.sub(r'[^A-Za-z0-9]+', '-', finding.id)}"


def gate_rows(audit: Audit) -> list[GateRow]:
    """Every gate in the order of the plan."""
    return [gate_row(f) for f in audit.gated]


def gate_row(finding: Finding) -> GateRow:
    """One gate as a row."""
    return GateRow(
        label=finding_label(finding),
        check=finding.check,
        family=finding.family,
        bound=bounds_text(finding.gate) if finding.gate else "",
        status=finding.status.value,
        word=text(f"status.{finding.status.value}"),
        value=shown_value(finding),
        strip=strip(finding),
        anchor="" if finding.status.value == "pass" else anchor(finding),
    )

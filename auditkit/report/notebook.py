"""How an audit shows itself in a notebook: a small card, self-contained, with inline styles only."""

from __future__ import annotations

from auditkit.core.audit import Audit
from auditkit.core.finding import Finding
from auditkit.report.gates import gate_rows
from auditkit.report.labels import affected, finding_label
from auditkit.report.messages import text
from auditkit.report.privacy import protect
from auditkit.report.templates import environment
from auditkit.report.text import line
from auditkit.report.values import shown_value
from auditkit.report.verdict import verdict_sentence, worst

MOST_FINDINGS = 5
MOST_GATES = 20


def card(audit: Audit) -> str:
    """HTML for Jupyter: the verdict, the gates, and the worst findings. Everything from the audit is escaped."""
    shown = protect(audit)
    # Gates have rows of their own above.
    needing = [f for f in worst(shown) if f.gate is None]
    gates = gate_rows(shown)
    return (
        environment()
        .get_template("card.html.j2")
        .render(
            name=line(shown.name),
            verdict=shown.verdict.value,
            word=text(f"verdict.word.{shown.verdict.value}"),
            sentence=verdict_sentence(shown),
            gates=gates[:MOST_GATES],
            more_gates=max(0, len(gates) - MOST_GATES),
            findings=[{"title": line(f.title, 300), "said": _said(f)} for f in needing[:MOST_FINDINGS]],
            more=max(0, len(needing) - MOST_FINDINGS),
            total=len(shown.findings),
        )
    )


def _said(finding: Finding) -> str:
    value = shown_value(finding)
    if not value.defined:
        return value.reason
    measured = f"{finding_label(finding)} {value.number} {value.interval}".strip()
    return f"{measured}; {affected(finding)}"

"""The verdict in a sentence, and the findings that come first; every format tells it the same way."""

from __future__ import annotations

import json
from dataclasses import dataclass

from auditkit.core.audit import Audit
from auditkit.core.finding import Finding
from auditkit.core.types import Status, Verdict
from auditkit.report.labels import requirement
from auditkit.report.messages import counted, text
from auditkit.report.text import join


@dataclass(frozen=True)
class Tally:
    """The gates by outcome, in the order of the audit."""

    failed: tuple[Finding, ...]
    error: tuple[Finding, ...]
    inconclusive: tuple[Finding, ...]
    total: int


def tally(audit: Audit) -> Tally:
    """Sort the gated findings by outcome. Whatever is not a pass, a failure or undecided has no result."""
    gated = audit.gated
    known = (Status.FAIL, Status.INCONCLUSIVE, Status.PASS)
    return Tally(
        failed=tuple(f for f in gated if f.status is Status.FAIL),
        error=tuple(f for f in gated if f.status not in known),
        inconclusive=tuple(f for f in gated if f.status is Status.INCONCLUSIVE),
        total=len(gated),
    )


def verdict_parts(audit: Audit) -> tuple[str, str]:
    """The verdict in one sentence, the requirements at fault named (three at most); and what must be said beside it."""
    unfinished = [text("verdict.unfinished")] if audit.exit_code == 3 else []
    first, *rest = [*unfinished, *_judgement(audit, tally(audit))]
    return first, " ".join(rest)


def verdict_sentence(audit: Audit) -> str:
    """The verdict in plain words, on one line."""
    return " ".join(part for part in verdict_parts(audit) if part)


def _judgement(audit: Audit, gates: Tally) -> list[str]:
    if audit.verdict is Verdict.FAIL or gates.failed:
        said = [_said("fail", gates.failed, gates, failed=len(gates.failed))]
        return said + _also(len(gates.inconclusive), len(gates.error))
    if gates.error:
        none_failed = [text("verdict.none.failed")] if gates.total > len(gates.error) else []
        said = [_said("error", gates.error, gates, open=len(gates.error))]
        return said + _also(len(gates.inconclusive), 0) + none_failed
    if gates.inconclusive:
        kind = "inconclusive.allowed" if audit.exit_code == 0 else "inconclusive"
        return [_said(kind, gates.inconclusive, gates, open=len(gates.inconclusive)), text("verdict.none.failed")]
    if audit.verdict is Verdict.PASS and gates.total:
        return [counted("verdict.pass", gates.total, total=gates.total)]
    # An audit that stopped early has no gates to speak of, and must not be taken for one that names none.
    return [] if audit.exit_code == 3 else [text("verdict.unjudged")]


def _said(kind: str, findings: tuple[Finding, ...], gates: Tally, **parameters: object) -> str:
    names = join([requirement(f) for f in findings])
    return counted(f"verdict.{kind}", gates.total, total=gates.total, names=names, **parameters)


def _also(inconclusive: int, error: int) -> list[str]:
    said = [text("verdict.also.inconclusive", count=inconclusive)] if inconclusive else []
    return said + ([counted("verdict.also.error", error, count=error)] if error else [])


_ORDER = (Status.FAIL, Status.ERROR, Status.INCONCLUSIVE, Status.WARN)


def worst(audit: Audit) -> list[Finding]:
    """What needs attention, worst first: failed gates, errors, undecided gates, warnings.

    Among failed gates, those whose interval lies farthest beyond the bound (relative to the bound) come first. A
    warning about what an unmet gate already names is not told twice.
    """
    told = {about(f) for f in audit.gated if f.status in _ORDER}
    rank = {status: place for place, status in enumerate(_ORDER)}
    needing = [f for f in audit.findings if f.status in rank and (f.gate is not None or about(f) not in told)]
    return sorted(needing, key=lambda f: (rank[f.status], f.gate is None, -_excess(f)))


def about(finding: Finding) -> tuple[str, str, str]:
    """What a finding measures, the same whether a gate judged it or not."""
    return finding.check, finding.metric, json.dumps(finding.scope.identity(), sort_keys=True, default=str)


def _excess(finding: Finding) -> float:
    gate, near = finding.gate, finding.interval or (finding.value, finding.value)
    if finding.status is not Status.FAIL or gate is None or near[0] is None or near[1] is None:
        return 0.0
    above = 0.0 if gate.max is None else (near[0] - gate.max) / max(abs(gate.max), 1e-9)
    below = 0.0 if gate.min is None else (gate.min - near[1]) / max(abs(gate.min), 1e-9)
    return max(above, below)

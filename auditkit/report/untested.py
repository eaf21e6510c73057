"""What was not tested, and why: checks that were skipped or broke, and families that nothing looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from auditkit.core.audit import Audit
from auditkit.core.types import Status
from auditkit.report.format import Pages
from auditkit.report.labels import check_title, family_title
from auditkit.report.messages import FAMILIES, text
from auditkit.report.reproduce import is_gate_run
from auditkit.report.text import clean


@dataclass(frozen=True)
class Untested:
    """Something that was not tested, and why."""

    what: str
    why: str


def untested(audit: Audit, pages: Pages) -> list[Untested]:
    """Each thing once: single checks of families that were looked at, else the family alone."""
    present = {f.family for f in audit.findings}
    known = {check.partition(".")[0] for check in pages}
    off = _switched_off(audit)
    why_off = text("untested.gate" if is_gate_run(audit) else "untested.off")
    found = list(_skipped(audit))
    found += [_named(check, why_off) for check in sorted(off) if "." in check and check.partition(".")[0] in present]
    for family in FAMILIES:
        if family not in present:
            is_off = family in off or any(check.startswith(f"{family}.") for check in off)
            other = text("untested.no-findings" if family in known else "untested.no-check")
            found.append(Untested(family_title(family), why_off if is_off else other))
    return found


def _skipped(audit: Audit) -> Iterator[Untested]:
    for f in audit.findings:
        if f.gate is None and f.status in (Status.SKIPPED, Status.ERROR):
            yield _named(f.check, clean(f.reason or ""))


def _named(check: str, why: str) -> Untested:
    return Untested(f"{family_title(check.partition('.')[0])}: {check_title(check)}", why)


def _switched_off(audit: Audit) -> set[str]:
    switched = audit.plan.get("checks")
    return {k for k, v in switched.items() if v in ("off", False)} if isinstance(switched, dict) else set()

"""What an audit can't say: the limits that always hold, and those that this one's data and plan bring."""

from __future__ import annotations

from collections.abc import Iterator

from auditkit.core.audit import Audit, DataSummary
from auditkit.report.messages import text
from auditkit.report.numbers import count
from auditkit.report.privacy import min_cell
from auditkit.report.text import line
from auditkit.report.trusted import unconfined


def limitations(audit: Audit) -> Iterator[str]:
    """One sentence or two for each limit."""
    yield text("limit.sample")
    yield text("limit.gates")
    yield _groups(audit)
    for data in audit.data:
        yield from _rows(data)
    if any(not f.reproducible for f in audit.findings):
        yield text("limit.reproducible")
    if audit.environment.isolation.startswith("none"):
        yield text("limit.isolation")
    if unconfined(audit):
        yield text("limit.sandbox")
    if audit.model.trusted:
        yield text("limit.trusted")
    yield text("small.note", min_cell=min_cell(audit))
    yield text("small.elsewhere")


def _groups(audit: Audit) -> str:
    data = audit.plan.get("data")
    declared = data.get("sensitive") if isinstance(data, dict) else None
    listed = declared if isinstance(declared, list | tuple) else ()
    seen = listed or dict.fromkeys(f.scope.attribute for f in audit.findings if f.scope.attribute)
    if not seen:
        return text("limit.no-groups")
    return text("limit.groups", attributes=", ".join(line(str(name)) for name in seen))


def _rows(data: DataSummary) -> Iterator[str]:
    split = line(data.split)
    for name in ("unlabelled", "unscored", "unreadable"):
        if rows := getattr(data, name):
            yield text(f"limit.{name}", rows=count(rows), split=split)
    if data.sampled_from is not None:
        yield text("limit.sampled", split=split, rows=count(data.rows), whole=count(data.sampled_from))

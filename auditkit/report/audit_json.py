"""`audit.json`: the audit itself, which every other format is made from."""

from __future__ import annotations

from auditkit.core.audit import Audit
from auditkit.report.format import Format, Pages


def _render(audit: Audit, _pages: Pages) -> str:
    return audit.to_json()


FORMAT = Format("audit.json", _render)

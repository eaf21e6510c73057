"""`report.html`: one file that loads nothing, runs nothing, and shows hostile text as text."""

from __future__ import annotations

import base64
import hashlib

from markupsafe import Markup

from auditkit.core.audit import Audit
from auditkit.report.caps import LEVELS, MANY, MOST_BYTES
from auditkit.report.format import Format, Pages
from auditkit.report.privacy import protect
from auditkit.report.templates import environment, source
from auditkit.report.view import build_view


def content_security_policy(style: str) -> str:
    """The policy of the report: only this style sheet, no script at all, nothing loaded from anywhere."""
    digest = base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii")
    return (
        f"default-src 'none'; img-src data:; media-src data:; style-src 'sha256-{digest}'; script-src 'none'; "
        "base-uri 'none'; form-action 'none'"
    )


def _render(audit: Audit, pages: Pages) -> str:
    shown, style = protect(audit), source("style.css")
    template, policy = environment().get_template("report.html.j2"), content_security_policy(style)
    html = ""
    for caps in LEVELS[sum(len(shown.findings) > many for many in MANY) :]:
        # The style sheet is ours, not the audit's: it is the one string that is not escaped.
        html = template.render(view=build_view(shown, pages, caps), style=Markup(style), policy=policy)  # noqa: S704
        if len(html.encode("utf-8")) <= MOST_BYTES:
            break
    return html


FORMAT = Format("report.html", _render)

"""`audit.sarif`: failed and undecided gates, errors and warnings as SARIF 2.1.0, for code-scanning dashboards."""

from __future__ import annotations

import json
from typing import Any

from auditkit.core.audit import Audit
from auditkit.core.finding import Finding
from auditkit.core.types import Status
from auditkit.report.format import Format, Pages
from auditkit.report.labels import affected, check_title, finding_label, requirement
from auditkit.report.messages import text
from auditkit.report.privacy import protect
from auditkit.report.text import clean, line
from auditkit.report.values import shown_value
from auditkit.report.verdict import worst

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {Status.FAIL: "error", Status.ERROR: "error", Status.INCONCLUSIVE: "warning", Status.WARN: "warning"}


def _render(audit: Audit, pages: Pages) -> str:
    shown = protect(audit)
    needing = worst(shown)
    checks = list(dict.fromkeys(f.check for f in needing))
    driver = {
        "name": "auditkit",
        "version": line(shown.environment.auditkit),
        "rules": [_rule(check, pages) for check in checks],
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": shown.exit_code != 3, "exitCode": shown.exit_code}],
        "columnKind": "utf16CodeUnits",
        "results": [_result(f, checks.index(f.check)) for f in needing],
        "properties": {"name": line(shown.name), "verdict": shown.verdict.value},
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def _rule(check: str, pages: Pages) -> dict[str, Any]:
    page = pages.get(check, {})
    rule: dict[str, Any] = {"id": line(check), "shortDescription": {"text": check_title(check)}}
    if page.get("summary"):
        rule["fullDescription"] = {"text": clean(page["summary"])}
    if page.get("reading"):
        rule["help"] = {"text": clean(page["reading"])}
    return rule


def _result(finding: Finding, rule: int) -> dict[str, Any]:
    return {
        "ruleId": line(finding.check),
        "ruleIndex": rule,
        "level": _LEVELS[finding.status],
        "message": {"text": _message(finding)},
        # Findings are about a model, not a line of code; dashboards want a file all the same.
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": "audit.json"}, "region": {"startLine": 1}},
                "logicalLocations": [{"fullyQualifiedName": _where(finding), "kind": "member"}],
            }
        ],
        "partialFingerprints": {"auditkitFinding/v1": line(finding.id)},
        "properties": {
            "status": finding.status.value,
            "metric": line(finding.metric),
            "value": finding.value,
            "interval": finding.interval,
            "n": finding.n,
        },
    }


def _where(finding: Finding) -> str:
    scope = finding.scope
    parts = [finding.check, finding.metric, scope.split, scope.attribute, scope.class_, scope.feature]
    return "/".join(line(part) for part in parts if part)


def _message(finding: Finding) -> str:
    value = shown_value(finding)
    measured = " ".join(part for part in (value.number, value.interval) if part)
    head = requirement(finding) if finding.gate else finding_label(finding)
    outcome = text(f"status.{finding.status.value}")
    first = f"{outcome}: {head}: {measured}."
    rest = (finding.title, value.reason, text("sarif.affected", who=affected(finding)), finding.remedy)
    return "\n".join([first, *(clean(part) for part in rest if part)])


FORMAT = Format("audit.sarif", _render)

"""`junit.xml`: one test case a gate, for CI systems that show test results."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from auditkit.core.audit import Audit
from auditkit.core.finding import Finding
from auditkit.core.types import Status
from auditkit.report.format import Format, Pages
from auditkit.report.labels import requirement
from auditkit.report.messages import text
from auditkit.report.privacy import protect
from auditkit.report.text import clean, line
from auditkit.report.values import shown_value
from auditkit.report.verdict import verdict_sentence


def _render(audit: Audit, _pages: Pages) -> str:
    shown = protect(audit)
    # Undecided gates break a build unless whoever ran the audit accepted them, which its exit code tells.
    accepted = shown.exit_code == 0
    cases = [_case(f, accepted) for f in shown.gated]
    cases += [_broken(f) for f in shown.findings if f.gate is None and f.status is Status.ERROR]
    if not cases:
        cases = [_unjudged(shown)]
    outcome = {name: str(sum(case.find(name) is not None for case in cases)) for name in _OUTCOMES}
    counts = {"tests": str(len(cases)), "failures": outcome["failure"], "errors": outcome["error"]}
    root = ET.Element("testsuites", {"name": "auditkit", **counts})
    suite = ET.SubElement(root, "testsuite", {"name": line(shown.name), **counts, "skipped": outcome["skipped"]})
    if shown.run is not None:
        suite.set("timestamp", line(shown.run.started))
        suite.set("time", f"{shown.run.seconds:.3f}")
    suite.extend(cases)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=False).join(
        ['<?xml version="1.0" encoding="UTF-8"?>\n', "\n"]
    )


_OUTCOMES = ("failure", "error", "skipped")


def _case(finding: Finding, accepted: bool) -> ET.Element:
    case = ET.Element("testcase", {"classname": f"auditkit.{line(finding.check)}", "name": requirement(finding)})
    outcome = {
        Status.PASS: None,
        Status.FAIL: "failure",
        Status.INCONCLUSIVE: "skipped" if accepted else "error",
    }.get(finding.status, "error")
    said = _said(finding)
    if outcome is None:
        ET.SubElement(case, "system-out").text = said
        return case
    result = ET.SubElement(case, outcome, {"message": said.splitlines()[0]})
    if outcome != "skipped":
        result.set("type", finding.status.value)
    result.text = said
    return case


def _broken(finding: Finding) -> ET.Element:
    name = {"classname": f"auditkit.{line(finding.check)}", "name": line(finding.title)}
    case = ET.Element("testcase", name)
    ET.SubElement(case, "error", {"message": line(finding.reason or finding.title, 600), "type": "error"})
    return case


def _unjudged(audit: Audit) -> ET.Element:
    """An audit without gates or that stopped early must not look like an empty, green suite."""
    case = ET.Element("testcase", {"classname": "auditkit", "name": line(audit.name)})
    outcome = "skipped" if audit.exit_code == 0 else "error"
    message = text("unjudged.case") if audit.exit_code == 0 else verdict_sentence(audit)
    ET.SubElement(case, outcome, {"message": message})
    return case


def _said(finding: Finding) -> str:
    value = shown_value(finding)
    measured = " ".join(part for part in (value.number, value.interval) if part)
    rows = text("md.n", n=value.n) if value.n else ""
    first = "; ".join(part for part in (measured, rows, value.reason, *value.remarks) if part)
    rest = [finding.title, finding.explanation, finding.remedy]
    return "\n".join([first, *(clean(part) for part in rest if part)])


FORMAT = Format("junit.xml", _render)

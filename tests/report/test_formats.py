import io
import json
import re
import xml.etree.ElementTree as ET

import pytest
from rich.cells import cell_len

from auditkit.core.errors import PlanError
from auditkit.core.finding import Scope
from auditkit.core.types import Status, Verdict
from auditkit.report.notebook import card
from auditkit.report.render import FORMATS, render, write
from auditkit.report.terminal import verdict_table
from tests.report.sample import IMG, LONG, PAGES, SCRIPT, finding, sample_audit

OUTCOMES = {Status.PASS: None, Status.FAIL: "failure", Status.INCONCLUSIVE: "error", Status.ERROR: "error"}


def test_write_leaves_each_file_under_its_name(tmp_path) -> None:
    paths = write(sample_audit(), tmp_path / "new", ["json", "html", "md", "junit", "sarif"])
    names = ["audit.json", "report.html", "summary.md", "junit.xml", "audit.sarif"]
    assert [p.name for p in paths] == names
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == sorted(names)


def test_an_unknown_format_names_the_nearest_and_writes_nothing(tmp_path) -> None:
    with pytest.raises(PlanError, match="no report format 'htlm'; did you mean 'html'"):
        write(sample_audit(), tmp_path / "new", ["json", "htlm"])
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", FORMATS.names())
def test_the_same_audit_gives_the_same_text(name: str) -> None:
    assert render(sample_audit(), name) == render(sample_audit(), name)


def cases(text: str) -> list[ET.Element]:
    return list(ET.fromstring(text).iter("testcase"))


def test_junit_has_one_case_a_gate_with_the_right_outcome() -> None:
    audit = sample_audit()
    found = cases(render(audit, "junit"))
    gated = audit.gated
    for case, gate in zip(found, gated, strict=False):
        outcome = OUTCOMES[gate.status]
        assert {c.tag for c in case} & {"failure", "error", "skipped"} == ({outcome} if outcome else set())
    # The check that broke is a case of its own.
    assert len(found) == len(gated) + 1
    suite = ET.fromstring(render(audit, "junit")).find("testsuite")
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("6", "1", "4")


def test_junit_skips_what_was_accepted_undecided_and_only_that() -> None:
    gates = tuple(f for f in sample_audit().gated if f.status in (Status.INCONCLUSIVE, Status.PASS))
    text = render(sample_audit(findings=gates, verdict=Verdict.INCONCLUSIVE, exit_code=0), "junit")
    suite = ET.fromstring(text).find("testsuite")
    assert (suite.get("errors"), suite.get("skipped")) == ("0", "2")


@pytest.mark.parametrize(("code", "outcome"), [(0, "skipped"), (3, "error")])
def test_junit_of_an_audit_without_gates_is_not_green(code: int, outcome: str) -> None:
    (case,) = cases(render(sample_audit(findings=(), verdict=Verdict.UNJUDGED, exit_code=code), "junit"))
    assert case.find(outcome) is not None


def test_sarif_holds_what_needs_attention() -> None:
    audit = sample_audit()
    log = json.loads(render(audit, "sarif"))
    (run,) = log["runs"]
    assert log["version"] == "2.1.0"
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    levels = {f.id: f.status for f in audit.findings}
    assert len(run["results"]) >= 5
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        status = levels[result["partialFingerprints"]["auditkitFinding/v1"]]
        assert result["level"] == ("error" if status in (Status.FAIL, Status.ERROR) else "warning")
        assert result["message"]["text"]
        assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "audit.json"
    reported = {r["partialFingerprints"]["auditkitFinding/v1"] for r in run["results"]}
    assert {f.id for f in audit.gated if f.status is not Status.PASS} <= reported


#: The members that SARIF 2.1.0 (OASIS, sections 3.13 to 3.58) allows in the objects that are written.
SARIF_MEMBERS = {
    "log": {"$schema", "version", "runs", "inlineExternalProperties", "properties"},
    "run": {"tool", "invocations", "columnKind", "results", "properties"},
    "driver": {"name", "version", "rules"},
    "rule": {"id", "shortDescription", "fullDescription", "help"},
    "invocation": {"executionSuccessful", "exitCode"},
    "result": {"ruleId", "ruleIndex", "level", "message", "locations", "partialFingerprints", "properties"},
    "location": {"physicalLocation", "logicalLocations"},
    "physical": {"artifactLocation", "region"},
    "logical": {"fullyQualifiedName", "kind"},
}


def test_sarif_has_only_members_of_the_standard() -> None:
    log = json.loads(render(sample_audit(), "sarif", PAGES))
    (run,) = log["runs"]
    results = run["results"]
    places = [place for r in results for place in r["locations"]]
    seen = {
        "log": [log],
        "run": [run],
        "driver": [run["tool"]["driver"]],
        "rule": run["tool"]["driver"]["rules"],
        "invocation": run["invocations"],
        "result": results,
        "location": places,
        "physical": [place["physicalLocation"] for place in places],
        "logical": [logical for place in places for logical in place["logicalLocations"]],
    }
    for kind, objects in seen.items():
        assert objects
        assert set().union(*objects) <= SARIF_MEMBERS[kind], kind
    texts = [r["message"] for r in results] + [r["shortDescription"] for r in seen["rule"]]
    assert all(set(t) == {"text"} and t["text"].strip() for t in texts)
    assert all(isinstance(v, str) for r in results for v in r["partialFingerprints"].values())


def test_markdown_is_escaped_and_bounded() -> None:
    audit = sample_audit(name=f"{SCRIPT}|{IMG}`code`")
    text = render(audit, "md")
    assert SCRIPT not in text
    assert "<img" not in text
    assert "does not meet 1 of its 5 requirements" in text
    table = [row for row in text.splitlines() if row.startswith("| ")]
    assert len(table) == 2 + len(audit.gated)
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in table} == {7}
    many = sample_audit(
        findings=[
            finding("data.integrity", f"m{i}", Scope(feature=LONG), status=Status.WARN, title=LONG, remedy=LONG)
            for i in range(500)
        ]
        + list(audit.gated) * 200
    )
    big = render(many, "md")
    assert len(big.encode()) < 60_000
    assert "cut here" in big


@pytest.mark.parametrize("width", [20, 80, 200])
@pytest.mark.parametrize("color", [True, False])
def test_terminal_neutralises_what_data_says(color: bool, width: int) -> None:
    hostile = "\x1b[31m\x1b]0;t\x07[bold]x[/bold] ::error file=a::b\n::set-output name=x::y ##[error] \u202e"
    gates = [f.model_copy(update={"reason": hostile, "metric": hostile}) for f in sample_audit().gated]
    shown = verdict_table(sample_audit(findings=gates), color=color, width=width, groups=True)
    assert not re.search(r"^\s*(::|##\[)", shown, re.M)
    assert "::" not in shown
    assert "\u202e" not in shown
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert "\x1b" not in plain
    assert ("\x1b" in shown) == color
    assert "[bold]" in "".join(plain.split()) or width == 20


def test_terminal_says_verdict_then_gates() -> None:
    shown = verdict_table(sample_audit(), color=False, width=140)
    first, *rest = shown.splitlines()
    assert first.startswith("FAIL  This model does not meet 1 of its 5 requirements")
    table = "\n".join(rest)
    for said in ("0.181", "[0.168, 0.194]", "at most 0.10", "inconclusive", "not defined"):
        assert said in table
    assert len(verdict_table(sample_audit(), color=False, width=400, quiet=True).splitlines()) == 1


def test_terminal_shows_groups_and_hides_small_ones() -> None:
    shown = verdict_table(sample_audit(), color=False, width=200, all_groups=True)
    white = next(row for row in shown.splitlines() if row.strip().startswith("White"))
    assert "13,946" in white
    assert "0.180 [0.174, 0.186]" in white
    missing = next(row for row in shown.splitlines() if row.strip().startswith("(missing)"))
    assert not re.search(r"\d", missing)


def test_terminal_shows_the_rates_that_gates_are_about_and_no_others() -> None:
    shown = verdict_table(sample_audit(), color=False, width=120, groups=True)
    assert "Selection rate" in shown
    assert "True positive rate" in shown
    assert "Accuracy  " not in shown.split("sex, test data")[1]
    assert "sex×race" not in shown
    ages = [
        finding("bias.groups", metric, Scope(split="test", attribute="age", groups=(f"age {i}",)), value=0.5,
                interval=(0.4, 0.6), n=90)
        for metric in ("accuracy", "selection_rate", "true_positive_rate") for i in range(50)
    ]  # fmt: skip
    many = sample_audit(findings=(*sample_audit().gated, *ages))
    assert "age 49" not in verdict_table(many, color=False, width=120, groups=True)
    assert "age 49" in verdict_table(many, color=False, width=120, all_groups=True)


@pytest.mark.parametrize("width", [60, 80, 109, 110, 120, 200])
def test_terminal_keeps_to_the_width_and_breaks_at_words(width: int) -> None:
    shown = verdict_table(sample_audit(name="census"), color=False, width=width, all_groups=True)
    assert max(map(cell_len, shown.splitlines())) <= width
    words = set(re.findall(r"[A-Za-z]{3,}", verdict_table(sample_audit(), color=False, width=400, all_groups=True)))
    assert set(re.findall(r"[A-Za-z]{3,}", shown)) <= words
    intervals = re.findall(r"\[[^\]]*\]", shown)
    assert len(intervals) > 20
    assert all("\n" not in interval and "  " not in interval for interval in intervals if "[U+" not in interval)


def test_card_is_small_and_escaped() -> None:
    text = card(sample_audit())
    assert len(text) < 20_000
    assert SCRIPT not in text
    assert not re.search(r"<(script|style|img|link)", text)
    assert "does not meet 1 of its 5 requirements" in text
    assert "Also calls for attention" in text


def test_reports_import_no_heavy_library() -> None:
    import subprocess
    import sys

    program = (
        "import sys, auditkit.report.terminal, auditkit.report.notebook, auditkit.report.render as r\n"
        "[r.FORMATS.get(n) for n in r.FORMATS.names()]\n"
        "print([m for m in ('torch', 'transformers', 'captum', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_sample_survives_json_lines() -> None:
    assert json.load(io.StringIO(sample_audit().to_json()))["schema"] == "auditkit.audit/1"

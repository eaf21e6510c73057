"""The exit codes of the contract, one by one, on files of predictions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import Answer

Cli = Callable[..., Answer]

PLAN = """\
name: exit
model: {{kind: predictions, prediction: p}}
data:
  splits: {{test: test.csv}}
  target: y
  positive: 1
  sensitive: [g]
  {data}
gates:
{gates}
"""


def write(directory: Path, gates: str = "", data: str = "", flip: float = 0.1, rows: int = 2000) -> Path:
    """Predictions of a model that errs on a share `flip` of the rows, equally in both groups."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, rows)
    p = np.where(rng.random(rows) < flip, 1 - y, y)
    group = np.array(["a", "b"])[rng.integers(0, 2, rows)]
    pd.DataFrame({"y": y, "p": p, "g": group}).to_csv(directory / "test.csv", index=False)
    plan = directory / "plan.yaml"
    plan.write_text(PLAN.format(gates=gates or "  none", data=data), encoding="utf-8")
    if not gates:
        plan.write_text(plan.read_text().replace("gates:\n  none", "gates: none"), encoding="utf-8")
    return plan


ACCURACY = "  - {check: performance.summary, metric: accuracy, min: %s}"
GAP = "  - {check: bias.groups, metric: accuracy_difference, by: g, max: %s}"


def result(directory: Path) -> dict[str, object]:
    audit: dict[str, object] = json.loads((directory / "audit.json").read_text())
    return audit


@pytest.mark.parametrize(
    ("gates", "options", "code", "verdict"),
    [
        (ACCURACY % 0.8, [], 0, "pass"),
        ("", [], 0, "unjudged"),
        (ACCURACY % 0.95, [], 1, "fail"),
        (ACCURACY % 0.88, [], 5, "inconclusive"),
        (ACCURACY % 0.88, ["--allow-inconclusive"], 0, "inconclusive"),
        (ACCURACY % 0.95 + "\n" + GAP % 0.001, [], 1, "fail"),
    ],
)
def test_gates(auditkit: Cli, tmp_path: Path, gates: str, options: list[str], code: int, verdict: str) -> None:
    plan = write(tmp_path, gates)
    answer = auditkit("run", plan, "--out", tmp_path / "out", *options)
    assert answer.code == code, answer.text
    audit = result(tmp_path / "out")
    assert (audit["exit_code"], audit["verdict"]) == (code, verdict)
    assert (tmp_path / "out" / "report.html").stat().st_size > 10_000


def test_2_a_wrong_plan_lists_every_problem_with_its_line(auditkit: Cli, tmp_path: Path) -> None:
    gates = (
        "  - {check: bias.group, metric: accuracy, max: 0.1}\n"
        "  - {check: bias.groups, metric: acuracy_difference, max: 1}"
    )
    plan = write(tmp_path, gates, data="id: rowid")
    answer = auditkit("run", plan, "--out", tmp_path / "out")
    assert answer.code == 2
    assert "3 problems" in answer.err
    assert "line 8: data.id: no column 'rowid'" in answer.err
    assert "line 10: gates[0].check: no check 'bias.group'; did you mean 'bias.groups'?" in answer.err
    assert "line 11: gates[1].metric" in answer.err
    assert "did you mean 'accuracy_difference'?" in answer.err
    assert not (tmp_path / "out").exists()


def test_2_a_gate_on_a_check_that_is_off(auditkit: Cli, tmp_path: Path) -> None:
    plan = write(tmp_path, GAP % 0.1)
    plan.write_text(plan.read_text() + "checks: {bias: off}\n")
    answer = auditkit("run", plan)
    assert answer.code == 2
    assert "is off" in answer.err


@pytest.mark.parametrize("arguments", [["run"], ["nosuch"], ["run", "x.yaml", "--sed", "1"], ["gate", "x.csv"]])
def test_2_a_wrong_command_line(auditkit: Cli, arguments: list[str]) -> None:
    assert auditkit(*arguments).code == 2


def test_3_a_check_of_ours_that_crashes(auditkit: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from auditkit.checks.registry import CHECKS

    def broken(self: object, evidence: object) -> None:
        raise RuntimeError("planted")

    plan = write(tmp_path, ACCURACY % 0.95)
    monkeypatch.setattr(CHECKS.get("data.integrity"), "run", broken)
    answer = auditkit("run", plan, "--out", tmp_path / "out")
    assert answer.code == 3
    audit = result(tmp_path / "out")
    assert (audit["exit_code"], audit["verdict"]) == (3, "error")
    assert "planted" in (tmp_path / "out" / "journal.jsonl").read_text()
    monkeypatch.undo()
    answer = auditkit("run", plan, "--out", tmp_path / "out", "--resume")
    assert answer.code == 1, "the failed gate shows once everything is finished"


def test_4_unreadable_data(auditkit: Cli, tmp_path: Path) -> None:
    plan = write(tmp_path, ACCURACY % 0.8)
    (tmp_path / "test.csv").write_bytes(b"")
    answer = auditkit("run", plan)
    assert answer.code == 4
    assert "test.csv" in answer.err
    assert len(answer.err.strip().splitlines()) == 1


def test_5_a_declared_group_without_rows(auditkit: Cli, tmp_path: Path) -> None:
    plan = write(tmp_path, GAP % 0.5, data="groups: {g: [a, b, c]}")
    for options in ([], ["--allow-inconclusive"]):
        out = tmp_path / f"out{len(options)}"
        assert auditkit("run", plan, "--out", out, *options).code == 5
        audit = result(out)
        assert audit["verdict"] == "error"
        gated = [f for f in audit["findings"] if f.get("gate")]  # type: ignore[attr-defined]
        assert gated[0]["value"] is None
        assert "'c'" in gated[0]["reason"]


def test_1_comes_before_5(auditkit: Cli, tmp_path: Path) -> None:
    plan = write(tmp_path, GAP % 0.5 + "\n" + ACCURACY % 0.99, data="groups: {g: [a, b, c]}")
    assert auditkit("run", plan, "--out", tmp_path / "out").code == 1


@pytest.mark.parametrize("what", ["file", "full", "earlier"])
def test_2_the_output_directory(auditkit: Cli, tmp_path: Path, what: str) -> None:
    plan = write(tmp_path, ACCURACY % 0.8)
    out = tmp_path / "out"
    if what == "file":
        out.write_text("mine")
    else:
        out.mkdir()
        (out / ("audit.json" if what == "earlier" else "mine.txt")).write_text("")
        (out / "journal.jsonl").write_text("") if what == "earlier" else None
    answer = auditkit("run", plan, "--out", out)
    assert answer.code == 2
    assert str(out) in answer.err


def test_report_renders_again_from_audit_json_alone(auditkit: Cli, tmp_path: Path) -> None:
    plan = write(tmp_path, ACCURACY % 0.8)
    out = tmp_path / "out"
    assert auditkit("run", plan, "--out", out, "--format", "html,md").code == 0
    before = {name: (out / name).read_bytes() for name in ("audit.json", "report.html", "summary.md")}
    (tmp_path / "test.csv").unlink()
    (out / "report.html").unlink()
    answer = auditkit("report", out, "--format", "html,md,junit,sarif")
    assert answer.code == 0
    for name, content in before.items():
        assert (out / name).read_bytes() == content
    assert (out / "junit.xml").is_file()
    assert auditkit("report", tmp_path).code == 2
    (out / "audit.json").write_text("{}")
    assert auditkit("report", out).code == 4


def test_the_same_plan_and_seed_give_the_same_audit(auditkit: Cli, tmp_path: Path) -> None:
    plan = write(tmp_path, ACCURACY % 0.8)
    audits = []
    for name in ("one", "two"):
        auditkit("run", plan, "--out", tmp_path / name)
        audits.append(result(tmp_path / name))
        audits[-1].pop("run")
    assert audits[0] == audits[1]


def test_a_check_with_a_wrong_option_is_not_said_to_be_off(tmp_path: Path, auditkit: Cli) -> None:
    plan = write(tmp_path, GAP % 0.1)
    plan.write_text(plan.read_text() + "\nchecks: {bias.groups: {toleranse: 0.1}}\n", encoding="utf-8")
    answer = auditkit("run", str(plan), "--out", str(tmp_path / "out"))
    assert answer.code == 2
    assert "unknown option; did you mean 'tolerance'?" in answer.err
    assert "is off" not in answer.err

"""The GitHub Action's script, run as the runner would: job summary, outputs, and exit codes left to the last step."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from auditkit.pipeline.attest.keys import generate, load_signer, load_verifier
from auditkit.pipeline.attest.verify import verify
from tests.pipeline.test_exit_codes import ACCURACY, write

ROOT = Path(__file__).parent.parent.parent
ACTION = ROOT / ".github" / "actions" / "auditkit"


def _run(tmp_path: Path, plan: Path, **settings: str) -> tuple[dict[str, str], str]:
    outputs, summary = tmp_path / "outputs", tmp_path / "summary"
    environment = {
        **os.environ,
        "AUDITKIT_PYTHON": sys.executable,
        "AUDITKIT_PLAN": str(plan),
        "AUDITKIT_OUT": str(tmp_path / "out"),
        "AUDITKIT_ARGS": "",
        "AUDITKIT_TRAIN": "false",
        "GITHUB_OUTPUT": str(outputs),
        "GITHUB_STEP_SUMMARY": str(summary),
        **settings,
    }
    done = subprocess.run(["bash", str(ACTION / "audit.sh")], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pairs = dict(line.split("=", 1) for line in outputs.read_text().splitlines())
    return pairs, summary.read_text()


@pytest.mark.parametrize(
    ("bound", "arguments", "code", "verdict"),
    [
        (0.8, "", "0", "pass"),
        (0.95, "", "1", "fail"),
        (0.88, "", "5", "inconclusive"),
        (0.88, "--allow-inconclusive", "0", "inconclusive"),
    ],
)
def test_outputs_and_summary(tmp_path: Path, bound: float, arguments: str, code: str, verdict: str) -> None:
    outputs, summary = _run(tmp_path, write(tmp_path, ACCURACY % bound), AUDITKIT_ARGS=arguments)
    assert outputs == {"exit-code": code, "verdict": verdict}
    assert "ccuracy" in summary
    assert (tmp_path / "out" / "report.html").is_file()


def test_a_wrong_plan(tmp_path: Path) -> None:
    outputs, summary = _run(tmp_path, write(tmp_path, ACCURACY % '"80%"'))
    assert outputs == {"exit-code": "2", "verdict": ""}
    assert "could not be finished (exit code 2)" in summary


def test_a_verdict_of_an_earlier_run_is_not_this_one_s(tmp_path: Path) -> None:
    plan = write(tmp_path, ACCURACY % 0.8)
    assert _run(tmp_path, plan)[0] == {"exit-code": "0", "verdict": "pass"}
    (tmp_path / "summary").unlink()
    outputs, summary = _run(tmp_path, plan)  # the directory holds an audit, which is refused
    assert outputs == {"exit-code": "2", "verdict": ""}
    assert summary == "The audit could not be finished (exit code 2); the log says why.\n"


def test_a_signed_audit_is_kept_as_a_whole(tmp_path: Path) -> None:
    """The arguments as the action describes them; and an artifact without the hidden files would not verify."""
    key = tmp_path / "ci.key"
    generate(tmp_path / "ci")
    outputs, _ = _run(tmp_path, write(tmp_path, ACCURACY % 0.8), AUDITKIT_ARGS=f"--sign={key}\n--allow-inconclusive\n")
    assert outputs["exit-code"] == "0"
    assert verify(tmp_path / "out", load_verifier(tmp_path / "ci.pub")).signed_by == load_signer(key).key_id
    keep = next(
        step for step in _yaml(ACTION / "action.yml")["runs"]["steps"] if "upload-artifact" in step.get("uses", "")
    )
    assert keep["with"]["include-hidden-files"] is True
    kept = {line.rpartition("/")[2] for line in keep["with"]["path"].split()}
    assert {path.name for path in (tmp_path / "out").iterdir() if path.is_file()} - {".lock"} <= kept | {"report.html"}


def _yaml(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))


def test_the_action_never_puts_inputs_into_scripts() -> None:
    """An input that is pasted into a script can run code; each must come through the environment."""
    steps = _yaml(ACTION / "action.yml")["runs"]["steps"]
    scripts = [step["run"] for step in steps if "run" in step]
    assert scripts
    assert not any("${{" in script for script in scripts)


@pytest.mark.parametrize("path", sorted((ROOT / ".github" / "workflows").glob("*.yml")), ids=lambda path: path.name)
def test_workflows_ask_for_least_rights(path: Path) -> None:
    workflow = _yaml(path)
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert "timeout-minutes" in job
        assert job.get("permissions", {}) in ({}, {"id-token": "write"} if path.name == "release.yml" else {})
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout"):
                assert step["with"]["persist-credentials"] is False

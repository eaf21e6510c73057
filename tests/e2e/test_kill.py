"""What a run that was ended keeps, and what a second run repeats: nothing. Kills at any moment: `tests/faults`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import edit


def _start(plan: Path, out: Path, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "auditkit", "--quiet", "run", str(plan), "--out", str(out), *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def heed_interrupts() -> None:
        """A shell that runs the tests in the background makes its children ignore Ctrl-C."""
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment, preexec_fn=heed_interrupts
    )


def comparable(out: Path) -> dict[str, Any]:
    """`audit.json` without times, ids of runs, and what a rerun can't repeat."""
    audit: dict[str, Any] = json.loads((out / "audit.json").read_text())
    audit.pop("run")
    audit["findings"] = [f for f in audit["findings"] if f["reproducible"]]
    return audit


@pytest.fixture(scope="module")
def plan(census: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The census plan on a sample of rows, in a directory beside the data."""
    path = census / "killed.yaml"
    path.write_text((census / "audit.yaml").read_text())
    return edit(path, ("run: {seed: 0}", "run: {seed: 0, max_rows: 3000}"))


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_polite_end_keeps_the_evidence(plan: Path, tmp_path: Path, number: signal.Signals, code: int) -> None:
    out = tmp_path / "out"
    process = _start(plan, out)
    journal = out / "journal.jsonl"
    while process.poll() is None and not (journal.exists() and '"scored"' in journal.read_text()):
        time.sleep(0.02)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert b"--resume" in err
    assert b"Traceback" not in err
    assert (out / "evidence" / "predictions.parquet").exists()


def test_a_second_run_collects_nothing(plan: Path, tmp_path: Path, auditkit: Any) -> None:
    out = tmp_path / "out"
    first = auditkit("--quiet", "run", plan, "--out", out)
    before = {path: path.stat().st_mtime_ns for path in (out / "evidence").rglob("*") if path.is_file()}
    content = comparable(out)
    assert auditkit("--quiet", "run", plan, "--out", out, "--resume").code == first.code
    assert {path: path.stat().st_mtime_ns for path in (out / "evidence").rglob("*") if path.is_file()} == before
    assert comparable(out) == content


def test_another_gate_needs_no_new_evidence(plan: Path, tmp_path: Path, auditkit: Any) -> None:
    out = tmp_path / "out"
    auditkit("--quiet", "run", plan, "--out", out)
    before = {path: path.stat().st_mtime_ns for path in (out / "evidence").glob("*.parquet")}
    changed = plan.parent / "changed.yaml"
    changed.write_text(plan.read_text())
    edit(changed, ("metric: accuracy, min: 0.80", "metric: accuracy, min: 0.99"))
    assert auditkit("--quiet", "run", changed, "--out", out, "--resume").code == 1
    assert {path: path.stat().st_mtime_ns for path in (out / "evidence").glob("*.parquet")} == before

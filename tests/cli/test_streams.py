"""stdout and stderr: results here, messages there, and nothing lost when a reader goes away."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

GATE = ["gate", "p.csv", "--target", "y", "--prediction", "p", "--min"]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    pd.DataFrame({"y": [0, 1] * 500, "p": [0, 1] * 450 + [1, 0] * 50}).to_csv(tmp_path / "p.csv", index=False)
    return tmp_path


def _shell(command: str, directory: Path) -> subprocess.CompletedProcess[str]:
    script = f"set -o pipefail; {command}"
    return subprocess.run(["bash", "-c", script], cwd=directory, capture_output=True, text=True)


@pytest.mark.parametrize(("bound", "code"), [("accuracy=0.8", 0), ("accuracy=0.99", 1)])
@pytest.mark.parametrize("reader", ["| true", "| head -c 1", ">&-", "> /dev/null"])
def test_a_reader_who_goes_away_does_not_change_the_code(here: Path, bound: str, code: int, reader: str) -> None:
    command = " ".join([sys.executable, "-m", "auditkit", *GATE, bound, reader])
    done = _shell(command, here)
    assert done.returncode in ((code, 141) if "head" in reader else (code,)), done.stderr
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr


@pytest.mark.parametrize("listener", ["2>&-", "2> /dev/full", "2> >(true)", "2>&1 | true"])
def test_nobody_who_listens_changes_nothing(here: Path, listener: str) -> None:
    plan = here / "plan.yaml"
    plan.write_text(
        "name: s\nmodel: {kind: predictions, prediction: p}\ndata: {splits: {test: p.csv}, target: y}\n"
        "gates: [{check: performance.summary, metric: accuracy, min: 0.99}]\n"
    )
    done = _shell(f"{sys.executable} -m auditkit run plan.yaml --out out {listener}", here)
    assert done.returncode == 1
    assert (here / "out" / "audit.json").is_file()
    plan.write_text("name: s\n")
    assert _shell(f"{sys.executable} -m auditkit run plan.yaml {listener}", here).returncode == 2


def test_results_and_messages_are_apart(here: Path) -> None:
    done = _shell(f"{sys.executable} -m auditkit {' '.join(GATE)} accuracy=0.8 --max nosuch=1", here)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("auditkit: ")
    done = _shell(f"{sys.executable} -m auditkit {' '.join(GATE)} accuracy=0.8", here)
    assert done.stderr == ""
    assert done.stdout.startswith("PASS")
    assert "favourable label: '1' (a guess" in done.stdout


@pytest.mark.parametrize("bound", ["--max accuracy=10", "--min accuracy=-1"])
def test_a_bound_that_could_never_fail_is_refused(here: Path, bound: str) -> None:
    done = _shell(f"{sys.executable} -m auditkit gate p.csv --target y --prediction p {bound}", here)
    assert done.returncode == 2
    assert "could never fail" in done.stderr

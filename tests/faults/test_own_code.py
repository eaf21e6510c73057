"""A user's own Python code that breaks in every way that code can: in the sandbox, at a batch in the middle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from auditkit.models.worker.client import Timeouts
from auditkit.models.worker.probe import isolation_here
from tests.conftest import Answer, edit
from tests.faults.harness import comparable, torn
from tests.faults.project import PLAN, write_project
from tests.faults.records import record, whole

Cli = Callable[..., Answer]

#: What a worker's environment keeps tells the same file to misbehave in one run, and not in the next.
SWITCH = "OMP_PLANTED_FAULT"
MODEL = f"""\
import ctypes, os, sys, time
import numpy as np

CALLS = [0]


def predict(frame):
    CALLS[0] += 1
    fault = os.environ.get("{SWITCH}", "") if CALLS[0] == 3 else ""
    if fault == "segmentation fault":
        ctypes.string_at(0)
    if fault == "memory without end":
        np.ones(1 << 40)
    if fault == "hang":
        time.sleep(3600)
    if fault == "os._exit":
        os._exit(7)
    if fault == "sys.exit":
        sys.exit(0)
    if fault == "KeyboardInterrupt":
        raise KeyboardInterrupt
    if fault == "recursion":
        predict.__wrapped__ = lambda n: predict.__wrapped__(n + 1)
        predict.__wrapped__(0)
    if fault == "noise":
        os.write(1, b"\\x1b[2J::error::x\\n" * 100_000)
    if fault == "threads that go on":
        import threading
        threading.Thread(target=time.sleep, args=(3600,)).start()
    return 1 / (1 + np.exp(-(frame["age"] - 40) / 6))
"""

FATAL = {
    "segmentation fault": "segmentation fault (SIGSEGV)",
    "memory without end": "out of memory",
    "hang": "no answer after",
    "os._exit": "ended with code 7",
    "sys.exit": "ended with code",
    "KeyboardInterrupt": "was ended by SIGINT",
    "recursion": "RecursionError",
}
HARMLESS = ("noise", "threads that go on")
FEW = ("memory without end",)


@pytest.fixture(scope="module")
def options() -> list[str]:
    """Own code is trusted as a whole; where this machine has no sandbox, that is said, too."""
    return ["--trust-code"] if isolation_here().complete else ["--trust-code", "--no-sandbox"]


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = write_project(tmp_path / "project", PLAN)
    (path.parent / "model.py").write_text(MODEL, encoding="utf-8")
    model = "model: {kind: python, path: 'model.py:predict', outputs: probabilities}"
    return edit(path, ("model: {kind: torch, path: model/}", model))


@pytest.mark.slow
@pytest.mark.parametrize("fault", [*FATAL, *HARMLESS] if whole() else FEW)
def test_code_that_breaks(
    auditkit: Cli, plan: Path, tmp_path: Path, options: list[str], monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    out = tmp_path / "out"
    command: list[Any] = ["--quiet", "run", plan, *options]
    short = Timeouts(open=120.0, predict=3.0, attribute=3.0)
    monkeypatch.setattr("auditkit.models.worker.client.Timeouts", lambda: short)
    undisturbed = auditkit(*command, "--out", tmp_path / "undisturbed")
    assert undisturbed.code in (0, 1, 5), undisturbed.err
    monkeypatch.setenv(SWITCH, fault)
    answer = auditkit(*command, "--out", out)
    monkeypatch.delenv(SWITCH)
    assert torn(out) == []
    if fault in FATAL:
        assert answer.code == 3, answer.err
        assert len(answer.err.strip().splitlines()) == 1, answer.err
        assert FATAL[fault] in answer.err
        assert not (out / "audit.json").exists()
        assert auditkit(*command, "--out", out, "--resume").code == undisturbed.code
    else:
        assert answer.code == undisturbed.code, answer.err
        assert "::error::" not in answer.text
    assert comparable(out) == comparable(tmp_path / "undisturbed")
    happened = "one message; resumed to the same audit.json" if fault in FATAL else "went on to the same audit.json"
    record(f"own code: {fault}", "run: predict 3", happened, answer.code)

"""A model whose process dies, hangs, babbles or runs out of memory: one message, evidence kept, and resumable."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from auditkit.models.worker import process
from auditkit.models.worker.client import DifferentiableWorkerModel, Timeouts, WorkerModel
from tests.conftest import Answer
from tests.faults.conftest import Undisturbed
from tests.faults.harness import comparable, strays, torn
from tests.faults.records import record, whole

Cli = Callable[..., Answer]


def _signal(number: signal.Signals) -> Callable[[int], None]:
    return lambda pid: os.kill(pid, number)


FAULTS: dict[str, tuple[Callable[[int], None], str]] = {
    "segmentation fault": (_signal(signal.SIGSEGV), "segmentation fault (SIGSEGV)"),
    "SIGKILL (the kernel's OOM killer)": (_signal(signal.SIGKILL), "ran out of memory"),
    "abort": (_signal(signal.SIGABRT), "aborted (SIGABRT)"),
    "hang": (_signal(signal.SIGSTOP), "no answer after"),
}
#: The call of the model at which it happens: the first batch, one in the middle, the last batch, the first attribution.
MOMENTS = {"predict": (1, 5, 9), "attribute": (1,)}
CASES = [(fault, op, k) for fault in FAULTS for op, ks in MOMENTS.items() for k in ks]
FEW = [
    ("hang", "attribute", 1),
    ("SIGKILL (the kernel's OOM killer)", "predict", 9),
]


def _at(patch: pytest.MonkeyPatch, op: str, k: int, fault: Callable[[int], None]) -> None:
    """Strike the worker just before the k-th call of its model's `op`."""
    owner: Any = WorkerModel if op == "predict" else DifferentiableWorkerModel
    real, calls = getattr(owner, op), [0]

    def struck(self: WorkerModel, *arguments: Any, **options: Any) -> Any:
        calls[0] += 1
        if calls[0] == k:
            fault(self.pid)
        return real(self, *arguments, **options)

    patch.setattr(owner, op, struck)


def _fails_then_resumes(cli: Cli, audit: Undisturbed, out: Path, patch: pytest.MonkeyPatch, words: str) -> Answer:
    command: list[str | Path] = ["run", audit.plan, "--out", out]
    answer = cli("--quiet", *command)
    patch.undo()
    assert answer.code == 3, answer.err
    assert len(answer.err.strip().splitlines()) == 1, answer.err
    assert words in answer.err
    assert torn(out) == []
    assert not (out / "audit.json").exists()
    assert cli("--quiet", *command, "--resume").code == audit.code
    assert comparable(out) == audit.audit
    assert strays(out, out.parent / "tmp") == []
    return answer


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "op", "k"), CASES if whole() else FEW)
def test_a_worker_that_is_struck(
    auditkit: Cli, torch_audit: Undisturbed, tmp_path: Path, fault: str, op: str, k: int
) -> None:
    strike, words = FAULTS[fault]
    with pytest.MonkeyPatch.context() as patch:
        short = Timeouts(open=120.0, predict=3.0, attribute=3.0)
        patch.setattr("auditkit.models.worker.client.Timeouts", lambda: short)
        _at(patch, op, k, strike)
        answer = _fails_then_resumes(auditkit, torch_audit, tmp_path / "out", patch, words)
    record(f"worker: {fault}", f"run: {op} {k}", "one message; resumed to the same audit.json", answer.code)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("garbage", "no prediction"),
        ("pickle", "no prediction"),
        ("short", "no prediction"),
        ("exit", "ended with code 7"),
        ("memory", "out of memory"),
        ("raises", "the model failed"),
        ("open-segfault", "SIGSEGV"),
        ("open-exit", "ended with code 7"),
        ("open-x", "described no model"),
    ]
    if whole()
    else [("garbage", "no prediction")],
)
def test_a_worker_that_babbles(auditkit: Cli, torch_audit: Undisturbed, tmp_path: Path, mode: str, words: str) -> None:
    script = str(Path(__file__).parents[1] / "models" / "fake_child.py")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "child_command", lambda fd: [sys.executable, script, mode, str(fd)])
        answer = _fails_then_resumes(auditkit, torch_audit, tmp_path / "out", patch, words)
    stage = "open" if mode.startswith("open-") else "predict"
    record(f"worker answers: {mode}", f"run: {stage}", "one message; resumed to the same audit.json", answer.code)

"""Rows: an output directory that is a file, holds inputs, or is in use by another run → exit 2 / refuse by lock;
nothing overwritten. SIGINT, SIGTERM → 130 / 143, evidence kept. Disk full → exit 3, the old report intact."""

from __future__ import annotations

import errno
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from auditkit.checks.registry import CHECKS
from auditkit.pipeline.rundir import RunDirectory
from tests.hostile.table.project import COMMANDS, Cli, call, error_line, frame, write_plan


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """The data stand beside the output, `out-run` or `out-gate`."""
    (tmp_path / "data").mkdir()
    frame(400).to_csv(tmp_path / "data" / "d.csv", index=False)
    return tmp_path / "data"


def content(path: Path) -> dict[str, bytes | None]:
    """Every file below a path, but for locks."""
    found = {p.relative_to(path).as_posix(): p.read_bytes() if p.is_file() else None for p in path.rglob("*")}
    return {name: data for name, data in found.items() if ".lock" not in name}


def full(out: Path) -> None:
    out.mkdir()
    (out / "mine.txt").write_text("mine")


def earlier(out: Path) -> None:
    out.mkdir()
    (out / "audit.json").write_text("{}")
    (out / "journal.jsonl").write_text('{"event": "scored"}\n')


PLACES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a file": (lambda out: out.write_text("mine"), "is a file; name a directory"),
    "below a file": (lambda out: None, "can't be "),
    "holds other files": (full, "holds other files"),
    "holds an earlier run": (earlier, "holds an earlier run"),
    "holds an input": (lambda out: None, "holds an input of this audit (d.csv)"),
    "a link to nothing": (lambda out: out.symlink_to("gone/far"), "can't be "),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", PLACES)
def test_nothing_is_overwritten(auditkit: Cli, here: Path, command: str, name: str) -> None:
    make, message = PLACES[name]
    out = here.parent / "out"
    make(out)
    if name == "holds an input":
        out = here
    elif name == "below a file":
        (here.parent / "file").write_text("mine")
        out = here.parent / "file" / "out"
    plan = write_plan(here.parent, "data/d.csv")
    before = content(here.parent)
    told = ("--target", "y", "--prediction", "p", "--min", "accuracy=0.5")
    answer = auditkit("run", plan, "--out", out) if command == "run" else auditkit(
        "gate", here / "d.csv", *told, "--out", out
    )  # fmt: skip
    assert answer.code == 2, answer.text
    assert str(out) in error_line(answer)
    assert message in error_line(answer)
    assert content(here.parent) == before


@pytest.mark.parametrize("command", COMMANDS)
def test_a_directory_in_use_is_refused_by_its_lock(auditkit: Cli, here: Path, command: str) -> None:
    with RunDirectory(here / f"out-{command}", resume=False):
        answer = call(auditkit, command, here / "d.csv")
    assert answer.code == 2, answer.text
    assert "another run" in error_line(answer)
    assert not (here / f"out-{command}" / "audit.json").exists()


def test_a_directory_that_nobody_may_write(auditkit: Cli, here: Path) -> None:
    if os.getuid() == 0:
        pytest.skip("root may write everything")
    here.chmod(0o555)
    answer = auditkit("run", write_plan(here.parent, "data/d.csv"), "--out", here / "out")
    here.chmod(0o755)
    assert answer.code == 2, answer.text
    assert "can't be " in error_line(answer)


def during(monkeypatch: pytest.MonkeyPatch, what: Callable[[], None]) -> None:
    """Let something happen in the middle of a check, once the rows are scored."""

    def planted(self: object, evidence: Any) -> None:
        what()

    monkeypatch.setattr(CHECKS.get("data.integrity"), "run", planted)


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("what", "code", "word"),
    [(interrupt, 130, "interrupted"), (lambda: signal.raise_signal(signal.SIGTERM), 143, "terminated")],
    ids=["SIGINT", "SIGTERM"],
)
def test_a_signal_keeps_the_evidence(
    auditkit: Cli, here: Path, monkeypatch: pytest.MonkeyPatch, what: Callable[[], None], code: int, word: str
) -> None:
    plan, out = write_plan(here, "d.csv"), here / "out"
    undisturbed = call(auditkit, "run", here / "d.csv")
    with monkeypatch.context() as patch:
        during(patch, what)
        answer = auditkit("run", plan, "--out", out)
    assert answer.code == code, answer.text
    assert word in answer.err
    assert "--resume" in answer.err
    assert list((out / "evidence").rglob("*.parquet"))
    assert not (out / "audit.json").exists()
    answer = auditkit("run", plan, "--out", out, "--resume")
    assert answer.code == undisturbed.code == 0
    audits = [json.loads((d / "audit.json").read_text()) for d in (out, here / "out-run")]
    assert audits[0]["findings"] == audits[1]["findings"]
    assert audits[0]["verdict"] == audits[1]["verdict"]


@pytest.mark.parametrize("victim", ["audit.json", "report.html"])
def test_a_full_disk_leaves_the_old_report(
    auditkit: Cli, here: Path, monkeypatch: pytest.MonkeyPatch, victim: str
) -> None:
    """The disk is full when the second audit writes its result; tests/faults fills a real one at every write."""
    plan, out = write_plan(here, "d.csv"), here / "out"
    assert auditkit("run", plan, "--out", out).code == 0
    report = (out / "report.html").read_bytes()
    plan.write_text(plan.read_text().replace('"min": 0.5', '"min": 0.95'))
    replace = os.replace

    def no_space(source: str, target: str | Path, **more: Any) -> None:
        if Path(target).name == victim:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target, **more)

    with monkeypatch.context() as patch:
        patch.setattr("auditkit.core.files.os.replace", no_space)
        answer = auditkit("run", plan, "--out", out, "--resume")
    assert answer.code == 3, answer.text
    assert "no space is left on the disk" in answer.err
    assert report in [p.read_bytes() for p in out.rglob("*") if p.is_file()]
    assert not list(out.rglob(".auditkit-tmp-*"))
    assert auditkit("run", plan, "--out", out, "--resume").code == 1

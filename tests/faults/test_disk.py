"""A disk that is full, over quota or broken at any write: exit 3, one message, old results whole, and resumable."""

from __future__ import annotations

import errno
import resource
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from auditkit.core.files import sha256_tree
from tests.conftest import Answer
from tests.faults.conftest import Undisturbed
from tests.faults.faulty_disk import Injector, calls_of, injected, remount, small_disk
from tests.faults.harness import LAUNCH, comparable, run, strays, torn
from tests.faults.records import record, share, whole

Cli = Callable[..., Answer]
SAID = {
    errno.ENOSPC: "no space is left on the disk",
    errno.EDQUOT: "the disk quota is used up",
    errno.EIO: "the disk reports an error",
}


def _one_message(err: str, code: int) -> None:
    lines = err.strip().splitlines()
    assert len(lines) == 1, err
    assert SAID[code] in lines[0], err


def _clean(out: Path) -> None:
    assert torn(out) == []


def _failing(cli: Cli, command: list[str | Path], root: Path, k: int, code: int) -> tuple[Answer, list[str]]:
    """The command with the k-th change under `root` failing: a full disk stays full, a broken one fails once."""
    injector = Injector(root, k, code, sticky=code != errno.EIO)
    with pytest.MonkeyPatch.context() as patch:
        injector.install(patch)
        answer = cli("--quiet", *command)
    return answer, injector.calls


def _points(cli: Cli, command: list[str | Path], root: Path, few: int) -> list[int]:
    """The numbers of the calls that a run makes, measured."""
    counted = Injector(root)
    with pytest.MonkeyPatch.context() as patch:
        counted.install(patch)
        cli("--quiet", *command)
    shutil.rmtree(root)
    return share(list(range(1, len(counted.calls) + 1)), few)


def _swept(cli: Cli, command: list[str | Path], root: Path, few: int) -> Iterator[tuple[int, Answer, str]]:
    """Fail each point of a fresh run in turn, with one error after another; yields the error, the answer, the call."""
    codes = [errno.ENOSPC, errno.EIO, errno.EDQUOT]
    for number, k in enumerate(_points(cli, command, root, few)):
        code = codes[number % 3]
        answer, calls = _failing(cli, command, root, k, code)
        yield code, answer, calls[k - 1] if len(calls) >= k else "no call"
        shutil.rmtree(root, ignore_errors=True)


@pytest.mark.slow
def test_run_survives_a_failure_of_any_call(auditkit: Cli, predictions_audit: Undisturbed, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command: list[str | Path] = ["run", predictions_audit.plan, "--out", out]
    for code, answer, call in _swept(auditkit, command, out, 9):
        if answer.code == predictions_audit.code:  # what failed may fail: the removal of a lock, a folder that is there
            assert comparable(out) == predictions_audit.audit
        else:
            assert answer.code == 3, answer.err
            _one_message(answer.err, code)
        if out.exists():
            _clean(out)
        assert auditkit("--quiet", *command, "--resume").code == predictions_audit.code
        assert comparable(out) == predictions_audit.audit
        assert strays(out, tmp_path / "tmp") == []
        happened = (
            "one message; resumed to the same audit.json" if answer.code == 3 else "went on to the same audit.json"
        )
        record(f"{errno.errorcode[code]} at a call", f"run: {call}", happened, answer.code)


@pytest.mark.slow
def test_a_finished_audit_stays_whole(auditkit: Cli, predictions_audit: Undisturbed, tmp_path: Path) -> None:
    """The same audit again, and its report again, with the disk full from some write on: the old results stay."""
    out, kept = tmp_path / "out", tmp_path / "kept"
    auditkit("--quiet", "run", predictions_audit.plan, "--out", kept)
    expected = comparable(kept)
    commands: dict[str, list[str | Path]] = {
        "run --resume": ["run", predictions_audit.plan, "--out", out, "--resume"],
        "report": ["report", out, "--format", "html,md"],
    }
    for name, command in commands.items():
        shutil.copytree(kept, out)
        for k in _points(auditkit, command, out, 4):
            shutil.copytree(kept, out)
            answer, calls = _failing(auditkit, command, out, k, errno.ENOSPC)
            assert answer.code in (3, 0, predictions_audit.code), answer.err
            if answer.code == 3:
                _one_message(answer.err, errno.ENOSPC)
            assert comparable(out) == expected
            _clean(out)
            if "replace" not in calls[:k]:
                assert (out / "report.html").read_bytes() == (kept / "report.html").read_bytes()
            record("ENOSPC at a call", f"{name}: {calls[k - 1]}", "the old results stay whole", answer.code)
            shutil.rmtree(out)


@pytest.mark.slow
def test_gate_survives_a_failure_of_any_call(auditkit: Cli, predictions_audit: Undisturbed, tmp_path: Path) -> None:
    data, out = predictions_audit.plan.parent / "test.csv", tmp_path / "out"
    command: list[str | Path] = ["gate", data, "--target", "label", "--prediction", "said"]
    command += ["--max", "accuracy=0.5", "--out", out]
    for code, answer, call in _swept(auditkit, command, out, 4):
        if answer.code == 1:
            assert (out / "audit.json").is_file()
        else:
            assert answer.code == 3, answer.err
            _one_message(answer.err, code)
        if out.exists():
            _clean(out)
        happened = "one message; nothing torn" if answer.code == 3 else "went on; nothing torn"
        record(f"{errno.errorcode[code]} at a call", f"gate --out: {call}", happened, answer.code)


@pytest.mark.slow
def test_train_survives_a_failure_of_any_call(auditkit: Cli, torch_audit: Undisturbed, tmp_path: Path) -> None:
    out = tmp_path / "model"
    command: list[str | Path] = ["train", torch_audit.plan, "--out", out]
    for code, answer, call in _swept(auditkit, command, out, 6):
        if answer.code == 0:
            assert (out / "model.json").is_file()
        else:
            assert answer.code == 3, answer.err
            _one_message(answer.err, code)
        assert auditkit("--quiet", *command, "--resume").code == 0
        assert sha256_tree(out) == sha256_tree(torch_audit.plan.parent / "model")
        happened = "one message; resumed to the same bits" if answer.code == 3 else "went on to the same bits"
        record(f"{errno.errorcode[code]} at a call", f"train: {call}", happened, answer.code)


def _sizes(few: int, last: int, step: int) -> list[int]:
    return share(list(range(1, last, step)), few)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["size", "nr_inodes"])
def test_run_on_a_small_disk(auditkit: Cli, predictions_audit: Undisturbed, tmp_path: Path, what: str) -> None:
    """A real tmpfs of one page or one file more each time, until the run fits."""
    numbers = _sizes(4, 260, 5) if what == "size" else _sizes(4, 60, 1)
    for number in numbers:
        limit = f"size={number * 4096}" if what == "size" else f"nr_inodes={number + 1}"
        with small_disk(tmp_path / "disk", limit) as place:
            out = place / "out"
            command: list[str | Path] = ["run", predictions_audit.plan, "--out", out]
            answer = auditkit("--quiet", *command)
            if answer.code != predictions_audit.code:
                assert answer.code == 3, answer.err
                _one_message(answer.err, errno.ENOSPC)
            _clean(out)
            remount(place, "size=64m,nr_inodes=1000")
            assert auditkit("--quiet", *command, "--resume").code == predictions_audit.code
            assert comparable(out) == predictions_audit.audit
            assert strays(out, tmp_path / "tmp") == []
        happened = "resumed to the same audit.json once there was room" if answer.code == 3 else "it fitted"
        record("full disk (tmpfs)", f"run: {what}", happened, answer.code)


@pytest.mark.slow
def test_train_on_a_small_disk(auditkit: Cli, torch_audit: Undisturbed, tmp_path: Path) -> None:
    """Also the mapped files, whose writing on a full disk would end the process with SIGBUS."""
    for number in _sizes(3, 60, 2):
        with small_disk(tmp_path / "disk", f"size={number * 4096}") as place:
            out = place / "model"
            command: list[str | Path] = ["train", torch_audit.plan, "--out", out]
            answer = auditkit("--quiet", *command)
            if answer.code != 0:
                assert answer.code == 3, answer.err
                _one_message(answer.err, errno.ENOSPC)
            remount(place, "size=64m")
            assert auditkit("--quiet", *command, "--resume").code == 0
            assert sha256_tree(out) == sha256_tree(torch_audit.plan.parent / "model")
        happened = "resumed to the same bits once there was room" if answer.code == 3 else "it fitted"
        record("full disk (tmpfs)", "train: size", happened, answer.code)


@pytest.mark.slow
def test_a_limit_on_the_size_of_files(predictions_audit: Undisturbed, tmp_path: Path) -> None:
    """What an ordinary user can have: `ulimit -f` refuses the largest files, whoever writes them."""
    sizes = sorted({p.stat().st_size for p in predictions_audit.out.rglob("*") if p.is_file()})
    for limit in [round(size * 0.99) for size in sizes] if whole() else [sizes[-2]]:
        out = tmp_path / f"out{limit}"
        command: list[str | Path] = ["run", predictions_audit.plan, "--out", out]

        def bounded(limit: int = limit) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

        done = run("--quiet", *command, temporary=tmp_path / "tmp", before=bounded)
        assert done.code == 3, done.err
        assert "ulimit -f" in done.err
        assert len(done.err.strip().splitlines()) == 1
        _clean(out)
        assert run("--quiet", *command, "--resume", temporary=tmp_path / "tmp").code == predictions_audit.code
        assert comparable(out) == predictions_audit.audit
        record("EFBIG (ulimit -f)", "run", "one message; resumed to the same audit.json", done.code)


@pytest.mark.slow
@pytest.mark.parametrize("error", ["ENOSPC", "EIO", "EDQUOT"] if whole() else ["ENOSPC"])
def test_run_survives_a_failure_of_any_system_call(predictions_audit: Undisturbed, tmp_path: Path, error: str) -> None:
    """The kernel's own answer, injected by strace at each call of the process that changes the run directory."""
    out, temporary = tmp_path / "out", tmp_path / "tmp"
    command: list[str | Path] = ["run", predictions_audit.plan, "--out", out]
    words = [sys.executable, str(LAUNCH), "--quiet", *map(str, command)]
    calls = calls_of(words, out, tmp_path / "log")
    assert {call.name for call in calls} >= {"openat", "write", "fsync", "rename", "mkdir"}
    assert comparable(out) == predictions_audit.audit
    step = 2 if error == "ENOSPC" else 8
    for index in range(0, len(calls), step) if whole() else [len(calls) // 2]:
        shutil.rmtree(out, ignore_errors=True)
        done = run("--quiet", *command, temporary=temporary, wrapper=injected(calls[index], error))
        if done.code == predictions_audit.code:
            assert comparable(out) == predictions_audit.audit
        else:
            assert done.code == 3, (calls[index], done.err)
            _one_message(done.err, getattr(errno, error))
        if out.exists():
            _clean(out)
        assert run("--quiet", *command, "--resume", temporary=temporary).code == predictions_audit.code
        assert comparable(out) == predictions_audit.audit
        assert strays(out, temporary) == []
        record(f"{error} at a system call", f"run: {calls[index].name}", "resumed to the same audit.json", done.code)

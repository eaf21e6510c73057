"""Files that change under the program's hands, and programs that meet in one directory: never a mixed audit."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from auditkit.core.errors import PlanError
from auditkit.core.locks import Lock
from auditkit.data.dataset import Dataset
from auditkit.pipeline.audit import perform
from tests.conftest import Answer, edit
from tests.faults.conftest import Undisturbed
from tests.faults.faulty_disk import remount, small_disk
from tests.faults.harness import comparable, finish, journal_says, run, start, strays, torn, wait_for
from tests.faults.records import record, whole

Cli = Callable[..., Answer]


def _replaced(path: Path) -> None:
    """Another file takes its place, by a rename."""
    other = path.with_name("other")
    other.write_bytes(_other(path.read_bytes()))
    os.replace(other, path)


def _overwritten(path: Path) -> None:
    """The same file, other bytes of the same length, and its old time again: what somebody does who hides it."""
    before = path.stat()
    path.write_bytes(_other(path.read_bytes()))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _other(content: bytes) -> bytes:
    """The bytes with a few in the middle changed."""
    middle = len(content) // 2
    return content[:middle] + bytes(b ^ 1 for b in content[middle : middle + 8]) + content[middle + 8 :]


def _truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _appended(path: Path) -> None:
    with path.open("ab") as stream:
        stream.write(path.read_bytes()[-40:])


def _removed(path: Path) -> None:
    path.unlink()


CHANGES = [_replaced, _overwritten, _truncated, _appended, _removed]


@pytest.mark.parametrize("name", ["train.parquet", "test.csv"])
@pytest.mark.parametrize("change", CHANGES)
def test_data_that_change_after_they_were_hashed(
    auditkit: Cli,
    predictions_audit: Undisturbed,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path], None],
    name: str,
) -> None:
    """Changed while the first chunk of it is being scored."""
    plan = predictions_audit.copy(tmp_path / "project")
    path, out = plan.parent / name, tmp_path / "out"
    real, split = Dataset.stream, Path(name).stem

    def changing(self: Dataset, wanted: str, shards: Any = None) -> Iterator[Any]:
        for number, chunk in enumerate(real(self, wanted, shards)):
            yield chunk
            if wanted == split and number == 0:
                change(path)

    monkeypatch.setattr(Dataset, "stream", changing)
    answer = auditkit("--quiet", "run", plan, "--out", out)
    monkeypatch.undo()
    _refused(answer, out, name)
    record("data file " + change.__name__.strip("_"), "run: between hash and reading", "refused", answer.code)


def _refused(answer: Answer, out: Path, name: str) -> None:
    assert answer.code == 4, answer.err
    assert len(answer.err.strip().splitlines()) == 1
    assert name in answer.err
    assert not (out / "audit.json").exists()
    assert torn(out) == []


@pytest.mark.slow
@pytest.mark.parametrize("change", [_replaced, _overwritten, _truncated, _removed] if whole() else [_overwritten])
def test_a_model_that_changes_while_it_is_opened(
    auditkit: Cli,
    torch_audit: Undisturbed,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path], None],
) -> None:
    """Changed after the run hashed it, and before the worker has it."""
    plan, out = torch_audit.copy(tmp_path / "project"), tmp_path / "out"
    real = perform

    def changing(*arguments: Any, **options: Any) -> Any:
        change(plan.parent / "model" / "model.safetensors")
        return real(*arguments, **options)

    monkeypatch.setattr("auditkit.pipeline.run.perform", changing)
    answer = auditkit("--quiet", "run", plan, "--out", out)
    assert answer.code == 4, answer.err
    assert len(answer.err.strip().splitlines()) == 1
    assert not (out / "audit.json").exists()
    record("model file " + change.__name__.strip("_"), "run: between hash and loading", "refused", answer.code)


def test_a_plan_that_is_edited_during_the_run(
    auditkit: Cli, predictions_audit: Undisturbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan is read once: the audit is that of the plan as it was, and `--resume` sees that it is another now."""
    plan, out = predictions_audit.copy(tmp_path / "project"), tmp_path / "out"
    real = perform

    def changing(*arguments: Any, **options: Any) -> Any:
        edit(plan, ("metric: accuracy, min: 0.6", "metric: accuracy, min: 0.99"))
        return real(*arguments, **options)

    monkeypatch.setattr("auditkit.pipeline.run.perform", changing)
    assert auditkit("--quiet", "run", plan, "--out", out).code == predictions_audit.code
    assert comparable(out) == predictions_audit.audit
    monkeypatch.undo()
    assert auditkit("--quiet", "run", plan, "--out", out, "--resume").code == 1
    record("plan edited", "run", "audited as it was read; judged anew by --resume", predictions_audit.code)


@pytest.mark.slow
def test_two_runs_in_one_directory(predictions_audit: Undisturbed, tmp_path: Path) -> None:
    """The second is refused; a report, too; the first ends as if nobody had come."""
    out, temporary = tmp_path / "out", tmp_path / "tmp"
    command: list[str | Path] = ["--quiet", "run", predictions_audit.plan, "--out", out]
    first = start(*command, temporary=temporary)
    assert wait_for(first, journal_says(out, '"start"'))
    os.kill(first.pid, 19)  # SIGSTOP: it holds still while the others come
    for options in ([], ["--resume"]):
        second = run(*command, *options, temporary=temporary)
        assert second.code == 2, second.err
        assert "another run is writing there" in second.err
    os.kill(first.pid, 18)
    assert finish(first).code == predictions_audit.code
    assert comparable(out) == predictions_audit.audit
    record("two runs in one directory", "run", "the second is refused, the first unharmed", 2, predictions_audit.code)


def test_a_report_while_a_run_goes_on(auditkit: Cli, predictions_audit: Undisturbed, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(predictions_audit.out, out)
    lock = Lock(out / ".lock")
    answer = auditkit("report", out)
    lock.release()
    assert answer.code == 2
    assert "another run is writing there" in answer.err
    assert auditkit("report", out).code == 0
    record("report while a run goes on", "report", "refused", answer.code)


@pytest.mark.slow
def test_two_runs_under_one_parent_at_the_same_moment(predictions_audit: Undisturbed, tmp_path: Path) -> None:
    command: list[str | Path] = ["--quiet", "run", predictions_audit.plan]
    both = [start(*command, temporary=tmp_path / "tmp", cwd=tmp_path) for _ in range(2)]
    assert [finish(process).code for process in both] == [predictions_audit.code] * 2
    found = [path for path in (tmp_path / "audits").iterdir() if path.is_dir()]
    assert len(found) == 2
    assert all(comparable(path) == predictions_audit.audit for path in found)
    record("two runs under one parent", "run", "two directories, two whole audits", predictions_audit.code)


def test_a_lock_whose_file_goes_as_others_wait_for_it(tmp_path: Path) -> None:
    """Many threads take and release one lock, whose file each removes: never two at once."""
    inside, most, done = [0], [0], [0]
    guard = threading.Lock()

    def take() -> None:
        while done[0] < 300:
            try:
                lock = Lock(tmp_path / ".lock")
            except BlockingIOError:
                continue
            with guard:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            with guard:
                inside[0] -= 1
                done[0] += 1
            lock.release()

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == 1
    assert not (tmp_path / ".lock").exists()
    record("lock taken and removed by many", "lock", "never two holders")


@pytest.mark.parametrize("again", [False, True])
def test_an_output_directory_that_is_removed_during_the_run(
    auditkit: Cli, predictions_audit: Undisturbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    """The run doesn't write into what stands there now, which may be another run's."""
    out = tmp_path / "out"
    real = perform

    def removing(*arguments: Any, **options: Any) -> Any:
        found = real(*arguments, **options)
        shutil.rmtree(out)
        if again:
            shutil.copytree(predictions_audit.out, out)
        return found

    monkeypatch.setattr("auditkit.pipeline.run.perform", removing)
    answer = auditkit("--quiet", "run", predictions_audit.plan, "--out", out)
    assert answer.code == 3, answer.err
    assert "was removed or replaced while the audit ran" in answer.err
    if again:
        before = {p.relative_to(predictions_audit.out): p.read_bytes() for p in _files(predictions_audit.out)}
        assert {p.relative_to(out): p.read_bytes() for p in _files(out)} == before
    else:
        assert not out.exists()
    what = "replaced" if again else "removed"
    record(f"output directory {what}", "run: before the report", "one message; nothing written", answer.code)


def _files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


@pytest.mark.slow
def test_an_output_on_a_disk_that_turns_read_only(
    auditkit: Cli, predictions_audit: Undisturbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a kernel does to a disk with errors; before the run, and during it."""
    real = perform
    with small_disk(tmp_path / "disk", "size=64m") as place:
        remount(place, "ro")
        answer = auditkit("--quiet", "run", predictions_audit.plan, "--out", place / "out")
        assert answer.code == 2
        assert "can't be written: Read-only file system" in answer.err
        record("read-only output", "run: start", "one message", answer.code)
        remount(place, "rw")
        out = place / "out"

        def turning(*arguments: Any, **options: Any) -> Any:
            found = real(*arguments, **options)
            # A file that is open for writing would keep the mount writable; the kernel's own remount doesn't ask.
            subprocess.run(["mount", "-o", "remount,ro", str(place)], check=False, capture_output=True)
            return found

        monkeypatch.setattr("auditkit.pipeline.run.perform", turning)
        answer = auditkit("--quiet", "run", predictions_audit.plan, "--out", out)
        monkeypatch.undo()
        remount(place, "rw")
        assert answer.code in (3, predictions_audit.code), answer.err
        assert torn(out) == []
        assert auditkit("--quiet", "run", predictions_audit.plan, "--out", out, "--resume").code == (
            predictions_audit.code
        )
        assert comparable(out) == predictions_audit.audit
        assert strays(out, tmp_path / "tmp") == []


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_an_output_without_permission(auditkit: Cli, predictions_audit: Undisturbed, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    answer = auditkit("--quiet", "run", predictions_audit.plan, "--out", tmp_path / "out")
    tmp_path.chmod(0o700)
    assert answer.code == 2
    assert "can't be written: Permission denied" in answer.err
    record("output without permission", "run: start", "one message", answer.code)


def test_two_trainings_one_after_the_other(torch_audit: Undisturbed, tmp_path: Path) -> None:
    """The second looked before the first had its model; once it has the lock, it looks again."""
    from auditkit.models.train import output

    out = tmp_path / "model"
    with pytest.MonkeyPatch.context() as patch:
        real = output._lock

        def late(path: Path) -> Lock:
            shutil.copytree(torch_audit.plan.parent / "model", path)
            return real(path)

        patch.setattr(output, "_lock", late)
        with pytest.raises(PlanError, match="holds a trained model already"), output.claimed(out, resume=False):
            pass
    record("two trainings into one directory", "train", "the second is refused", 2)

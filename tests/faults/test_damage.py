"""Evidence, findings and journals that were damaged between two runs, clocks that go backwards, short reads."""

from __future__ import annotations

import io
import itertools
import json
import os
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from auditkit.data.sources import files
from auditkit.pipeline.journal import read_journal
from auditkit.pipeline.rundir import choose_directory
from tests.conftest import Answer
from tests.faults.conftest import Undisturbed
from tests.faults.harness import comparable, strays
from tests.faults.records import record, share

Cli = Callable[..., Answer]


def _flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position % len(content)] ^= 1 << (position % 8)
    path.write_bytes(content)


def _evidence(out: Path) -> list[Path]:
    return sorted(path for path in (out / "evidence").rglob("*") if path.is_file())


@pytest.mark.slow
def test_a_bit_that_flips_in_any_evidence_file(auditkit: Cli, predictions_audit: Undisturbed, tmp_path: Path) -> None:
    """Whichever bit: the file isn't believed, and what it held is collected again."""
    names = [path.relative_to(predictions_audit.out) for path in _evidence(predictions_audit.out)]
    assert len(names) >= 8
    for number in share(list(range(8 * len(names))), 12):
        name, where = names[number % len(names)], number // len(names)
        out = tmp_path / "out"
        shutil.copytree(predictions_audit.out, out)
        path = out / name
        _flip(path, where * path.stat().st_size // 8 + 5)
        damaged = path.read_bytes()
        assert auditkit("--quiet", "run", predictions_audit.plan, "--out", out, "--resume").code == (
            predictions_audit.code
        )
        assert comparable(out) == predictions_audit.audit
        assert path.read_bytes() != damaged
        shutil.rmtree(out)
        kind = "finding" if ".checks" in name.parts else "table"
        record("bit flip between runs", f"evidence: {kind}", "not believed; made again", predictions_audit.code)


def test_a_bit_that_flips_in_a_part(auditkit: Cli, predictions_audit: Undisturbed, tmp_path: Path) -> None:
    """A run that ended between two shards: a damaged part of it is scored again."""
    from auditkit.probes.store import DirectoryStore

    out, command = tmp_path / "out", ["--quiet", "run", predictions_audit.plan, "--out", tmp_path / "out"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DirectoryStore, "finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert auditkit(*command).code == 130
    parts = sorted((out / "evidence" / ".parts").rglob("*.parquet"))
    assert len(parts) >= 6
    for part in parts[::3]:
        _flip(part, part.stat().st_size // 2)
    assert auditkit(*command, "--resume").code == predictions_audit.code
    assert comparable(out) == predictions_audit.audit
    assert strays(out, tmp_path / "tmp") == []
    record("bit flip between runs", "evidence: part of a table", "not believed; made again", predictions_audit.code)


@pytest.mark.slow
def test_a_bit_that_flips_in_the_journal(auditkit: Cli, predictions_audit: Undisturbed, tmp_path: Path) -> None:
    """What comes after it isn't believed; the damaged journal is kept beside the new one."""
    size = (predictions_audit.out / "journal.jsonl").stat().st_size
    for position in share(list(range(3, size, size // 40)), 4):
        out = tmp_path / "out"
        shutil.copytree(predictions_audit.out, out)
        journal = out / "journal.jsonl"
        _flip(journal, position)
        damaged = journal.read_bytes()
        believed, valid = read_journal(journal)
        assert auditkit("--quiet", "run", predictions_audit.plan, "--out", out, "--resume").code == (
            predictions_audit.code
        )
        assert comparable(out) == predictions_audit.audit
        entries, length = read_journal(journal)
        assert length == journal.stat().st_size
        assert len(entries) > len(believed)
        kept = out / "superseded-journal.jsonl"
        # The last line is vouched for by none after it (the attestation has its digest), and may also be torn.
        assert kept.exists() == (b"\n" in damaged[valid:])
        assert not kept.exists() or kept.read_bytes() == damaged
        assert kept.exists() or position >= damaged.rfind(b"\n", 0, -1)
        shutil.rmtree(out)
        record("bit flip between runs", "journal", "read up to there; the rest made again", predictions_audit.code)


def test_a_clock_that_goes_backwards(
    auditkit: Cli, predictions_audit: Undisturbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour a look: no negative duration, no end before the start, and the same audit."""

    class Backwards(datetime):
        moment = datetime.now(UTC)

        @classmethod
        def now(cls, tz: Any = None) -> Any:
            cls.moment -= timedelta(hours=1)
            return cls.moment

    for module in ("run", "journal", "rundir"):
        monkeypatch.setattr(f"auditkit.pipeline.{module}.datetime", Backwards)
    wall = itertools.count(time.time(), -3600)
    monkeypatch.setattr(time, "time", lambda: next(wall))
    out = tmp_path / "out"
    for options in ([], ["--resume"]):
        answer = auditkit("--quiet", "run", predictions_audit.plan, "--out", out, *options)
        assert answer.code == predictions_audit.code
        assert comparable(out) == predictions_audit.audit
        run = json.loads((out / "audit.json").read_text())["run"]
        assert run["started"] <= run["finished"]
        assert 0 <= run["seconds"] < 600
        assert all(seconds >= 0 for seconds in run["stages"].values())
        record("clock goes backwards", "run" + "".join(options), "same audit, no negative time", answer.code)


def test_the_latest_run_is_resumed_whatever_the_clock_says(
    auditkit: Cli, predictions_audit: Undisturbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock was a year ahead in the first run. A run of another name that begins alike is not meant either."""
    monkeypatch.chdir(tmp_path)
    found: list[Path] = []
    for _ in range(2):
        auditkit("--quiet", "run", predictions_audit.plan)
        (new,) = {p for p in Path("audits").glob("faults-*") if p.is_dir()} - set(found)
        found.append(new)
    ahead = time.time() + 365 * 86_400
    os.utime(found[0] / "journal.jsonl", (ahead, ahead))
    shutil.copytree(found[0], "audits/faults-and-more-2031-01-01-abcdef")
    assert choose_directory("faults", None, True) == found[1]
    Path("audits/.latest-faults").write_text("torn")
    assert choose_directory("faults", None, True) == found[0], "the newest journal, where nothing is noted"
    record("clock set back between runs", "run --resume", "goes on with the latest run")


class _Trickle(io.RawIOBase):
    """A disk that gives a few bytes at a time."""

    def __init__(self, stream: Any) -> None:
        self._stream, self._turn = stream, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self._stream.close()
        super().close()

    def fileno(self) -> int:
        return int(self._stream.fileno())

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._stream.seek(offset, whence))

    def tell(self) -> int:
        return int(self._stream.tell())

    def readinto(self, buffer: Any) -> int:
        self._turn = self._turn * 5 % 4093 + 1
        content = self._stream.read(min(len(buffer), self._turn))
        buffer[: len(content)] = content
        return len(content)


class _SlowSystem:
    """`os`, whose files trickle."""

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def fdopen(self, descriptor: int, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Trickle(os.fdopen(descriptor, mode, buffering=0)))


def test_a_disk_that_gives_less_than_was_asked_for(
    auditkit: Cli, predictions_audit: Undisturbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "os", _SlowSystem())
    out = tmp_path / "out"
    assert auditkit("--quiet", "run", predictions_audit.plan, "--out", out).code == predictions_audit.code
    assert comparable(out) == predictions_audit.audit
    record("short reads", "run", "same audit", predictions_audit.code)

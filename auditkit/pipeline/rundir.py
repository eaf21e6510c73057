"""The run directory: choosing it, locking it, and never overwriting what is not ours."""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from auditkit.core.errors import DISK_ERRORS, PlanError, UnfinishedError
from auditkit.core.files import remove_temporaries
from auditkit.core.locks import Lock
from auditkit.pipeline.journal import read_journal

JOURNAL = "journal.jsonl"
EVIDENCE = "evidence"
LOCK = ".lock"


def slug(name: str) -> str:
    """A name as a folder can carry it."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:60] or "audit"


def choose_directory(name: str, out: Path | None, resume: bool, parent: Path = Path("audits")) -> Path:
    """The directory of this run: `out`, or a new one under `audits/`, or with `resume` the newest of that name."""
    if out is not None:
        return out
    if resume:
        earlier = sorted(parent.glob(f"{slug(name)}-*/{JOURNAL}"), key=lambda path: path.stat().st_mtime)
        if not earlier:
            raise PlanError(f"--resume: there is no earlier run of {name!r} under {parent}/; name it with --out")
        return earlier[-1].parent
    new = parent
    while new == parent or new.exists():  # of thousands of runs a day, two would draw the same id
        new = parent / f"{slug(name)}-{datetime.now(UTC):%Y-%m-%d}-{uuid.uuid4().hex[:6]}"
    return new


def _has_results(path: Path, content: Sequence[str]) -> bool:
    """Whether an earlier run left anything: one that was refused before it scored a row left only its journal."""
    if set(content) - {JOURNAL, EVIDENCE}:
        return True
    return any(entry.event not in ("start", "stopped") for entry in read_journal(path / JOURNAL)[0])


class RunDirectory:
    """A locked run directory. Use as a context manager."""

    def __init__(self, path: Path, *, resume: bool, inputs: Sequence[Path] = ()) -> None:
        self.path = path
        self._resume = resume
        self._inputs = inputs
        self._lock: Lock | None = None

    def __enter__(self) -> RunDirectory:
        """Raises `PlanError` where the directory can't be had, `OSError` where the disk is full or broken."""
        self._refuse_files()
        existed = self.path.is_dir()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = Lock(self.path / LOCK)
        except BlockingIOError:
            raise PlanError(f"--out {self.path}: another run is writing there; wait, or choose another") from None
        except OSError as error:
            if error.errno in DISK_ERRORS:
                raise
            raise PlanError(f"--out {self.path}: can't be written: {error.strerror}") from None
        try:
            self._refuse_foreign()
            remove_temporaries(self.path)
        except BaseException:
            self._lock.release()
            if not existed:
                with contextlib.suppress(OSError):
                    self.path.rmdir()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._lock is not None
        self._lock.release()

    def require_held(self) -> None:
        """Raises `UnfinishedError` where somebody removed or replaced the directory since it was locked."""
        if self._lock is None or not self._lock.held:
            raise UnfinishedError(f"{self.path}: was removed or replaced while the audit ran; run again")

    def _refuse_files(self) -> None:
        path = self.path
        if path.exists() and not path.is_dir():
            raise PlanError(f"--out {path}: is a file; name a directory")
        inside = path.resolve()
        for source in self._inputs:
            if source.resolve().is_relative_to(inside):
                raise PlanError(f"--out {path}: holds an input of this audit ({source.name}); choose another directory")

    def _refuse_foreign(self) -> None:
        path = self.path
        content = [entry for entry in os.listdir(path) if entry != LOCK]
        if not content:
            return
        if JOURNAL not in content:
            raise PlanError(f"--out {path}: holds other files; choose an empty or a new directory")
        if not self._resume and _has_results(path, content):
            raise PlanError(
                f"--out {path}: holds an earlier run; --resume goes on with it, or choose another directory"
            )

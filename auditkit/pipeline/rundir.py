"""The run directory: choosing it, locking it, and never overwriting what is not ours."""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from auditkit.core.errors import DISK_ERRORS, PlanError, UnfinishedError
from auditkit.core.files import remove_temporaries
from auditkit.core.locks import Lock
from auditkit.pipeline.journal import read_journal

JOURNAL = "journal.jsonl"
EVIDENCE = "evidence"
LOCK = ".lock"
_LATEST = ".latest-"
#: How the names of directories end that nobody chose: a day and an id.
_DEFAULT = re.compile(r"-\d{4}-\d\d-\d\d-[0-9a-f]{6}$")


def slug(name: str) -> str:
    """A name as a folder can carry it."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:60] or "audit"


def choose_directory(name: str, out: Path | None, resume: bool, parent: Path = Path("audits")) -> Path:
    """The directory of this run: `out`, or a new one under `audits/`, or with `resume` the newest of that name."""
    if out is not None:
        return out
    if resume:
        earlier = _earlier(parent, slug(name))
        if earlier is None:
            raise PlanError(f"--resume: there is no earlier run of {name!r} under {parent}/; name it with --out")
        return earlier
    new = parent
    while new == parent or new.exists():  # of thousands of runs a day, two would draw the same id
        new = parent / f"{slug(name)}-{datetime.now(UTC):%Y-%m-%d}-{uuid.uuid4().hex[:6]}"
    return new


def _earlier(parent: Path, name: str) -> Path | None:
    """The directory that a run of that name used last: the one noted, which a clock that was set back can't hide, else
    the one with the newest journal."""
    runs = [path for path in parent.glob(f"{name}-*/{JOURNAL}") if _DEFAULT.fullmatch(path.parent.name, len(name))]
    noted = ""
    with contextlib.suppress(OSError, UnicodeError):
        noted = (parent / f"{_LATEST}{name}").read_text(encoding="utf-8").strip()
    newest = max(runs, key=lambda path: (path.parent.name == noted, path.stat().st_mtime), default=None)
    return None if newest is None else newest.parent


def _note_latest(directory: Path) -> None:
    """Note beside a directory of the usual name that it is the latest. A note that a kill tears names no directory."""
    match = _DEFAULT.search(directory.name)
    if match is not None:
        path = directory.parent / f"{_LATEST}{directory.name[: match.start()]}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(directory.name)


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[Lock]:
    """The lock of a run directory. Raises `PlanError` where another command writes there, `OSError` where it can't be
    written."""
    try:
        lock = Lock(directory / LOCK)
    except BlockingIOError:
        raise PlanError(f"{directory}: another run is writing there; wait, or choose another directory") from None
    try:
        yield lock
    finally:
        lock.release()


def _has_results(path: Path, content: Sequence[str]) -> bool:
    """Whether an earlier run left anything: one that was refused before it scored a row left only its journal.

    Evidence counts, whatever the journal says of it: without --resume nobody vouches for what lies there.
    """
    if set(content) - {JOURNAL, EVIDENCE} or (EVIDENCE in content and os.listdir(path / EVIDENCE)):
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
            _note_latest(self.path)
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
        inside = Path(os.path.realpath(path))
        for source in self._inputs:
            if Path(os.path.realpath(source)).is_relative_to(inside):  # a loop of links raises nothing here
                raise PlanError(f"--out {path}: holds an input of this audit ({source.name}); choose another directory")

    def _refuse_foreign(self) -> None:
        path = self.path
        content = [entry for entry in os.listdir(path) if entry != LOCK]
        if not content:
            return
        for name in (EVIDENCE, f"{EVIDENCE}/.checks", f"{EVIDENCE}/.parts"):
            if (path / name).is_symlink():
                raise PlanError(
                    f"--out {path}: its {name} is a link, which auditkit never makes; choose another directory"
                )
        if JOURNAL not in content:
            raise PlanError(f"--out {path}: holds other files; choose an empty or a new directory")
        if not self._resume and _has_results(path, content):
            raise PlanError(
                f"--out {path}: holds an earlier run; --resume goes on with it, or choose another directory"
            )

"""The directory that training writes: claimed by one run at a time, never mixed with what else lies there."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from auditkit.core.errors import DISK_ERRORS, PlanError
from auditkit.core.files import TEMPORARY_PREFIX, remove_temporaries
from auditkit.core.locks import Lock
from auditkit.models.bundle import DESCRIPTION, HISTORY, WEIGHTS

_LOCK, _CACHE, _CHECKPOINT = ".lock", ".cache", ".checkpoint"
_OURS = {_LOCK, _CACHE, _CHECKPOINT, DESCRIPTION, WEIGHTS, HISTORY}


@dataclass(frozen=True)
class Workspace:
    """A claimed output directory."""

    path: Path

    @property
    def cache(self) -> Path:
        """Where the encoded rows lie while training runs."""
        return self.path / _CACHE

    @property
    def checkpoint(self) -> Path:
        """The file with the state after the last epoch."""
        return self.path / _CHECKPOINT / "last.safetensors"

    @property
    def trained(self) -> bool:
        """Whether a finished model is there; `model.json` is written last."""
        return (self.path / DESCRIPTION).exists()

    def forget_checkpoint(self) -> None:
        """Remove what only an interrupted training needs."""
        shutil.rmtree(self.path / _CHECKPOINT, ignore_errors=True)


@contextlib.contextmanager
def claimed(out: Path, *, resume: bool) -> Iterator[Workspace]:
    """Claim `out` for one training; the cache is removed on leaving, the checkpoint stays until it is forgotten.

    Raises `PlanError` where `out` is a file, holds something else, holds a model or an unfinished training (without
    `resume`), can't be written, or is in use; `OSError` where the disk is full or broken.
    """
    _check(out, resume)
    lock = _lock(out)
    workspace = Workspace(out)
    try:
        _check(out, resume)  # again: a training that held the lock until now may have left a model
        remove_temporaries(out)
        shutil.rmtree(workspace.cache, ignore_errors=True)
        workspace.cache.mkdir()
        workspace.checkpoint.parent.mkdir(exist_ok=True)
        yield workspace
    finally:
        shutil.rmtree(workspace.cache, ignore_errors=True)
        with contextlib.suppress(OSError):
            workspace.checkpoint.parent.rmdir()
        lock.release()


def _lock(out: Path) -> Lock:
    try:
        out.mkdir(parents=True, exist_ok=True)
        return Lock(out / _LOCK)
    except BlockingIOError:
        raise PlanError(f"--out: {out} is in use by another training; wait for it, or name another directory") from None
    except OSError as error:
        if error.errno in DISK_ERRORS:
            raise
        raise PlanError(f"--out: {out} can't be written ({error.strerror})") from None


def _check(out: Path, resume: bool) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise PlanError(f"--out: {out} is a file; name a directory")
    names = {entry.name for entry in out.iterdir() if not entry.name.startswith(TEMPORARY_PREFIX)}
    foreign = sorted(names - _OURS)
    if foreign:
        raise PlanError(f"--out: {out} holds something else ({foreign[0]!r}); name an empty or a new directory")
    if resume:
        return
    if DESCRIPTION in names:
        raise PlanError(f"--out: {out} holds a trained model already; name another directory, or remove it")
    if _CHECKPOINT in names:
        raise PlanError(f"--out: {out} holds an unfinished training; go on with --resume, or name another directory")
    if names - {_LOCK, _CACHE}:
        raise PlanError(f"--out: {out} holds parts of a model; name another directory, or remove it")

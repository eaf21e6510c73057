"""The directory of a worker: made for it, removed with it, and swept up where a kill left nobody to remove it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from pathlib import Path

from auditkit.models.worker.clearing import remove_tree

PREFIX = "auditkit-worker-"


class Home:
    """An empty directory under the system's temporary directory. Its parent process holds a lock on it: where nobody
    does, it is a stray of a process that was killed."""

    def __init__(self) -> None:
        """Sweep up strays, make the directory and lock it. Raises `OSError` where there is no place for it."""
        sweep(Path(tempfile.gettempdir()))
        while True:
            self.path = tempfile.mkdtemp(prefix=PREFIX)
            try:
                self._descriptor: int | None = _opened(self.path)
            except FileNotFoundError:
                continue
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            if os.path.lexists(self.path):
                return
            os.close(self._descriptor)  # swept up between its making and its lock

    def remove(self) -> None:
        """Remove the directory with what is in it; safe to call twice."""
        if self._descriptor is not None:
            remove_tree(self.path)
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)


def sweep(directory: Path) -> None:
    """Remove the homes in `directory` that are this user's and that no process holds."""
    with contextlib.suppress(OSError):
        for name in os.listdir(directory):
            if name.startswith(PREFIX):
                _remove_unheld(directory / name)


def _remove_unheld(path: Path) -> None:
    try:
        descriptor = _opened(path)
    except OSError:
        return
    try:
        if os.fstat(descriptor).st_uid == os.getuid():
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_tree(path)
    except OSError:
        return
    finally:
        os.close(descriptor)


def _opened(path: Path | str) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)

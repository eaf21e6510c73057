"""A lock on a directory, held by at most one process of this machine, which a kill gives back."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path


class Lock:
    """An exclusive lock on a file, which is made for it and removed with it.

    The file may be removed by whoever holds the lock at the moment when another waits for it or opens it: a lock on a
    file that no longer has its name guards nothing, so it is given up and taken again on the file that has.
    """

    def __init__(self, path: Path) -> None:
        """Take the lock. Raises `BlockingIOError` where another process holds it, `OSError` where it can't be taken
        (no such directory, no right to write, a link or a pipe in its place, no space)."""
        self.path = path
        while True:
            self._descriptor: int | None = _open(path)
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self.held:
                    return
            except BaseException:
                os.close(self._descriptor)
                raise
            os.close(self._descriptor)

    @property
    def held(self) -> bool:
        """Whether the lock still guards its place: nobody removed or replaced the file, or the directory around it."""
        if self._descriptor is None:
            return False
        try:
            there = os.stat(self.path, follow_symlinks=False)
        except OSError:
            return False
        return os.path.samestat(there, os.fstat(self._descriptor))

    def release(self) -> None:
        """Give it back; safe to call twice. A file that is no longer ours stays."""
        if self._descriptor is None:
            return
        if self.held:
            with contextlib.suppress(OSError):
                os.unlink(self.path)
        os.close(self._descriptor)
        self._descriptor = None


def _open(path: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    return os.open(path, flags, 0o666)

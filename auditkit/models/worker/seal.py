"""The child closes its sandbox: first files, before it imports; then system calls, before it opens the model's file.

Between the two only installed libraries run. What could not be closed is reported, never passed over, and what was
closed is tried: the report says what the kernel answered.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Callable
from typing import Any

from auditkit.models.worker import landlock, limits, seccomp
from auditkit.models.worker.charter import Charter
from auditkit.models.worker.grants import grants


class Sandbox:
    """What of the charter's sandbox is closed. `close_files` comes first, while there is one thread."""

    def __init__(self, charter: Charter) -> None:
        self.charter = charter
        self._landlock = 0
        self._seccomp = False
        self._missing: dict[str, str] = {}

    def close_files(self) -> None:
        """Landlock, and no privileges: whatever this process starts from now on opens only what was granted."""
        if not self.charter.sandbox:
            return
        try:
            self._landlock = landlock.restrict(grants(self.charter, sys.path, os.environ["HOME"]))
        except OSError as error:
            self._missing["landlock"] = _reason(error)
        try:
            limits.drop_capabilities(keep_reading=self._landlock > 0)
        except OSError as error:
            self._missing["capabilities"] = _reason(error)

    def close_calls(self, *, gpu: bool) -> dict[str, Any]:
        """Bound the memory, filter system calls, and report: what holds, what is missing and why, what was tried."""
        limits.bound_memory(self.charter.model_bytes, gpu=gpu)
        if self.charter.sandbox:
            try:
                seccomp.apply(writes=self._landlock > 0, gpu=gpu)
                self._seccomp = True
            except OSError as error:
                self._missing["seccomp"] = _reason(error)
        tried = {name: _answer(attempt) for name, attempt in _ATTEMPTS.items()} if self.charter.sandbox else {}
        return {"landlock": self._landlock, "seccomp": self._seccomp, "missing": self._missing, "tried": tried}


def _reason(error: OSError) -> str:
    if error.errno in (errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL):
        return "this system has none"
    return f"the kernel refused it: {error.strerror}"


def _answer(attempt: Callable[[], object]) -> str:
    """What the kernel said: the name of an errno, or `allowed`."""
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, "OSError")
    return "allowed"


def _write_outside() -> None:
    """Beside the own directory, where everybody may write but for the sandbox."""
    path = f"{os.environ['HOME']}-outside"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    os.unlink(path)


#: None of these does anything where it is allowed: the program does not exist, the signal is none.
_ATTEMPTS: dict[str, Callable[[], object]] = {
    "read": lambda: os.listdir("/"),
    "write": _write_outside,
    "socket": lambda: socket.socket(socket.AF_UNIX).close(),
    "program": lambda: os.execv("/nonexistent/program", ["program"]),  # noqa: S606 - it has to fail
    "signal": lambda: os.kill(os.getppid(), 0),
}

"""What the parent sees of a running child: what it prints, and whether it takes more than it may."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import subprocess
import threading
import time
from collections import deque

from auditkit.models.worker.limits import MAX_HOME_BYTES, MAX_HOME_FILES, MAX_THREADS

#: How much of what the child prints is kept for messages.
TAIL_BYTES = 4_096
#: Seconds between two looks.
_PERIOD = 0.25
#: How a directory hides what is in it: by its mode, or so deep that its path is too long.
_HIDDEN = (errno.EACCES, errno.EPERM, errno.ENAMETOOLONG)


class Watch:
    """A thread that drains the child's output, so that it never blocks, and stops a child that takes too much.

    The kernel bounds the memory of one process and the size of its files, but neither how many files it makes nor how
    many threads it starts.
    """

    def __init__(self, process: subprocess.Popen[bytes], home: str) -> None:
        self._process = process
        self._home = home
        self._tail: deque[bytes] = deque(maxlen=64)
        #: Why the child was stopped, or nothing.
        self.stopped = ""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def said(self) -> str:
        """The last line that the child printed, made safe for a message, or an empty string."""
        self._thread.join(timeout=1)
        text = b"".join(self._tail)[-TAIL_BYTES:].decode("utf-8", "replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return printable(lines[-1])[:300] if lines else ""

    def join(self) -> None:
        """Wait until all that an ended child had printed is read."""
        self._thread.join(timeout=5)

    def _run(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        looked = 0.0
        with stream, contextlib.suppress(OSError, ValueError):
            poll = select.poll()
            poll.register(stream.fileno(), select.POLLIN | select.POLLHUP)
            while True:
                if poll.poll(_PERIOD * 1_000):
                    chunk = os.read(stream.fileno(), TAIL_BYTES)
                    if not chunk:
                        break
                    self._tail.append(chunk)
                if time.monotonic() - looked >= _PERIOD:
                    looked = time.monotonic()
                    self._look()
        # It has closed its output, but may go on.
        while self._process.poll() is None:
            self._look()
            time.sleep(_PERIOD)

    def _look(self) -> None:
        if self.stopped:
            return
        reason = _too_many_threads(self._process.pid) or _too_much_written(self._home)
        if reason and self._process.poll() is None:
            self.stopped = reason
            self._process.kill()


def _too_many_threads(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            threads = int(stream.read().rpartition(")")[2].split()[17])
    except (OSError, ValueError, IndexError):
        return ""
    return f"it started more than {MAX_THREADS:,} threads" if threads > MAX_THREADS else ""


def _too_much_written(home: str) -> str:
    count, size, waiting = 0, 0, [home]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    count += 1
                    if count > MAX_HOME_FILES:
                        return f"it made more than {MAX_HOME_FILES:,} files"
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        with contextlib.suppress(OSError):
                            size += entry.stat(follow_symlinks=False).st_blocks * 512
        except OSError as error:
            if error.errno in _HIDDEN:
                return "it made a directory into which nobody can look"
    return f"it wrote more than {MAX_HOME_BYTES >> 20} MiB" if size > MAX_HOME_BYTES else ""


def printable(text: str) -> str:
    """Text of a child without control characters, which could command the terminal that shows them."""
    return "".join(c if c.isprintable() else " " for c in text)

"""One child process: started in a bare environment, asked with a time-out, and never left behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections import deque
from typing import IO

from auditkit.core.errors import ModelCrashedError
from auditkit.models.worker.homes import Home
from auditkit.models.worker.limits import import_paths, scrubbed_environment
from auditkit.models.worker.wire import ConnectionLostError, Frame, WireError, receive, send

#: How much of what the child prints is kept for messages.
TAIL_BYTES = 4_096
_BOOT = "import json,runpy,sys;sys.path[:]=json.loads(sys.argv.pop(1));runpy.run_module({!r},run_name='__main__')"


def child_command(descriptor: int) -> list[str]:
    """The child's command line. Isolated mode: no site of the user's, no PYTHON* variable, no working directory."""
    boot = _BOOT.format("auditkit.models.worker")
    return [sys.executable, "-I", "-c", boot, json.dumps(import_paths()), str(descriptor)]


class WorkerProcess:
    """A running child. `ask` sends a frame and waits for the answer; `close` ends it, and so does the parent's exit."""

    def __init__(self, name: str) -> None:
        """`name` is how messages call the model."""
        self.name = name
        home = Home()
        try:
            self._connection, theirs = socket.socketpair()
        except OSError:
            home.remove()
            raise
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module, no shell
                child_command(theirs.fileno()),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(theirs.fileno(),),
                env=scrubbed_environment(os.environ, home.path),
                cwd=home.path,
                start_new_session=True,
            )
        except OSError as error:
            self._connection.close()
            home.remove()
            raise ModelCrashedError(f"{name}: its process could not be started ({error.strerror})") from None
        finally:
            theirs.close()
        assert self._process.stdout is not None
        self._tail: deque[bytes] = deque(maxlen=64)
        self._reader = threading.Thread(target=_drain, args=(self._process.stdout, self._tail), daemon=True)
        self._reader.start()
        self._lock = threading.Lock()
        self._finalizer = weakref.finalize(self, _end, self._process, self._connection, self._reader, home, os.getpid())

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def ask(self, request: Frame, seconds: float, doing: str) -> Frame:
        """The child's answer. Raises `ModelCrashedError`, in one sentence, where the child died, hung or babbled;
        it is then gone."""
        with self._lock:
            if not self._finalizer.alive:
                raise ModelCrashedError(f"{self.name}: its process has ended")
            try:
                send(self._connection, request, seconds)
                return receive(self._connection, seconds)
            except TimeoutError:
                self.close()
                raise ModelCrashedError(f"{self.name}: no answer after {seconds:g} s while {doing}; stopped") from None
            except ConnectionLostError:
                reason = self._how_it_died()
                self.close()
                raise ModelCrashedError(f"{self.name}: its process {reason} while {doing}{self.said()}") from None
            except WireError as error:
                self.close()
                raise ModelCrashedError(
                    f"{self.name}: its process answered something that is no prediction ({error}) while {doing}"
                ) from None
            except BaseException:
                # Ctrl-C between question and answer: the next answer would belong to the wrong question.
                self.close()
                raise

    def said(self) -> str:
        """The last line that the child printed, made safe for a message, or an empty string."""
        self._reader.join(timeout=1)
        text = b"".join(self._tail)[-TAIL_BYTES:].decode("utf-8", "replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if not lines:
            return ""
        return f"; it last said: {printable(lines[-1])[:300]}"

    def _how_it_died(self) -> str:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "closed its connection"
        if code >= 0:
            return f"ended with code {code}"
        return {
            signal.SIGKILL: "was killed (SIGKILL), most likely because the machine ran out of memory,",
            signal.SIGSEGV: "crashed with a segmentation fault (SIGSEGV)",
            signal.SIGABRT: "aborted (SIGABRT)",
        }.get(signal.Signals(-code), f"was ended by {signal.Signals(-code).name}")

    def close(self) -> None:
        """End the child and give back what it held; safe to call twice."""
        self._finalizer()


def printable(text: str) -> str:
    """Text of a child without control characters, which could command the terminal that shows them."""
    return "".join(c if c.isprintable() else " " for c in text)


def _drain(stream: IO[bytes], tail: deque[bytes]) -> None:
    """Keep the last bytes that the child prints; reading goes on so that it never blocks."""
    with stream, contextlib.suppress(OSError, ValueError):
        while chunk := os.read(stream.fileno(), TAIL_BYTES):
            tail.append(chunk)


def _end(
    process: subprocess.Popen[bytes], connection: socket.socket, reader: threading.Thread, home: Home, owner: int
) -> None:
    if os.getpid() != owner:
        # A forked copy of the parent: the child isn't its to end.
        connection.close()
        return
    connection.close()
    try:
        process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            # The whole session: whatever the child started ends with it.
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    reader.join(timeout=5)
    home.remove()

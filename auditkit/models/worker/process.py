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

from auditkit.core.errors import ModelCrashedError
from auditkit.models.worker.channel import Asking
from auditkit.models.worker.charter import Charter
from auditkit.models.worker.homes import Home
from auditkit.models.worker.limits import import_paths, scrubbed_environment
from auditkit.models.worker.watch import Watch
from auditkit.models.worker.wire import ConnectionLostError, Frame, WireError

_BOOT = "import json,runpy,sys;sys.path[:]=json.loads(sys.argv.pop(1));runpy.run_module({!r},run_name='__main__')"


def child_command(descriptor: int) -> list[str]:
    """The child's command line. Isolated mode: no site of the user's, no PYTHON* variable, no working directory."""
    boot = _BOOT.format("auditkit.models.worker")
    return [sys.executable, "-I", "-c", boot, json.dumps(import_paths()), str(descriptor)]


class WorkerProcess:
    """A running child. `ask` sends a frame and waits for the answer; `close` ends it, and so does the parent's exit."""

    def __init__(self, name: str, charter: Charter | None = None) -> None:
        """`name` is how messages call the model, `charter` what the child may do."""
        self.name = name
        home = Home()
        try:
            ours, theirs = socket.socketpair()
        except OSError:
            home.remove()
            raise
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module, no shell
                [*child_command(theirs.fileno()), (charter or Charter()).to_argument()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(theirs.fileno(),),
                env=scrubbed_environment(os.environ, home.path),
                cwd=home.path,
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            home.remove()
            raise ModelCrashedError(f"{name}: its process could not be started ({error.strerror})") from None
        finally:
            theirs.close()
        self._channel = Asking(ours)
        self._watch = Watch(self._process, home.path)
        self._lock = threading.Lock()
        self._finalizer = weakref.finalize(self, _end, self._process, self._channel, self._watch, home, os.getpid())

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
                return self._channel.ask(request, seconds)
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
        """The last line that the child printed, as the end of a message, or an empty string."""
        said = self._watch.said()
        return f"; it last said: {said}" if said else ""

    def _how_it_died(self) -> str:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "closed its connection"
        if self._watch.stopped:
            return f"was stopped, because {self._watch.stopped},"
        if code >= 0:
            return f"ended with code {code}"
        known = {
            signal.SIGKILL: "was killed (SIGKILL), most likely because the machine ran out of memory,",
            signal.SIGSEGV: "crashed with a segmentation fault (SIGSEGV)",
            signal.SIGABRT: "aborted (SIGABRT)",
        }
        try:
            ended = signal.Signals(-code)
        except ValueError:  # most real-time signals have no name
            return f"was ended by signal {-code}"
        return known.get(ended, f"was ended by {ended.name}")

    def close(self) -> None:
        """End the child and give back what it held; safe to call twice."""
        self._finalizer()


def _end(process: subprocess.Popen[bytes], channel: Asking, watch: Watch, home: Home, owner: int) -> None:
    if os.getpid() != owner:
        # A forked copy of the parent: the child isn't its to end.
        channel.close()
        return
    channel.close()
    try:
        process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            # The whole session: whatever the child started ends with it.
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    watch.join()
    home.remove()

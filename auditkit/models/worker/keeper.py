"""A second small process beside each worker: where the parent is killed, it ends the worker, and it removes its home.

The worker can't do that itself: its model may have taken it over, and Landlock keeps it from removing the directory
that it lives in. The keeper is forked before the sandbox closes, holds no descriptor of anybody's, and waits on the
kernel's word that one of the two processes has ended; it costs no processor time.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys

from auditkit.models.worker.clearing import remove_tree


def start(parent: int, home: str) -> bool:
    """Start the keeper of this process; False where the system has no process descriptors (Linux before 5.3, macOS)."""
    if sys.platform != "linux":
        return False
    try:
        watched = [os.pidfd_open(parent), os.pidfd_open(os.getpid())]
        pid = os.fork()
    except OSError:
        return False
    if pid:
        for descriptor in watched:
            os.close(descriptor)
        return True
    try:
        _keep(os.getppid(), parent, watched, home)
    finally:
        os._exit(0)


def _keep(worker: int, parent: int, watched: list[int], home: str) -> None:
    """Wait, then end the worker and remove its home. Never returns to the worker's own code."""
    os.setsid()  # not among those that end with the worker's session
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in watched:
            with contextlib.suppress(OSError):
                os.close(int(name))
    poll = select.poll()
    for descriptor in watched:
        poll.register(descriptor, select.POLLIN)
    if _parent_of(worker) == parent:
        poll.poll()
    with contextlib.suppress(OSError):
        # By descriptor: the number may be another process by now.
        signal.pidfd_send_signal(watched[1], signal.SIGKILL)
    remove_tree(home)


def _parent_of(worker: int) -> int:
    with open(f"/proc/{worker}/stat", encoding="utf-8", errors="replace") as stream:
        return int(stream.read().rpartition(")")[2].split()[1])

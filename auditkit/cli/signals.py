"""Ctrl-C, SIGTERM and a terminal that closes: the first ends the work in order, a later one at once."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

#: Seconds in which further signals are taken for the same wish: a key that bounces, a terminal that sends two hang-ups
#: as it closes, a supervisor that signals a whole group.
BOUNCE = 1.0

_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 143}


class Terminated(BaseException):
    """SIGTERM or SIGHUP arrived."""


class Stop:
    """What was asked of this process so far: `code` is that of the first signal, once there was one.

    What a signal raises may come out as another exception: compiled code that calls back into Python wraps what is
    raised there. `code` says then what it was.
    """

    def __init__(self) -> None:
        self.code: int | None = None
        self._first = 0.0

    def heed(self, number: int, frame: FrameType | None) -> None:
        """Raise at the first signal. At one that comes while that is still being seen to, and no echo of it, leave:
        whatever stands on the disk is whole at any moment, and a worker ends when its parent has gone."""
        now = time.monotonic()
        code = _CODES[signal.Signals(number)]
        if self.code is None:
            self.code, self._first = code, now
            raise KeyboardInterrupt if number == signal.SIGINT else Terminated
        if now - self._first > BOUNCE:
            os._exit(code)


@contextlib.contextmanager
def heeded(*, last: bool) -> Iterator[Stop]:
    """Inside, signals raise `KeyboardInterrupt` or `Terminated`, once. What was ignored (`nohup`) stays ignored.

    Afterwards they do what they did before; with `last`, nothing: the process is about to end, with its answer given.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    numbers = [number for number in _CODES if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, stop.heed) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if last else handler or signal.SIG_DFL)

"""What a fuzz target is, and what counts as a crash: the one judge of every engine, test and replay.

A target takes bytes. It may accept them, or refuse them with an `AuditkitError` of an exit code that fits and of one
clear message. Everything else is a crash: another exception, a result that is not sound, five seconds of work, half a
gigabyte of memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import resource
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import FrameType
from typing import Literal

from auditkit.core.errors import AuditkitError, PlanError

#: One input may work so long (processor time) ...
SECONDS = 5.0
#: ... may wait so long (on a machine that does other things, too) ...
WAIT = 120.0
#: ... and may raise the peak of the process's memory by so much.
MEGABYTES = 512
MESSAGE = 1_400
PROBLEMS = 201

Outcome = Literal["accepted", "refused"]
Mutation = Callable[[bytes, Random, Sequence[bytes]], bytes]


class Crash(Exception):
    """An input that did what none may do."""


class _TooLongError(BaseException):
    """Not an `Exception`: code under test must not be able to swallow it."""


@dataclass(frozen=True)
class Target:
    """One reader of foreign bytes. `run` gets them and an empty folder of its own (it is emptied for the next input).

    `seeds` are valid inputs, made here. `mutate` knows the structure of the format; engines mix it with plain bytes.
    `traced` are the parts of `auditkit` whose lines guide the search. `refusals` are further exceptions by which this
    reader says no (the wire has its own).
    """

    name: str
    about: str
    run: Callable[[bytes, Path], object]
    seeds: Callable[[], list[bytes]]
    traced: tuple[str, ...]
    mutate: Mutation | None = None
    tokens: tuple[bytes, ...] = ()
    codes: frozenset[int] = field(default=frozenset({4}))
    refusals: tuple[type[Exception], ...] = ()
    #: Whether a whole audit may hang on one input; it is then run fewer times.
    slow: bool = False


def name_of(data: bytes) -> str:
    """The name of an input's file in a corpus."""
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def attempt(target: Target, data: bytes, folder: Path, *, wait: bool = True) -> Outcome:
    """Give a target one input. Raises `Crash` with the reason where it did what none may do."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for stray in folder.iterdir():
        _remove(stray)
    try:
        with _watched(wait):
            outcome = _outcome(target, data, folder)
    except Crash:
        raise
    except _TooLongError as error:
        raise Crash(f"took more than {error}\n{traceback.format_exc(limit=-8)}") from None
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        raise Crash(f"{type(error).__name__}: {str(error)[:500]}\n{traceback.format_exc(limit=-12)}") from error
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) >> 10
    if grown > MEGABYTES:
        raise Crash(f"took {grown} MiB of memory")
    return outcome


def _remove(path: Path) -> None:
    if not path.is_symlink() and path.is_dir():  # what a link leads to may be a name too long to look at
        for inner in path.iterdir():
            _remove(inner)
        path.rmdir()
    else:
        path.unlink()


def _outcome(target: Target, data: bytes, folder: Path) -> Outcome:
    try:
        target.run(data, folder)
    except AuditkitError as error:
        _judge_refusal(target, error)
        return "refused"
    except target.refusals:
        return "refused"
    return "accepted"


def _judge_refusal(target: Target, error: AuditkitError) -> None:
    """A refusal has the right exit code, and says in plain lines what is wrong."""
    if error.exit_code not in target.codes:
        raise Crash(f"exit code {error.exit_code}: {error}\n{traceback.format_exc(limit=-12)}")
    lines = [str(problem) for problem in error.problems] if isinstance(error, PlanError) else [str(error)]
    if not lines or str(error).count("\n") > PROBLEMS:
        raise Crash(f"a refusal with too many lines: {len(lines)}")
    for line in lines:
        if not line.strip() or "\n" in line.strip() or len(line) > MESSAGE:
            raise Crash(f"no message of one line: {line[:2000]!r}\n{traceback.format_exc(limit=-12)}")
        if "Traceback" in line or "0x7f" in line:
            raise Crash(f"a message that is for no user: {line[:2000]!r}")


@contextlib.contextmanager
def _watched(wait: bool) -> Iterator[None]:
    """Raise once the time is over. `wait=False` where somebody else's alarm clock watches the waiting."""

    def over(number: int, frame: FrameType | None) -> None:
        raise _TooLongError(f"{SECONDS:g} s of work" if number == signal.SIGPROF else f"{WAIT:g} s")

    clocks = [(signal.ITIMER_PROF, signal.SIGPROF, SECONDS), (signal.ITIMER_REAL, signal.SIGALRM, WAIT)]
    clocks = clocks if wait else clocks[:1]
    before = [signal.signal(number, over) for _, number, _ in clocks]
    try:
        for clock, _, seconds in clocks:
            signal.setitimer(clock, seconds)
        yield
    finally:
        for (clock, number, _), handler in zip(clocks, before, strict=True):
            signal.setitimer(clock, 0)
            signal.signal(number, handler)

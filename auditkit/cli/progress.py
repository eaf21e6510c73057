"""Progress on stderr: bars on a terminal, plain lines elsewhere, nothing when asked to be quiet."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, cast

from auditkit.cli.output import tell
from auditkit.cli.text import safe
from auditkit.core.progress import Bar, Progress, SilentProgress

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

_EVERY_SECONDS = 10.0


def progress_for(*, quiet: bool) -> Progress:
    """The reporter for this terminal."""
    if quiet:
        return SilentProgress()
    return _TerminalProgress() if sys.stderr is not None and sys.stderr.isatty() else _LineProgress()


class _LineBar:
    def __init__(self, what: str, total: int | None) -> None:
        self._what, self._total, self._done = what, total, 0
        self._next = time.monotonic() + _EVERY_SECONDS

    def advance(self, amount: int = 1, note: str = "") -> None:
        self._done += amount
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _EVERY_SECONDS
            share = f"{100 * self._done / self._total:.0f}%" if self._total else f"{self._done:,}"
            tell(f"{self._what}: {share} {safe(note)}".rstrip())


class _LineProgress:
    @contextmanager
    def bar(self, what: str, total: int | None) -> Iterator[Bar]:
        began = time.monotonic()
        tell(f"{safe(what)} ...")
        yield _LineBar(safe(what), total)
        tell(f"{safe(what)}: done in {time.monotonic() - began:.1f} s")

    def say(self, message: str) -> None:
        tell(safe(message))


class _RichBar:
    def __init__(self, progress: RichProgress, task: TaskID, what: str) -> None:
        self._progress, self._task, self._what = progress, task, what

    def advance(self, amount: int = 1, note: str = "") -> None:
        text = f"{self._what} {safe(note)}".rstrip()
        self._progress.update(self._task, advance=amount, description=text.replace("[", r"\["))


class _Terminal:
    """stderr for `rich`. Where the terminal was closed (EIO), nobody hears, and the work goes on all the same."""

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.flush()


class _TerminalProgress:
    @contextmanager
    def bar(self, what: str, total: int | None) -> Iterator[Bar]:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with RichProgress(*columns, console=Console(file=cast(IO[str], _Terminal())), transient=False) as progress:
            task = progress.add_task(safe(what).replace("[", r"\["), total=total)
            yield _RichBar(progress, task, safe(what))

    def say(self, message: str) -> None:
        tell(safe(message))

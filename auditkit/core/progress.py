"""How long work tells what it is doing, without knowing who listens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Bar(Protocol):
    """One running piece of work."""

    def advance(self, amount: int = 1, note: str = "") -> None:
        """So many units are done; `note` replaces the text beside the bar."""


class Progress(Protocol):
    """Where work reports to: a terminal's progress bars, plain lines, or nothing."""

    def bar(self, what: str, total: int | None) -> AbstractContextManager[Bar]:
        """Open a bar for `total` units (None: unknown)."""

    def say(self, message: str) -> None:
        """One line for the user."""


class _SilentBar:
    def advance(self, amount: int = 1, note: str = "") -> None:
        """Say nothing."""


class SilentProgress:
    """Says nothing: the default of the Python API."""

    @contextmanager
    def bar(self, what: str, total: int | None) -> Iterator[Bar]:
        """A bar that nobody sees."""
        yield _SilentBar()

    def say(self, message: str) -> None:
        """Say nothing."""

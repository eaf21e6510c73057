"""The errors that reach a user, each with the exit code of the contract and one clear message."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class AuditkitError(Exception):
    """Base of every error that auditkit raises on purpose; `exit_code` is what the command line answers."""

    exit_code = 3


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a plan or a command line: where, what was found, and what to do."""

    where: str
    message: str
    line: int | None = None

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line is not None else ""
        where, message = _one_line(self.where, _WHERE), _one_line(self.message, _MESSAGE)
        return f"{place}{where}: {message}" if where else f"{place}{message}"


#: Keys and values that a plan or a file gave are quoted up to here.
_WHERE, _MESSAGE = 200, 1_000
#: So many problems are listed; nobody reads more before mending the first.
_PROBLEMS = 200


def _one_line(text: str, most: int) -> str:
    cut = text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"
    return cut.replace("\n", "\\n").replace("\r", "\\r")


class PlanError(AuditkitError):
    """The plan or the command line is wrong. Carries every problem found, not just the first."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem] | Problem | str, source: str = "") -> None:
        if isinstance(problems, str):
            problems = [Problem("", problems)]
        elif isinstance(problems, Problem):
            problems = [problems]
        self.problems = tuple(sorted(problems, key=lambda p: (p.line is None, p.line or 0)))
        self.source = source
        super().__init__(self._message())

    def _message(self) -> str:
        lines = [str(problem) for problem in self.problems[:_PROBLEMS]]
        more = len(self.problems) - _PROBLEMS
        lines += [f"... and {more:,} more"] if more > 0 else []
        if not self.source:
            return "\n".join(lines)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems):,} problems"
        return "\n".join([f"{self.source}: {count}", *(f"  {line}" for line in lines)])


class InputRefusedError(AuditkitError):
    """An input was refused or can't be read: a model file, a data file."""

    exit_code = 4


class UnfinishedError(AuditkitError):
    """The audit could not be finished; what was finished is kept and `--resume` goes on."""

    exit_code = 3


class ModelCrashedError(UnfinishedError):
    """The model's process died, hung, or answered something that is no prediction."""


class MissingEvidenceError(AuditkitError):
    """A check asked for evidence that was not collected; the message says why it is missing."""


#: What the operating system answers where a disk is full or broken: never the user's choice of a directory.
DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG})


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `"; did you mean 'x'?"` for the known name closest to `name`, or an empty string."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if not close:  # SEX and sex have no letter in common
        folded = {other.casefold(): other for other in reversed(names)}
        close = [folded[found] for found in difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)]
    return f"; did you mean {close[0]!r}?" if close else ""


def few(names: Iterable[str], most: int = 5) -> str:
    """The first of many names for a message, each cut to 100 characters, and how many more there are."""
    listed = [name[:100] for name in names]
    shown = ", ".join(listed[:most])
    return shown if len(listed) <= most else f"{shown} and {len(listed) - most} more"

"""What a verification found: one line for each thing that was looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

#: So many differences are named; the rest are counted.
SHOWN = 10


class Outcome(Enum):
    """What became of one line."""

    GOOD = "ok"
    BAD = "FAILED"
    NOTE = "note"


@dataclass(frozen=True)
class Line:
    """One thing that was looked at: what, and what was found. The texts hold names out of the run directory."""

    outcome: Outcome
    what: str
    text: str


@dataclass
class Findings:
    """The lines, in order."""

    lines: list[Line] = field(default_factory=list)

    def good(self, what: str, text: str) -> None:
        """It is as it should be."""
        self.lines.append(Line(Outcome.GOOD, what, text))

    def bad(self, what: str, text: str) -> None:
        """It is not."""
        self.lines.append(Line(Outcome.BAD, what, text))

    def note(self, what: str, text: str) -> None:
        """Something that the reader must know, which is neither."""
        self.lines.append(Line(Outcome.NOTE, what, text))

    def all_bad(self, found: Iterable[tuple[str, str]]) -> None:
        """Several of them, the first `SHOWN` by name."""
        listed = list(found)
        for what, text in listed[:SHOWN]:
            self.bad(what, text)
        if len(listed) > SHOWN:
            self.bad("and so on", f"{len(listed) - SHOWN:,} more")

    @property
    def whole(self) -> bool:
        """Whether nothing was wrong."""
        return all(line.outcome is not Outcome.BAD for line in self.lines)


def differences(attested: Mapping[str, str], now: Mapping[str, str], prefix: str = "") -> list[tuple[str, str]]:
    """Which names are gone, new, or have another digest."""
    names = sorted({*attested, *now})
    return [
        (prefix + name, "is gone" if name not in now else "is new" if name not in attested else "was changed")
        for name in names
        if attested.get(name) != now.get(name)
    ]

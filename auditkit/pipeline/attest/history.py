"""The journal against what was attested of it: its head and its length, and where it parts from them."""

from __future__ import annotations

from pathlib import Path

from auditkit.pipeline.attest.checked import Findings
from auditkit.pipeline.attest.statement import JOURNAL_FILE, JournalPart, Statement
from auditkit.pipeline.journal import Entry, read_journal

#: A journal that is longer than this is not looked into.
_MAX_BYTES = 64_000_000


def check_journal(directory: Path, statement: Statement, wrong: str | None, found: Findings) -> None:
    """`wrong`: what was found of the file as a whole, None where its digest is the attested one."""
    part = statement.predicate.journal
    entries = _entries(directory)
    if wrong is None and len(entries) == part.lines and entries[-1].digest == part.head:
        found.good(JOURNAL_FILE, f"{part.lines} lines, each bound to the one before; the last is the attested one")
        return
    found.bad(JOURNAL_FILE, _why(entries, part, wrong or "is not what the attestation says of it"))


def _why(entries: list[Entry], part: JournalPart, wrong: str) -> str:
    """Where the journal parts from what was attested."""
    if len(entries) > part.lines and entries[part.lines - 1].digest == part.head:
        more = len(entries) - part.lines
        text = f"goes on for {more} more line{'' if more == 1 else 's'}"
        if entries[-1].event == "end":
            return f"{text}: a later run was finished, and its attestation was not written; --resume writes it"
        return f"{text}: a later run began and has not finished; --resume goes on with it"
    if not entries:
        return wrong
    if len(entries) < part.lines:
        return f"{wrong}: only the first {len(entries)} of {part.lines} lines are there in their order"
    return f"{wrong}: its lines are bound to each other, but they are others than the attested ones"


def last_event(directory: Path) -> str | None:
    """What the journal's last valid line tells; None where there is none."""
    entries = _entries(directory)
    return entries[-1].event if entries else None


def _entries(directory: Path) -> list[Entry]:
    path = directory / JOURNAL_FILE
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > _MAX_BYTES:
            return []
        return read_journal(path)[0]
    except OSError:
        return []

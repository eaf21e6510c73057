"""The journal: what ran when, one JSON object a line, each line carrying the hash of the one before."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

GENESIS = "0" * 64


@dataclass(frozen=True)
class Entry:
    """One line of a journal."""

    sequence: int
    event: str
    fields: dict[str, Any]
    digest: str


def read_journal(path: Path) -> tuple[list[Entry], int]:
    """The valid entries from the start, and how many bytes they fill. A torn or altered line ends the reading."""
    entries: list[Entry] = []
    size = 0
    previous = GENESIS
    if not path.is_file():
        return entries, size
    with path.open("rb") as stream:
        for line in stream:
            entry = _parse(line, len(entries), previous)
            if entry is None:
                break
            entries.append(entry)
            previous = entry.digest
            size += len(line)
    return entries, size


def _parse(line: bytes, sequence: int, previous: str) -> Entry | None:
    if not line.endswith(b"\n"):
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict) or record.get("previous") != previous or record.get("sequence") != sequence:
        return None
    return Entry(sequence, str(record.get("event")), record, hashlib.sha256(line).hexdigest())


class Journal:
    """Appends to a journal file; what a kill tore off is cut away first. A link in its place is not followed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stream = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644), "ab")
        self.entries, size = read_journal(path)
        self._previous = self.entries[-1].digest if self.entries else GENESIS
        if self._stream.tell() != size:
            self._stream.truncate(size)

    def record(self, event: str, **fields: Any) -> None:
        """Append one line and make it survive a power failure."""
        record = {
            "sequence": len(self.entries),
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "event": event,
            **fields,
            "previous": self._previous,
        }
        line = (json.dumps(record, ensure_ascii=True, default=str) + "\n").encode()
        self._stream.write(line)
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._previous = hashlib.sha256(line).hexdigest()
        self.entries.append(Entry(record["sequence"], event, record, self._previous))

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

"""The journal: what ran when, one JSON object a line, each line carrying the hash of the one before."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from auditkit.core.errors import UnfinishedError
from auditkit.core.files import write_bytes

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
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or record.get("previous") != previous or record.get("sequence") != sequence:
        return None
    return Entry(sequence, str(record.get("event")), record, hashlib.sha256(line).hexdigest())


@dataclass(frozen=True)
class _Head:
    """How far a journal goes: lines, bytes, and the digest of the last line."""

    lines: int
    size: int
    digest: str


class Journal:
    """Appends to a journal file; what a kill tore off is cut away first. A link in its place is not followed.

    A line is on the disk, or not in the file at all: one that could not be written whole is taken back. Where lines
    were altered, the file as it was found is kept beside it before they are cut away.
    """

    def __init__(self, path: Path) -> None:
        """Raises `OSError` where the file can't be opened or written."""
        self.path = path
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        self._descriptor: int | None = os.open(path, flags, 0o666)
        try:
            self.entries, size = read_journal(path)
            self._head = _Head(len(self.entries), size, self.entries[-1].digest if self.entries else GENESIS)
            if os.fstat(self._descriptor).st_size != size:
                self._keep_altered()
                self._cut()
        except BaseException:
            self.close()
            raise

    def record(self, event: str, **fields: Any) -> None:
        """Append one line and make it survive a power failure.

        Raises `OSError` where it can't be written, `UnfinishedError` where the file is no longer in its place: a run
        whose directory was removed or replaced must not write into what stands there now.
        """
        if self._descriptor is None:
            raise ValueError("the journal is closed")
        self._require_place(self._descriptor)
        head = self._head
        record = {
            "sequence": head.lines,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "event": event,
            **fields,
            "previous": head.digest,
        }
        line = (json.dumps(record, ensure_ascii=True, default=str) + "\n").encode()
        if os.fstat(self._descriptor).st_size != head.size:
            self._cut()  # a line of ours whose writing was interrupted
        del self.entries[head.lines :]
        try:
            _write_all(self._descriptor, line)
            os.fsync(self._descriptor)
        except BaseException:
            with contextlib.suppress(OSError):
                self._cut()
            raise
        digest = hashlib.sha256(line).hexdigest()
        self.entries.append(Entry(head.lines, event, record, digest))
        # In one step: a signal that interrupts this method leaves the line counted, or not there.
        self._head = _Head(head.lines + 1, head.size + len(line), digest)

    def close(self) -> None:
        """Close the file; safe to call twice."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)

    def _cut(self) -> None:
        assert self._descriptor is not None
        os.ftruncate(self._descriptor, self._head.size)

    def _keep_altered(self) -> None:
        """Keep a journal in which more than a torn last line is wrong: somebody may want to know what it said."""
        content = self.path.read_bytes()
        if b"\n" in content[self._head.size :]:
            write_bytes(self.path.with_name(f"superseded-{self.path.name}"), content)

    def _require_place(self, descriptor: int) -> None:
        try:
            if os.path.samestat(os.stat(self.path, follow_symlinks=False), os.fstat(descriptor)):
                return
        except FileNotFoundError:
            pass
        raise UnfinishedError(f"{self.path.parent}: was removed or replaced while the audit ran; run again")


def _write_all(descriptor: int, content: bytes) -> None:
    """Write all of it; a disk that is nearly full takes a part and refuses the rest."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]

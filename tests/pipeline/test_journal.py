"""The journal: a chain of hashes, whole lines only, and what a kill leaves."""

from __future__ import annotations

import json
from pathlib import Path

from auditkit.pipeline.journal import Journal, read_journal


def _write(path: Path, count: int) -> None:
    journal = Journal(path)
    for index in range(count):
        journal.record("event", index=index)
    journal.close()


def test_lines_are_chained_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    _write(path, 3)
    entries, size = read_journal(path)
    assert [entry.fields["index"] for entry in entries] == [0, 1, 2]
    assert size == path.stat().st_size
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert records[0]["previous"] == "0" * 64
    assert records[2]["previous"] == entries[1].digest


def test_a_torn_last_line_is_ignored_and_cut_away(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    _write(path, 2)
    whole = path.read_bytes()
    for cut in (1, 10, 60):
        path.write_bytes(whole[:-cut])
        assert len(read_journal(path)[0]) == 1
    _write(path, 1)
    entries, _ = read_journal(path)
    assert [entry.sequence for entry in entries] == [0, 1]


def test_an_altered_line_ends_the_reading(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    _write(path, 3)
    path.write_bytes(path.read_bytes().replace(b'"index": 0', b'"index": 9'))
    assert len(read_journal(path)[0]) == 1

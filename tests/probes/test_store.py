"""Evidence stores: parts joined in order, found again by their key alone, and never half there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from auditkit.core.errors import UnfinishedError
from auditkit.probes.store import DirectoryStore, MemoryStore, Store

STORES: list[Callable[[Path], Store]] = [DirectoryStore, lambda path: MemoryStore()]


def _rows(*values: int | None) -> pa.Table:
    return pa.table({"row": pa.array(values, type=pa.int64())})


@pytest.mark.parametrize("make", STORES, ids=["directory", "memory"])
def test_parts_become_one_table_in_the_order_asked_for(make: Callable[[Path], Store], tmp_path: Path) -> None:
    store = make(tmp_path / "evidence")
    store.write_part("rows", "k" * 64, "b", _rows(3, 4))
    store.write_part("rows", "k" * 64, "a", _rows(1, 2))
    assert store.has_part("rows", "k" * 64, "a")
    assert not store.finished("rows", "k" * 64)
    store.finish("rows", "k" * 64, ["a", "b"])
    assert store.finished("rows", "k" * 64)
    assert not store.finished("rows", "other")
    assert store.read("rows", "k" * 64)["row"].to_pylist() == [1, 2, 3, 4]


@pytest.mark.parametrize("make", STORES, ids=["directory", "memory"])
def test_parts_of_different_types_are_reconciled(make: Callable[[Path], Store], tmp_path: Path) -> None:
    store = make(tmp_path / "evidence")
    store.write_part("rows", "k", "a", pa.table({"x": pa.nulls(1)}))
    store.write_part("rows", "k", "b", pa.table({"x": pa.array(["text"])}))
    store.finish("rows", "k", ["a", "b"])
    assert store.read("rows", "k")["x"].to_pylist() == [None, "text"]


def test_another_store_on_the_same_directory_finds_it(tmp_path: Path) -> None:
    first = DirectoryStore(tmp_path / "evidence")
    first.write_part("rows", "k", "a", _rows(1))
    again = DirectoryStore(tmp_path / "evidence")
    assert again.has_part("rows", "k", "a")
    again.finish("rows", "k", ["a"])
    assert DirectoryStore(tmp_path / "evidence").finished("rows", "k")
    assert {path.name for path in (tmp_path / "evidence").iterdir()} == {"rows.parquet"}


def test_a_torn_or_foreign_file_counts_as_absent(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "evidence")
    (tmp_path / "evidence" / "rows.parquet").write_bytes(b"PAR1 torn")
    assert not store.finished("rows", "k")


class _Known:
    """A ledger in memory."""

    def __init__(self) -> None:
        self.digests: dict[tuple[str, str], str] = {}

    def remember(self, table: str, key: str, sha256: str) -> None:
        self.digests[table, key] = sha256

    def known(self, table: str, key: str) -> str | None:
        return self.digests.get((table, key))


def test_a_table_whose_bytes_changed_counts_as_absent(tmp_path: Path) -> None:
    ledger = _Known()
    store = DirectoryStore(tmp_path / "evidence", ledger)
    store.write_part("rows", "k", "a", _rows(1, 2, 3))
    store.finish("rows", "k", ["a"])
    path = tmp_path / "evidence" / "rows.parquet"
    content = path.read_bytes()
    assert DirectoryStore(tmp_path / "evidence", ledger).finished("rows", "k")
    for position in range(0, len(content), 7):
        path.write_bytes(content[:position] + bytes([content[position] ^ 4]) + content[position + 1 :])
        assert not DirectoryStore(tmp_path / "evidence", ledger).finished("rows", "k")
    path.write_bytes(content)
    assert not DirectoryStore(tmp_path / "evidence", _Known()).finished("rows", "k"), "nobody vouches for it"


def test_a_part_whose_bytes_changed_counts_as_absent(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "evidence")
    store.write_part("rows", "k", "a", _rows(1))
    store.write_part("rows", "k", "b", _rows(2))
    part = next((tmp_path / "evidence").rglob("a.*.parquet"))
    part.write_bytes(part.read_bytes()[:-1] + b"x")
    again = DirectoryStore(tmp_path / "evidence")
    assert (again.has_part("rows", "k", "a"), again.has_part("rows", "k", "b")) == (False, True)
    with pytest.raises(UnfinishedError, match="the part 'a'"):
        again.finish("rows", "k", ["a", "b"])
    again.write_part("rows", "k", "a", _rows(7))
    again.finish("rows", "k", ["a", "b"])
    assert again.read("rows", "k")["row"].to_pylist() == [7, 2]


@pytest.mark.parametrize("part", ["../../outside-000000", "/outside-000000", "a/b-000000", "x" * 300, "é\n-000000"])
def test_a_part_stays_in_its_folder_whatever_its_split_is_called(tmp_path: Path, part: str) -> None:
    store = DirectoryStore(tmp_path / "evidence")
    store.write_part("rows", "k", part, _rows(1))
    (written,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert written.parent == tmp_path / "evidence" / ".parts" / "rows-k"
    assert DirectoryStore(tmp_path / "evidence").has_part("rows", "k", part)
    store.finish("rows", "k", [part])
    assert store.read("rows", "k")["row"].to_pylist() == [1]

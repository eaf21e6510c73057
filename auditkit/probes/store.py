"""Where evidence is kept: in memory, or as Parquet files that a kill leaves whole and a later run finds again."""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from auditkit.core.errors import UnfinishedError
from auditkit.core.files import sha256_file, write_bytes, write_through

_KEY = b"auditkit.key"


class Store(Protocol):
    """Tables by name. A table is written in parts (one for each shard) and then finished; its `key` is a digest of
    model, data and request, and a table found under another key counts as absent."""

    def finished(self, table: str, key: str) -> bool:
        """Whether the whole table is there."""

    def has_part(self, table: str, key: str, part: str) -> bool:
        """Whether that part was written before."""

    def write_part(self, table: str, key: str, part: str, rows: pa.Table) -> None:
        """Keep one part; writing it again replaces it."""

    def finish(self, table: str, key: str, parts: Sequence[str]) -> None:
        """Join the parts, in the order given, into the whole table."""

    def read(self, table: str, key: str) -> pa.Table:
        """The whole table."""


class MemoryStore:
    """Keeps evidence for the life of the process: the Python API and `auditkit gate` without `--out`."""

    def __init__(self) -> None:
        self._parts: dict[tuple[str, str, str], pa.Table] = {}
        self._whole: dict[tuple[str, str], pa.Table] = {}

    def finished(self, table: str, key: str) -> bool:
        """See `Store`."""
        return (table, key) in self._whole

    def has_part(self, table: str, key: str, part: str) -> bool:
        """See `Store`."""
        return (table, key, part) in self._parts

    def write_part(self, table: str, key: str, part: str, rows: pa.Table) -> None:
        """See `Store`."""
        self._parts[table, key, part] = rows

    def finish(self, table: str, key: str, parts: Sequence[str]) -> None:
        """See `Store`."""
        self._whole[table, key] = pa.concat_tables(
            [self._parts.pop((table, key, part)) for part in parts], promote_options="permissive"
        )

    def read(self, table: str, key: str) -> pa.Table:
        """See `Store`."""
        return self._whole[table, key]


class Ledger(Protocol):
    """Remembers, outside the evidence, which bytes a finished table had: one that was altered since is none."""

    def remember(self, table: str, key: str, sha256: str) -> None:
        """A table is finished, and its file has this digest."""

    def known(self, table: str, key: str) -> str | None:
        """The digest of the table that was last finished under this key."""


class DirectoryStore:
    """Keeps evidence under a run directory: `evidence/<table>.parquet`, and parts of unfinished tables beside it.

    A part carries the digest of its bytes in its name. A finished table is believed where `ledger` knows its digest;
    without a ledger, where its key is right.
    """

    def __init__(self, directory: Path, ledger: Ledger | None = None) -> None:
        """Raises `OSError` where there is no place for `directory`."""
        self.directory = directory
        self._ledger = ledger
        self._parts = directory / ".parts"
        self._verified: dict[str, tuple[int, int, int]] = {}
        self._indexes: dict[Path, dict[str, Path]] = {}
        directory.mkdir(exist_ok=True)

    def _file(self, table: str) -> Path:
        return self.directory / f"{table}.parquet"

    def _folder(self, table: str, key: str) -> Path:
        return self._parts / f"{table}-{key[:16]}"

    def _index(self, table: str, key: str) -> dict[str, Path]:
        """The parts of a table that are there with the bytes that were written, by the name of their file."""
        folder = self._folder(table, key)
        if folder not in self._indexes:
            found = sorted(folder.iterdir()) if folder.is_dir() else []
            self._indexes[folder] = {path.name.split(".")[0]: path for path in found if _undamaged(path)}
        return self._indexes[folder]

    def finished(self, table: str, key: str) -> bool:
        """See `Store`."""
        path = self._file(table)
        if not path.is_file():
            return False
        try:
            metadata = pq.read_schema(path).metadata or {}
        except (pa.ArrowException, OSError, UnicodeDecodeError):
            return False
        return bool(metadata.get(_KEY) == key.encode()) and self._believed(table, key)

    def _believed(self, table: str, key: str) -> bool:
        if self._ledger is None:
            return True
        path = self._file(table)
        status = path.stat()
        identity = (status.st_ino, status.st_size, status.st_mtime_ns)
        if self._verified.get(table) != identity:
            if self._ledger.known(table, key) != sha256_file(path):
                return False
            self._verified[table] = identity
        return True

    def has_part(self, table: str, key: str, part: str) -> bool:
        """See `Store`."""
        return _file_name(part) in self._index(table, key)

    def write_part(self, table: str, key: str, part: str, rows: pa.Table) -> None:
        """See `Store`."""
        index, folder, name = self._index(table, key), self._folder(table, key), _file_name(part)
        for directory in (self._parts, folder):
            directory.mkdir(exist_ok=True)
        sink = pa.BufferOutputStream()
        pq.write_table(rows, sink, compression="zstd")
        content = sink.getvalue().to_pybytes()
        path = folder / f"{name}.{hashlib.sha256(content).hexdigest()}.parquet"
        write_bytes(path, content)
        before, index[name] = index.get(name), path
        if before is not None and before != path:
            before.unlink(missing_ok=True)

    def finish(self, table: str, key: str, parts: Sequence[str]) -> None:
        """See `Store`. Streams part by part, so that memory stays bounded. Raises `UnfinishedError` for a part that is
        not there."""
        index = self._index(table, key)
        absent = [part for part in parts if _file_name(part) not in index]
        if absent:
            raise UnfinishedError(f"{self.directory}: the part {absent[0]!r} of {table!r} is gone; --resume goes on")
        paths = [index[_file_name(part)] for part in parts]
        schema = pa.unify_schemas([pq.read_schema(path) for path in paths], promote_options="permissive")
        schema = schema.with_metadata({_KEY: key.encode()})
        digest = ""

        def join(name: str) -> None:
            nonlocal digest
            with pq.ParquetWriter(name, schema, compression="zstd") as writer:
                for path in paths:
                    writer.write_table(pq.read_table(path, partitioning=None).cast(schema))
            digest = sha256_file(Path(name))

        write_through(self._file(table), join)
        self._verified.pop(table, None)
        if self._ledger is not None:
            self._ledger.remember(table, key, digest)
        shutil.rmtree(self._folder(table, key), ignore_errors=True)
        self._indexes.pop(self._folder(table, key))
        with contextlib.suppress(OSError):
            self._parts.rmdir()

    def tidy(self) -> None:
        """Remove parts that no table needs any more: of other inputs, or of tables that a kill left finished."""
        shutil.rmtree(self._parts, ignore_errors=True)

    def read(self, table: str, key: str) -> pa.Table:
        """See `Store`."""
        return pq.read_table(self._file(table), partitioning=None)


def _file_name(part: str) -> str:
    """A file name for a part: its own where that is plain, else a digest, whatever a plan calls its splits."""
    plain = re.fullmatch(r"[A-Za-z0-9_-]{1,100}", part)
    return part if plain else hashlib.sha256(part.encode("utf-8", "surrogatepass")).hexdigest()


def _undamaged(part: Path) -> bool:
    """Whether the bytes of a part are those whose digest stands in its name."""
    pieces = part.name.split(".")
    return len(pieces) == 3 and pieces[1] == sha256_file(part)

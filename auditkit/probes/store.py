"""Where evidence is kept: in memory, or as Parquet files that a kill leaves whole and a later run finds again."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from auditkit.core.files import write_through

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


class DirectoryStore:
    """Keeps evidence under a run directory: `evidence/<table>.parquet`, and parts of unfinished tables beside it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._parts = directory / ".parts"
        directory.mkdir(parents=True, exist_ok=True)

    def _file(self, table: str) -> Path:
        return self.directory / f"{table}.parquet"

    def _part(self, table: str, key: str, part: str) -> Path:
        return self._parts / f"{table}-{key[:16]}" / f"{part}.parquet"

    def finished(self, table: str, key: str) -> bool:
        """See `Store`."""
        path = self._file(table)
        if not path.is_file():
            return False
        try:
            metadata = pq.read_schema(path).metadata or {}
        except (pa.ArrowException, OSError):
            return False
        return bool(metadata.get(_KEY) == key.encode())

    def has_part(self, table: str, key: str, part: str) -> bool:
        """See `Store`."""
        return self._part(table, key, part).is_file()

    def write_part(self, table: str, key: str, part: str, rows: pa.Table) -> None:
        """See `Store`."""
        path = self._part(table, key, part)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_through(path, lambda name: pq.write_table(rows, name, compression="zstd"))

    def finish(self, table: str, key: str, parts: Sequence[str]) -> None:
        """See `Store`. Streams part by part, so that memory stays bounded."""
        paths = [self._part(table, key, part) for part in parts]
        schema = pa.unify_schemas([pq.read_schema(path) for path in paths], promote_options="permissive")
        schema = schema.with_metadata({_KEY: key.encode()})

        def join(name: str) -> None:
            with pq.ParquetWriter(name, schema, compression="zstd") as writer:
                for path in paths:
                    writer.write_table(pq.read_table(path, partitioning=None).cast(schema))

        write_through(self._file(table), join)
        shutil.rmtree(self._parts / f"{table}-{key[:16]}")
        if not any(self._parts.iterdir()):
            self._parts.rmdir()

    def read(self, table: str, key: str) -> pa.Table:
        """See `Store`."""
        return pq.read_table(self._file(table), partitioning=None)

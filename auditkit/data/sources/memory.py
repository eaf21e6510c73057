"""Frames in memory, as the Python API hands them over."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from auditkit.data.decode import coded, numbers
from auditkit.data.sources.base import BATCH_ROWS, Batch, Family, Range, family_of, refuse_duplicates


class MemorySource:
    """A table in memory; `digest` is that of its content, whatever its chunks are."""

    def __init__(self, split: str, table: pa.Table) -> None:
        """Hash the content. Raises `InputRefusedError` for duplicate names."""
        self.name = split
        refuse_duplicates(split, table.column_names)
        self._table = table
        self.columns: tuple[str, ...] = tuple(table.column_names)
        self.rows: int | None = table.num_rows
        self.digest = self._hashed()

    def family(self, column: str) -> Family:
        """What the column's type says of its cells."""
        return family_of(self._table.schema.field(column).type)

    def batches(
        self, columns: Sequence[str], ranges: Sequence[Range] | None = None, rows: int = BATCH_ROWS
    ) -> Iterator[Batch]:
        """Slices of the table; nothing is copied."""
        chosen = self._table.select(list(columns))
        for start in range(0, self._table.num_rows, rows):
            size = min(rows, self._table.num_rows - start)
            if ranges is None or any(r.overlaps(start, start + size) for r in ranges):
                arrays = {name: _whole(chosen.column(name).slice(start, size)) for name in columns}
                yield Batch(start, size, arrays)

    def _hashed(self) -> str:
        digest = hashlib.sha256()
        for name in self.columns:
            kind = self._table.schema.field(name).type
            digest.update(f"{name}\0{kind}\0{self._table.num_rows}\0".encode())
        for batch in self.batches(self.columns):
            for array in batch.columns.values():
                for part in _content(array):
                    digest.update(part)
        return digest.hexdigest()


def _whole(column: pa.ChunkedArray) -> pa.Array:
    chunks = column.combine_chunks()
    return pa.concat_arrays(chunks.chunks) if isinstance(chunks, pa.ChunkedArray) else chunks


def _content(array: pa.Array) -> Iterator[bytes]:
    """Bytes that two arrays share exactly where they hold the same cells in the same order."""
    family = family_of(array.type)
    if family is Family.NESTED:
        yield repr(array.to_pylist()).encode(errors="backslashreplace")
    elif family is Family.NUMERIC and not pa.types.is_integer(array.type):
        yield np.ascontiguousarray(numbers(array)).tobytes()
    else:
        values = coded(array)
        present, codes = np.unique(values.codes, return_inverse=True)
        for code in present[present >= 0].tolist():
            part = values.texts[code].encode(errors="surrogatepass")
            yield len(part).to_bytes(8, "little") + part
        yield (codes - int(-1 in present)).astype(np.int64).tobytes()

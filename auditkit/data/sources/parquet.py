"""Parquet: read row group by row group, never a whole one at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from auditkit.core.errors import InputRefusedError
from auditkit.data.sources.base import (
    BATCH_BYTES,
    BATCH_ROWS,
    Batch,
    Family,
    Range,
    family_of,
    from_record_batch,
    refuse_duplicates,
)
from auditkit.data.sources.files import Fingerprint, reading

WHAT = "the Parquet file"
#: A row group may promise so many bytes of pages, uncompressed; what writers make by default stays far below.
MAX_ROW_GROUP_BYTES = 4 << 30
#: Above `SUSPICIOUS_BYTES`, pages may not be more than so many times larger than they are compressed.
MAX_INFLATION = 1000
SUSPICIOUS_BYTES = 256 << 20
MAX_ROWS = 1 << 33
#: Column chunks of larger files are read through a buffer. That buffer grows to whatever size a page's header claims
#: (up to 2 GiB) before a byte is read; a small file must not be able to do that, and is cheap to read chunk by chunk.
BUFFERED_FROM_BYTES = 64 << 20


class ParquetSource:
    """A Parquet file. Text columns stay dictionary-encoded, so that a long value repeated is held once."""

    def __init__(self, mark: Fingerprint) -> None:
        """Read the footer. Raises `InputRefusedError` where it is damaged, or promises more than the limits allow."""
        self.name = mark.name
        self.digest = mark.sha256
        self._mark = mark
        with reading(mark, WHAT) as stream:
            file = _opened(stream, mark.size)
            _refuse_bombs(self.name, file.metadata, mark.size)
            schema = file.schema_arrow
            self._groups = _row_groups(file.metadata)
            self.columns: tuple[str, ...] = tuple(schema.names)
            self._families = {field.name: family_of(field.type) for field in schema}
        refuse_duplicates(self.name, self.columns)
        self._text = [name for name, family in self._families.items() if family is Family.TEXT]
        self.rows: int | None = self._groups[-1].stop if self._groups else 0

    def family(self, column: str) -> Family:
        """What the column's type says of its cells."""
        return self._families[column]

    def batches(
        self, columns: Sequence[str], ranges: Sequence[Range] | None = None, rows: int = BATCH_ROWS
    ) -> Iterator[Batch]:
        """Pass over the row groups that overlap `ranges`."""
        with reading(self._mark, WHAT) as stream:
            file = _opened(stream, self._mark.size, [name for name in self._text if name in columns])
            for number, group in enumerate(self._groups):
                if ranges is not None and not any(r.overlaps(group.start, group.stop) for r in ranges):
                    continue
                yield from self._group(file, number, group, columns, rows)

    def _group(
        self, file: pq.ParquetFile, number: int, group: Range, columns: Sequence[str], rows: int
    ) -> Iterator[Batch]:
        start = group.start
        # Text that repeats itself stays encoded and takes less than this makes of it.
        bytes_each = file.metadata.row_group(number).total_byte_size // max(1, group.stop - group.start)
        rows = min(rows, max(1, BATCH_BYTES // max(1, bytes_each)))
        for batch in file.iter_batches(rows, row_groups=[number], columns=list(columns), use_threads=False):
            found = from_record_batch(start, _checked(batch))
            yield found
            start = found.stop
        if start != group.stop:
            promised, found_rows = group.stop - group.start, start - group.start
            raise InputRefusedError(f"{self.name}: row group {number} promises {promised} rows and holds {found_rows}")


def _opened(stream: BinaryIO, size: int, dictionaries: Sequence[str] = ()) -> pq.ParquetFile:
    stream.seek(0)
    return pq.ParquetFile(
        stream,
        read_dictionary=list(dictionaries),
        pre_buffer=False,
        buffer_size=1 << 20 if size >= BUFFERED_FROM_BYTES else 0,
        page_checksum_verification=True,
    )


def _checked(batch: pa.RecordBatch) -> pa.RecordBatch:
    # The reader trusts the file that text is UTF-8 and that indices lie inside their dictionary.
    batch.validate(full=True)
    columns = [_own_texts(array) if pa.types.is_dictionary(array.type) else array for array in batch.columns]
    return pa.record_batch(columns, names=batch.schema.names)


def _own_texts(array: pa.DictionaryArray) -> pa.DictionaryArray:
    """The cells with a dictionary of what they hold: the reader hands over that of the whole row group with each batch,
    and whoever decodes it would do so once a batch."""
    if len(array.dictionary) <= len(array):
        return array
    missing = np.asarray(array.indices.is_null())
    codes, own = np.unique(array.indices.fill_null(0).to_numpy(), return_inverse=True)
    indices = pa.array(own.astype(np.int32), mask=missing)
    return pa.DictionaryArray.from_arrays(indices, array.dictionary.take(pa.array(codes)))


def _row_groups(metadata: pq.FileMetaData) -> list[Range]:
    groups: list[Range] = []
    start = 0
    for number in range(metadata.num_row_groups):
        rows = metadata.row_group(number).num_rows
        groups.append(Range(start, start + rows))
        start += rows
    return groups


def _refuse_bombs(name: str, metadata: pq.FileMetaData, size: int) -> None:
    # Only the row groups' own sizes: asking a damaged footer for a column's makes pyarrow end the process.
    rows = 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        inflated = group.total_byte_size
        rows += group.num_rows
        if group.num_rows < 0 or inflated < 0:
            raise InputRefusedError(f"{name}: row group {number} of this Parquet file states a negative size")
        bomb = inflated > SUSPICIOUS_BYTES and inflated > MAX_INFLATION * size
        if inflated > MAX_ROW_GROUP_BYTES or bomb:
            raise InputRefusedError(
                f"{name}: row group {number} would inflate to {inflated:,} bytes, the whole file has {size:,}; at most "
                f"{MAX_ROW_GROUP_BYTES >> 30} GiB and {MAX_INFLATION}-fold are read; write it with smaller row groups"
            )
    if rows > MAX_ROWS or rows != metadata.num_rows:
        raise InputRefusedError(
            f"{name}: this Parquet file states {metadata.num_rows:,} rows; its row groups say {rows:,}"
        )

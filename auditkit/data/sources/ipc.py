"""Arrow IPC files and streams (Feather version 2 is the former)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NoReturn

import pyarrow as pa
from pyarrow import ipc

from auditkit.core.errors import InputRefusedError
from auditkit.data.sources.base import BATCH_ROWS, Batch, Family, Range, family_of, from_record_batch, refuse_duplicates
from auditkit.data.sources.files import Fingerprint, reading
from auditkit.data.sources.ipc_messages import unpacked_sizes

WHAT = "the Arrow file"
#: Bytes of one record batch: the unit that this format can be read in.
MAX_BATCH_BYTES = 2 << 30


class ArrowSource:
    """An Arrow IPC file or stream, told apart by its first bytes."""

    def __init__(self, mark: Fingerprint) -> None:
        """Read the schema, and walk the record batches once to count the rows."""
        self.name = mark.name
        self.digest = mark.sha256
        self._mark = mark
        with reading(mark, WHAT) as stream:
            self._refuse_bombs(stream)
            schema = _schema(stream)
            self.columns: tuple[str, ...] = tuple(schema.names)
            self._families = {field.name: family_of(field.type) for field in schema}
        refuse_duplicates(self.name, self.columns)
        self.rows: int | None = sum(batch.rows for batch in self.batches(self.columns[:1]))

    def family(self, column: str) -> Family:
        """What the column's type says of its cells."""
        return self._families[column]

    def batches(
        self, columns: Sequence[str], ranges: Sequence[Range] | None = None, rows: int = BATCH_ROWS
    ) -> Iterator[Batch]:
        """Pass over the record batches; `ranges` saves nothing but the cutting, as batches don't tell their rows."""
        wanted = [self.columns.index(name) for name in columns]
        with reading(self._mark, WHAT) as stream:
            start = 0
            for record in _records(stream, ipc.IpcReadOptions(included_fields=wanted, use_threads=False)):
                self._refuse_large(record)
                for offset in range(0, record.num_rows, rows):
                    piece = record.slice(offset, rows)
                    at = start + offset
                    if ranges is None or any(r.overlaps(at, at + piece.num_rows) for r in ranges):
                        # Offsets and indices are the file's own; an invalid one would be read out of bounds.
                        piece.validate(full=True)
                        yield from_record_batch(at, piece)
                start += record.num_rows

    def _refuse_bombs(self, stream: BinaryIO) -> None:
        try:
            if max(unpacked_sizes(stream, file=_is_file(stream)), default=0) > MAX_BATCH_BYTES:
                self._too_large()
        except struct.error:
            raise InputRefusedError(f"{self.name}: {WHAT} can't be read, it is damaged or cut off") from None

    def _refuse_large(self, record: pa.RecordBatch) -> None:
        if record.get_total_buffer_size() > MAX_BATCH_BYTES:
            self._too_large()

    def _too_large(self) -> NoReturn:
        raise InputRefusedError(
            f"{self.name}: a record batch takes more than {MAX_BATCH_BYTES >> 30} GiB; write it in smaller batches"
        )


def _is_file(stream: BinaryIO) -> bool:
    stream.seek(0)
    magic = stream.read(6)
    stream.seek(0)
    return magic == b"ARROW1"


def _schema(stream: BinaryIO) -> pa.Schema:
    return ipc.open_file(stream).schema if _is_file(stream) else ipc.open_stream(stream).schema


def _records(stream: BinaryIO, options: ipc.IpcReadOptions) -> Iterator[pa.RecordBatch]:
    if _is_file(stream):
        reader = ipc.open_file(stream, options=options)
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number)
    else:
        yield from ipc.open_stream(stream, options=options)

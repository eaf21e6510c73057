"""CSV and TSV: every cell is read as text, and what it means is decided once all of the column has been seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

import pyarrow as pa
from pyarrow import csv

from auditkit.core.errors import InputRefusedError
from auditkit.data.sources.base import BATCH_ROWS, Batch, Family, Range, from_record_batch, refuse_duplicates
from auditkit.data.sources.files import Fingerprint, printable, reading

WHAT = "the text file"
#: A row, header included, must fit into one block.
BLOCK_BYTES = 1 << 20


class DelimitedSource:
    """A text file with a header, UTF-8, RFC 4180 quoting. Only an empty cell without quotes is missing."""

    def __init__(self, mark: Fingerprint, delimiter: str) -> None:
        """Read the header. Raises `InputRefusedError` for duplicate names, or where another delimiter is meant."""
        self.name = mark.name
        self.digest = mark.sha256
        self.rows: int | None = None
        self._mark = mark
        self._delimiter = delimiter
        with reading(mark, WHAT) as stream:
            self.columns = tuple(self._open(stream, [], []).schema.names)
        self._refuse_header()

    def _refuse_header(self) -> None:
        only = self.columns[0]
        other = next((c for c in (";", "\t", ",", "|") if c != self._delimiter and c in only), None)
        if len(self.columns) == 1 and other is not None:
            raise InputRefusedError(
                f"{self.name}: the cells are separated by {other!r}, not {self._delimiter!r}; save it "
                "with commas as .csv, or with tabs as .tsv"
            )
        refuse_duplicates(self.name, self.columns)

    def family(self, column: str) -> Family:
        """A text file does not say."""
        return Family.UNTYPED

    def batches(
        self, columns: Sequence[str], ranges: Sequence[Range] | None = None, rows: int = BATCH_ROWS
    ) -> Iterator[Batch]:
        """Pass over the rows up to the end of the last range; a text file has no index to skip by."""
        last = max((r.stop for r in ranges), default=0) if ranges is not None else None
        wanted = list(columns)
        # An open quote swallows the rest of the file; its last cell shows it.
        watched = self.columns[-1] if self._mark.odd_quotes and last is None else None
        if watched is not None and watched not in wanted:
            wanted.append(watched)
        with reading(self._mark, WHAT) as stream:
            start = 0
            batch: Batch | None = None
            for record in self._open(stream, wanted or self.columns[:1], self.columns):
                batch = from_record_batch(start, record)
                yield batch
                start = batch.stop
                if last is not None and start >= last:
                    return
            if watched is not None and batch is not None:
                self._refuse_open_quote(batch, watched)

    def _open(self, stream: BinaryIO, columns: Sequence[str], text: Sequence[str]) -> _Rows:
        stream.seek(0)
        return _Rows(self.name, stream, self._delimiter, columns, text)

    def _refuse_open_quote(self, batch: Batch, column: str) -> None:
        cell = batch.columns[column][-1].as_py() if batch.rows else None
        if cell is not None and "\n" in cell:
            raise InputRefusedError(
                f"{self.name}: a quote that opens in data row {batch.stop}, column {column!r}, is never closed"
            )


class _Rows:
    """pyarrow's reader, with its errors in the words of this module."""

    def __init__(
        self, name: str, stream: BinaryIO, delimiter: str, columns: Sequence[str], text: Sequence[str]
    ) -> None:
        self._name = name
        self._bad: list[csv.InvalidRow] = []
        try:
            self._reader = csv.open_csv(
                stream,
                csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
                csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=self._refuse),
                csv.ConvertOptions(
                    column_types=dict.fromkeys(text, pa.string()),
                    include_columns=list(columns),
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                    null_values=[""],
                ),
            )
        except pa.ArrowInvalid as error:
            raise self._translated(error) from None

    @property
    def schema(self) -> pa.Schema:
        """Names of the columns; the types mean nothing where none were asked for."""
        return self._reader.schema

    def _refuse(self, row: csv.InvalidRow) -> str:
        self._bad.append(row)
        return "error"

    def _translated(self, error: pa.ArrowInvalid) -> InputRefusedError:
        return InputRefusedError(f"{self._name}: {_reason(error, self._bad)}")

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        while True:
            try:
                record = self._reader.read_next_batch()
            except StopIteration:
                return
            except pa.ArrowInvalid as error:
                raise self._translated(error) from None
            yield record


def _reason(error: pa.ArrowInvalid, bad: Sequence[csv.InvalidRow]) -> str:
    if bad:
        row = bad[0]
        # Row 1 is the header; a row with line breaks inside quotes counts once.
        where = f"data row {row.number - 1}" if row.number is not None else "a row"
        many = "more" if row.actual_columns > row.expected_columns else "fewer"
        quote = "; is a quote left open?" if "\n" in row.text else ""
        return (
            f"{where} has {many} cells than the header ({row.actual_columns} instead of {row.expected_columns}): "
            f"{printable(row.text, 60)}{quote}"
        )
    if "Empty CSV" in str(error):
        return "there are no rows in it, at most a header"
    if "straddl" in str(error):
        return f"a row takes more than {BLOCK_BYTES >> 20} MiB; is a quote left open?"
    return f"{WHAT} can't be read ({printable(str(error).partition(chr(10))[0], 160)})"

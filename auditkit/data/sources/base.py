"""The protocol of a source of rows, and what the parts of a data set share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat

from auditkit.core.errors import InputRefusedError
from auditkit.core.types import IntArray

#: Columns of one table.
MAX_COLUMNS = 50_000
#: Rows that a source hands over at a time.
BATCH_ROWS = 8192
#: Where rows hold long texts, fewer are handed over at a time, so that they take about this much memory.
BATCH_BYTES = 32 << 20


class Family(Enum):
    """What a column's type says of its cells."""

    NUMERIC = "numbers"
    TEXT = "text"
    BOOL = "true/false"
    DATE = "dates"
    #: CSV: the file does not say; text until every cell is seen to be a number.
    UNTYPED = "cells without a type"
    #: A column without any value: goes with everything.
    EMPTY = "nothing but missing values"
    #: Lists, structs, binary, ...: no input, label or group.
    NESTED = "nested or binary values"


@dataclass(frozen=True)
class Range:
    """Rows `start` up to, without, `stop` of a file."""

    start: int
    stop: int

    def overlaps(self, start: int, stop: int) -> bool:
        """Whether a row of `start:stop` is in it."""
        return self.start < stop and start < self.stop


class Source(Protocol):
    """One split's rows in their order. Columns of any type; a pass holds one batch at a time."""

    @property
    def name(self) -> str:
        """What messages call it: the file's name."""

    @property
    def digest(self) -> str:
        """sha256 of the file's bytes, or of the content of a frame."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns in the file's order."""

    @property
    def rows(self) -> int | None:
        """How many rows there are; None where only a whole pass can tell."""

    def family(self, column: str) -> Family:
        """What the column's type says of its cells."""

    def batches(
        self, columns: Sequence[str], ranges: Sequence[Range] | None = None, rows: int = BATCH_ROWS
    ) -> Iterator[Batch]:
        """Pass over the rows in order, about `rows` at a time (of a text file: a block), with these columns.

        With `ranges` (ascending), parts of the file that overlap none of them may be left out. Raises
        `InputRefusedError` in one line for whatever can't be read.
        """


@dataclass(frozen=True)
class Batch:
    """Consecutive rows of a file from row `start` on; `columns` maps names to arrays of length `rows`.

    `count` (int64 `[rows]`): so many rows that are alike stand behind each; None: one.
    """

    start: int
    rows: int
    columns: dict[str, pa.Array]
    count: IntArray | None = None

    @property
    def stop(self) -> int:
        """The row after the last."""
        return self.start + self.rows


def family_of(kind: pa.DataType) -> Family:
    """The family of an Arrow type; a dictionary is taken for text, as data frames use it for categories."""
    if isinstance(kind, pa.BaseExtensionType):
        return family_of(kind.storage_type)
    if pat.is_dictionary(kind):
        inner = family_of(kind.value_type)
        return Family.TEXT if inner in (Family.NUMERIC, Family.BOOL, Family.DATE, Family.EMPTY) else inner
    tests = (
        (Family.EMPTY, (pat.is_null,)),
        (Family.BOOL, (pat.is_boolean,)),
        (Family.NUMERIC, (pat.is_integer, pat.is_floating, pat.is_decimal)),
        (Family.TEXT, (pat.is_string, pat.is_large_string, pat.is_string_view)),
        (Family.DATE, (pat.is_date, pat.is_timestamp, pat.is_time)),
    )
    return next((family for family, those in tests if any(test(kind) for test in those)), Family.NESTED)


def from_record_batch(start: int, batch: pa.RecordBatch) -> Batch:
    """The columns of a record batch by name. Raises `pa.ArrowInvalid` for a date that Python has none of."""
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        _refuse_impossible_dates(name, column)
    return Batch(start, batch.num_rows, dict(zip(batch.schema.names, batch.columns, strict=True)))


def refuse_width(file: str, columns: int) -> None:
    """Raise `InputRefusedError` for more columns than any table has: a few bytes of each take a thousand in memory."""
    if columns > MAX_COLUMNS:
        raise InputRefusedError(f"{file}: more than the {MAX_COLUMNS:,} columns that are read")


#: Seconds from 1970 to the first and the last second of the years 1 to 9999, and units in a second.
_FIRST, _LAST = -62_135_596_800, 253_402_300_799
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def _refuse_impossible_dates(name: str, column: pa.Array) -> None:
    while isinstance(column, pa.ExtensionArray | pa.DictionaryArray):
        column = column.storage if isinstance(column, pa.ExtensionArray) else column.dictionary
    if not (pat.is_date(column.type) or pat.is_timestamp(column.type)):
        return
    ends = pc.min_max(column)
    for end in (ends["min"].value, ends["max"].value):
        if end is None:
            continue
        days = pat.is_date32(column.type)
        unit = "ms" if pat.is_date64(column.type) else "s" if days else column.type.unit
        seconds = end * 86_400 if days else end // _PER_SECOND[unit]
        # In a time zone it may be a day later or earlier.
        spare = 86_400 if pat.is_timestamp(column.type) and column.type.tz is not None else 0
        if not _FIRST + spare <= seconds <= _LAST - spare:
            raise pa.ArrowInvalid(f"column {name!r} holds a date outside of the years 1 to 9999")


def refuse_duplicates(file: str, names: Sequence[str]) -> None:
    """Raise `InputRefusedError` where two columns have one name: which of them is meant is anybody's guess.

    Also where there are more than `MAX_COLUMNS`.
    """
    refuse_width(file, len(names))
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputRefusedError(f"{file}: two columns have the name {name!r}; rename one")
        seen.add(name)

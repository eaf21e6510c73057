"""JSON Lines: one object a line. Cells keep the type that JSON gives them."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, NoReturn

import pyarrow as pa

from auditkit.core.errors import InputRefusedError
from auditkit.data.sources.base import BATCH_ROWS, Batch, Family, Range, refuse_width
from auditkit.data.sources.files import Fingerprint, printable, reading
from auditkit.data.spec import label_text

WHAT = "the JSON Lines file"
MAX_LINE_BYTES = 4 << 20


class JsonlSource:
    """A JSON Lines file. A key that a line lacks is missing there; the columns are the union of all keys."""

    def __init__(self, mark: Fingerprint) -> None:
        """Read all of it once: only then are columns, their types and the number of rows known."""
        self.name = mark.name
        self.digest = mark.sha256
        self._mark = mark
        self._seen: dict[str, set[Family]] = {}
        rows = 0
        with reading(mark, WHAT) as stream:
            for record in self._lines(stream):
                rows += 1
                for key, value in record.items():
                    self._seen.setdefault(key, set()).add(_FAMILIES.get(type(value), Family.NESTED))
                refuse_width(self.name, len(self._seen))
        if not rows:
            raise InputRefusedError(f"{self.name}: there are no rows in it, only blank lines")
        self.rows: int | None = rows
        self.columns: tuple[str, ...] = tuple(self._seen)

    def family(self, column: str) -> Family:
        """Numbers where every cell is one; text where it holds anything else."""
        families = self._seen[column] - {Family.EMPTY}
        if not families:
            return Family.EMPTY
        if Family.NESTED in families:
            return Family.NESTED
        return families.pop() if len(families) == 1 else Family.TEXT

    def batches(
        self, columns: Sequence[str], ranges: Sequence[Range] | None = None, rows: int = BATCH_ROWS
    ) -> Iterator[Batch]:
        """Pass over the lines up to the end of the last range."""
        last = max((r.stop for r in ranges), default=0) if ranges is not None else None
        with reading(self._mark, WHAT) as stream:
            start = 0
            records: list[dict[str, Any]] = []
            for record in self._lines(stream):
                records.append(record)
                if len(records) == rows:
                    yield self._batch(start, records, columns)
                    start += len(records)
                    records = []
                    if last is not None and start >= last:
                        return
            if records:
                yield self._batch(start, records, columns)

    def _batch(self, start: int, records: Sequence[dict[str, Any]], columns: Sequence[str]) -> Batch:
        arrays = {
            name: pa.array([_text(record.get(name)) for record in records], type=pa.string())
            if self.family(name) is not Family.NUMERIC
            else _numbers([record.get(name) for record in records])
            for name in columns
        }
        return Batch(start, len(records), arrays)

    def _lines(self, stream: BinaryIO) -> Iterator[dict[str, Any]]:
        number = 0
        while line := stream.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > MAX_LINE_BYTES:
                self._refuse(number, f"is longer than {MAX_LINE_BYTES >> 20} MiB")
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if line.strip():
                yield self._parsed(number, line)

    def _parsed(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            record = json.loads(line, object_pairs_hook=_unique)
        except _DoubleKeyError as error:
            self._refuse(number, f"has the key {error.args[0]!r} twice")
        except json.JSONDecodeError as error:
            self._refuse(
                number, f"is no JSON ({error.msg}, column {error.colno}): {printable(line.decode().strip(), 60)}"
            )
        except (ValueError, RecursionError):
            self._refuse(number, "holds a number of too many digits, or brackets too deep")
        if not isinstance(record, dict):
            self._refuse(number, 'is no JSON object; every line must be one, such as {"age": 39}')
        return record

    def _refuse(self, number: int, what: str) -> NoReturn:
        raise InputRefusedError(f"{self.name}: line {number} {what}")


_FAMILIES = {int: Family.NUMERIC, float: Family.NUMERIC, str: Family.TEXT, bool: Family.BOOL, type(None): Family.EMPTY}


class _DoubleKeyError(Exception):
    """An object names a key twice: which of the two holds is anybody's guess."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        raise _DoubleKeyError(next(name for name, count in counts.items() if count > 1))
    return record


def _text(value: Any) -> str | None:
    return None if value is None or (isinstance(value, float) and math.isnan(value)) else label_text(value)


def _numbers(values: list[int | float | None]) -> pa.Array:
    """As int64 where all are integers that fit, so that long ids keep every digit; else as float64."""
    try:
        if not any(isinstance(value, float) for value in values):
            return pa.array(values, type=pa.int64())
    except OverflowError:
        pass
    return pa.array([None if value is None else _float(value) for value in values], type=pa.float64())


def _float(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value)

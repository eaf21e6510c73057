"""From Arrow columns to what the rest of auditkit works on: texts with codes, and float64 numbers."""

from __future__ import annotations

import datetime
import decimal
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from auditkit.core.types import FloatArray, IntArray, ObjectArray
from auditkit.data.sources.base import Family, family_of
from auditkit.data.sources.files import MAX_CELL_BYTES, printable
from auditkit.data.spec import label_text

#: Cells of a text file that stand for a missing number.
MISSING_NUMBERS = ("", "NA", "N/A", "NaN", "nan", "null", "None", "?")
_WRITTEN_WHOLE = r"^([+-]?\d+)\.0+$"
_LEADING_ZERO = r"^[+-]?0\d"


class CellError(Exception):
    """A cell that can't be read as its column is: `index` in the array, `what` completes "the cell …"."""

    def __init__(self, index: int, what: str) -> None:
        self.index = index
        self.what = what
        super().__init__(what)


@dataclass(frozen=True)
class Coded:
    """A column of n cells as codes (int64 `[n]`, -1 where missing) into distinct texts (`[k]`, each a str)."""

    codes: IntArray
    texts: ObjectArray

    def objects(self) -> ObjectArray:
        """The texts of the cells, `[n]`, None where missing."""
        return np.append(self.texts, np.array([None], dtype=object))[self.codes]

    def arrow(self) -> pa.Array:
        """The texts of the cells as a string array, null where missing."""
        indices = pa.array(self.codes, mask=self.codes < 0)
        return pa.array(self.texts, type=pa.string()).take(indices)

    def present(self) -> tuple[str, ...]:
        """The texts that a cell has, in the order of `texts`."""
        used = np.unique(self.codes)
        return tuple(self.texts[used[used >= 0]].tolist())


def coded(array: pa.Array, longest: int = MAX_CELL_BYTES) -> Coded:
    """Any column as text, by `label_text`: 1 and 1.0 are "1", True is "true", dates are ISO 8601; NaN is missing.

    Raises `CellError` for a text of more than `longest` bytes, and `pyarrow.ArrowException` for nested types.
    """
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if not pa.types.is_dictionary(array.type):
        if pa.types.is_null(array.type):
            return Coded(np.full(len(array), -1, dtype=np.int64), np.empty(0, dtype=object))
        array = array.dictionary_encode()
    codes = array.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    try:
        return _distinct(codes, _texts(array.dictionary, longest))
    except CellError as error:
        raise CellError(int(np.argmax(codes == error.index)), error.what) from None


def _texts(values: pa.Array, most: int) -> list[str | None]:
    family = family_of(values.type)
    if family is Family.NESTED:
        raise pa.ArrowInvalid(f"a column of type {values.type} can't be read as text")
    if family is Family.TEXT:
        lengths = pc.binary_length(values.cast(pa.large_string()))
        longest = pc.max(lengths).as_py() or 0
        if longest > most:
            where = int(pc.index(lengths, longest).as_py())
            raise CellError(where, f"takes {longest:,} bytes; at most {most:,} are read")
        texts: list[str | None] = values.to_pylist()
        return texts
    try:
        return [cell_text(value) for value in values.to_pylist()]
    except (OverflowError, ValueError):
        raise pa.ArrowInvalid(f"a column of type {values.type} holds a time that is beyond the calendar") from None


def cell_text(value: Any) -> str | None:
    """The text of one value as Arrow gives it to Python; None where it is missing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, decimal.Decimal):
        return str(int(value)) if value == value.to_integral_value() else format(value.normalize(), "f")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return label_text(value)


def _distinct(codes: IntArray, texts: list[str | None]) -> Coded:
    """Codes into texts that are distinct and never None: a dictionary of a file promises neither."""
    if None not in texts and len(set(texts)) == len(texts):
        return Coded(codes, np.array([*texts, None], dtype=object)[:-1])
    places: dict[str, int] = {}
    moved = [-1 if text is None else places.setdefault(text, len(places)) for text in texts]
    return Coded(np.array([*moved, -1], dtype=np.int64)[codes], np.array([*places, None], dtype=object)[:-1])


def numbers(array: pa.Array) -> FloatArray:
    """A column as float64 `[n]`, NaN where missing. Texts are parsed, `MISSING_NUMBERS` are missing.

    Raises `CellError` at the first text that is no number.
    """
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if family_of(array.type) is Family.TEXT:
        array = _parsed(array)
    values = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return np.asarray(values, dtype=np.float64)


def _parsed(array: pa.Array) -> pa.Array:
    trimmed = pc.utf8_trim_whitespace(array.cast(pa.string()))
    cells = pc.if_else(pc.is_in(trimmed, pa.array(MISSING_NUMBERS)), pa.scalar(None, pa.string()), trimmed)
    try:
        return cells.cast(pa.float64())
    except pa.ArrowInvalid:
        index = _first_bad(cells)
        raise CellError(
            index,
            f"holds {printable(repr(array[index].as_py()), 60)}, which is no number; correct it, or read the column as "
            "categorical",
        ) from None


def _first_bad(cells: pa.Array) -> int:
    """Where the first cell stands that does not parse, by halving."""
    low, high = 0, len(cells)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            cells.slice(low, middle - low).cast(pa.float64())
            low = middle
        except pa.ArrowInvalid:
            high = middle
    return low


class NumberGuess:
    """Whether a text column without a type holds numbers: every cell parses, at least one is finite, and none is
    written with leading zeros (those are codes, such as postcodes)."""

    def __init__(self) -> None:
        self.possible = True
        self.found = False

    def see(self, array: pa.Array) -> None:
        """Take in more cells of the column."""
        if not self.possible:
            return
        try:
            values = numbers(array)
        except CellError:
            self.possible = False
            return
        self.found = self.found or bool(np.isfinite(values).any())
        trimmed = pc.utf8_ltrim_whitespace(array.cast(pa.string()))
        self.possible = not bool(pc.any(pc.match_substring_regex(trimmed, _LEADING_ZERO)).as_py())

    @property
    def numeric(self) -> bool:
        """What the cells seen so far say."""
        return self.possible and self.found


def whole_numbers(array: pa.Array) -> pa.Array:
    """In a column of numbers that came as text, "1.0" becomes "1", as it would be where the file has types."""
    return pc.replace_substring_regex(array, _WRITTEN_WHOLE, r"\1")

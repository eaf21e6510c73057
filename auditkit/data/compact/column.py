"""The cells of one column as codes into its distinct values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa

from auditkit.core.types import IntArray

#: Whole numbers that span less than this are looked up in a table.
_NEAR = 1 << 14


class ColumnCodes:
    """Codes of one column, in the order in which values appear. A missing cell (null, NaN) is the value None."""

    def __init__(self) -> None:
        self._values: list[Any] = []
        self._places: dict[Any, int] = {}
        self._type: pa.DataType = pa.null()

    def __len__(self) -> int:
        return len(self._values)

    def codes(self, array: pa.Array) -> IntArray:
        """The codes of a batch of cells, int64 `[n]`."""
        if isinstance(array, pa.ExtensionArray):
            array = array.storage
        if not len(array):
            return np.empty(0, dtype=np.int64)
        if pa.types.is_null(array.type):
            return np.full(len(array), self._place(None), dtype=np.int64)
        if pa.types.is_integer(array.type) and not array.null_count:
            found = self._of_small_numbers(array)
            if found is not None:
                return found
        if not pa.types.is_dictionary(array.type):
            array = array.dictionary_encode()
        self._type = array.type.value_type
        table = np.array([*self._known(array.dictionary.to_pylist()), -1], dtype=np.int64)
        indices = array.indices
        if not indices.null_count and np.array_equal(table[:-1], np.arange(len(table) - 1)):
            return np.asarray(indices.to_numpy())
        if indices.null_count:
            table[-1] = self._place(None)
            indices = indices.cast(pa.int64()).fill_null(-1)
        return np.asarray(table[indices.to_numpy(zero_copy_only=False)], dtype=np.int64)

    def _of_small_numbers(self, array: pa.Array) -> IntArray | None:
        """Codes of whole numbers that lie near each other: those that are there are looked up once."""
        values = array.to_numpy()
        low, high = (int(values.min()), int(values.max())) if len(values) else (0, 0)
        if not 0 <= high - low < _NEAR or not -_NEAR < low < _NEAR:
            return None
        self._type = array.type
        places = values.astype(np.int64, copy=False)
        places = places - low if low else places
        present = np.flatnonzero(np.bincount(places, minlength=high - low + 1))
        table = np.full(high - low + 1, -1, dtype=np.int64)
        table[present] = self._known((present + low).tolist())
        if np.array_equal(table, np.arange(len(table))):
            return np.asarray(places, dtype=np.int64)
        return np.asarray(table[places], dtype=np.int64)

    def values(self) -> pa.Array:
        """The distinct values in the order of their codes."""
        return pa.array(self._values, type=self._type)

    def ranks(self) -> IntArray:
        """Where each distinct value stands in the order of all: missing ones first, numbers by value, then texts.

        A number is one whether the file holds it as a number or as a text, so that every kind of file gives one order.
        """
        keys = [_key(value) for value in self._values]
        ranks = np.empty(len(keys), dtype=np.int64)
        ranks[sorted(range(len(keys)), key=keys.__getitem__)] = np.arange(len(keys))
        return ranks

    def _known(self, values: list[Any]) -> list[int]:
        """The codes of distinct values; those that were seen before cost one look."""
        places = [self._places.get(value) for value in values]
        return [self._place(value) if place is None else place for value, place in zip(values, places, strict=True)]

    def _place(self, value: Any) -> int:
        if isinstance(value, float) and math.isnan(value):
            value = None
        place = self._places.get(value)
        if place is None:
            place = self._places[value] = len(self._values)
            self._values.append(value)
        return place


def _key(value: Any) -> tuple[float, str]:
    if value is None:
        return -math.inf, ""
    text = str(value)
    try:
        number = float(text)
    except ValueError:
        return math.inf, text
    # An infinite number and a text must not be told apart by their spelling alone.
    return (number, "") if math.isfinite(number) else (math.inf, text)

"""Ids that name rows in two tables, compared as text whatever type either table gives them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from auditkit.core.types import BoolArray, IntArray, ObjectArray
from auditkit.data.decode import coded, whole_numbers

if TYPE_CHECKING:
    import pandas as pd

#: Whole numbers as `label_text` writes them, of no more digits than surely fit into 64 bits; others stay texts.
_NUMBER = r"^(0|-?[1-9]\d{0,17})$"
_BEYOND = 10**18


@dataclass(frozen=True)
class Ids:
    """n ids: `keys` `[n]`, int64 where all are whole numbers, else texts (object); `known` bool `[n]`, False where a
    cell is missing, whose key means nothing."""

    keys: npt.NDArray[Any]
    known: BoolArray

    @property
    def numeric(self) -> bool:
        """Whether the keys are int64."""
        return self.keys.dtype.kind == "i"

    def texts(self) -> ObjectArray:
        """The keys as texts, `[n]`."""
        return self.keys.astype(str).astype(object) if self.numeric else self.keys


def ids_of(array: pa.Array) -> Ids:
    """A column of ids by `label_text`, and "1.0" as "1": what a text file and one with types call a number is one id.

    Raises `CellError` for a text that is too long.
    """
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_integer(array.type) and not pa.types.is_uint64(array.type):
        keys = array.cast(pa.int64()).fill_null(0).to_numpy()
        if np.all((keys > -_BEYOND) & (keys < _BEYOND)):
            return Ids(keys, array.is_valid().to_numpy(zero_copy_only=False))
    found = coded(array)
    texts = whole_numbers(pa.array(found.texts, type=pa.string()))
    known = found.codes >= 0
    if pc.all(pc.match_substring_regex(texts, _NUMBER)).as_py() is not False:
        return Ids(np.append(texts.cast(pa.int64()).to_numpy(), 0)[found.codes], known)
    return Ids(np.array([*texts.to_pylist(), None], dtype=object)[found.codes], known)


def known_ids(parts: Sequence[Ids]) -> npt.NDArray[Any]:
    """The keys of all parts that are known, as numbers where all are."""
    if all(part.numeric for part in parts):
        return np.concatenate([np.empty(0, dtype=np.int64), *(part.keys[part.known] for part in parts)])
    return np.concatenate([part.texts()[part.known] for part in parts])


class IdIndex:
    """Where each id stands among distinct ones."""

    def __init__(self, index: pd.Index[Any]) -> None:
        """`index` holds distinct keys, int64 or texts (object)."""
        self._index = index

    def __len__(self) -> int:
        return len(self._index)

    def first(self) -> str | None:
        """The first of them; None where there is none."""
        return str(self._index[0]) if len(self._index) else None

    def places(self, ids: Ids) -> IntArray:
        """The place of each id, int64 `[n]`; -1 for those that are missing or not among them."""
        mine = self._index.dtype.kind == "i"
        if mine and not ids.numeric:
            texts = pa.array(ids.keys, type=pa.string())
            number = pc.fill_null(pc.match_substring_regex(texts, _NUMBER), False)
            keys = pc.if_else(number, texts, pa.scalar("0")).cast(pa.int64()).to_numpy()
            here = ids.known & number.to_numpy(zero_copy_only=False)
        else:
            keys, here = (ids.keys if mine else ids.texts()), ids.known
        found = self._index.get_indexer(_pandas_index(keys))
        return np.where(here, found, -1).astype(np.int64)


def index_of(keys: npt.NDArray[Any]) -> tuple[IdIndex, BoolArray]:
    """An index of the distinct ones among `keys` `[n]` (int64 or texts), and which are the first of their kind."""
    index = _pandas_index(keys)
    first = ~index.duplicated()
    return IdIndex(index[first]), first


def _pandas_index(keys: npt.NDArray[Any]) -> pd.Index[Any]:
    # Only here is pandas needed, and importing it takes longer than judging a small file.
    import pandas as pd

    index: pd.Index[Any] = pd.Index(keys, dtype=keys.dtype)
    return index

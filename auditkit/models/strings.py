"""Text columns as integer codes into a list of different strings: how they travel and how they are encoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from auditkit.core.types import ObjectArray

CodeArray = npt.NDArray[np.int32]


def to_codes(values: npt.NDArray[Any]) -> tuple[CodeArray, list[str]]:
    """Codes int32 `[B]` (-1 where missing) into the different strings, in order of appearance.

    Raises `TypeError` where a value is neither text nor missing.
    """
    try:
        encoded = pa.array(values, type=pa.string(), from_pandas=True).dictionary_encode()
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise TypeError(f"a categorical column holds something that is no text: {error}") from None
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return codes.astype(np.int32), encoded.dictionary.to_pylist()


def from_codes(codes: npt.NDArray[np.integer[Any]], strings: Sequence[str]) -> ObjectArray:
    """The column again: object `[B]` of str, None where the code is -1. Codes must lie in [-1, len(strings))."""
    lookup = np.empty(len(strings) + 1, dtype=object)
    lookup[: len(strings)] = strings
    column: ObjectArray = lookup[codes]
    return column

"""Categories: texts, None where missing."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from auditkit.core.types import MISSING_GROUP, InputKind, ObjectArray
from auditkit.data.decode import coded
from auditkit.data.hashing import HashArray, hash_texts
from auditkit.data.sources.base import Family


class Categorical:
    """One of several values without an order."""

    kind: ClassVar[InputKind] = InputKind.CATEGORICAL
    absent: ClassVar[None] = None
    reads: ClassVar[frozenset[Family]] = frozenset(set(Family) - {Family.NESTED})

    @staticmethod
    def decode(array: pa.Array) -> tuple[ObjectArray, HashArray]:
        """Object `[B]` of str or None. Raises `CellError` at a text that is too long for a category."""
        values = coded(array)
        return values.objects(), hash_texts(values)

    @staticmethod
    def reference(values: npt.NDArray[Any]) -> str | None:
        """The most frequent value (the first by text among equals); None where all are missing."""
        present = np.array([value for value in values if value is not None], dtype=object)
        if not len(present):
            return None
        texts, counts = np.unique(present, return_counts=True)
        return str(texts[int(np.argmax(counts))])

    @staticmethod
    def show(value: Any) -> str:
        """The text itself."""
        return MISSING_GROUP if value is None else str(value)

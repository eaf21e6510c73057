"""Numbers: float64, NaN where missing, infinite values kept."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from auditkit.core.messages import number
from auditkit.core.types import FloatArray, InputKind
from auditkit.data.decode import numbers
from auditkit.data.hashing import HashArray, hash_numbers
from auditkit.data.sources.base import Family


class Numeric:
    """A number."""

    kind: ClassVar[InputKind] = InputKind.NUMERIC
    absent: ClassVar[float] = math.nan
    reads: ClassVar[frozenset[Family]] = frozenset(
        {Family.NUMERIC, Family.BOOL, Family.TEXT, Family.UNTYPED, Family.EMPTY}
    )

    @staticmethod
    def decode(array: pa.Array) -> tuple[FloatArray, HashArray]:
        """float64 `[B]`, NaN for missing. Raises `CellError` at a text that is no number."""
        values = numbers(array)
        return values, hash_numbers(values)

    @staticmethod
    def reference(values: npt.NDArray[Any]) -> float:
        """The median of the finite values; NaN where there are none."""
        finite = values[np.isfinite(values)]
        return float(np.median(finite)) if len(finite) else math.nan

    @staticmethod
    def show(value: Any) -> str:
        """Three significant digits; whole numbers in full."""
        if math.isnan(value):
            return "(missing)"
        if math.isinf(value):
            return "∞" if value > 0 else "−∞"
        return f"{value:.0f}" if value == round(value) and abs(value) < 1e15 else number(value)

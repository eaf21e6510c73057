"""The protocol of a modality: how one kind of input becomes an array of a batch. One file each; see `MODALITIES`."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import numpy.typing as npt
import pyarrow as pa

from auditkit.core.registry import Registry
from auditkit.core.types import InputKind
from auditkit.data.hashing import HashArray
from auditkit.data.sources.base import Family


class Modality(Protocol):
    """One kind of input. Stateless: all of it is class-level."""

    kind: ClassVar[InputKind]
    #: What stands in a batch where the input is missing, and what an input is set to when it is taken away.
    absent: ClassVar[Any]
    #: The families of columns that can be read as this kind.
    reads: ClassVar[frozenset[Family]]

    @staticmethod
    def decode(array: pa.Array) -> tuple[npt.NDArray[Any], HashArray]:
        """A column of B cells as the batch's array `[B]`, and the stable hash of each cell, uint64 `[B]`.

        Raises `CellError` at a cell that can't be read as this kind.
        """

    @staticmethod
    def reference(values: npt.NDArray[Any]) -> Any:
        """A typical value among `values` `[B]`, for models that can't take a missing one; `absent` where all are."""

    @staticmethod
    def show(value: Any) -> str:
        """One value as a reader of the report sees it."""


MODALITIES: Registry[type[Modality]] = Registry(
    "input kind",
    {
        InputKind.NUMERIC: "auditkit.data.modalities.numeric:Numeric",
        InputKind.CATEGORICAL: "auditkit.data.modalities.categorical:Categorical",
    },
)


def modality(kind: InputKind) -> type[Modality]:
    """The modality of that kind."""
    return MODALITIES.get(kind)

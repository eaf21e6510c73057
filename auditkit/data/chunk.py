"""From a batch of raw columns to a `Chunk`: the rows of one shard as models and checks want them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from auditkit.core.types import Batch, FloatArray, InputKind, IntArray, ObjectArray
from auditkit.data.bands import Bands
from auditkit.data.columns import Columns
from auditkit.data.decode import Coded, coded, numbers, whole_numbers
from auditkit.data.grouping import banded, named_group
from auditkit.data.hashing import HashArray, combined, hash_numbers, hash_texts, mixed
from auditkit.data.modalities.base import modality
from auditkit.data.sources.base import Family
from auditkit.data.survey import placed


@dataclass(frozen=True)
class Input:
    """One input of the model: the column and how it is read."""

    name: str
    kind: InputKind


@dataclass(frozen=True)
class Chunk:
    """The selected rows of one shard; B of them.

    `row`: int64 `[B]`, 0-based position in the split's file. `inputs`: see `Batch`. `target`: float64 where the
    target column is numeric, else string; null where missing; None without a target. `groups`: for each sensitive
    column the label of each row (of its band, where numbers are cut), `[B]`, None where missing. `id`: `[B]` text.
    `cluster`: int64 `[B]`, a stable hash of the value; a row without one is its own cluster. `weight`: float64 `[B]`,
    finite, at least 0. `extra`: as `target`, for the further columns asked for.
    `input_hash` and `row_hash`: uint64 `[B]`, stable hashes of the inputs, and of inputs and target; equal values
    hash alike from any file type, dtype and column order. Both are None where no inputs are read.
    """

    split: str
    row: IntArray
    inputs: Batch
    target: pa.Array | None
    groups: dict[str, ObjectArray]
    id: ObjectArray | None
    cluster: IntArray | None
    weight: FloatArray | None
    extra: dict[str, pa.Array]
    input_hash: HashArray | None
    row_hash: HashArray | None
    #: So many rows that are alike stand behind each, int64 `[B]`; None: one.
    count: IntArray | None = None

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True)
class Layout:
    """How the columns of a data set become chunks."""

    columns: Columns
    inputs: tuple[Input, ...]
    #: Columns of untyped files that hold numbers.
    untyped_numeric: frozenset[str]
    #: Sensitive columns whose numbers are cut into bands.
    bands: Mapping[str, Bands] = field(default_factory=dict)

    def chunk(
        self, split: str, file: str, row: IntArray, arrays: Mapping[str, pa.Array], count: IntArray | None = None
    ) -> Chunk:
        """Decode the rows `row` `[B]`. Raises `InputRefusedError` with file, row and column of a cell that is wrong."""
        reader = _Reader(self, file, row, arrays)
        inputs, hashes = reader.inputs()
        input_hash = combined(hashes, len(row)) if inputs else None
        target, target_hash = reader.valued(self.columns.target) if self.columns.target else (None, None)
        row_hash = input_hash
        if input_hash is not None and target_hash is not None:
            row_hash = mixed(mixed(input_hash) ^ target_hash)
        weight = self.columns.weight
        return Chunk(
            split=split,
            row=row,
            inputs=inputs,
            target=target,
            groups={name: reader.groups(name) for name in self.columns.sensitive},
            id=None if self.columns.id is None else reader.texts(self.columns.id).objects(),
            cluster=None if self.columns.cluster is None else reader.clusters(self.columns.cluster),
            weight=None if weight is None else reader.numbers(weight),
            extra={name: reader.valued(name)[0] for name in self.columns.extra},
            input_hash=input_hash,
            row_hash=row_hash,
            count=count,
        )

    def numeric(self, column: str) -> bool:
        """Whether a target or further column is handed over as numbers."""
        return self.columns.families[column] is Family.NUMERIC or column in self.untyped_numeric


class _Reader:
    """The raw columns of one piece of a chunk."""

    def __init__(self, layout: Layout, file: str, row: IntArray, arrays: Mapping[str, pa.Array]) -> None:
        self._layout, self._file, self._row, self._arrays = layout, file, row, arrays

    def _textual(self, name: str) -> pa.Array:
        array = self._arrays[name]
        written = name in self._layout.untyped_numeric and pa.types.is_string(array.type)
        return whole_numbers(array) if written else array

    def _at(self, name: str) -> AbstractContextManager[None]:
        return placed(self._file, name, self._row)

    def inputs(self) -> tuple[dict[str, npt.NDArray[Any]], dict[str, HashArray]]:
        values: dict[str, npt.NDArray[Any]] = {}
        hashes: dict[str, HashArray] = {}
        for item in self._layout.inputs:
            array = self._arrays[item.name] if item.kind is InputKind.NUMERIC else self._textual(item.name)
            with self._at(item.name):
                values[item.name], hashes[item.name] = modality(item.kind).decode(array)
        return values, hashes

    def texts(self, name: str) -> Coded:
        with self._at(name):
            return coded(self._textual(name))

    def numbers(self, name: str) -> FloatArray:
        with self._at(name):
            return numbers(self._arrays[name])

    def valued(self, name: str) -> tuple[pa.Array, HashArray]:
        """Numbers or texts, null where missing."""
        if self._layout.numeric(name):
            values = self.numbers(name)
            return pa.array(values, mask=np.isnan(values)), hash_numbers(values)
        texts = self.texts(name)
        return texts.arrow(), hash_texts(texts)

    def groups(self, name: str) -> ObjectArray:
        if name in self._layout.bands:
            with self._at(name):
                return banded(self._layout.bands[name], self._arrays[name])
        found = self.texts(name)
        named = np.array([*(named_group(text) for text in found.texts.tolist()), None], dtype=object)
        return named[found.codes]

    def clusters(self, name: str) -> IntArray:
        found = self.texts(name)
        alone = mixed(~self._row.astype(np.uint64))
        return np.where(found.codes < 0, alone, hash_texts(found)).view(np.int64)


def joined(pieces: Sequence[Chunk]) -> Chunk:
    """Consecutive pieces of one shard as one chunk."""
    if len(pieces) == 1:
        return pieces[0]
    first = pieces[0]
    return Chunk(
        split=first.split,
        row=np.concatenate([piece.row for piece in pieces]),
        inputs={name: np.concatenate([piece.inputs[name] for piece in pieces]) for name in first.inputs},
        target=None if first.target is None else pa.concat_arrays([piece.target for piece in pieces]),
        groups={name: np.concatenate([piece.groups[name] for piece in pieces]) for name in first.groups},
        id=_concatenated([piece.id for piece in pieces]),
        cluster=_concatenated([piece.cluster for piece in pieces]),
        weight=_concatenated([piece.weight for piece in pieces]),
        extra={name: pa.concat_arrays([piece.extra[name] for piece in pieces]) for name in first.extra},
        input_hash=_concatenated([piece.input_hash for piece in pieces]),
        row_hash=_concatenated([piece.row_hash for piece in pieces]),
        count=_concatenated([piece.count for piece in pieces]),
    )


def _concatenated(parts: Sequence[npt.NDArray[Any] | None]) -> Any:
    present = [part for part in parts if part is not None]
    return np.concatenate(present) if present else None

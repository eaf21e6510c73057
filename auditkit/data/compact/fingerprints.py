"""Hashes of a sample of the rows, chosen so that all copies of a row that is in it are in it, too."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from auditkit.core.types import BoolArray, IntArray
from auditkit.data.decode import coded, numbers
from auditkit.data.hashing import HashArray, combined, hash_numbers, mixed
from auditkit.data.sources.base import Family, family_of
from auditkit.data.sources.files import MAX_CELL_BYTES

#: So many distinct rows are kept; of more, those whose hash is among the smallest, in halves.
MOST_KEPT = 1 << 17


class Fingerprints:
    """Distinct (hash of the inputs, hash of the target) with how often each occurs.

    Inputs are in the sample by their own hash ("coordinated sampling", Cohen and Kaplan 2007), so shares of copies and
    of agreeing labels are those of the rows up to the error of a sample of `MOST_KEPT` / 2 and more distinct inputs.
    """

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._shift = 0
        self._inputs = np.empty(0, dtype=np.uint64)
        self._targets = np.empty(0, dtype=np.uint64)
        self._counts = np.empty(0, dtype=np.int64)

    def add(self, inputs: Mapping[str, pa.Array], target: pa.Array | None, rows: int) -> None:
        """Take in one block of `rows` rows; texts of `inputs` may have any length, as nobody will read them.

        Raises `CellError` where the target's cells can't be read.
        """
        hashed = combined({name: _hashes(array, sys.maxsize) for name, array in inputs.items()}, rows)
        kept = self._chosen(hashed)
        labels = np.zeros(rows, dtype=np.uint64) if target is None else _hashes(target)
        self._merge(hashed[kept], labels[kept], np.ones(int(kept.sum()), dtype=np.int64))
        while self._distinct() > self._most:
            self._shift += 1
            kept = self._chosen(self._inputs)
            self._inputs, self._targets, self._counts = self._inputs[kept], self._targets[kept], self._counts[kept]

    def table(self) -> pa.Table:
        """`input_hash`, `row_hash`, `target` (a hash, null where missing) and `count` of each distinct row."""
        missing = self._targets == _MISSING
        return pa.table(
            {
                "input_hash": pa.array(self._inputs),
                "row_hash": pa.array(mixed(mixed(self._inputs) ^ self._targets)),
                "target": pa.array(self._targets.view(np.int64), mask=missing),
                "count": pa.array(self._counts),
            }
        )

    def _chosen(self, hashes: HashArray) -> BoolArray:
        if not self._shift:
            return np.ones(len(hashes), dtype=np.bool_)
        return np.asarray((mixed(hashes) >> np.uint64(64 - self._shift)) == 0, dtype=np.bool_)

    def _distinct(self) -> int:
        """How many inputs there are; equal ones stand side by side."""
        return int(np.count_nonzero(self._inputs[1:] != self._inputs[:-1])) + 1 if len(self._inputs) else 0

    def _merge(self, inputs: HashArray, targets: HashArray, counts: IntArray) -> None:
        inputs, targets = np.concatenate([self._inputs, inputs]), np.concatenate([self._targets, targets])
        counts = np.concatenate([self._counts, counts])
        order = np.lexsort((targets, inputs))
        inputs, targets, counts = inputs[order], targets[order], counts[order]
        first = np.ones(len(inputs), dtype=np.bool_)
        first[1:] = (inputs[1:] != inputs[:-1]) | (targets[1:] != targets[:-1])
        starts = np.flatnonzero(first)
        self._inputs, self._targets = inputs[starts], targets[starts]
        self._counts = np.add.reduceat(counts, starts) if len(starts) else counts


#: The hash of a missing cell, of a number or of a text.
_MISSING = hash_numbers(np.array([np.nan]))[0]


def _hashes(array: pa.Array, longest: int = MAX_CELL_BYTES) -> HashArray:
    """One hash a cell; texts (of up to `longest` bytes) by a fast one, as only rows of one file are compared."""
    if family_of(array.type) is Family.NUMERIC and not pa.types.is_dictionary(array.type):
        return hash_numbers(numbers(array))
    import pandas as pd  # takes long to import, and few files need it

    found = coded(array, longest)
    texts: Sequence[str] = found.texts.tolist()
    of_text = pd.util.hash_array(np.array([*texts, ""], dtype=object))
    of_text[-1] = _MISSING
    return np.asarray(of_text[found.codes], dtype=np.uint64)

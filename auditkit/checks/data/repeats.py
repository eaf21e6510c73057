"""Rows that repeat: how many, whether their labels agree, and how that differs between copies and chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from auditkit.checks.reading import codes
from auditkit.core.types import BoolArray, IntArray

#: Copies of one record agree in their label; rows that are alike by chance (few inputs, few values) often don't.
AGREEMENT_OF_COPIES = 0.99


@dataclass(frozen=True)
class Repeats:
    """What repeats within one split. All counts are of rows.

    `copies`: rows that repeat an earlier row, inputs and label. `conflicting`: rows whose inputs another row has with
    another label. `unavoidable`: errors that no model of these inputs can avoid, as it can give only one label to rows
    that are alike. `agreement`: the share of pairs of rows with the same inputs that have the same label, None without
    such a pair.
    """

    rows: int
    labelled: int
    copies: int
    conflicting: int
    unavoidable: int
    agreement: float | None

    @property
    def by_chance(self) -> bool:
        """Whether labels of rows that are alike differ as those of different people do: not copies of a record."""
        return self.agreement is not None and self.agreement < AGREEMENT_OF_COPIES


def repeats(rows: pa.Table) -> Repeats:
    """What repeats among the rows of one split of the table `rows`, or `fingerprints` (whose rows are counted)."""
    inputs, whole = codes(rows.column("input_hash")), codes(rows.column("row_hash"))
    target = codes(rows.column("target")) if "target" in rows.column_names else np.full(len(rows), -1)
    counted = "count" in rows.column_names
    count = rows.column("count").to_numpy() if counted else np.ones(len(rows), dtype=np.int64)
    known = target >= 0
    among = _largest(inputs[known], target[known], count[known])
    labelled = np.bincount(inputs[known], weights=count[known])
    mixed = among.kinds > 1
    conflicting = known & np.isin(inputs, among.inputs[mixed])
    pairs = float((labelled * (labelled - 1)).sum())
    return Repeats(
        rows=int(count.sum()),
        labelled=int(count[known].sum()),
        copies=int(count.sum()) - len(np.unique(whole)),
        conflicting=int(count[conflicting].sum()),
        unavoidable=int((among.rows - among.most).sum()),
        agreement=among.same_pairs / pairs if pairs else None,
    )


@dataclass(frozen=True)
class _Among:
    """For each distinct input with a labelled row, `[k]`: its rows, how many labels they have, and the rows of the
    commonest. `same_pairs`: ordered pairs of rows with the same input and label, over all inputs."""

    inputs: IntArray
    rows: IntArray
    kinds: IntArray
    most: IntArray
    same_pairs: float


def _largest(inputs: IntArray, target: IntArray, count: IntArray) -> _Among:
    cells, place = np.unique(np.column_stack([inputs, target]), axis=0, return_inverse=True)
    counts = np.bincount(place.ravel(), weights=count, minlength=len(cells)).astype(np.int64)
    found, at, kinds = np.unique(cells[:, 0], return_inverse=True, return_counts=True)
    rows = np.bincount(at, weights=counts, minlength=len(found)).astype(np.int64)
    most = np.zeros(len(found), dtype=np.int64)
    np.maximum.at(most, at, counts)
    return _Among(found, rows, kinds, most, float((counts * (counts - 1)).sum()))


def repeated_elsewhere(column: pa.ChunkedArray, other: pa.ChunkedArray) -> BoolArray:
    """Which values of `column` are among those of `other`, `[n]`; a missing value is nowhere."""
    found = pc.is_in(column, value_set=pc.drop_null(other.combine_chunks()))
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.bool_)


def agreement_between(rows: pa.Table, others: pa.Table) -> float | None:
    """Of all pairs of a row here and a row there that have the same inputs, the share with the same label; None
    without such a pair of labelled rows."""
    if "target" not in rows.column_names:
        return None
    inputs = codes(pa.chunked_array([*rows.column("input_hash").chunks, *others.column("input_hash").chunks]))
    target = codes(pa.chunked_array([*rows.column("target").chunks, *others.column("target").chunks]))
    here = np.arange(len(inputs)) < len(rows)
    known = target >= 0
    cells, at = np.unique(np.column_stack([inputs[known], target[known]]), axis=0, return_inverse=True)
    both = [np.bincount(at.ravel()[here[known] == side], minlength=len(cells)) for side in (True, False)]
    of_input = [np.bincount(cells[:, 0], weights=count) for count in both]
    pairs = float((of_input[0] * of_input[1]).sum())
    return float((both[0] * both[1]).sum()) / pairs if pairs else None


def has_twin(column: pa.ChunkedArray) -> BoolArray:
    """Which rows share their value with another row of the same column, `[n]`."""
    found = codes(column)
    return np.bincount(found)[found] > 1 if len(found) else np.zeros(0, dtype=np.bool_)

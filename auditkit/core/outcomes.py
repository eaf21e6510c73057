"""What a model said about the rows of one split, beside what was true: the arrays that every measure starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from auditkit.core.design import Design
from auditkit.core.types import INTERSECTION, BoolArray, FloatArray, IntArray

#: Code of a label or a prediction that is missing.
NO_LABEL = -1


@dataclass(frozen=True)
class Outcomes:
    """Outcomes of n stored rows; with `count` (int64 `[n]`), so many rows that are alike stand behind each.

    Classification: `target` and `prediction` are codes into the task's classes (int64 `[n]`, `NO_LABEL` where
    missing), `scores` are probabilities `[n, C]` (NaN rows where unscored) or None where the model gives labels only.
    Regression: `target` and `prediction` are float64 `[n]`, NaN where missing; `scores` is None.
    `problem` says why nothing can be measured at all (scores where labels belong, ...); every estimate is then
    undefined.
    """

    split: str
    row: IntArray
    target: npt.NDArray[Any]
    prediction: npt.NDArray[Any]
    scores: FloatArray | None = None
    weight: FloatArray | None = None
    cluster: IntArray | None = None
    problem: str | None = None
    count: IntArray | None = None

    def __len__(self) -> int:
        return len(self.row)

    @property
    def design(self) -> Design:
        """How the rows were sampled."""
        return Design(self.weight, self.cluster, self.count)

    @property
    def rows(self) -> int:
        """How many rows there are, each as often as it occurs."""
        return len(self.row) if self.count is None else int(self.count.sum())

    def rows_where(self, keep: BoolArray) -> int:
        """How many rows stand behind those kept (bool `[n]`)."""
        return self.design.rows(keep)

    @property
    def labelled(self) -> BoolArray:
        """Rows whose true label or value is known, `[n]`."""
        return _known(self.target)

    @property
    def scored(self) -> BoolArray:
        """Rows for which the model gave a usable prediction, `[n]`."""
        return _known(self.prediction)

    def where(self, keep: BoolArray | IntArray) -> Outcomes:
        """The same for a selection of rows."""
        return replace(
            self,
            row=self.row[keep],
            target=self.target[keep],
            prediction=self.prediction[keep],
            scores=None if self.scores is None else self.scores[keep],
            weight=None if self.weight is None else self.weight[keep],
            cluster=None if self.cluster is None else self.cluster[keep],
            count=None if self.count is None else self.count[keep],
        )


def _known(values: npt.NDArray[Any]) -> BoolArray:
    return np.isfinite(values) if values.dtype.kind == "f" else values >= 0


@dataclass(frozen=True)
class Groups:
    """The group of each row: `codes` (int64 `[n]`) into `labels`. Missing values are the group `(missing)`.

    `labels` are the groups that must be there (declared by the plan, else the union over the splits), so a label may
    have no row here: an absent group, which is never the same as a group that does well.
    """

    attribute: str
    labels: tuple[str, ...]
    codes: IntArray
    #: One sentence on labels that a reader would take for one another.
    warning: str | None = None
    #: How many rows stand behind each stored one, int64 `[n]`; None: one.
    count: IntArray | None = None

    @property
    def rows(self) -> int:
        """How many rows there are, each as often as it occurs."""
        return len(self.codes) if self.count is None else int(self.count.sum())

    def sizes(self) -> IntArray:
        """Rows of each group, `[G]`."""
        return np.bincount(self.codes, weights=self.count, minlength=len(self.labels)).astype(np.int64)

    def where(self, keep: BoolArray | IntArray) -> Groups:
        """The same for a selection of rows."""
        return replace(self, codes=self.codes[keep], count=None if self.count is None else self.count[keep])


def cross(parts: Sequence[Groups], elsewhere: Sequence[Sequence[Groups]] = ()) -> Groups:
    """The intersection of attributes on the same rows: one group for each combination of labels that a row has.

    `elsewhere` are the same attributes (with the same labels) on the rows of other splits: a combination that a row
    there has must be here, too, and is an absent group where it is not. So are all combinations of a label that no row
    anywhere has: somebody declared it. Labels are joined by `×` in the order given; a `×` inside a label is written
    `\\×`, so that no two combinations share a name. Raises `ValueError` without an attribute.
    """
    if not parts:
        raise ValueError("cross() needs at least one attribute")
    codes = _combined(parts)
    present = np.unique(
        np.concatenate([codes, *(_combined(other) for other in elsewhere), _declared(parts, elsewhere)])
    )
    attribute = INTERSECTION.join(part.attribute for part in parts)
    sizes = [len(part.labels) for part in parts]
    digits = np.unravel_index(present, sizes) if len(present) else [present for _ in parts]
    names = [
        [part.labels[d].replace(INTERSECTION, f"\\{INTERSECTION}") for d in ds]
        for part, ds in zip(parts, digits, strict=True)
    ]
    labels = tuple(INTERSECTION.join(combination) for combination in zip(*names, strict=True))
    return Groups(attribute, labels, np.searchsorted(present, codes).astype(np.int64), count=parts[0].count)


def _combined(parts: Sequence[Groups]) -> IntArray:
    """One code for each combination of labels, `[n]`."""
    codes = parts[0].codes
    for part in parts[1:]:
        codes = codes * len(part.labels) + part.codes
    return codes


def _declared(parts: Sequence[Groups], elsewhere: Sequence[Sequence[Groups]]) -> IntArray:
    """The codes of all combinations with a label that no row of any split has."""
    found = []
    sizes = [len(part.labels) for part in parts]
    for position, part in enumerate(parts):
        seen = [part.codes, *(other[position].codes for other in elsewhere)]
        for label in np.setdiff1d(np.arange(len(part.labels)), np.concatenate(seen)):
            axes = [np.array([label]) if k == position else np.arange(size) for k, size in enumerate(sizes)]
            grid = np.meshgrid(*axes, indexing="ij")
            found.append(np.ravel_multi_index([axis.ravel() for axis in grid], sizes))
    return np.concatenate(found).astype(np.int64) if found else np.empty(0, dtype=np.int64)


def places(wanted: IntArray, rows: IntArray) -> IntArray:
    """Where each of `wanted` stands in `rows` (whose values are unique), -1 where it does not."""
    if not len(rows):
        return np.full(len(wanted), -1, dtype=np.int64)
    order = np.argsort(rows, kind="stable")
    slot = np.minimum(np.searchsorted(rows[order], wanted), len(rows) - 1)
    found = order[slot]
    return np.where(rows[found] == wanted, found, -1)

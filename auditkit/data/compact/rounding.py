"""Which columns are rounded, and how their cells are prepared before they are counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from auditkit.core.types import FloatArray
from auditkit.data.compact.coarse import bucket, rounded, rounded_scores
from auditkit.data.decode import CellError, numbers

#: A column with no more distinct values than this stays as it is.
FEW = 4096
#: Binary digits that numbers keep, tried one after another until the distinct rows are few enough.
STEPS = (10, 8, 6, 4)


@dataclass(frozen=True)
class Roles:
    """What the columns of a file of predictions are for; None where there is none.

    `threshold`: where no column holds the decision, the score from which on it is positive.
    """

    target: str | None = None
    prediction: str | None = None
    scores: tuple[str, ...] = ()
    weight: str | None = None
    cluster: str | None = None
    groups: tuple[str, ...] = ()
    threshold: float | None = None


@dataclass(frozen=True)
class Rounding:
    """Nothing is rounded while `bits` is None. `columns`: those that are, once it is not."""

    roles: Roles
    bits: int | None = None
    columns: frozenset[str] = frozenset()
    #: For a column of text that was taken for numbers: the first cell that is none.
    foreign: dict[str, str] = field(default_factory=dict)

    def coarser(self, values: Mapping[str, pa.Array]) -> Rounding | None:
        """The next step, given the distinct values of each column; None where nothing is left to be rounded."""
        left = [bits for bits in STEPS if self.bits is None or bits < self.bits]
        roles, chosen = self.roles, set(self.columns)
        chosen |= {name for name in (*roles.scores, roles.weight) if name and _many_numbers(values[name])}
        # Whole numbers may name rows, which nobody could tell any more once they were rounded.
        chosen |= {name for name in roles.groups if _many_numbers(values[name]) and not _whole(values[name])}
        pair = [values[name] for name in (roles.target, roles.prediction) if name is not None]
        if len(pair) == 2 and max(map(len, pair)) > FEW and all(map(_numeric, pair)):
            chosen |= {name for name in (roles.target, roles.prediction) if name}
        if roles.cluster is not None and len(values[roles.cluster]) > FEW:
            chosen.add(roles.cluster)
        if not left or not chosen:
            return None
        return replace(self, bits=left[0], columns=frozenset(chosen))

    def _near(self, name: str, values: FloatArray) -> FloatArray:
        assert self.bits is not None
        if name in self.roles.scores:
            return rounded_scores(values, self.bits, self.roles.threshold)
        # Errors of scores even out; those of weights that all lie in one place don't, so weights keep their digits.
        return rounded(values, max(self.bits, STEPS[0]) if name == self.roles.weight else self.bits)

    @property
    def residual(self) -> bool:
        """Whether the prediction is kept as its distance from the target, so that small errors keep their digits."""
        return self.roles.target in self.columns and self.roles.prediction in self.columns

    def prepared(self, arrays: Mapping[str, pa.Array]) -> dict[str, pa.Array]:
        """A batch's columns with those that are rounded in their place."""
        found = dict(arrays)
        if self.bits is None:
            return found
        roles = self.roles
        for name in self.columns - {roles.target, roles.prediction}:
            if name == roles.cluster:
                found[name] = self._buckets(arrays[name])
                continue
            values = self._numbers(name, arrays[name])
            found[name] = pa.array(self._near(name, values))
        if self.residual and roles.target is not None and roles.prediction is not None:
            target = self._numbers(roles.target, arrays[roles.target])
            error = self._numbers(roles.prediction, arrays[roles.prediction]) - target
            found[roles.target] = pa.array(rounded(target, self.bits))
            found[roles.prediction] = pa.array(rounded(error, self.bits))
        return found

    def restored(self, arrays: Mapping[str, pa.Array]) -> dict[str, pa.Array]:
        """The columns of `prepared` as the file has them: predictions again where their distance was kept."""
        found = dict(arrays)
        if self.residual and self.roles.target is not None and self.roles.prediction is not None:
            target, error = (numbers(found[name]) for name in (self.roles.target, self.roles.prediction))
            found[self.roles.prediction] = pa.array(target + error)
        return found

    def _buckets(self, array: pa.Array) -> pa.Array:
        import pandas as pd  # takes long to import, and few files need it

        assert self.bits is not None
        encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
        texts = np.array(encoded.dictionary.cast(pa.string()).to_pylist(), dtype=object)
        hashes = pd.util.hash_array(texts).view(np.int64) if len(texts) else np.empty(0, dtype=np.int64)
        chosen = pa.array(bucket(hashes, 1 << (self.bits + 2))).cast(pa.string())
        return chosen.take(encoded.indices)

    def _numbers(self, name: str, array: pa.Array) -> FloatArray:
        try:
            return numbers(array)
        except CellError:
            cells = [_number(text) for text in array.cast(pa.string()).to_pylist()]
            bad = next(text for text in cells if isinstance(text, str))
            self.foreign.setdefault(name, bad)
            return np.array([np.nan if isinstance(cell, str) else cell for cell in cells], dtype=np.float64)


def _number(text: str | None) -> float | str:
    """A cell as a number, NaN where it is missing; the cell itself where it is neither."""
    if text is None:
        return float("nan")
    try:
        return float(numbers(pa.array([text]))[0])
    except CellError:
        return text


def _many_numbers(values: pa.Array) -> bool:
    return len(values) > FEW and _numeric(values)


def _whole(values: pa.Array) -> bool:
    found = numbers(values)
    return bool(np.all(np.mod(found[np.isfinite(found)], 1.0) == 0.0))


def _numeric(values: pa.Array) -> bool:
    try:
        numbers(values)
    except (CellError, pa.ArrowException):
        return False
    return True


def note(rounding: Rounding, name: str, rows: int, stored: int) -> str | None:
    """What a reader must know where numbers were rounded."""
    if rounding.bits is None:
        return None
    roles, parts = rounding.roles, []
    for one, bits in ((False, rounding.bits), (True, max(rounding.bits, STEPS[0]))):
        named = sorted(
            n for n in rounding.columns if n is not None and n != roles.cluster and (n == roles.weight) == one
        )
        if named:
            listed = ", ".join(map(repr, named))
            parts.append(f"{listed} kept to {bits + 1} binary digits (to 1 part in {2 ** (bits + 1):,})")
    if roles.cluster in rounding.columns:
        parts.append(f"clusters put together at random into {1 << (rounding.bits + 2):,}")
    return f"{name}: {rows:,} rows were read as {stored:,} distinct ones, {'; '.join(parts)}"

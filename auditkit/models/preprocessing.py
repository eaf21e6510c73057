"""Preprocessing that is learnt in one streaming pass, kept as JSON, and applied the same in training and scoring."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from auditkit.core.errors import InputRefusedError, PlanError
from auditkit.core.types import Batch, InputKind
from auditkit.models.strings import to_codes

if TYPE_CHECKING:
    # For its name alone: the worker has no use for the readers of data files, which take a while to import.
    from auditkit.data.dataset import Input

#: Codes of a categorical column: 0 missing, 1 unknown (or too rare to be kept), 2.. the vocabulary.
MISSING_CODE, UNKNOWN_CODE, FIRST_CODE = 0, 1, 2
MAX_VOCABULARY = 1_000
MAX_DISTINCT = 1_000_000

Finite = Annotated[float, Field(allow_inf_nan=False)]
Name = Annotated[str, Field(max_length=10_000)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NumericColumn(_Frozen):
    """(x − mean) / scale, 0 where missing; with `indicator`, one more column that is 1 where x is missing."""

    name: Name
    mean: Finite
    scale: Annotated[Finite, Field(gt=0)]
    #: Share of the training rows without a finite value.
    missing: Annotated[Finite, Field(ge=0, le=1)]
    indicator: bool


class CategoricalColumn(_Frozen):
    """Codes into a vocabulary; `counts` are training rows by code: missing, unknown, then each word."""

    name: Name
    vocabulary: tuple[Name, ...] = Field(max_length=100_000)
    counts: tuple[Annotated[int, Field(ge=0)], ...]

    @model_validator(mode="after")
    def _counts_match(self) -> CategoricalColumn:
        if len(self.counts) != len(self.vocabulary) + FIRST_CODE:
            raise ValueError("counts must have two entries more than the vocabulary")
        if len(set(self.vocabulary)) != len(self.vocabulary):
            raise ValueError("a word stands in the vocabulary twice")
        return self

    @property
    def cardinality(self) -> int:
        """How many codes there are."""
        return len(self.counts)

    def frequencies(self) -> npt.NDArray[np.float64]:
        """The share of training rows with each code, float64 `[cardinality]`; uniform where there were no rows."""
        counts = np.asarray(self.counts, dtype=np.float64)
        total = counts.sum()
        return counts / total if total > 0 else np.full(len(counts), 1 / len(counts))


@dataclass(frozen=True)
class Encoded:
    """Rows as a network takes them: `numeric` float32 `[B, F]` (standardised columns, then indicators), `codes`
    int64 `[B, K]`, one column a categorical input."""

    numeric: npt.NDArray[np.float32]
    codes: npt.NDArray[np.int64]


class Preprocessing(_Frozen):
    """How a batch becomes `Encoded`. `order` lists the inputs as the data names them."""

    order: tuple[Name, ...] = Field(min_length=1, max_length=100_000)
    numeric: tuple[NumericColumn, ...]
    categorical: tuple[CategoricalColumn, ...]

    @model_validator(mode="after")
    def _order_matches(self) -> Preprocessing:
        names = [*(column.name for column in self.numeric), *(column.name for column in self.categorical)]
        if sorted(names) != sorted(self.order) or len(set(names)) != len(names):
            raise ValueError("order must list each numeric and categorical column once")
        return self

    @property
    def numeric_owners(self) -> tuple[str, ...]:
        """The input that each column of `Encoded.numeric` belongs to."""
        columns = [column.name for column in self.numeric]
        return (*columns, *(column.name for column in self.numeric if column.indicator))

    def numeric_means(self) -> npt.NDArray[np.float32]:
        """The mean training row of `Encoded.numeric`: 0 for standardised columns, the missing share for indicators."""
        shares = [column.missing for column in self.numeric if column.indicator]
        return np.array([0.0] * len(self.numeric) + shares, dtype=np.float32)

    def encode(self, batch: Batch) -> Encoded:
        """Encode a batch. Infinite numbers count as missing. Raises `PlanError` where an input is absent."""
        absent = [name for name in self.order if name not in batch]
        if absent:
            raise PlanError(f"data.inputs: the model reads {absent[0]!r}, which is not among the inputs")
        rows = len(batch[self.order[0]])
        numeric = np.zeros((rows, len(self.numeric_owners)), dtype=np.float32)
        extra = len(self.numeric)
        for position, column in enumerate(self.numeric):
            values = np.asarray(batch[column.name], dtype=np.float64)
            finite = np.isfinite(values)
            with np.errstate(over="ignore"):
                numeric[:, position] = np.where(finite, (np.where(finite, values, 0.0) - column.mean) / column.scale, 0)
            if column.indicator:
                numeric[:, extra] = ~finite
                extra += 1
        codes = np.zeros((rows, len(self.categorical)), dtype=np.int64)
        for position, category in enumerate(self.categorical):
            codes[:, position] = _encode_column(category, batch)
        return Encoded(numeric, codes)


def _encode_column(column: CategoricalColumn, batch: Batch) -> npt.NDArray[np.int64]:
    local, strings = to_codes(batch[column.name])
    known = dict(zip(column.vocabulary, range(FIRST_CODE, column.cardinality), strict=True))
    lookup = np.array([*(known.get(text, UNKNOWN_CODE) for text in strings), MISSING_CODE], dtype=np.int64)
    return lookup[local]


@dataclass
class Moments:
    """Count, mean and sum of squared deviations of the finite values; mergeable (Chan, Golub & LeVeque 1983)."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    missing: int = 0

    def add(self, values: npt.NDArray[np.float64]) -> None:
        """Take in more values `[n]`; what is not finite counts as missing."""
        finite = values[np.isfinite(values)]
        part = Moments(len(finite), missing=len(values) - len(finite))
        if len(finite):
            with np.errstate(over="ignore", invalid="ignore"):
                part.mean = float(finite.mean())
                part.squares = float(np.square(finite - part.mean).sum())
        self.merge(part)

    def merge(self, other: Moments) -> None:
        """Take in what another pass saw."""
        self.missing += other.missing
        total = self.count + other.count
        if other.count == 0:
            return
        shift = other.mean - self.mean
        self.mean += shift * (other.count / total)
        self.squares += other.squares + shift * shift * self.count * (other.count / total)
        self.count = total

    def scale(self, name: str) -> float:
        """Standard deviation (n in the denominator); 1 for a constant. Raises `InputRefusedError` on overflow."""
        if self.count == 0:
            return 1.0
        deviation = math.sqrt(self.squares / self.count)
        if not (math.isfinite(deviation) and math.isfinite(self.mean)):
            raise InputRefusedError(f"column {name!r}: its numbers are too large to standardise; rescale them")
        return deviation if deviation > 1e-12 * max(abs(self.mean), 1e-288) else 1.0


@dataclass
class PreprocessingFit:
    """Learns `Preprocessing` from batches, one after another; memory does not grow with the rows."""

    inputs: Sequence[Input]
    moments: dict[str, Moments] = field(default_factory=dict)
    counts: dict[str, Counter[str | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for column in self.inputs:
            if column.kind is InputKind.NUMERIC:
                self.moments[column.name] = Moments()
            else:
                self.counts[column.name] = Counter()

    def add(self, batch: Batch) -> None:
        """Take in more rows. Raises `PlanError` for a text column with more than a million different values."""
        for name, moments in self.moments.items():
            moments.add(np.asarray(batch[name], dtype=np.float64))
        for name, counter in self.counts.items():
            codes, strings = to_codes(batch[name])
            sizes = np.bincount(codes + 1, minlength=len(strings) + 1)
            counter.update(dict(zip([None, *strings], sizes.tolist(), strict=True)))
            if len(counter) > MAX_DISTINCT:
                raise PlanError(
                    f"data.inputs: {name!r} has over {MAX_DISTINCT:,} different values; drop it as an input"
                )

    def finish(self, max_vocabulary: int = MAX_VOCABULARY) -> Preprocessing:
        """The preprocessing; the `max_vocabulary` most frequent words are kept, ties in alphabetical order."""
        numeric = [self._numeric(name, moments) for name, moments in self.moments.items()]
        categorical = [_vocabulary(name, counter, max_vocabulary) for name, counter in self.counts.items()]
        order = tuple(column.name for column in self.inputs)
        return Preprocessing(order=order, numeric=tuple(numeric), categorical=tuple(categorical))

    def _numeric(self, name: str, moments: Moments) -> NumericColumn:
        rows = moments.count + moments.missing
        share = moments.missing / rows if rows else 0.0
        scale = moments.scale(name)
        indicator = moments.missing > 0
        return NumericColumn(name=name, mean=moments.mean, scale=scale, missing=share, indicator=indicator)


def _vocabulary(name: str, counter: Counter[str | None], limit: int) -> CategoricalColumn:
    words = sorted(((-count, word) for word, count in counter.items() if word is not None and count > 0))
    kept, rare = words[:limit], words[limit:]
    counts = [counter.get(None, 0), -sum(count for count, _ in rare), *(-count for count, _ in kept)]
    return CategoricalColumn(name=name, vocabulary=tuple(word for _, word in kept), counts=tuple(counts))

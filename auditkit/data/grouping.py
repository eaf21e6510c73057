"""What the survey learns of one sensitive column: its groups, or the bands that its numbers are cut into."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from auditkit.core.errors import Problem, nearest
from auditkit.core.types import MISSING_GROUP, IntArray, ObjectArray
from auditkit.data.bands import DEFAULT_BANDS, MOST_VALUES, Bands, bands_at, names_rows, quantile_bands
from auditkit.data.decode import CellError, Coded, coded, numbers, whole_numbers
from auditkit.data.distribution import RELATIVE_ERROR, Distribution
from auditkit.data.sources.base import Family, family_of
from auditkit.data.sources.files import printable
from auditkit.data.spec import BandRule


@dataclass(frozen=True)
class Grouping:
    """The groups that must be there, in order; the bands behind them, if any; a note for the reader of the audit."""

    labels: tuple[str, ...]
    bands: Bands | None = None
    note: str | None = None


class GroupColumn:
    """Distinct values of one sensitive column over all splits: as texts, and as numbers while all of them are."""

    def __init__(self, name: str, family: Family, rule: BandRule | None, declared: Sequence[str]) -> None:
        """`family` is that of the column over all splits, `rule` what the plan's `data.bands` says of it, `declared`
        the groups that `data.groups` lists. Without a rule, a column with declared groups is not cut."""
        self.name = name
        self._rule = rule
        self._declared = tuple(label for label in declared if label != MISSING_GROUP)
        self._family = family
        may = family in (Family.NUMERIC, Family.UNTYPED) and rule != "none" and (rule is not None or not declared)
        self._numbers = Distribution() if may else None
        self._foreign = ""
        self._texts: set[str] = set()
        self._missing = False

    def see(self, file: str, array: pa.Array, counts: IntArray | None = None) -> None:
        """Take in cells, each standing for `counts` rows (int64 `[n]`, default 1). Raises `CellError`."""
        typed = family_of(array.type) is Family.NUMERIC
        if self._numbers is not None and typed:
            values = numbers(array)
            self._numbers.add(values, counts)
            if self._surely_cut:  # its many numbers need not be kept as texts
                self._missing = self._missing or bool(np.isnan(values).any())
                return
        found = coded(array)
        self._texts.update(found.present())
        self._missing = self._missing or bool(np.any(found.codes < 0))
        if self._numbers is not None and not typed:
            self._see_written(file, found, counts)

    @property
    def _surely_cut(self) -> bool:
        seen = self._numbers
        return self._family is Family.NUMERIC and seen is not None and not seen.exact and not seen.whole

    def _see_written(self, file: str, found: Coded, counts: IntArray | None) -> None:
        """Texts as numbers, until one is none."""
        assert self._numbers is not None
        known = found.codes >= 0
        weights = None if counts is None else counts[known]
        times = np.bincount(found.codes[known], weights=weights, minlength=len(found.texts)).astype(np.int64)
        try:
            self._numbers.add(numbers(pa.array(found.texts, type=pa.string())), times)
        except CellError as error:
            self._foreign = f"{file} holds {printable(repr(found.texts[error.index]), 60)}"
            self._numbers = None

    def settle(self, parsed: bool) -> tuple[Grouping, list[Problem]]:
        """The groups, and what stands against the plan. `parsed`: this is an untyped column that holds numbers."""
        numeric = self._numbers is not None and (parsed or self._family is Family.NUMERIC)
        problem = self._not_numbers(numeric)
        if problem is not None:
            return Grouping(self._as_they_are(parsed)), [Problem(f"data.bands.{self.name}", problem)]
        bands, note = self._cut() if numeric else (None, None)
        if bands is None:
            return Grouping(self._as_they_are(parsed), None, note), []
        return self._banded(bands, note)

    def _not_numbers(self, numeric: bool) -> str | None:
        """Why the column can't be cut as the plan wants it to be."""
        if self._rule is None or self._rule == "none" or numeric:
            return None
        if self._foreign:
            return f"{self._foreign} in column {self.name!r}, which is no number; bands are for numbers"
        if self._numbers is None or self._numbers.rows == 0:
            return None  # the family was refused before; and where there is no value, there is nothing to cut
        return f"column {self.name!r} holds numbers with leading zeros, as codes have them; bands are for quantities"

    def _cut(self) -> tuple[Bands | None, str | None]:
        """The bands by the plan's rule, else by the default one; and what a reader must know of it."""
        seen, rule = self._numbers, self._rule
        assert seen is not None
        if isinstance(rule, tuple):
            bands = bands_at(rule, seen.whole)
            return bands, self._note(bands, "at the edges that the plan gives")
        if rule is None and (seen.exact and len(seen.cells()[0]) <= MOST_VALUES):
            return None, None
        if rule is None and names_rows(seen):
            text = "holds whole numbers that nearly all differ, so it seems to name rows and was not cut into bands"
            return None, f"{self.name!r} {text}; `data.bands` cuts it"
        wanted = rule if isinstance(rule, int) else DEFAULT_BANDS
        found = quantile_bands(seen, wanted)
        if found is None:
            return None, f"{self.name!r} was not cut into bands: it holds fewer than two different numbers"
        many = "quintiles" if wanted == 5 else f"the quantiles that make {wanted} bands"
        off = "" if seen.exact else f", to within {2 * RELATIVE_ERROR:.1%} of a number,"
        return found, self._note(found, f"at {many} of the rows of all splits,{off} rounded")

    def _note(self, bands: Bands, rule: str) -> str:
        assert self._numbers is not None
        parts = [f"{self.name!r} was cut into bands {rule}: {_listed(bands.names)}"]
        filled = self._filled(bands)
        empty = [name for name in bands.names if name not in filled]
        if empty:
            parts.append(f"no row is in {_listed(empty)}")
        infinite = sum(self._numbers.infinite)
        if infinite:
            parts.append(f"{infinite:,} infinite values are in the end bands")
        return "; ".join(parts)

    def _filled(self, bands: Bands) -> set[str]:
        """The bands that a row of some split is in."""
        assert self._numbers is not None
        below, above = self._numbers.infinite
        ends = [value for value, rows in ((-math.inf, below), (math.inf, above)) if rows]
        return set(bands.labels(np.append(self._numbers.cells()[0], ends)).tolist())

    def _banded(self, bands: Bands, note: str | None) -> tuple[Grouping, list[Problem]]:
        filled, marks = self._filled(bands), list(self._marks())
        known = (*bands.names, *marks)
        problems = [
            Problem(
                f"data.groups.{self.name}",
                f"{label!r} is no band of {self.name!r}: {_listed(bands.names)}{nearest(label, known)}",
            )
            for label in self._declared
            if label not in known
        ]
        there = [name for name in bands.names if name in filled or name in self._declared]
        return Grouping((*there, *marks, *self._last()), bands, note), problems

    def _marks(self) -> Iterator[str]:
        """Texts that stand for no number in a text file, such as "NA": groups of that name."""
        texts = sorted(self._texts)
        for text, value in zip(texts, numbers(pa.array(texts, type=pa.string())), strict=True):
            if math.isnan(value):
                yield named_group(text)

    def _last(self) -> tuple[str, ...]:
        return (MISSING_GROUP,) if self._missing else ()

    def _as_they_are(self, parsed: bool) -> tuple[str, ...]:
        """Every value as a group: declared ones first, then all others, `(missing)` last."""
        texts = self._texts
        if parsed:
            texts = set(whole_numbers(pa.array(sorted(texts), type=pa.string())).to_pylist())
        names = [named_group(text) for text in sorted(texts, key=_natural)]
        return tuple(dict.fromkeys([*self._declared, *names, *self._last()]))


def banded(bands: Bands, array: pa.Array) -> ObjectArray:
    """The band of each cell, `[n]`, None where it is missing. Raises `CellError` at a text that is no number."""
    if family_of(array.type) is Family.NUMERIC:
        return bands.labels(numbers(array))
    found = coded(array)
    try:
        names = bands.labels(numbers(pa.array(found.texts, type=pa.string())))
    except CellError as error:
        raise CellError(int(np.argmax(found.codes == error.index)), error.what) from None
    marks = [named_group(text) if name is None else name for text, name in zip(found.texts, names, strict=True)]
    return np.array([*marks, None], dtype=object)[found.codes]


def named_group(text: str) -> str:
    """The group of a value. A value that reads like the name of the missing ones is put in quotes."""
    return f"'{text}'" if text == MISSING_GROUP else text


def _natural(text: str) -> tuple[float, str]:
    """Numbers by value, before everything else."""
    try:
        value = float(text)
    except ValueError:
        value = math.inf
    return value if math.isfinite(value) else math.inf, text


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)

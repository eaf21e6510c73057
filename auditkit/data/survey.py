"""One pass over the splits before anything is scored: rows, labels, groups, and what untyped columns hold."""

from __future__ import annotations

import contextlib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from auditkit.core.errors import InputRefusedError, PlanError
from auditkit.core.types import FloatArray, InputKind, IntArray
from auditkit.data.bands import Bands
from auditkit.data.columns import Columns
from auditkit.data.decode import CellError, NumberGuess, coded, numbers
from auditkit.data.grouping import GroupColumn
from auditkit.data.sources.base import Batch, Family, Source
from auditkit.data.sources.files import printable
from auditkit.data.spec import DataSpec, label_text

#: More distinct target values than this are not listed.
MAX_LABELS = 2000


@dataclass(frozen=True)
class Survey:
    """What the files hold, over all of their rows (also those that `max_rows` leaves out).

    `rows` and `target_missing` by split. `labels`: the distinct target labels over the splits, by `label_text`,
    numbers in numeric order and texts in the order of their characters; None without a target, or above `MAX_LABELS`
    (then `target_distinct` is None too). `groups`: for each sensitive column the groups that must be there: those
    that the plan declares first, then all others found in any split, `(missing)` last if a value is missing; bands in
    ascending order. `bands`: the sensitive columns whose numbers are cut. `group_warnings`: for a sensitive column, the
    labels that differ only by case, white space or invisible characters.
    """

    rows: dict[str, int]
    labels: tuple[str, ...] | None
    target_numeric: bool
    target_integral: bool
    target_distinct: int | None
    target_missing: dict[str, int]
    groups: dict[str, tuple[str, ...]]
    group_warnings: dict[str, str]
    bands: dict[str, Bands] = field(default_factory=dict)


@dataclass(frozen=True)
class Surveyed:
    """A survey, what it decided (the names of the columns of a text file that hold numbers), and notes on it."""

    survey: Survey
    untyped_numeric: frozenset[str]
    notes: tuple[str, ...] = ()


class _Target:
    """Distinct labels and missing cells of the target, as texts and as numbers until it is clear which they are."""

    def __init__(self) -> None:
        self.texts: set[str] = set()
        self.values: set[float] = set()
        self.integral = True
        self.missing_texts: dict[str, int] = {}
        self.missing_numbers: dict[str, int] = {}

    def see_texts(self, split: str, array: pa.Array) -> None:
        """Take in cells as texts."""
        found = coded(array)
        self.missing_texts[split] = self.missing_texts.get(split, 0) + int(np.count_nonzero(found.codes < 0))
        if len(self.texts) <= MAX_LABELS:
            self.texts.update(found.present())

    def see_numbers(self, split: str, array: pa.Array) -> None:
        """Take in cells as numbers. Raises `CellError`."""
        values = numbers(array)
        known = values[~np.isnan(values)]
        self.missing_numbers[split] = self.missing_numbers.get(split, 0) + len(values) - len(known)
        self.integral = self.integral and bool(np.all(np.mod(known[np.isfinite(known)], 1.0) == 0.0))
        if len(self.values) <= MAX_LABELS:
            self.values.update(np.unique(known).tolist())


class Surveyor:
    """Walks the splits and keeps distinct values and counts, never rows."""

    def __init__(self, columns: Columns, sources: Mapping[str, Source], spec: DataSpec) -> None:
        self._columns = columns
        self._sources = sources
        self._guesses = {n: NumberGuess() for n in columns.needed if columns.families[n] is Family.UNTYPED}
        self._parsed = {n for n, kind in columns.inputs.items() if kind is InputKind.NUMERIC and self._is_text(n)}
        self._target = _Target()
        self._groups = {
            name: GroupColumn(name, columns.families[name], spec.bands.get(name), spec.groups.get(name, ()))
            for name in columns.sensitive
        }
        self._rows: dict[str, int] = {}

    def walk(self) -> Surveyed:
        """Survey every split. Raises `InputRefusedError` for a split without rows, or a weight that is none, and
        `PlanError` where the values of a sensitive column contradict what the plan says of it."""
        for split, source in self._sources.items():
            self._split(split, source)
        numeric = frozenset(name for name, guess in self._guesses.items() if guess.numeric)
        settled = {name: column.settle(name in numeric) for name, column in self._groups.items()}
        problems = [problem for _, found in settled.values() for problem in found]
        if problems:
            raise PlanError(problems)
        groupings = {name: grouping for name, (grouping, _) in settled.items()}
        notes = tuple(g.note for g in groupings.values() if g.note is not None)
        groups = {name: grouping.labels for name, grouping in groupings.items()}
        bands = {name: grouping.bands for name, grouping in groupings.items() if grouping.bands is not None}
        return Surveyed(self._survey(numeric, groups, bands), numeric, notes)

    def _is_text(self, column: str) -> bool:
        return any(source.family(column) in (Family.UNTYPED, Family.TEXT) for source in self._sources.values())

    def _split(self, split: str, source: Source) -> None:
        columns = self._columns
        single = (columns.target, columns.weight)
        wanted = dict.fromkeys(
            [*self._groups, *self._guesses, *self._parsed, *(name for name in single if name is not None)]
        )
        rows = source.rows
        if wanted or rows is None:
            rows = 0
            for batch in source.batches(list(wanted)):
                rows = batch.stop
                for name in wanted:
                    self._see(split, source, name, batch)
        if not rows:
            raise InputRefusedError(f"{source.name}: there are column names in it, but no rows")
        self._rows[split] = rows

    def _see(self, split: str, source: Source, name: str, batch: Batch) -> None:
        columns, array = self._columns, batch.columns[name]
        with placed(source.name, name, batch.start):
            if name in self._guesses and source.family(name) is Family.UNTYPED:
                self._guesses[name].see(array)
            if name in self._parsed:
                numbers(array)
            if name in self._groups:
                self._groups[name].see(source.name, array, batch.count)
            if name == columns.target:
                self._see_target(split, array)
            if name == columns.weight:
                _refuse_weights(numbers(array))

    def _see_target(self, split: str, array: pa.Array) -> None:
        family = self._columns.families[self._columns.target or ""]
        if family is Family.NUMERIC:
            self._target.see_numbers(split, array)
            return
        self._target.see_texts(split, array)
        if family is Family.UNTYPED and self._guesses[self._columns.target or ""].possible:
            self._target.see_numbers(split, array)

    def _survey(self, numeric: frozenset[str], groups: dict[str, tuple[str, ...]], bands: dict[str, Bands]) -> Survey:
        target = self._target
        name = self._columns.target
        as_numbers = name is not None and (self._columns.families[name] is Family.NUMERIC or name in numeric)
        found: set[float] | set[str] = target.values if as_numbers else target.texts
        few = name is not None and len(found) <= MAX_LABELS
        # Numbers of a typed column and bands look alike for nobody.
        texts = {
            n: ls for n, ls in groups.items() if self._columns.families[n] is not Family.NUMERIC and n not in bands
        }
        warnings = {n: warning for n, labels in texts.items() if (warning := look_alikes(labels)) is not None}
        missing = target.missing_numbers if as_numbers else target.missing_texts
        return Survey(
            rows=self._rows,
            labels=tuple(map(label_text, sorted(found))) if few else None,
            target_numeric=as_numbers,
            target_integral=as_numbers and target.integral,
            target_distinct=len(found) if few else None,
            target_missing={split: missing.get(split, 0) for split in self._rows},
            groups=groups,
            group_warnings=warnings,
            bands=bands,
        )


@contextlib.contextmanager
def placed(file: str, column: str, start: int | IntArray) -> Iterator[None]:
    """Turn what is wrong with a cell into a refusal that names the file, the data row (from 1) and the column.

    `start` is the file's row of the first cell, or the row of each cell.
    """
    try:
        yield
    except CellError as error:
        row = (start + error.index if isinstance(start, int) else int(start[error.index])) + 1
        raise InputRefusedError(f"{file}: data row {row}, column {column!r} {error.what}") from None
    except (pa.ArrowException, UnicodeError) as error:
        what = printable(str(error).partition("\n")[0], 160)
        raise InputRefusedError(f"{file}: column {column!r} can't be read ({what})") from None


def _refuse_weights(values: FloatArray) -> None:
    bad = ~np.isfinite(values) | (values < 0)
    if bad.any():
        index = int(np.argmax(bad))
        what = "is missing" if np.isnan(values[index]) else f"holds {values[index]:g}"
        raise CellError(index, f"{what}; a weight is a finite number that is not negative")


def look_alikes(labels: Iterable[str]) -> str | None:
    """One sentence on the labels that a reader would take for one another, or None."""
    looks: dict[str, list[str]] = {}
    for label in labels:
        looks.setdefault(_look(label), []).append(label)
    alike = [" and ".join(ascii(label) for label in same) for same in looks.values() if len(same) > 1]
    if not alike:
        return None
    more = f" (and {len(alike) - 5} more)" if len(alike) > 5 else ""
    return f"groups differ only by case, white space or invisible characters: {'; '.join(alike[:5])}{more}"


def _look(label: str) -> str:
    folded = unicodedata.normalize("NFKC", label).casefold()
    visible = "".join(c for c in folded if unicodedata.category(c) not in ("Cf", "Cc", "Zl", "Zp"))
    return " ".join(visible.split())

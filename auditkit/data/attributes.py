"""Sensitive attributes that stand in a second table, joined to the rows of a split by an id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from auditkit.core.errors import InputRefusedError, Problem, nearest
from auditkit.core.types import IntArray
from auditkit.data.decode import coded
from auditkit.data.ids import IdIndex, Ids, ids_of, index_of, known_ids
from auditkit.data.sources.base import BATCH_ROWS, Batch, Family, Range, Source, family_of
from auditkit.data.sources.files import printable
from auditkit.data.spec import DataSpec
from auditkit.data.survey import placed


class AttributeTable:
    """The columns of the second table that the splits lack, by id: read when first asked for, then in memory.

    Ids are compared as text by `label_text`, and "1.0" as "1": what a text file and one with types call a number is
    the same id. Rows without an id name nobody and are left out. Two rows may have one id where they say the same.
    """

    def __init__(self, source: Source, id: str, columns: Sequence[str]) -> None:
        """`id` is the table's column of ids, `columns` are those that are wanted of it."""
        self.name = source.name
        self.id = id
        self.columns = tuple(columns)
        self._source = source

    @cached_property
    def _entries(self) -> _Entries:
        return _read(self._source, self.id, self.columns)

    @property
    def without_id(self) -> int:
        """Rows that have no id."""
        return self._entries.without_id

    def family(self, column: str) -> Family:
        """What the column's type says of its cells."""
        return self._source.family(column)

    def places(self, ids: pa.Array) -> IntArray:
        """Where each id stands, int64 `[n]`; -1 for those that are missing or have no entry.

        Raises `InputRefusedError` where the table can't be read, or has two rows with one id and different values.
        """
        return self._entries.index.places(ids_of(ids))

    def take(self, column: str, places: IntArray) -> pa.Array:
        """The cells at those places, null at -1."""
        return self._entries.values[column].take(pa.array(places, mask=places < 0))

    def some_id(self) -> str:
        """One of the ids, for a message."""
        first = self._entries.index.first()
        return "none at all" if first is None else printable(repr(first), 60)


@dataclass(frozen=True)
class _Entries:
    """Distinct ids, the columns' cells in their order, and how many rows have no id."""

    index: IdIndex
    values: dict[str, pa.Array]
    without_id: int


def _read(source: Source, id: str, columns: Sequence[str]) -> _Entries:
    ids: list[Ids] = []
    parts: dict[str, list[pa.Array]] = {name: [] for name in columns}
    for batch in source.batches(list(dict.fromkeys([id, *columns]))):
        with placed(source.name, id, batch.start):
            ids.append(ids_of(batch.columns[id]))
        for name in columns:
            with placed(source.name, name, batch.start):
                parts[name].append(_plain(batch.columns[name]).filter(pa.array(ids[-1].known)))
    if not ids:
        raise InputRefusedError(f"{source.name}: there are column names in it, but no rows")
    keys = known_ids(ids)
    values = {name: _whole(arrays) for name, arrays in parts.items()}
    index, first = index_of(keys)
    if not first.all():
        earlier = np.flatnonzero(first)[index.places(Ids(keys, np.ones(len(keys), dtype=np.bool_)))]
        _refuse_contradictions(source.name, id, keys, earlier, values)
    kept = {name: _packed(array.filter(pa.array(first))) for name, array in values.items()}
    return _Entries(index, kept, sum(int(np.count_nonzero(~part.known)) for part in ids))


def _refuse_contradictions(
    name: str, id: str, keys: npt.NDArray[Any], earlier: IntArray, values: Mapping[str, pa.Array]
) -> None:
    """Each row must say what the first row with its id, `earlier`, says."""
    for column, array in values.items():
        codes = coded(array).codes
        other = np.flatnonzero(codes != codes[earlier])
        if len(other):
            who = printable(repr(str(keys[other[0]])), 60)
            raise InputRefusedError(
                f"{name}: two rows have the {id!r} {who}, and they differ in {column!r}; keep one row for each id"
            )


def _whole(arrays: Sequence[pa.Array]) -> pa.Array:
    """The parts of a column as one; JSON's numbers may be whole in one part and not in the next."""
    kinds = {array.type for array in arrays}
    return pa.concat_arrays(arrays if len(kinds) == 1 else [array.cast(pa.float64(), safe=False) for array in arrays])


def _packed(array: pa.Array) -> pa.Array:
    """Texts with each distinct one held once."""
    return array.dictionary_encode() if family_of(array.type) is Family.TEXT else array


def _plain(array: pa.Array) -> pa.Array:
    """Without a dictionary: each batch of a file has its own."""
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


@dataclass(frozen=True)
class Unmatched:
    """`without` of `rows` rows of a split have no entry in the second table."""

    rows: int = 0
    without: int = 0


class JoinedSource:
    """A split with the columns of the second table beside its own. Names, rows and digest are the split's."""

    def __init__(self, source: Source, table: AttributeTable, id: str) -> None:
        """`id` is the split's column that names the entry in `table`."""
        self.name = source.name
        self.digest = source.digest
        self.columns = (*source.columns, *table.columns)
        self.rows = source.rows
        #: What the last pass over all rows found.
        self.unmatched = Unmatched()
        self._source = source
        self.table = table
        self.id = id

    def family(self, column: str) -> Family:
        """What the column's type says of its cells, in the file that it stands in."""
        return self.table.family(column) if column in self.table.columns else self._source.family(column)

    def batches(
        self, columns: Sequence[str], ranges: Sequence[Range] | None = None, rows: int = BATCH_ROWS
    ) -> Iterator[Batch]:
        """The split's batches, with the joined columns among those asked for."""
        joined = [name for name in columns if name in self.table.columns]
        if not joined:
            yield from self._source.batches(columns, ranges, rows)
            return
        own = [name for name in columns if name not in self.table.columns]
        seen = without = 0
        for batch in self._source.batches(list(dict.fromkeys([*own, self.id])), ranges, rows):
            with placed(self.name, self.id, batch.start):
                places = self.table.places(batch.columns[self.id])
            times = np.ones(batch.rows, dtype=np.int64) if batch.count is None else batch.count
            seen, without = seen + int(times.sum()), without + int(times[places < 0].sum())
            arrays = {name: self.table.take(name, places) for name in joined}
            arrays |= {name: batch.columns[name] for name in own}
            yield Batch(batch.start, batch.rows, {name: arrays[name] for name in columns}, batch.count)
        if ranges is None:
            self.unmatched = Unmatched(seen, without)

    def refuse_strangers(self, split: str) -> None:
        """Raise `InputRefusedError` where the last pass found no row with an entry: the ids are not the same ones."""
        found, table = self.unmatched, self.table
        if found.rows and found.without == found.rows:
            raise InputRefusedError(
                f"{table.name}: none of the {found.rows:,} rows of {split} has an entry in it, by {self.id!r} here "
                f"({self._some_id()}) and {table.id!r} there ({table.some_id()}); do they name the same people?"
            )

    def _some_id(self) -> str:
        for batch in self._source.batches([self.id]):
            for text in coded(batch.columns[self.id]).present():
                return printable(repr(text), 60)
        return "all are missing"


def join(
    spec: DataSpec, sources: Mapping[str, Source], source: Source
) -> tuple[dict[str, JoinedSource], list[Problem]]:
    """Each split with the sensitive columns that no split has and the second table, `source`, does.

    What is wrong with its columns comes back as problems; nothing is read yet. No split is joined where the table has
    none of those columns.
    """
    assert spec.attributes is not None
    there = spec.attributes.id or spec.id
    problems = []
    if spec.id is None:
        why = f"is required with `data.attributes`: the column of the splits that {source.name} is joined by"
        problems.append(Problem("data.id", why))
    if there is not None and there not in source.columns:
        where = "data.attributes.id" if spec.attributes.id is not None else "data.attributes"
        more = "" if spec.attributes.id is not None else "; name its column of ids in `data.attributes.id`"
        problems.append(Problem(where, f"no column {there!r} in {source.name}{nearest(there, source.columns) or more}"))
    lacking = [name for name in spec.sensitive if not any(name in split.columns for split in sources.values())]
    wanted = [name for name in dict.fromkeys(lacking) if name in source.columns]
    for name in wanted:
        if source.family(name) is Family.NESTED:
            what = f"column {name!r} of {source.name} holds {Family.NESTED.value}; groups are texts or numbers"
            problems.append(Problem("data.attributes", what))
    if not wanted:
        return {}, problems
    table = AttributeTable(source, there or "", wanted)
    return {split: JoinedSource(own, table, spec.id or "") for split, own in sources.items()}, problems


def attribute_notes(source: Source | None, joined: Mapping[str, JoinedSource]) -> Iterator[str]:
    """What a reader must know: where columns come from, and how many rows have no entry there. After a pass."""
    if source is None:
        return
    if not joined:
        yield f"{source.name} is not used: the splits have every sensitive column themselves"
        return
    one = next(iter(joined.values()))
    table, own = one.table, one.id
    named = ", ".join(map(repr, table.columns))
    ids = repr(table.id) if table.id == own else f"{table.id!r} as {own!r}"
    yield f"{named} from {source.name} (SHA-256 {source.digest}), joined by {ids}"
    for split, found in ((split, one.unmatched) for split, one in joined.items()):
        if found.without:
            yield (
                f"{found.without:,} of {found.rows:,} rows of {split} have no entry in {source.name}; "
                "their group is (missing)"
            )
    if table.without_id:
        yield f"{table.without_id:,} rows of {source.name} have no {table.id!r} and were left out"

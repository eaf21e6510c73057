"""A source whose rows are counted instead of kept: one pass, memory for what is distinct."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from auditkit.core.types import IntArray
from auditkit.data.compact.cells import BLOCK_ROWS, Cells
from auditkit.data.compact.column import ColumnCodes
from auditkit.data.compact.fingerprints import Fingerprints
from auditkit.data.compact.rounding import Roles, Rounding, note
from auditkit.data.decode import coded
from auditkit.data.sources.base import BATCH_ROWS, Batch, Family, Range, Source
from auditkit.data.survey import placed

#: More distinct rows than this are not kept exactly: numbers are rounded and clusters put together.
MOST_EXACT = 1 << 17
#: Nor more than this many times as many once they are: numbers are rounded further.
_MOST_ROUNDED = 4
#: Nor is a block longer than this, whatever its rows.
_BLOCK_BYTES = 64 << 20


class CompactSource:
    """The distinct rows of a source, over the columns that matter, with how often each occurs (`Batch.count`).

    The stored rows are in the order of their values, whatever the order in the file. Names, types and digest are the
    source's.
    """

    def __init__(
        self, source: Source, columns: Sequence[str], roles: Roles, others: Sequence[str] = (), most: int = MOST_EXACT
    ) -> None:
        """Pass over the source once. `others`: columns whose hashes tell copies of a row from rows that merely look
        alike. Raises `InputRefusedError` as the source does."""
        self.name = source.name
        self.digest = source.digest
        self.columns = source.columns
        self._source = source
        self._names = tuple(columns)
        self._most = most
        self._rounding = Rounding(roles)
        self._start()
        self.total = 0
        prints = Fingerprints() if others else None
        for block, rows in _blocks(source, tuple(dict.fromkeys([*self._names, *others]))):
            if roles.cluster is not None:
                block[roles.cluster] = _own_cluster(block[roles.cluster], self.total)
            self.total += rows
            self._add([block[name] for name in self._names])
            if prints is not None:
                with placed(source.name, roles.target or "", self.total - rows):
                    prints.add({name: block[name] for name in others}, block.get(roles.target or ""), rows)
        self.fingerprints = None if prints is None else prints.table()
        codes, counts = self._merge()
        order = self._order(codes)
        self._counts = counts[order]
        self._table = self._decoded(codes[order])
        self.rows: int | None = len(self._counts)

    @property
    def note(self) -> str | None:
        """What a reader must know where numbers were rounded."""
        return note(self._rounding, self.name, self.total, len(self._counts))

    @property
    def bits(self) -> int | None:
        """Binary digits after the leading one that rounded numbers keep; None where nothing was rounded."""
        return self._rounding.bits

    def family(self, column: str) -> Family:
        """What the column's type says of its cells in the file."""
        return self._source.family(column)

    def batches(
        self, columns: Sequence[str], ranges: Sequence[Range] | None = None, rows: int = BATCH_ROWS
    ) -> Iterator[Batch]:
        """The stored rows, with their counts."""
        for start in range(0, len(self._counts), rows):
            count = self._counts[start : start + rows]
            if ranges is None or any(r.overlaps(start, start + len(count)) for r in ranges):
                arrays = {name: self._table[name].slice(start, len(count)) for name in columns}
                yield Batch(start, len(count), arrays, count)

    def _start(self) -> None:
        self._encoders = [ColumnCodes() for _ in self._names]
        self._cells = Cells(len(self._names))

    def _sizes(self) -> list[int]:
        return [len(encoder) for encoder in self._encoders]

    def _add(self, block: Sequence[pa.Array]) -> None:
        if not any(self._sizes()):
            self._foresee(block)
        self._cells.add(self._encoded(block), self._sizes())
        if self._cells.full(self._most):
            self._merge()

    def _merge(self) -> tuple[IntArray, IntArray]:
        """What was counted so far, few enough to be kept."""
        codes, counts = self._cells.merge(self._sizes())
        while len(counts) > self._allowed and self._coarsen(codes, counts):
            codes, counts = self._cells.merge(self._sizes())
        return codes, counts

    @property
    def _allowed(self) -> int:
        return self._most if self._rounding.bits is None else _MOST_ROUNDED * self._most

    def _encoded(self, block: Sequence[pa.Array]) -> list[IntArray]:
        prepared = self._rounding.prepared(dict(zip(self._names, block, strict=True)))
        return [encoder.codes(prepared[name]) for name, encoder in zip(self._names, self._encoders, strict=True)]

    def _order(self, codes: IntArray) -> IntArray:
        """The places of the stored rows in the order of their values, first column first."""
        ranks = [encoder.ranks()[codes[:, place]] for place, encoder in enumerate(self._encoders)]
        return np.lexsort(ranks[::-1]).astype(np.int64)

    def _foresee(self, block: Sequence[pa.Array]) -> None:
        """Round at once where one column of the first block alone makes the distinct rows too many."""
        values = {name: array.unique() for name, array in zip(self._names, map(_plain, block), strict=True)}
        if max(map(len, values.values())) > self._most:
            self._coarsen(*self._cells.merge(self._sizes()), values)

    def _coarsen(self, codes: IntArray, counts: IntArray, values: Mapping[str, pa.Array] | None = None) -> bool:
        """Round one step further and count again what was counted; False where no step is left.

        `values`: distinct values of each column, where not those counted so far decide what is rounded.
        """
        if values is None:
            values = {name: encoder.values() for name, encoder in zip(self._names, self._encoders, strict=True)}
        coarser = self._rounding.coarser(values)
        if coarser is None:
            return False
        table = self._decoded(codes)
        self._rounding = coarser
        self._start()
        again = self._encoded([table[name] for name in self._names])
        self._cells.put(np.column_stack(again), counts)
        return True

    def _decoded(self, codes: IntArray) -> dict[str, pa.Array]:
        """The columns of the stored rows, in the types of the file."""
        kept = {
            name: encoder.values().take(pa.array(codes[:, place]))
            for place, (name, encoder) in enumerate(zip(self._names, self._encoders, strict=True))
        }
        found = self._rounding.restored(kept)
        for name in self._rounding.columns:
            if self._source.family(name) in (Family.UNTYPED, Family.TEXT):
                texts = found[name].cast(pa.string())
                foreign = self._rounding.foreign.get(name)
                found[name] = texts if foreign is None else texts.fill_null(foreign)
        return found


def _own_cluster(array: pa.Array, start: int) -> pa.Array:
    """Clusters as texts; a row without one gets one that no other row has, or rows alike would be one cluster."""
    texts = coded(array).arrow()
    if not texts.null_count:
        return texts
    rows = pa.array(np.arange(start, start + len(texts))).cast(pa.string())
    return pc.coalesce(texts, pc.binary_join_element_wise("\0no cluster", rows, " "))


def _plain(array: pa.Array) -> pa.Array:
    return array.storage if isinstance(array, pa.ExtensionArray) else array


def _blocks(source: Source, names: Sequence[str]) -> Iterator[tuple[dict[str, pa.Array], int]]:
    """The columns of the source in blocks of about `BLOCK_ROWS` rows (of long texts fewer), with the number of rows."""
    waiting: list[Batch] = []
    rows = held = 0
    wanted = BLOCK_ROWS // (1 + len(names) // 8)  # of many columns fewer rows are held
    for batch in source.batches(names, rows=wanted):
        waiting.append(batch)
        rows += batch.rows
        held += sum(array.nbytes for array in batch.columns.values())
        if rows >= wanted or held >= _BLOCK_BYTES:
            yield _joined(waiting, names), rows
            waiting, rows, held = [], 0, 0
    if waiting:
        yield _joined(waiting, names), rows


def _joined(batches: Sequence[Batch], names: Sequence[str]) -> dict[str, pa.Array]:
    if len(batches) == 1:
        return batches[0].columns
    found = {}
    for name in names:
        column = pa.chunked_array([batch.columns[name] for batch in batches])
        if pa.types.is_dictionary(column.type):
            column = column.unify_dictionaries()
        whole = column.combine_chunks()
        found[name] = pa.concat_arrays(whole.chunks) if isinstance(whole, pa.ChunkedArray) else whole
    return found

"""`Dataset`: the splits of a plan, opened, surveyed and read shard by shard. Nothing holds a split in memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from auditkit.core.errors import InputRefusedError, PlanError, Problem, nearest
from auditkit.core.types import InputKind, IntArray
from auditkit.data.attributes import attribute_notes, join
from auditkit.data.chunk import Chunk, Input, Layout, joined
from auditkit.data.columns import Columns, resolve
from auditkit.data.compact.opening import compact_notes, compacted
from auditkit.data.compact.rounding import Roles
from auditkit.data.compact.source import CompactSource
from auditkit.data.population import population_notes, population_problems
from auditkit.data.sample import Selection, Shard, select
from auditkit.data.sources.base import Batch, Range, Source
from auditkit.data.sources.memory import MemorySource
from auditkit.data.sources.opening import open_source, path_problem
from auditkit.data.spec import DataSpec
from auditkit.data.survey import Survey, Surveyed, Surveyor

__all__ = ["Chunk", "Dataset", "Input", "Shard", "Survey"]

SHARD_ROWS = 8192
#: What `Dataset.digests` calls the second table: a key of the plan, which is no split's name.
ATTRIBUTES = "data.attributes"


@dataclass(frozen=True)
class Dataset:
    """Opened data. `digests`: sha256 of each split's file, or of a frame's content; that of the second table under
    `ATTRIBUTES`. `rows`: the rows of each split that are read; `survey.rows` has all. `notes`: short facts that the
    reader of the audit must know."""

    spec: DataSpec
    splits: tuple[str, ...]
    inputs: tuple[Input, ...]
    survey: Survey
    digests: dict[str, str]
    rows: dict[str, int]
    notes: tuple[str, ...]
    _sources: Mapping[str, Source]
    _selections: Mapping[str, Selection]
    _layout: Layout

    @classmethod
    def open(
        cls,
        spec: DataSpec,
        *,
        extra: Sequence[str] = (),
        read_inputs: bool = True,
        exclude: Sequence[str] = (),
        frames: Mapping[str, pa.Table] | None = None,
        max_rows: int | None = None,
        seed: int = 0,
        compact: Roles | None = None,
        attributes: pa.Table | None = None,
    ) -> Dataset:
        """Open and survey the splits.

        `extra` names further columns to read (predictions, scores); `exclude`, columns that are no inputs unless
        `spec.inputs` lists them. `frames`, by split, stand in for the files. `max_rows`: read a random sample of so
        many rows of each split. `compact`: no inputs are read, and rows that are alike in everything else are stored
        once with their count; where they are too many, numbers are rounded, and a note says so.
        `attributes` stands in for the file that `spec.attributes` names.
        Raises `PlanError` with every problem of paths and columns at once, and `InputRefusedError` for a file that
        can't be read.
        """
        sources, second = _open_sources(spec, frames, attributes)
        from_second, wrong = ({}, []) if second is None else join(spec, sources, second)
        sources = {**sources, **from_second}
        columns, problems = resolve(
            spec, sources, extra=extra, exclude=exclude, read_inputs=read_inputs, attributes=second
        )
        if problems or wrong:
            raise PlanError([*problems, *wrong])
        given = sources
        if compact is not None:
            sources = compacted(sources, columns, compact)
            columns = replace(columns, inputs={}, id=None)
        surveyed = _surveyed(spec, columns, sources, given)
        survey = surveyed.survey
        for split, source in from_second.items():
            source.refuse_strangers(split)
        misspelt = list(population_problems(spec, survey))
        if misspelt:
            raise PlanError(misspelt)
        told = (*attribute_notes(second, from_second), *surveyed.notes, *population_notes(spec, survey))
        inputs = tuple(_decided(columns, surveyed.untyped_numeric))
        selections = {split: select(split, survey.rows[split], max_rows, seed) for split in sources}
        return cls(
            spec=spec,
            splits=tuple(sources),
            inputs=inputs,
            survey=survey,
            digests={split: source.digest for split, source in sources.items()}
            | ({} if second is None else {ATTRIBUTES: second.digest}),
            rows={split: _rows(sources[split], selection) for split, selection in selections.items()},
            notes=(*columns.notes, *told, *_sampling_notes(selections), *compact_notes(sources)),
            _sources=sources,
            _selections=selections,
            _layout=Layout(columns, inputs, surveyed.untyped_numeric, survey.bands),
        )

    @property
    def sampling(self) -> dict[str, str]:
        """What chose the rows of each split: `"all"`, or the size and the seed. Part of what identifies evidence."""
        return {split: selection.chooser for split, selection in self._selections.items()}

    @property
    def fingerprints(self) -> dict[str, pa.Table]:
        """Of splits whose rows are stored once: the hashes that tell copies; see `core.tables.FINGERPRINTS`."""
        found = {
            split: source.fingerprints for split, source in self._sources.items() if isinstance(source, CompactSource)
        }
        return {split: table for split, table in found.items() if table is not None}

    def shards(self, split: str, rows: int = SHARD_ROWS) -> list[Shard]:
        """The shards of a split, of `rows` selected rows each (the last has what is left), in the order of the rows."""
        return self._selections[split].shards(split, self.digests[split], rows)

    def read(self, shard: Shard) -> Chunk:
        """The rows of one shard. Text files are read from their start up to it."""
        (chunk,) = self.stream(shard.split, [shard])
        return chunk

    def stream(self, split: str, shards: Sequence[Shard] | None = None) -> Iterator[Chunk]:
        """The chunks of `shards` (default: all) in the order given; ascending shards cost one pass over the file.

        Holds one shard and one batch of the file. Raises `InputRefusedError` where the file is not the one that was
        surveyed any more, or can't be read.
        """
        wanted = self.shards(split) if shards is None else list(shards)
        for run in _ascending(wanted):
            yield from self._pass(split, run)

    def _pass(self, split: str, shards: Sequence[Shard]) -> Iterator[Chunk]:
        """One pass over the file for shards that ascend without overlapping."""
        source = self._sources[split]
        waiting = iter(shards)
        shard = next(waiting, None)
        pieces: list[Chunk] = []
        ranges = [Range(s.start, s.stop) for s in shards]
        for batch in source.batches(self._layout.columns.needed, ranges):
            while shard is not None and shard.start < batch.stop:
                rows = self._selections[split].between(max(shard.start, batch.start), min(shard.stop, batch.stop))
                if len(rows):
                    count = None if batch.count is None else batch.count[rows - batch.start]
                    pieces.append(self._layout.chunk(split, source.name, rows, _taken(batch, rows), count))
                if shard.stop > batch.stop:
                    break
                yield joined(pieces)
                pieces = []
                shard = next(waiting, None)
        if shard is not None:
            raise InputRefusedError(
                f"{source.name}: the file ended before row {shard.stop}; it changed since it was opened"
            )


def _surveyed(spec: DataSpec, columns: Columns, sources: Mapping[str, Source], given: Mapping[str, Source]) -> Surveyed:
    """What one pass over the splits finds; `given` are the splits as their files have them."""
    try:
        return Surveyor(columns, sources, spec).walk()
    except InputRefusedError:
        # A stored row has no place in the file: its message comes from the file itself.
        Surveyor(columns, given, spec).walk()
        raise


def _open_sources(
    spec: DataSpec, frames: Mapping[str, pa.Table] | None, attributes: pa.Table | None
) -> tuple[dict[str, Source], Source | None]:
    """The splits, and the second table where the plan has one."""
    problems = []
    if "test" not in spec.splits:
        hint = nearest("test", spec.splits)
        problems.append(Problem("data.splits", f"there is no split `test`, which is the one that is judged{hint}"))
    paths = {} if frames is not None else {f"data.splits.{split}": path for split, path in spec.splits.items()}
    if spec.attributes is not None and attributes is None:
        paths["data.attributes.path"] = spec.attributes.path
    problems += [problem for where, path in paths.items() if (problem := path_problem(where, path)) is not None]
    if problems:
        raise PlanError(problems)
    second = None
    if spec.attributes is not None:
        second = open_source(spec.attributes.path) if attributes is None else MemorySource("attributes", attributes)
    if frames is not None:
        return {split: MemorySource(split, frames[split]) for split in spec.splits}, second
    return {split: open_source(path) for split, path in spec.splits.items()}, second


def _rows(source: Source, selection: Selection) -> int:
    return source.total if isinstance(source, CompactSource) else len(selection)


def _decided(columns: Columns, untyped_numeric: frozenset[str]) -> Iterator[Input]:
    for name, kind in columns.inputs.items():
        guessed = InputKind.NUMERIC if name in untyped_numeric else InputKind.CATEGORICAL
        yield Input(name, guessed if kind is None else kind)


def _sampling_notes(selections: Mapping[str, Selection]) -> Iterator[str]:
    for split, selection in selections.items():
        if selection.rows is not None:
            yield f"{split}: a random sample of {len(selection):,} of {selection.total:,} rows was audited"


def _ascending(shards: Sequence[Shard]) -> Iterator[list[Shard]]:
    """Cut a sequence of shards into runs that one pass over the file can serve."""
    run: list[Shard] = []
    for before, shard in itertools.pairwise([None, *shards]):
        assert shard is not None
        if before is not None and shard.start < before.stop:
            yield run
            run = []
        run.append(shard)
    if run:
        yield run


def _taken(batch: Batch, rows: IntArray) -> dict[str, pa.Array]:
    """The columns of a batch at those rows (ascending positions in the file)."""
    first, count = int(rows[0]) - batch.start, len(rows)
    if int(rows[-1]) - int(rows[0]) + 1 == count:
        return {name: array.slice(first, count) for name, array in batch.columns.items()}
    indices = pa.array(np.asarray(rows - batch.start))
    return {name: array.take(indices) for name, array in batch.columns.items()}

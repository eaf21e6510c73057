"""Sources of a data set with rows that are alike stored once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from auditkit.data.columns import Columns
from auditkit.data.compact.rounding import Roles
from auditkit.data.compact.source import CompactSource
from auditkit.data.sources.base import Family, Source


def compacted(sources: Mapping[str, Source], columns: Columns, roles: Roles) -> dict[str, Source]:
    """Each source with its distinct rows, over everything that `columns` reads but inputs and the id."""
    single = (columns.target, columns.cluster, columns.weight)
    names = dict.fromkeys([*(name for name in single if name is not None), *columns.sensitive, *columns.extra])
    others = [name for name in columns.inputs if name not in names]
    return {
        split: CompactSource(source, tuple(names), roles, [n for n in others if _readable(source, n)])
        for split, source in sources.items()
    }


def _readable(source: Source, column: str) -> bool:
    return column in source.columns and source.family(column) is not Family.NESTED


def compact_notes(sources: Mapping[str, Source]) -> Iterator[str]:
    """What a reader must know where numbers were rounded."""
    for source in sources.values():
        if isinstance(source, CompactSource) and source.note is not None:
            yield source.note

"""What each column of the files is for: the plan's names looked up, and everything that is wrong with them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from auditkit.core.errors import Problem, nearest
from auditkit.core.types import INTERSECTION, InputKind
from auditkit.data.modalities.base import modality
from auditkit.data.sources.base import Family, Source
from auditkit.data.spec import DataSpec

#: Row numbers that data frames leave in files without being asked.
_INDEX = re.compile(r"|Unnamed: \d+|__index_level_\d+__")
_TEXTUAL = {Family.TEXT, Family.BOOL, Family.DATE}


@dataclass(frozen=True)
class Columns:
    """The columns that are read. `inputs` maps names to kinds, None where the cells decide (CSV)."""

    inputs: Mapping[str, InputKind | None]
    target: str | None
    sensitive: tuple[str, ...]
    id: str | None
    cluster: str | None
    weight: str | None
    extra: tuple[str, ...]
    #: The family of each of them over all splits.
    families: Mapping[str, Family]
    notes: tuple[str, ...] = ()

    @property
    def needed(self) -> tuple[str, ...]:
        """Every column that is read, once."""
        single = (self.target, self.id, self.cluster, self.weight)
        names = (*self.inputs, *self.sensitive, *self.extra, *(name for name in single if name is not None))
        return tuple(dict.fromkeys(names))


class _Finder:
    """Looks names up in every split and collects what is wrong."""

    def __init__(self, spec: DataSpec, sources: Mapping[str, Source], attributes: Source | None) -> None:
        self.spec = spec
        self.sources = sources
        self.attributes = attributes
        self.problems: list[Problem] = []
        self._names = {split: frozenset(source.columns) for split, source in sources.items()}

    def lacking(self, column: str) -> list[Source]:
        """The splits without that column."""
        return [source for split, source in self.sources.items() if column not in self._names[split]]

    def say(self, where: str, message: str) -> None:
        self.problems.append(Problem(where, message))

    def exists(self, where: str, column: str) -> bool:
        """Whether every split has the column; says which have not."""
        lacking = self.lacking(column)
        if not lacking:
            return True
        known = dict.fromkeys(name for source in lacking for name in source.columns)
        files = " and ".join(dict.fromkeys(source.name for source in lacking))
        second = self.attributes if where.startswith("data.sensitive") else None
        if second is not None and column in second.columns:
            self.say(where, f"no column {column!r} in {files}; {second.name} gives only columns that no split has")
            return False
        if second is not None:
            files, known = f"{files} or {second.name}", {**known, **dict.fromkeys(second.columns)}
        self.say(where, f"no column {column!r} in {files}{nearest(column, known)}")
        return False

    def unreadable(self, column: str) -> bool:
        """Whether the splits that have this column can't be reconciled, or hold what can't be read."""
        found = merged(source.family(column) for split, source in self.sources.items() if column in self._names[split])
        return found is None or found is Family.NESTED

    def family(self, where: str, column: str, *, text: bool = False) -> Family:
        """The column's family over the splits; says where they can't be reconciled (as `text`, most can)."""
        by_split = {split: source.family(column) for split, source in self.sources.items()}
        family = merged(by_split.values())
        if family is None:
            if text:
                return Family.TEXT
            types = ", ".join(f"{found.value} in {self.sources[split].name}" for split, found in by_split.items())
            self.say(where, f"the splits disagree about column {column!r}: {types}; give it one type")
            return Family.NESTED
        if family is Family.NESTED:
            self.say(where, f"column {column!r} holds {family.value}, which auditkit can't read here")
        return family


def merged(families: Iterable[Family]) -> Family | None:
    """One family for a column of several splits; None where they contradict each other."""
    found = set(families) - {Family.EMPTY}
    if Family.NESTED in found:
        return Family.NESTED
    typed = found - {Family.UNTYPED}
    if not typed:
        return Family.UNTYPED if found else Family.EMPTY
    if len(typed) == 1:
        return next(iter(typed))
    return Family.TEXT if typed <= _TEXTUAL else None


def resolve(
    spec: DataSpec,
    sources: Mapping[str, Source],
    *,
    extra: Sequence[str] = (),
    exclude: Sequence[str] = (),
    read_inputs: bool = True,
    attributes: Source | None = None,
) -> tuple[Columns, list[Problem]]:
    """Look up every column that the plan names; what is wrong comes back as problems, all at once.

    `sources` have the columns of `attributes`, the second table, that are joined to them.
    """
    finder = _Finder(spec, sources, attributes)
    families: dict[str, Family] = {}
    for where, column, text in _roles(spec, extra):
        if finder.exists(where, column):
            families[column] = finder.family(where, column, text=text)
    _refuse_overlap(finder, extra)
    _refuse_groups(finder)
    _refuse_bands(finder, families)
    for name in spec.population:
        if name not in spec.sensitive:
            finder.say(f"data.population.{name}", f"{name!r} is not in data.sensitive{nearest(name, spec.sensitive)}")
    if spec.weight is not None and families.get(spec.weight, Family.NUMERIC) in _TEXTUAL:
        finder.say("data.weight", f"column {spec.weight!r} holds {families[spec.weight].value}; weights are numbers")
    inputs: dict[str, InputKind | None] = {}
    notes: list[str] = []
    if read_inputs:
        chosen = (
            _declared(finder)
            if spec.inputs is not None
            else _found(finder, {*extra, *exclude}, notes, optional=bool(extra))
        )
        for name, kind, family in chosen:
            families.setdefault(name, family)
            inputs[name] = kind
        if not inputs and not extra and not finder.problems:
            finder.say("data.inputs", "no column is left for the model to read")
    once = tuple(dict.fromkeys(extra))
    columns = Columns(
        inputs, spec.target, spec.sensitive, spec.id, spec.cluster, spec.weight, once, families, tuple(notes)
    )
    return columns, finder.problems


def _roles(spec: DataSpec, extra: Sequence[str]) -> Iterator[tuple[str, str, bool]]:
    """Every named column but inputs: its key in the plan, its name, whether only its text matters."""
    if spec.target is not None:
        yield "data.target", spec.target, False
    for index, name in enumerate(spec.sensitive):
        yield f"data.sensitive[{index}]", name, True
    for key, column in (("id", spec.id), ("cluster", spec.cluster)):
        if column is not None:
            yield f"data.{key}", column, True
    if spec.weight is not None:
        yield "data.weight", spec.weight, False
    for name in dict.fromkeys(extra):
        yield "model", name, False


def _refuse_overlap(finder: _Finder, extra: Sequence[str]) -> None:
    spec = finder.spec
    for role, column in (("target", spec.target), ("weight", spec.weight)):
        if column is None:
            continue
        for where, name, _ in _roles(spec, extra):
            if name == column and where != f"data.{role}" and (role, where) != ("weight", "data.target"):
                finder.say(where, f"{name!r} is data.{role} already; one column can't be both")
        if column in (spec.inputs or {}):
            finder.say(f"data.inputs.{column}", f"{column!r} is data.{role}; a model must not read it")
    for index, name in enumerate(spec.sensitive):
        if name in spec.sensitive[:index]:
            finder.say(f"data.sensitive[{index}]", f"{name!r} is named twice")
        if INTERSECTION in name:
            finder.say(
                f"data.sensitive[{index}]", f"{name!r} holds {INTERSECTION!r}, the sign of intersections; rename it"
            )


def _refuse_groups(finder: _Finder) -> None:
    for name, labels in finder.spec.groups.items():
        if name not in finder.spec.sensitive:
            hint = nearest(name, finder.spec.sensitive)
            finder.say(f"data.groups.{name}", f"{name!r} is not in data.sensitive{hint}")
        if not labels:
            finder.say(f"data.groups.{name}", "names no group; leave it out, or list the groups that must be there")
        for label in (label for label, times in Counter(labels).items() if times > 1):
            finder.say(f"data.groups.{name}", f"the group {label!r} is listed twice")


def _refuse_bands(finder: _Finder, families: Mapping[str, Family]) -> None:
    for name, rule in finder.spec.bands.items():
        where = f"data.bands.{name}"
        if name not in finder.spec.sensitive:
            finder.say(where, f"{name!r} is not in data.sensitive{nearest(name, finder.spec.sensitive)}")
            continue
        family = families.get(name, Family.NESTED)
        if rule != "none" and family in (Family.TEXT, Family.BOOL, Family.DATE):
            found = {source.family(name) for source in finder.sources.values()} - {Family.EMPTY}
            listed = " and ".join(sorted(f.value for f in found)) or family.value
            finder.say(where, f"column {name!r} holds {listed}; bands are for numbers")


def _declared(finder: _Finder) -> Iterator[tuple[str, InputKind | None, Family]]:
    for name, declared in (finder.spec.inputs or {}).items():
        where = f"data.inputs.{name}"
        if not finder.exists(where, name):
            continue
        if declared.kind is None:
            family = finder.family(where, name)
            yield name, kind_of(family), family
            continue
        # What the plan declares settles what the splits disagree about: both kinds can be read from text.
        family = finder.family(where, name, text=True)
        if family not in modality(declared.kind).reads and family is not Family.NESTED:
            finder.say(where, f"column {name!r} holds {family.value}, which can't be read as {declared.kind.value}")
        yield name, declared.kind, family


def _found(
    finder: _Finder, without: set[str], notes: list[str], *, optional: bool
) -> Iterator[tuple[str, InputKind | None, Family]]:
    """The columns that no role takes. Where no model reads them (`optional`), those that can't be read are left out."""
    spec = finder.spec
    taken = {*without, *spec.sensitive, spec.target, spec.id, spec.cluster, spec.weight}
    names = dict.fromkeys(name for source in finder.sources.values() for name in source.columns)
    for name in names:
        if name in taken:
            continue
        if _INDEX.fullmatch(name):
            notes.append(f"column {name!r} was taken for a data frame's row numbers and is no input")
            continue
        lacking = [source.name for source in finder.lacking(name)]
        if optional and (lacking or finder.unreadable(name)):
            notes.append(
                f"column {name!r} can't be read the same way in all splits, so the checks of data leave it out"
            )
            continue
        if lacking:
            finder.say("data.inputs", f"column {name!r} is not in {lacking[0]}; add it there, or list the inputs here")
            continue
        family = finder.family("data.inputs", name)
        yield name, kind_of(family), family


def kind_of(family: Family) -> InputKind | None:
    """How a column of that family is read; None where only its cells can tell."""
    if family is Family.UNTYPED:
        return None
    return InputKind.NUMERIC if family is Family.NUMERIC else InputKind.CATEGORICAL

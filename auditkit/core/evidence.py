"""`Evidence`: what a check may read. Tables, outcomes and groups; never the model, never the rows' inputs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from auditkit.core.errors import MissingEvidenceError
from auditkit.core.model import ModelInfo
from auditkit.core.outcomes import Groups, Outcomes, cross
from auditkit.core.task import Task
from auditkit.core.types import INTERSECTION


@dataclass(frozen=True)
class DataFacts:
    """What the plan and the files say of the data, before any row is scored."""

    splits: tuple[str, ...]
    inputs: Mapping[str, str]
    target: str | None
    sensitive: tuple[str, ...]
    rows: Mapping[str, int]
    notes: tuple[str, ...] = ()
    #: Shares of a reference population by sensitive column and group, where the plan gives them; each column's add up
    #: to 1. A group may be named that no row has.
    population: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """What a gate asks for: the check must leave findings of it, also where it would not of its own accord.

    `by` are sensitive columns (None: each by itself, or all rows together); `class_` is None where the gate names none.
    """

    check: str
    metric: str
    split: str
    by: tuple[str, ...] | None = None
    class_: str | None = None


@dataclass
class Evidence:
    """Evidence of one audit.

    `tables` holds what was collected by table name; `absent` says in one sentence why a table is not there.
    """

    task: Task
    data: DataFacts
    model: ModelInfo
    tables: Mapping[str, pa.Table]
    absent: Mapping[str, str]
    load_outcomes: Callable[[str], Outcomes]
    load_groups: Callable[[str, str], Groups]
    seed: int = 0
    confidence: float = 0.95
    #: Intersections that a gate names, as tuples of sensitive columns; a check adds them to its own.
    intersections: tuple[tuple[str, ...], ...] = ()
    #: Everything that a gate asks for.
    asked: tuple[Asked, ...] = ()
    _outcomes: dict[str, Outcomes] = field(default_factory=dict)
    _groups: dict[tuple[str, str], Groups] = field(default_factory=dict)

    def asked_of(self, check: str) -> tuple[Asked, ...]:
        """What gates ask of that check."""
        return tuple(asked for asked in self.asked if asked.check == check)

    def has(self, table: str) -> bool:
        """Whether that table was collected."""
        return table in self.tables

    def table(self, name: str) -> pa.Table:
        """The table of that name. Raises `MissingEvidenceError` with the reason where it was not collected."""
        if name not in self.tables:
            raise MissingEvidenceError(self.absent.get(name, f"the evidence '{name}' was not collected"))
        return self.tables[name]

    def outcomes(self, split: str) -> Outcomes:
        """Labels, predictions and scores of a split. Raises `MissingEvidenceError` where there is no such split."""
        if split not in self.data.splits:
            raise MissingEvidenceError(f"the plan names no split '{split}'")
        if split not in self._outcomes:
            self._outcomes[split] = self.load_outcomes(split)
        return self._outcomes[split]

    def groups(self, split: str, attribute: str | tuple[str, ...]) -> Groups:
        """The groups of a split by a sensitive column, or by an intersection (`"sex×race"` or a tuple)."""
        names = tuple(attribute.split(INTERSECTION)) if isinstance(attribute, str) else attribute
        key = (split, INTERSECTION.join(names))
        if key not in self._groups:
            self._groups[key] = self.load_groups(split, names[0]) if len(names) == 1 else self._cross(split, names)
        return self._groups[key]

    def _cross(self, split: str, names: tuple[str, ...]) -> Groups:
        others = [other for other in self.data.splits if other != split]
        return cross(
            [self.groups(split, name) for name in names],
            [[self.groups(other, name) for name in names] for other in others],
        )

    def rng(self, *purpose: str) -> np.random.Generator:
        """A generator that depends on the audit's seed and the purpose alone, never on what ran before."""
        digest = hashlib.sha256("/".join((str(self.seed), *purpose)).encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:8], "little"))

"""The search over subgroups: which combinations are looked at, and which subgroups may be warned of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from auditkit.checks.bias.subgroups import Combination, Compared, Tolerated, combine, headline_rates
from auditkit.checks.discovery import step_up
from auditkit.checks.reading import held_out
from auditkit.core.evidence import Evidence
from auditkit.core.task import RowStatistic
from auditkit.core.types import BoolArray, IntArray

#: A subgroup and a rate: the index of the combination, that of the statistic, and that of the subgroup.
Place = tuple[int, int, int]


@dataclass(frozen=True)
class Search:
    """Every combination of every split, and what came of it.

    `statistics`: the rates, by split. `certain`: the subgroups and rates beyond the tolerance after the false discovery
    control, those furthest out first. `left_out`: combinations beyond the most that are looked at.
    """

    every: tuple[Combination, ...]
    statistics: dict[str, tuple[RowStatistic, ...]]
    certain: tuple[Place, ...]
    tolerated: Tolerated
    confidence: float
    left_out: int

    def of(self, at: int, rate: int | None = None) -> tuple[Place, ...]:
        """What is certain of one combination (and one rate)."""
        return tuple(p for p in self.certain if p[0] == at and rate in (None, p[1]))

    def claims(self) -> int:
        """How many subgroups and rates were compared."""
        return sum(len(compared.at) for one in self.every for compared in one.compared)


def search(evidence: Evidence, tolerated: Tolerated, *, least: int, depth: int, most: int, most_labels: int) -> Search:
    """Look at every combination of up to `depth` sensitive columns (`most` of them, and those that gates name)."""
    wanted, left_out = _planned(evidence, depth, most)
    every: list[Combination] = []
    statistics = {}
    for split in held_out(evidence):
        found = evidence.task.statistics(evidence.outcomes(split))
        statistics[split] = headline_rates(evidence.task, found, most_labels)
        every += [combine(evidence, split, names, statistics[split], least) for names in wanted]
    certain = _confirmed(every, tolerated, evidence.confidence)
    return Search(tuple(every), statistics, certain, tolerated, evidence.confidence, left_out)


def _planned(evidence: Evidence, depth: int, most: int) -> tuple[list[tuple[str, ...]], int]:
    """All pairs (and triples) of sensitive columns and those that gates name, pairs first; and how many are left out
    because there are more than `most` of them."""
    every = [c for size in range(2, depth + 1) for c in combinations(evidence.data.sensitive, size)]
    named = [names for names in dict.fromkeys(evidence.intersections) if names not in every[:most]]
    return [*every[:most], *named], max(0, len(every) - most) - sum(names in every for names in named)


def _confirmed(every: Sequence[Combination], tolerated: Tolerated, confidence: float) -> tuple[Place, ...]:
    """One false discovery control over all that was looked at: every supported subgroup, rate, combination, split."""
    judged = [
        (c, r, compared)
        for c, one in enumerate(every)
        for r, compared in enumerate(one.compared)
        if len(compared.at) and tolerated.of(compared)[0] is not None
    ]
    if not judged:
        return ()

    def beyond(level: float) -> BoolArray:
        return np.concatenate([one.beyond(level, tolerated)[one.supported] for _, _, one in judged])

    held, start = step_up(beyond, confidence), 0
    found: list[tuple[float, Place]] = []
    for c, r, one in judged:
        here = one.at[held[start : start + len(one.at)]]
        start += len(one.at)
        if len(here):
            found += zip(_excess(one, here, tolerated, confidence), [(c, r, int(g)) for g in here], strict=True)
    return tuple(place for _, place in sorted(found, key=lambda item: -item[0]))


def _excess(one: Compared, of: IntArray, tolerated: Tolerated, confidence: float) -> list[float]:
    """How far beyond the tolerance each of these subgroups certainly is: in points of a share, or relative to the rest
    of a mean."""
    margin, factor = tolerated.of(one)
    assert margin is not None
    near = one.near_end(of, confidence, factor) - margin
    scale = 1.0 if one.found.proportion else np.maximum(np.abs(one.found.rest.value[of]), 1e-300)
    return [float(value) for value in near / scale]

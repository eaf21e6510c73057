"""Random samples of rows for probes: chosen by a hash of the row's position, so that they never depend on order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from auditkit.core.outcomes import Outcomes
from auditkit.core.types import IntArray
from auditkit.data.dataset import Dataset

if TYPE_CHECKING:
    from auditkit.probes.base import ProbeContext


@dataclass(frozen=True)
class Sample:
    """Sampled rows in a random order: `inputs` arrays `[k]`, the rows' `outcomes`, and their `row` numbers `[k]`."""

    inputs: dict[str, Any]
    outcomes: Outcomes

    def __len__(self) -> int:
        return len(self.outcomes)

    def take(self, size: int) -> Sample:
        """The first rows of it: itself a random sample."""
        rows = np.arange(min(size, len(self)))
        return Sample({name: values[rows] for name, values in self.inputs.items()}, self.outcomes.where(rows))


def draw_sample(dataset: Dataset, outcomes: Outcomes, split: str, context: ProbeContext) -> Sample:
    """Draw up to `context.sample_rows` scored rows of a split and read their inputs, in one pass over the file."""
    eligible = np.flatnonzero(outcomes.scored)
    rng = context.evidence.rng("sample", split)
    chosen = rng.permutation(eligible)[: context.sample_rows].astype(np.int64)
    order = {int(row): position for position, row in enumerate(outcomes.row[chosen])}
    wanted = outcomes.row[chosen]
    shards = [s for s in dataset.shards(split, context.shard_rows) if _any_between(wanted, s.start, s.stop)]
    pieces: dict[str, list[Any]] = {item.name: [] for item in dataset.inputs}
    positions: list[IntArray] = []
    for chunk in dataset.stream(split, shards):
        keep = np.flatnonzero(np.isin(chunk.row, wanted))
        positions.append(np.array([order[int(row)] for row in chunk.row[keep]], dtype=np.int64))
        for name, values in chunk.inputs.items():
            pieces[name].append(values[keep])
    if not positions:
        return Sample({name: np.empty(0) for name in pieces}, outcomes.where(chosen))
    back = np.argsort(np.concatenate(positions), kind="stable")
    return Sample({n: np.concatenate(parts)[back] for n, parts in pieces.items()}, outcomes.where(chosen))


def derangement(rng: np.random.Generator, size: int) -> IntArray:
    """For each of `size` rows another row, never itself: a random cycle, int64 `[size]`."""
    cycle = rng.permutation(size)
    donors = np.empty(size, dtype=np.int64)
    donors[cycle] = np.roll(cycle, 1)
    return donors


def _any_between(rows: IntArray, start: int, stop: int) -> bool:
    return bool(np.any((rows >= start) & (rows < stop)))

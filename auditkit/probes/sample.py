"""Random samples of rows for probes: drawn by the audit's seed and the split alone, whatever ran before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from auditkit.core.model import Outputs
from auditkit.core.outcomes import Outcomes, places
from auditkit.core.tables import PREDICTIONS
from auditkit.core.types import BoolArray, IntArray
from auditkit.data.dataset import Dataset

if TYPE_CHECKING:
    from auditkit.probes.base import ProbeContext


@dataclass(frozen=True)
class Sample:
    """Sampled rows in a random order: `inputs` arrays `[k]`, the rows' `outcomes`, and the frozen `outputs`."""

    inputs: dict[str, Any]
    outcomes: Outcomes
    outputs: Outputs

    def __len__(self) -> int:
        return len(self.outcomes)

    def take(self, size: int) -> Sample:
        """The first rows of it: itself a random sample."""
        rows = np.arange(min(size, len(self)))
        inputs = {name: values[rows] for name, values in self.inputs.items()}
        return Sample(inputs, self.outcomes.where(rows), take_outputs(self.outputs, rows))

    def changed(self, inputs: Mapping[str, Any]) -> BoolArray:
        """Rows `[k]` in which `inputs` differ from the sampled ones: only these need the model again."""
        different = np.zeros(len(self), dtype=np.bool_)
        for name, values in inputs.items():
            if values is self.inputs[name]:
                continue  # of thousands of inputs, permuting one leaves all others what they were
            same = values == self.inputs[name]
            different |= ~(same | (_missing(values) & _missing(self.inputs[name])))
        return different


def _missing(values: Any) -> BoolArray:
    """Cells without a value: NaN, or None."""
    if values.dtype.kind == "f":
        return np.asarray(np.isnan(values), dtype=np.bool_)
    return np.array([value is None for value in values], dtype=np.bool_)


def take_outputs(outputs: Outputs, rows: Any) -> Outputs:
    """The outputs of some rows."""
    return Outputs(
        values=None if outputs.values is None else outputs.values[rows],
        labels=None if outputs.labels is None else outputs.labels[rows],
    )


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
    drawn = outcomes.where(chosen)
    outputs = _frozen(context.evidence.table(PREDICTIONS.name), split, drawn.row)
    if not positions:
        return Sample({name: np.empty(0) for name in pieces}, drawn, outputs)
    back = np.argsort(np.concatenate(positions), kind="stable")
    return Sample({n: np.concatenate(parts)[back] for n, parts in pieces.items()}, drawn, outputs)


def _frozen(predictions: pa.Table, split: str, rows: IntArray) -> Outputs:
    """What the model answered for these rows in the clean pass."""
    table = predictions.filter(pc.equal(predictions["split"], split))
    return take_outputs(outputs_of(table), places(rows, table["row"].to_numpy()))


def outputs_of(table: pa.Table) -> Outputs:
    """The columns `output:0`, `output:1`, ... and `label` of an evidence table as outputs."""
    names = sorted((c for c in table.column_names if c.startswith("output:")), key=lambda c: int(c.partition(":")[2]))
    values = np.column_stack([table[name].to_numpy() for name in names]) if names else None
    labels = np.array(table["label"].to_pylist(), dtype=object) if "label" in table.column_names else None
    return Outputs(values=values, labels=labels)


def derangement(rng: np.random.Generator, size: int) -> IntArray:
    """For each of `size` rows another row, never itself: a random cycle, int64 `[size]`."""
    cycle = rng.permutation(size)
    donors = np.empty(size, dtype=np.int64)
    donors[cycle] = np.roll(cycle, 1)
    return donors


def _any_between(rows: IntArray, start: int, stop: int) -> bool:
    return bool(np.any((rows >= start) & (rows < stop)))

"""What a probe is, and what it is given: a probe runs the model (or reads the data) and leaves evidence tables."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from auditkit.core.evidence import Evidence
from auditkit.core.model import Model, Outputs
from auditkit.core.outcomes import Outcomes
from auditkit.core.progress import Progress
from auditkit.core.types import Batch, IntArray
from auditkit.data.dataset import Dataset
from auditkit.data.spec import label_text
from auditkit.models.spec import ModelSpec
from auditkit.probes.sample import Sample, draw_sample


class Budget:
    """Time that probes may use. Clean scoring is never cut short by it."""

    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else time.monotonic() + seconds
        self.exhausted: list[str] = []

    def spent(self, who: str) -> bool:
        """Whether the time is over; remembers who was stopped by it."""
        over = self._end is not None and time.monotonic() >= self._end
        if over and who not in self.exhausted:
            self.exhausted.append(who)
        return over


@dataclass
class ProbeContext:
    """What a probe may use. `evidence` holds what earlier rounds collected."""

    dataset: Dataset
    model: Model | None
    spec: ModelSpec
    evidence: Evidence
    progress: Progress
    budget: Budget
    batch_size: int
    shard_rows: int
    sample_rows: int
    model_seconds: float = 0.0
    _samples: dict[str, Sample] = field(default_factory=dict)

    def sample(self, split: str) -> Sample:
        """A random sample of the scored rows of a split, with their inputs: the same for every probe."""
        if split not in self._samples:
            self._samples[split] = draw_sample(self.dataset, self.evidence.outcomes(split), split, self)
        return self._samples[split]

    def predict(self, batch: Batch, size: int) -> Outputs:
        """Score `size` rows in batches of the fixed size; every call of the model goes through here."""
        assert self.model is not None
        began = time.perf_counter()
        parts = [self.model.predict(slice_batch(batch, s, e)) for s, e in spans(size, self.batch_size)]
        self.model_seconds += time.perf_counter() - began
        values = [part.values for part in parts if part.values is not None]
        labels = [part.labels for part in parts if part.labels is not None]
        return Outputs(
            values=np.concatenate(values) if values else None, labels=np.concatenate(labels) if labels else None
        )

    def predict_changed(self, sample: Sample, inputs: Batch) -> Outputs:
        """Score a sample with other `inputs`. Rows that are the same as before keep their frozen answer."""
        changed = np.flatnonzero(sample.changed(inputs))
        if not len(changed):
            return sample.outputs
        found = self.predict({name: values[changed] for name, values in inputs.items()}, len(changed))
        values, labels = sample.outputs.values, sample.outputs.labels
        if values is not None and found.values is not None:
            values = values.copy()
            values[changed] = found.values
        if labels is not None and found.labels is not None:
            labels = labels.copy()
            labels[changed] = [None if label is None else label_text(label) for label in found.labels]
        return Outputs(values=values, labels=labels)


class Probe(Protocol):
    """One way of running the model. `provides` and `needs` are names of evidence tables."""

    @property
    def name(self) -> str:
        """Its name, as messages show it."""

    @property
    def provides(self) -> tuple[str, ...]:
        """The tables that it leaves."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The tables that must be there before it can run."""

    @property
    def after(self) -> tuple[str, ...]:
        """Tables that it uses where they are there; probes that provide them run first."""

    def request(self) -> Mapping[str, Any]:
        """Everything about the request that changes what comes out; part of the key of its tables."""

    def unavailable(self, context: ProbeContext) -> str | None:
        """One sentence that says why it can't run here, or None."""

    def collect(self, context: ProbeContext) -> Mapping[str, pa.Table]:
        """Run, and return the tables. Stops at the budget with what it has."""


def spans(size: int, step: int) -> Iterator[tuple[int, int]]:
    """Consecutive ranges of at most `step`; one empty range where there is nothing."""
    for start in range(0, max(size, 1), step):
        yield start, min(start + step, size)


def slice_batch(batch: Batch, start: int, stop: int) -> dict[str, Any]:
    """Some rows of a batch."""
    return {name: values[start:stop] for name, values in batch.items()}


def output_columns(outputs: Outputs) -> dict[str, pa.Array]:
    """Outputs as the columns of an evidence table: `output:0`, `output:1`, ... and `label`, whichever there are."""
    columns: dict[str, pa.Array] = {}
    if outputs.values is not None:
        columns = {f"output:{i}": pa.array(outputs.values[:, i]) for i in range(outputs.values.shape[1])}
    if outputs.labels is not None:
        texts = [None if value is None else label_text(value) for value in outputs.labels]
        columns["label"] = pa.array(texts, type=pa.string())
    return columns


def explained_column(outcomes: Outcomes, width: int) -> IntArray:
    """The output column that each row's prediction rests on, int64 `[n]`: that of the predicted class, or the only one.

    A single column stands for the positive class or the predicted value.
    """
    return outcomes.prediction.astype(np.int64) if width > 1 else np.zeros(len(outcomes), dtype=np.int64)

"""Probe: integrated gradients of the predicted class's output, for a random sample of rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from auditkit.core.model import Attribution, Differentiable
from auditkit.core.tables import ATTRIBUTIONS, PREDICTIONS, ROWS
from auditkit.probes.base import ProbeContext, explained_column, slice_batch, spans
from auditkit.probes.sample import Sample

_BATCH = 64


@dataclass(frozen=True)
class IntegratedGradients:
    """Integrated gradients (Sundararajan et al. 2017) on a path of `steps` points."""

    rows: int = 256
    steps: int = 50
    split: str = "test"
    name: str = "integrated gradients"
    provides: tuple[str, ...] = (ATTRIBUTIONS.name,)
    needs: tuple[str, ...] = (ROWS.name, PREDICTIONS.name)
    after: tuple[str, ...] = ()

    def request(self) -> Mapping[str, Any]:
        """See `Probe`."""
        return {"rows": self.rows, "steps": self.steps, "split": self.split}

    def unavailable(self, context: ProbeContext) -> str | None:
        """See `Probe`."""
        if context.model is None:
            return "there is no model here, only its predictions"
        if _gradients_of(context) is None:
            return f"a {context.model.info.kind} model gives no gradients; permutation importance stands in"
        return None

    def collect(self, context: ProbeContext) -> Mapping[str, pa.Table]:
        """See `Probe`."""
        model = _gradients_of(context)
        assert model is not None
        sample = context.sample(self.split).take(self.rows)
        width = sum(name.startswith("output:") for name in context.evidence.table(PREDICTIONS.name).column_names)
        columns = explained_column(sample.outcomes, width)
        found: list[Attribution] = []
        with context.progress.bar(self.name, len(sample)) as bar:
            for start, stop in spans(len(sample), _BATCH):
                if context.budget.spent(self.name) or stop == start:
                    break
                batch = slice_batch(sample.inputs, start, stop)
                found.append(model.attribute(batch, columns[start:stop], self.steps))
                bar.advance(stop - start)
        return {ATTRIBUTIONS.name: _table(found, sample, self.split)} if found else {}


def _gradients_of(context: ProbeContext) -> Differentiable | None:
    model: object = context.model
    if context.model is None or not context.model.info.differentiable:
        return None
    return model if isinstance(model, Differentiable) else None


def _table(found: list[Attribution], sample: Sample, split: str) -> pa.Table:
    values = np.concatenate([part.values for part in found])
    delta = np.concatenate([part.delta for part in found])
    rows, features = values.shape
    size = rows * features
    return pa.table(
        {
            "split": pa.array([split] * size),
            "row": np.repeat(sample.outcomes.row[:rows], features),
            "feature": pa.array(list(found[0].features) * rows),
            "value": values.ravel(),
            "delta": np.repeat(delta, features),
            "method": pa.array([found[0].method] * size),
            "baseline": pa.array([found[0].baseline] * size),
        }
    )

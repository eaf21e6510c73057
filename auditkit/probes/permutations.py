"""Probe: what the model answers when one input is replaced by that of another row (permutation importance)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from auditkit.core.tables import PERMUTATIONS, PREDICTIONS, ROWS
from auditkit.probes.base import ProbeContext, output_columns
from auditkit.probes.sample import derangement


@dataclass(frozen=True)
class Permutations:
    """Each input of a sample of rows is permuted among them, `repeats` times (Breiman 2001; Fisher et al. 2019)."""

    rows: int = 1000
    repeats: int = 1
    split: str = "test"
    name: str = "permutation importance"
    provides: tuple[str, ...] = (PERMUTATIONS.name,)
    needs: tuple[str, ...] = (ROWS.name, PREDICTIONS.name)
    after: tuple[str, ...] = ()

    def request(self) -> Mapping[str, Any]:
        """See `Probe`."""
        return {"rows": self.rows, "repeats": self.repeats, "split": self.split}

    def unavailable(self, context: ProbeContext) -> str | None:
        """See `Probe`."""
        if context.model is None:
            return "there is no model here, only its predictions"
        return None if context.dataset.inputs else "the model reads no inputs by name"

    def collect(self, context: ProbeContext) -> Mapping[str, pa.Table]:
        """See `Probe`."""
        sample = context.sample(self.split).take(self.rows)
        size = len(sample)
        parts: list[pa.Table] = []
        if size < 2:
            return {}
        with context.progress.bar(self.name, self.repeats * len(sample.inputs)) as bar:
            for repeat in range(self.repeats):
                for feature, values in sample.inputs.items():
                    if context.budget.spent(self.name):
                        break
                    order = derangement(context.evidence.rng(self.name, self.split, feature, str(repeat)), size)
                    outputs = context.predict_changed(sample, {**sample.inputs, feature: values[order]})
                    keys = {
                        "split": pa.array([self.split] * size),
                        "row": pa.array(sample.outcomes.row),
                        "feature": pa.array([feature] * size),
                        "repeat": pa.array([repeat] * size),
                    }
                    parts.append(pa.table({**keys, **output_columns(outputs)}))
                    bar.advance()
        return {PERMUTATIONS.name: pa.concat_tables(parts)} if parts else {}

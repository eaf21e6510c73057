"""Evidence tables from arrays, as the collector would leave them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from auditkit.core.outcomes import Outcomes
from auditkit.core.task import Task
from auditkit.tasks.build import build_outcomes


def rows(target=None, **more) -> pa.Table:
    """The table `rows`."""
    n = len(target) if target is not None else len(next(iter(more.values())))
    columns = {"row": pa.array(np.arange(n))} | more
    if target is not None:
        columns["target"] = target if isinstance(target, pa.Array) else pa.array(target)
    return pa.table(columns)


def answers(raw=None, label=None, order=None) -> pa.Table:
    """The table `predictions`; `order` shuffles it."""
    columns = {}
    if raw is not None:
        matrix = np.asarray(raw, dtype=float)
        matrix = matrix[:, None] if matrix.ndim == 1 else matrix
        columns |= {f"output:{k}": pa.array(matrix[:, k]) for k in range(matrix.shape[1])}
    if label is not None:
        columns["label"] = label if isinstance(label, pa.Array) else pa.array(label)
    table = pa.table({"row": pa.array(np.arange(len(next(iter(columns.values())))))} | columns)
    return table if order is None else table.take(pa.array(order))


def outcomes(task: Task, target, raw=None, label=None, outputs="probabilities", threshold=0.5, **more) -> Outcomes:
    """Outcomes of the split `test`."""
    return build_outcomes(task, "test", rows(target, **more), answers(raw, label), outputs=outputs, threshold=threshold)


def by_name(metrics, class_=None) -> dict[str, float | None]:
    """Values of a summary by name."""
    return {m.name: m.estimate.value for m in metrics if m.class_ == class_}

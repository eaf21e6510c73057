"""Evidence made from arrays, for tests of checks and of whatever reads what they found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from auditkit.core.evidence import Asked, DataFacts, Evidence
from auditkit.core.model import ModelInfo
from auditkit.core.outcomes import Groups, Outcomes
from auditkit.core.task import Task
from auditkit.core.types import MISSING_GROUP, FloatArray, IntArray
from auditkit.tasks.binary import BinaryTask
from auditkit.tasks.multiclass import MulticlassTask
from auditkit.tasks.regression import RegressionTask

KINDS = ("binary", "multiclass", "regression")
FEATURES = ("a", "b", "c")


def task_of(kind: str, outputs: str | None = None) -> Task:
    """A task of that kind: labels `no` and `yes`, or `x`, `y`, `z`, or numbers."""
    if kind == "binary":
        return BinaryTask(("no", "yes"), "yes", outputs=outputs or "probabilities")
    if kind == "multiclass":
        return MulticlassTask(("x", "y", "z"), outputs=outputs or "probabilities")
    return RegressionTask()


@dataclass(frozen=True)
class Split:
    """One split as arrays of n rows. `target` and `prediction` are codes (-1 missing) or numbers (NaN missing);
    `inputs` is float64 `[n, 3]` (every row different by default), `groups` holds a label or None for each row."""

    target: npt.NDArray[Any]
    prediction: npt.NDArray[Any]
    scores: FloatArray | None = None
    groups: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    inputs: FloatArray | None = None
    weight: FloatArray | None = None
    cluster: IntArray | None = None
    problem: str | None = None

    def __len__(self) -> int:
        return len(self.target)

    def where(self, keep: npt.NDArray[Any]) -> Split:
        """The same for a selection of rows."""

        def cut(values: Any) -> Any:
            return None if values is None else values[keep]

        groups = {name: np.array(labels, dtype=object)[keep].tolist() for name, labels in self.groups.items()}
        return replace(
            self,
            target=self.target[keep],
            prediction=self.prediction[keep],
            scores=cut(self.scores),
            groups=groups,
            inputs=cut(self.inputs),
            weight=cut(self.weight),
            cluster=cut(self.cluster),
        )


def _group(value: str | None) -> str:
    return MISSING_GROUP if value is None else value


def make_evidence(
    task: Task,
    splits: Mapping[str, Split],
    *,
    tables: Mapping[str, pa.Table] | None = None,
    absent: Mapping[str, str] | None = None,
    declared: Mapping[str, Sequence[str]] | None = None,
    warnings: Mapping[str, str] | None = None,
    intersections: tuple[tuple[str, ...], ...] = (),
    asked: tuple[Asked, ...] = (),
    population: Mapping[str, Mapping[str, float]] | None = None,
    confidence: float = 0.95,
) -> Evidence:
    """Evidence over those splits: `rows`, `predictions` and `columns` are made here, `tables` are added.

    `declared` are the groups that must be there; without, the union over the splits in sorted order.
    """
    sensitive = tuple(next(iter(splits.values())).groups)
    found = {n: sorted({_group(v) for s in splits.values() for v in s.groups[n]}) for n in sensitive}
    labels = {name: [*(declared or {}).get(name, ()), *found[name]] for name in sensitive}
    labels = {name: tuple(dict.fromkeys(known)) for name, known in labels.items()}
    starts = dict(zip(splits, np.cumsum([0, *(len(s) for s in splits.values())]), strict=False))
    filled = {
        name: s if s.inputs is not None else replace(s, inputs=_different(len(s), int(starts[name])))
        for name, s in splits.items()
    }

    def groups_of(split: str, attribute: str) -> Groups:
        position = {label: at for at, label in enumerate(labels[attribute])}
        codes = [position[_group(v)] for v in splits[split].groups[attribute]]
        warning = (warnings or {}).get(attribute)
        return Groups(attribute, labels[attribute], np.array(codes, dtype=np.int64), warning)

    made = {
        "rows": pa.concat_tables([_rows(task, name, s) for name, s in filled.items()], promote_options="default"),
        "predictions": pa.concat_tables(
            [_predictions(task, name, s) for name, s in filled.items()], promote_options="default"
        ),
        "columns": pa.Table.from_pylist([r for name, s in filled.items() for r in _columns(name, s)]),
    }
    return Evidence(
        task=task,
        data=DataFacts(
            splits=tuple(splits),
            inputs=dict.fromkeys(FEATURES, "numeric"),
            target="target",
            sensitive=sensitive,
            rows={name: len(s) for name, s in splits.items()},
            population=population or {},
        ),
        model=ModelInfo(kind="test", outputs="probabilities" if task.classes else "values"),
        tables={**made, **(tables or {})},
        absent=absent or {},
        load_outcomes=lambda split: _outcomes(split, splits[split]),
        load_groups=groups_of,
        confidence=confidence,
        intersections=intersections,
        asked=asked,
    )


def without(evidence: Evidence, *names: str, reason: str = "it was not asked for") -> Evidence:
    """The same evidence without some tables."""
    tables = {name: table for name, table in evidence.tables.items() if name not in names}
    return replace(evidence, tables=tables, absent={**evidence.absent, **dict.fromkeys(names, reason)})


def _different(rows: int, start: int) -> FloatArray:
    return np.column_stack([np.arange(start, start + rows) + 0.5 * f for f in range(len(FEATURES))])


def _outcomes(name: str, split: Split) -> Outcomes:
    row = np.arange(len(split), dtype=np.int64)
    return Outcomes(name, row, split.target, split.prediction, split.scores, split.weight, split.cluster, split.problem)


def _label(task: Task, value: Any) -> str | float | None:
    if not task.classes:
        return None if np.isnan(value) else float(value)
    return None if value < 0 else task.classes[int(value)]


def _rows(task: Task, name: str, split: Split) -> pa.Table:
    assert split.inputs is not None
    target = [_label(task, value) for value in split.target]
    hashes = [hash(tuple(row)) & (2**64 - 1) for row in np.nan_to_num(split.inputs, nan=-9.75).tolist()]
    whole = [hash((h, t)) & (2**64 - 1) for h, t in zip(hashes, target, strict=True)]
    columns = {
        "split": pa.array([name] * len(split), pa.string()),
        "row": pa.array(np.arange(len(split), dtype=np.int64)),
        "target": pa.array(target, pa.string() if task.classes else pa.float64()),
        "input_hash": pa.array(hashes, pa.uint64()),
        "row_hash": pa.array(whole, pa.uint64()),
    }
    for attribute, labels in split.groups.items():
        columns[f"group:{attribute}"] = pa.array(list(labels), pa.string())
    if split.weight is not None:
        columns["weight"] = pa.array(split.weight)
    if split.cluster is not None:
        columns["cluster"] = pa.array(split.cluster)
    return pa.table(columns)


def _predictions(task: Task, name: str, split: Split) -> pa.Table:
    keys = {"split": pa.array([name] * len(split), pa.string()), "row": pa.array(np.arange(len(split), dtype=np.int64))}
    if split.scores is not None:
        return pa.table({**keys, **{f"output:{i}": split.scores[:, i] for i in range(split.scores.shape[1])}})
    if not task.classes:
        return pa.table({**keys, "output:0": split.prediction})
    return pa.table({**keys, "label": pa.array([_label(task, v) for v in split.prediction], pa.string())})


def _columns(name: str, split: Split) -> list[dict[str, Any]]:
    """Two parts a column, as two shards would leave."""
    assert split.inputs is not None
    records = []
    for part, rows in enumerate(np.array_split(split.inputs, 2)):
        for feature, values in zip(FEATURES, rows.T, strict=True):
            finite = values[np.isfinite(values)]
            records.append(
                {
                    "split": name,
                    "column": feature,
                    "part": f"{name}-{part}",
                    "kind": "numeric",
                    "rows": len(values),
                    "missing": int(np.isnan(values).sum()),
                    "infinite": int(np.isinf(values).sum()),
                    "total": float(finite.sum()),
                    "squares": float((finite**2).sum()),
                    "low": float(finite.min()) if len(finite) else None,
                    "high": float(finite.max()) if len(finite) else None,
                }
            )
    return records

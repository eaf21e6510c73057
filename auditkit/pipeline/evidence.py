"""Evidence as checks read it, put together from the collected tables."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from auditkit.core.errors import MissingEvidenceError
from auditkit.core.evidence import Asked, DataFacts, Evidence
from auditkit.core.model import ModelInfo, OutputKind
from auditkit.core.outcomes import Groups, Outcomes
from auditkit.core.tables import PREDICTIONS, ROWS
from auditkit.core.task import Task
from auditkit.core.types import MISSING_GROUP
from auditkit.data.dataset import Dataset
from auditkit.data.grouping import named_group
from auditkit.tasks.build import build_outcomes


def build_evidence(
    dataset: Dataset,
    task: Task,
    info: ModelInfo,
    tables: Mapping[str, pa.Table],
    absent: Mapping[str, str],
    *,
    outputs: OutputKind,
    threshold: float,
    seed: int,
    intersections: tuple[tuple[str, ...], ...] = (),
    asked: tuple[Asked, ...] = (),
) -> Evidence:
    """Evidence over `tables`, a mapping that grows while probes run."""

    def load_outcomes(split: str) -> Outcomes:
        rows, predictions = (_of_split(tables, name, split) for name in (ROWS.name, PREDICTIONS.name))
        return build_outcomes(task, split, rows, predictions, outputs=outputs, threshold=threshold)

    def load_groups(split: str, attribute: str) -> Groups:
        return _groups(dataset, _of_split(tables, ROWS.name, split), attribute)

    facts = DataFacts(
        splits=dataset.splits,
        inputs={item.name: item.kind.value for item in dataset.inputs},
        target=dataset.spec.target,
        sensitive=dataset.spec.sensitive,
        rows=dict(dataset.rows),
        notes=dataset.notes,
        population=dataset.spec.reference_shares,
    )
    return Evidence(
        task=task,
        data=facts,
        model=info,
        tables=tables,
        absent=absent,
        load_outcomes=load_outcomes,
        load_groups=load_groups,
        seed=seed,
        intersections=intersections,
        asked=asked,
    )


def _of_split(tables: Mapping[str, pa.Table], name: str, split: str) -> pa.Table:
    if name not in tables:
        raise MissingEvidenceError(f"the evidence '{name}' was not collected")
    table = tables[name]
    return table.filter(pc.equal(table["split"], split))


def _groups(dataset: Dataset, rows: pa.Table, attribute: str) -> Groups:
    """Codes into the groups that must be there: the declared ones, and whatever the data has beside them."""
    labels = list(dataset.survey.groups[attribute])
    encoded = pc.dictionary_encode(rows[f"group:{attribute}"].combine_chunks())
    position = {label: index for index, label in enumerate(labels)}
    lookup = []
    for label in map(named_group, encoded.dictionary.to_pylist()):
        if label not in position:
            position[label] = len(labels)
            labels.append(label)
        lookup.append(position[label])
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    missing = np.isnan(codes) if codes.dtype.kind == "f" else np.zeros(len(codes), dtype=bool)
    result = np.zeros(len(codes), dtype=np.int64)
    if lookup:
        result[~missing] = np.asarray(lookup, dtype=np.int64)[codes[~missing].astype(np.int64)]
    if missing.any():
        if MISSING_GROUP not in position:
            position[MISSING_GROUP] = len(labels)
            labels.append(MISSING_GROUP)
        result[missing] = position[MISSING_GROUP]
    count = rows["count"].to_numpy() if "count" in rows.column_names else None
    return Groups(attribute, tuple(labels), result, dataset.survey.group_warnings.get(attribute), count)

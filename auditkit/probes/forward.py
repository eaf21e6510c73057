"""The clean pass: every row of every split is read once and scored once, shard by shard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from auditkit.core.model import Outputs
from auditkit.core.tables import COLUMNS, PREDICTIONS, ROWS
from auditkit.core.types import InputKind
from auditkit.data.dataset import Chunk, Dataset, Shard
from auditkit.probes.base import ProbeContext, output_columns
from auditkit.probes.store import Store

TABLES = (ROWS.name, COLUMNS.name, PREDICTIONS.name)


def part_name(shard: Shard) -> str:
    """The name of a shard's part; sorts in the order of the rows."""
    return f"{shard.split}-{shard.index:06d}"


def collect_forward(context: ProbeContext, store: Store, keys: dict[str, str]) -> None:
    """Read and score whatever the store does not hold yet, and finish the three tables of the clean pass."""
    dataset = context.dataset
    parts: list[str] = []
    for split in dataset.splits:
        shards = dataset.shards(split, context.shard_rows)
        parts += [part_name(shard) for shard in shards]
        missing = [s for s in shards if not all(_have(store, keys, t, part_name(s)) for t in TABLES)]
        if missing and not all(store.finished(table, keys[table]) for table in TABLES):
            _collect_split(context, store, keys, split, missing)
    for table in TABLES:
        if not store.finished(table, keys[table]):
            store.finish(table, keys[table], parts)


def _have(store: Store, keys: dict[str, str], table: str, part: str) -> bool:
    return store.finished(table, keys[table]) or store.has_part(table, keys[table], part)


def _collect_split(
    context: ProbeContext, store: Store, keys: dict[str, str], split: str, shards: Sequence[Shard]
) -> None:
    rows = sum(shard.stop - shard.start for shard in shards)
    with context.progress.bar(f"scoring {split}", rows) as bar:
        for shard, chunk in zip(shards, context.dataset.stream(split, shards), strict=True):
            part = part_name(shard)
            tables = {ROWS.name: rows_table(chunk), COLUMNS.name: columns_table(chunk, part)}
            if not _have(store, keys, PREDICTIONS.name, part):
                tables[PREDICTIONS.name] = predictions_table(chunk, score(context, chunk))
            for table, found in tables.items():
                if not _have(store, keys, table, part):
                    store.write_part(table, keys[table], part, found)
            bar.advance(shard.stop - shard.start)


def score(context: ProbeContext, chunk: Chunk) -> Outputs:
    """The model's answers for a chunk; for a file of predictions, the columns that hold them."""
    if context.model is not None:
        return context.predict(chunk.inputs, len(chunk.row))
    spec = context.spec
    if spec.scores:  # by label, so that column k is the score of class k whatever order the plan lists them in
        named = [spec.scores[label] for label in context.evidence.task.classes]
    else:
        named = [spec.score] if spec.score is not None else []
    values = np.column_stack([_numbers(chunk.extra[column]) for column in named]) if named else None
    labels = None
    if spec.prediction is not None:
        labels = np.array(chunk.extra[spec.prediction].to_pylist(), dtype=object)
    return Outputs(values=values, labels=labels)


def _numbers(column: pa.Array) -> Any:
    """A column of scores as float64, NaN where a cell is missing or is no number."""
    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
    return np.full(len(column), np.nan)


def rows_table(chunk: Chunk) -> pa.Table:
    """What the data says of each row, as the table `rows`."""
    columns: dict[str, Any] = {"split": _constant(chunk.split, len(chunk.row)), "row": pa.array(chunk.row)}
    if chunk.target is not None:
        columns["target"] = chunk.target
    for name, values in chunk.groups.items():
        columns[f"group:{name}"] = pa.array(values, type=pa.string())
    if chunk.id is not None:
        columns["id"] = pa.array([None if v is None else str(v) for v in chunk.id], type=pa.string())
    if chunk.weight is not None:
        columns["weight"] = pa.array(chunk.weight)
    if chunk.cluster is not None:
        columns["cluster"] = pa.array(chunk.cluster)
    if chunk.inputs:  # without inputs all rows would look the same
        columns["input_hash"] = pa.array(chunk.input_hash)
        columns["row_hash"] = pa.array(chunk.row_hash)
    if chunk.count is not None:
        columns["count"] = pa.array(chunk.count)
    return pa.table(columns)


def predictions_table(chunk: Chunk, outputs: Outputs) -> pa.Table:
    """The raw outputs, as the table `predictions`."""
    fixed = {"split": _constant(chunk.split, len(chunk.row)), "row": pa.array(chunk.row)}
    return pa.table({**fixed, **output_columns(outputs)})


def columns_table(chunk: Chunk, part: str) -> pa.Table:
    """Sums over each input column of this chunk, as the table `columns`."""
    records = [
        {"split": chunk.split, "column": name, "part": part, "rows": len(chunk.row), **_sums(values)}
        for name, values in chunk.inputs.items()
    ]
    return pa.Table.from_pylist(records, schema=_COLUMNS_SCHEMA)


def _sums(values: Any) -> dict[str, Any]:
    if values.dtype.kind != "f":
        present = [v for v in values if v is not None]
        missing = len(values) - len(present)
        return {
            "kind": InputKind.CATEGORICAL.value,
            "missing": missing,
            "infinite": 0,
            "first": min(present, default=None),
            "last": max(present, default=None),
        }
    finite = values[np.isfinite(values)]
    with np.errstate(over="ignore"):  # sums of absurd numbers are infinite, and the check says what that means
        total, squares = float(finite.sum()), float(np.square(finite).sum())
    return {
        "kind": InputKind.NUMERIC.value,
        "missing": int(np.isnan(values).sum()),
        "infinite": int(np.isinf(values).sum()),
        "total": total,
        "squares": squares,
        "low": float(finite.min()) if len(finite) else None,
        "high": float(finite.max()) if len(finite) else None,
    }


_COLUMNS_SCHEMA = pa.schema(
    [
        ("split", pa.string()),
        ("column", pa.string()),
        ("part", pa.string()),
        ("kind", pa.string()),
        ("rows", pa.int64()),
        ("missing", pa.int64()),
        ("infinite", pa.int64()),
        ("total", pa.float64()),
        ("squares", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("first", pa.string()),
        ("last", pa.string()),
    ]
)


def _constant(value: str, size: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(size, dtype=np.int32)), pa.array([value])).cast(pa.string())


def dataset_key(dataset: Dataset) -> list[Any]:
    """What identifies the data and how it is read, for the keys of tables."""
    unread = {"splits": True, "positive": True, "groups": True, "about": True, "population": True}
    spec = dataset.spec.model_dump(mode="json", exclude={**unread, "attributes": {"path"}})
    inputs = [[item.name, item.kind.value] for item in dataset.inputs]
    return [dict(sorted(dataset.digests.items())), dict(sorted(dataset.sampling.items())), spec, inputs]

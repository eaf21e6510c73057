"""Large inputs for `benchmarks/load.py` and `tests/load`, each written with what an audit of it must find.

Files are written a block at a time, and what must come out is counted from the blocks, so that a hundred million rows
need no more memory than one block.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

BLOCK = 1 << 20
SEXES = ("Female", "Male")


@dataclass
class Truth:
    """What was written, by group: rows, favourable predictions, right ones; weighted where rows have weights."""

    rows: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    chosen: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    right: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))

    def add(self, group: Any, label: Any, prediction: Any, weight: Any = None) -> None:
        """Count one block."""
        size = len(self.rows)
        weight = np.ones(len(group)) if weight is None else weight
        self.rows += np.bincount(group, weight, size)
        self.chosen += np.bincount(group, weight * prediction, size)
        self.right += np.bincount(group, weight * (label == prediction), size)

    @property
    def accuracy(self) -> float:
        """Over all rows."""
        return float(self.right.sum() / self.rows.sum())

    @property
    def parity(self) -> float:
        """The largest minus the smallest selection rate."""
        rates = self.chosen / self.rows
        return float(rates.max() - rates.min())


def _blocks(rows: int, rng: np.random.Generator) -> Iterator[tuple[Any, Any, Any, Any]]:
    """Sex, label, prediction and score of a fair model, a block at a time."""
    for start in range(0, rows, BLOCK):
        size = min(BLOCK, rows - start)
        sex, label = rng.integers(0, 2, size), rng.random(size) < 0.35
        score = 1 / (1 + np.exp(1 - 1.5 * label - rng.normal(size=size)))
        yield sex, label, score >= 0.5, score


def predictions(path: Path, rows: int, *, clusters: int = 0, weights: bool = False) -> Truth:
    """A file of predictions with the columns label, prediction, score and sex, as `path`'s suffix says; with `clusters`
    also `person`, one of so many, with `weights` also `weight`."""
    rng, truth = np.random.default_rng(0), Truth()
    names = pa.array(SEXES)
    writer: Any = None
    for sex, label, prediction, score in _blocks(rows, rng):
        texts = pa.DictionaryArray.from_arrays(pa.array(sex.astype(np.int8)), names).cast(pa.string())
        columns = {"label": label.astype(np.int64), "prediction": prediction.astype(np.int64), "score": score}
        block = {name: pa.array(values) for name, values in columns.items()} | {"sex": texts}
        if clusters:
            block["person"] = pa.array(rng.integers(0, clusters, len(sex)))
        weight = rng.choice([0.5, 1.0, 2.0], len(sex)) if weights else None
        if weight is not None:
            block["weight"] = pa.array(weight)
        truth.add(sex, label, prediction, weight)
        table = pa.table(block)
        if writer is None:
            kind = pa.csv.CSVWriter if path.suffix == ".csv" else pq.ParquetWriter
            writer = kind(str(path), table.schema)
        writer.write_table(table)
    writer.close()
    return truth


def many_groups(path: Path, groups: int, rows_each: int) -> Truth:
    """Groups of about so many rows each (none has fewer than ten), with selection rates that differ by chance alone."""
    rng = np.random.default_rng(1)
    sizes = np.maximum(10, rng.poisson(rows_each, groups)) if rows_each >= 10 else np.full(groups, rows_each)
    group = np.repeat(np.arange(groups), sizes)
    label = rng.random(len(group)) < 0.4
    prediction = np.where(rng.random(len(group)) < 0.1, ~label, label)
    truth = Truth(*(np.zeros(groups) for _ in range(3)))
    truth.add(group, label, prediction)
    names = pa.array(group_names(groups))
    columns = {
        "shop": pa.DictionaryArray.from_arrays(pa.array(group), names).cast(pa.string()),
        "label": label.astype(np.int64),
        "prediction": prediction.astype(np.int64),
    }
    pq.write_table(pa.table(columns), path)
    return truth


def group_names(groups: int) -> list[str]:
    """`shop 00000` and so on."""
    return [f"shop {i:05d}" for i in range(groups)]


def many_classes(path: Path, classes: int, rows: int, *, scores: bool) -> float:
    """Labels and predictions of so many classes, with a column of scores for each or without; gives the accuracy."""
    rng = np.random.default_rng(2)
    label, sex = rng.integers(0, classes, rows), rng.integers(0, 2, rows)
    raw = rng.random((rows, classes), dtype=np.float32) if scores else None
    hit = rng.random(rows) < 0.7
    prediction = np.where(hit, label, (label + 1) % classes)
    columns: dict[str, Any] = {
        "label": [f"c{i}" for i in label],
        "prediction": [f"c{i}" for i in prediction],
        "sex": np.array(SEXES)[sex],
    }
    if raw is not None:
        raw[np.arange(rows), prediction] = 2.0
        raw /= raw.sum(axis=1, keepdims=True)
        columns |= {f"s{i}": raw[:, i].astype(np.float64) for i in range(classes)}
    pq.write_table(pa.table(columns), path)
    return float(hit.mean())


def many_columns(directory: Path, columns: int, rows: int) -> float:
    """Two splits of so many numeric inputs, and a logistic regression on them in `model.skops`; gives its accuracy."""
    import pandas as pd
    import skops.io
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(3)
    names = [f"x{i}" for i in range(columns)]
    frames = []
    for split in ("train", "test"):
        inputs = rng.normal(size=(rows, columns))
        label = (inputs[:, 0] + rng.normal(size=rows) > 0).astype(np.int64)
        frame = pd.DataFrame(dict(zip(names, inputs.T, strict=True)))
        frames.append(frame.assign(sex=np.array(SEXES)[rng.integers(0, 2, rows)], label=label))
        pq.write_table(pa.Table.from_pandas(frames[-1], preserve_index=False), directory / f"{split}.parquet")
    train, test = frames
    model = LogisticRegression(max_iter=50).fit(train[names], train.label)
    skops.io.dump(model, directory / "model.skops")
    return float(model.score(test[names], test.label))


def write_plan(
    path: Path, model: str, data: Sequence[str], gates: Sequence[str] = (), more: Sequence[str] = ()
) -> Path:
    """A plan file; `data` and `more` are lines, `gates` flow mappings."""
    judged = ["gates:", *(f"  - {gate}" for gate in gates)] if gates else ["gates: none"]
    lines = [f"name: {path.stem}", f"model: {model}", "data:", *(f"  {line}" for line in data), *judged, *more]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def text_file(path: Path, columns: dict[str, list[str]]) -> Path:
    """Columns of text as parquet, CSV or JSON lines, as `path`'s suffix says."""
    if path.suffix == ".parquet":
        pq.write_table(pa.table(columns), path)
    elif path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([list(columns), *zip(*columns.values(), strict=True)])
    else:
        import json

        rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path

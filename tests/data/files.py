"""One table as a file of every format, and data sets from it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import ipc

from auditkit.data.dataset import Chunk, Dataset
from auditkit.data.spec import DataSpec

SUFFIXES = ("parquet", "csv", "tsv", "jsonl", "arrow", "stream.arrow")


def people(rows: int, seed: int = 0) -> pd.DataFrame:
    """Numbers with missing ones, texts with quotes and line breaks, a group named NA, weights, clusters."""
    rng = np.random.default_rng(seed)
    city = np.array(["Bern", 'The "Hague"', "São\nPaulo", "NA", "None", " x ", None], dtype=object)
    return pd.DataFrame(
        {
            "age": np.where(rng.random(rows) < 0.1, np.nan, rng.integers(18, 90, rows)),
            "gain": np.where(rng.random(rows) < 0.5, 0.0, rng.normal(size=rows) * 1e6),
            "city": city[rng.integers(0, 7, rows)],
            "sex": np.array(["f", "m", None], dtype=object)[rng.integers(0, 3, rows)],
            "zone": rng.integers(1, 4, rows),
            "y": rng.integers(0, 2, rows),
            "w": rng.random(rows),
            "person": rng.integers(0, rows, rows),
            "name": [f"p{i}" for i in range(rows)],
        }
    )


def save(frame: pd.DataFrame, path: Path) -> Path:
    """Write the frame in the format of the suffix."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    if path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=3000)
    elif path.name.endswith(".stream.arrow"):
        with ipc.new_stream(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=1700)
    elif path.suffix == ".arrow":
        with ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)
    elif path.suffix == ".jsonl":
        # pandas writes 15 digits; a float needs up to 17.
        path.write_text("".join(json.dumps(record) + "\n" for record in table.to_pylist()))
    else:
        frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return path


def dataset(path: Path, *, options: dict[str, Any] | None = None, **spec: Any) -> Dataset:
    """A data set with one split, `test`."""
    return Dataset.open(DataSpec.model_validate({"splits": {"test": path}, **spec}), **(options or {}))


def assert_same(left: Sequence[Chunk], right: Sequence[Chunk]) -> None:
    """The same chunks, cell by cell, types included."""
    assert len(left) == len(right)
    for a, b in zip(left, right, strict=True):
        assert a.split == b.split
        assert (a.target is None) == (b.target is None)
        if a.target is not None and b.target is not None:
            assert a.target.equals(b.target)
        assert list(a.inputs) == list(b.inputs)
        assert a.extra.keys() == b.extra.keys()
        assert all(a.extra[name].equals(b.extra[name]) for name in a.extra)
        pairs = [(getattr(a, n), getattr(b, n)) for n in ("row", "id", "cluster", "weight", "input_hash", "row_hash")]
        pairs += [(a.inputs[n], b.inputs[n]) for n in a.inputs] + [(a.groups[n], b.groups[n]) for n in a.groups]
        for x, y in pairs:
            if x is None or y is None:
                assert x is y
            else:
                assert x.dtype == y.dtype
                np.testing.assert_array_equal(x, y)

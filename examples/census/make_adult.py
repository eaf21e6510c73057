"""Make `auditkit/demos/data/adult.parquet` from UCI Adult: `python make_adult.py adult.data adult.parquet`.

Reads `adult.data` as UCI publishes it (no header) or the same as CSV with a header. See NOTICE for source and licence.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

COLUMNS = {
    "age": pa.int8(),
    "workclass": None,
    "fnlwgt": pa.int32(),
    "education": None,
    "education_num": pa.int8(),
    "marital_status": None,
    "occupation": None,
    "relationship": None,
    "race": None,
    "sex": None,
    "capital_gain": pa.int32(),
    "capital_loss": pa.int16(),
    "hours_per_week": pa.int8(),
    "native_country": None,
    "income": None,
}


def read_adult(path: Path) -> pa.Table:
    """The rows in the file's order, every cell as trimmed text, "?" as missing."""
    with path.open(encoding="utf-8") as stream:
        has_header = stream.readline().lower().startswith("age")
    table = csv.read_csv(
        path,
        csv.ReadOptions(column_names=list(COLUMNS), skip_rows=1 if has_header else 0),
        convert_options=csv.ConvertOptions(column_types=dict.fromkeys(COLUMNS, pa.string())),
    )
    trimmed = {name: pc.utf8_trim_whitespace(table.column(name)) for name in COLUMNS}
    return pa.table({name: pc.if_else(pc.equal(cells, "?"), None, cells) for name, cells in trimmed.items()})


def compact(table: pa.Table) -> pa.Table:
    """Small integers, dictionaries in the order of their texts, and `row_id`: the row's position in UCI's file."""
    columns: dict[str, pa.Array | pa.ChunkedArray] = {"row_id": pa.array(range(table.num_rows), pa.int32())}
    for name, kind in COLUMNS.items():
        cells = table.column(name)
        columns[name] = cells.cast(kind) if kind is not None else _dictionary(cells)
    return pa.table(columns)


def _dictionary(cells: pa.ChunkedArray) -> pa.Array:
    texts = pc.unique(cells).drop_null().sort()
    return pa.DictionaryArray.from_arrays(pc.index_in(cells.combine_chunks(), texts).cast(pa.int8()), texts)


def main(source: str, target: str) -> None:
    """Read, compact, write."""
    pq.write_table(
        compact(read_adult(Path(source))),
        target,
        compression="zstd",
        compression_level=19,
        row_group_size=1 << 20,
        write_statistics=False,
        use_dictionary=list(COLUMNS),
        column_encoding={"row_id": "DELTA_BINARY_PACKED"},
    )
    print(f"{target}: {Path(target).stat().st_size:,} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:3])

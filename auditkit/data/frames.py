"""What the Python API is handed as data, as an Arrow table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from auditkit.core.errors import InputRefusedError
from auditkit.data.decode import cell_text
from auditkit.data.sources.base import refuse_duplicates

_ACCEPTED = "a pandas DataFrame, a pyarrow Table, a mapping of column names to arrays, or a list of dicts"


def to_table(data: object) -> pa.Table:
    """A pandas DataFrame, pyarrow Table, mapping of names to 1-d arrays of one length, or list of dicts as a table.

    The index of a DataFrame is dropped: positions are what names rows. NaN and None are missing.
    Raises `InputRefusedError` for anything else, and for names of columns that are no text or occur twice.
    """
    if isinstance(data, pa.Table | pa.RecordBatch):
        table = pa.table(data) if isinstance(data, pa.Table) else pa.Table.from_batches([data])
        _refuse_names(table.column_names)
        return table
    if isinstance(data, pd.DataFrame):
        _refuse_names(list(data.columns))
        columns: Mapping[Any, Any] = {name: data[name] for name in data.columns}
    elif isinstance(data, Mapping):
        _refuse_names(list(data))
        columns = data
    elif isinstance(data, Sequence) and not isinstance(data, str | bytes) and all(isinstance(r, Mapping) for r in data):
        names = list(dict.fromkeys(name for record in data for name in record))
        _refuse_names(names)
        columns = {name: [record.get(name) for record in data] for name in names}
    else:
        raise InputRefusedError(f"data: got {type(data).__name__}; expected {_ACCEPTED}")
    return _built({name: _column(name, values) for name, values in columns.items()})


def _refuse_names(names: Sequence[object]) -> None:
    if not names:
        raise InputRefusedError("data: there are no columns in it")
    for name in names:
        if not isinstance(name, str):
            raise InputRefusedError(f"data: the column name {name!r} is no text; rename it (`frame.columns = [...]`)")
    refuse_duplicates("data", [str(name) for name in names])


def _column(name: str, values: Any) -> pa.Array:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    if np.ndim(values) != 1:
        raise InputRefusedError(f"data: column {name!r} has {np.ndim(values)} dimensions; a column has one")
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        # Mixed types, such as numbers and texts in one object column: every cell as the text that it is.
        return _mixed(name, values)


def _mixed(name: str, values: Any) -> pa.Array:
    cells = [value.item() if isinstance(value, np.generic) else value for value in values]
    if any(isinstance(cell, list | dict | tuple | set | np.ndarray | bytes) for cell in cells):
        raise InputRefusedError(f"data: column {name!r} holds lists, dicts or bytes; auditkit reads numbers and texts")
    return pa.array([None if cell is pd.NA or cell is pd.NaT else cell_text(cell) for cell in cells], type=pa.string())


def _built(columns: Mapping[str, Any]) -> pa.Table:
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name!r} has {length}" for name, length in list(lengths.items())[:4])
        raise InputRefusedError(f"data: the columns differ in length: {shown}")
    return pa.table(dict(columns))

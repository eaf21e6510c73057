"""Tables from what Python users hold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from auditkit.core.errors import InputRefusedError
from auditkit.data.frames import to_table

EXPECTED = {"a": [1.0, None], "b": ["x", None]}


@pytest.mark.parametrize(
    "data",
    [
        pd.DataFrame({"a": [1.0, np.nan], "b": ["x", None]}, index=[7, 9]),
        pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": pd.Categorical(["x", None])}),
        {"a": np.array([1.0, np.nan]), "b": np.array(["x", None], dtype=object)},
        {"a": [1.0, None], "b": ["x", None]},
        pa.table(EXPECTED),
        pa.record_batch(EXPECTED),
        [{"a": 1.0, "b": "x"}, {"c": None}],
    ],
    ids=["frame", "nullable", "arrays", "lists", "table", "batch", "records"],
)
def test_same_cells(data: object) -> None:
    table = to_table(data)
    assert {name: table.column(name).to_pylist() for name in ("a", "b")} == EXPECTED


def test_mixed_columns_are_text() -> None:
    table = to_table(pd.DataFrame({"a": np.array([1, "x", None, True, 2.0, pd.NA, np.float32(3)], dtype=object)}))
    assert table.column("a").to_pylist() == ["1", "x", None, "true", "2", None, "3"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "data: two columns have the name 'a'; rename one"),
        (pd.DataFrame([[1, 2]]), "data: the column name 0 is no text"),
        (pa.table([[1], [2]], names=["a", "a"]), "data: two columns have the name 'a'"),
        ({1: [1]}, "data: the column name 1 is no text"),
        ({"a": [1], "b": [1, 2]}, "data: the columns differ in length: 'a' has 1, 'b' has 2"),
        ({"a": np.zeros((2, 2))}, "data: column 'a' has 2 dimensions"),
        ({"a": 1}, "data: column 'a' has 0 dimensions"),
        ({}, "data: there are no columns in it"),
        ([], "data: there are no columns in it"),
        ([1, 2], "data: got list; expected a pandas DataFrame"),
        (7, "data: got int; expected a pandas DataFrame"),
        ({"a": np.array([[1], "x"], dtype=object)}, "data: column 'a' holds lists"),
    ],
)
def test_refused(data: object, message: str) -> None:
    with pytest.raises(InputRefusedError) as caught:
        to_table(data)
    assert str(caught.value).startswith(message)

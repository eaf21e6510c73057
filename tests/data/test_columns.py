"""Names in the plan against columns in the files: every problem at once, with the plan's key and the nearest name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from auditkit.core.errors import PlanError
from auditkit.core.types import InputKind
from auditkit.data.columns import merged
from auditkit.data.dataset import Dataset
from auditkit.data.sources.base import Family
from auditkit.data.spec import DataSpec


def problems(splits: dict[str, Path], options: dict[str, Any] | None = None, **spec: Any) -> list[str]:
    with pytest.raises(PlanError) as caught:
        Dataset.open(DataSpec.model_validate({"splits": splits, **spec}), **(options or {}))
    return [str(problem) for problem in caught.value.problems]


@pytest.fixture
def test_file(tmp_path: Path) -> Path:
    frame = pd.DataFrame({"age": [1, 2], "sex": ["f", "m"], "race": ["a", "b"], "w": ["x", "y"], "y": [0, 1]})
    frame.to_parquet(tmp_path / "test.parquet")
    return tmp_path / "test.parquet"


def test_all_problems_at_once(test_file: Path) -> None:
    found = problems(
        {"test": test_file},
        options={"extra": ["scor"]},
        target="yy",
        sensitive=["sexx", "race", "race"],
        id="nothing_like_it",
        weight="w",
        inputs={"agee": None, "sex": "numeric"},
        groups={"rase": ["a"], "race": ["a", "a"]},
    )
    assert found == [
        "data.target: no column 'yy' in test.parquet; did you mean 'y'?",
        "data.sensitive[0]: no column 'sexx' in test.parquet; did you mean 'sex'?",
        "data.id: no column 'nothing_like_it' in test.parquet",
        "model: no column 'scor' in test.parquet",
        "data.sensitive[2]: 'race' is named twice",
        "data.groups.rase: 'rase' is not in data.sensitive; did you mean 'race'?",
        "data.groups.race: the group 'a' is listed twice",
        "data.weight: column 'w' holds text; weights are numbers",
        "data.inputs.agee: no column 'agee' in test.parquet; did you mean 'age'?",
    ]


def test_one_role_a_column(test_file: Path) -> None:
    found = problems(
        {"test": test_file},
        options={"extra": ["y"]},
        target="y",
        sensitive=["y"],
        weight="age",
        inputs={"y": None, "age": None},
    )
    assert found == [
        "data.sensitive[0]: 'y' is data.target already; one column can't be both",
        "model: 'y' is data.target already; one column can't be both",
        "data.inputs.y: 'y' is data.target; a model must not read it",
        "data.inputs.age: 'age' is data.weight; a model must not read it",
    ]


def test_splits(tmp_path: Path, test_file: Path) -> None:
    assert problems({"tset": test_file}) == [
        "data.splits: there is no split `test`, which is the one that is judged; did you mean 'tset'?"
    ]
    pd.DataFrame({"age": ["1"], "sex": ["f"], "extra": [1.0], "y": ["no"]}).to_parquet(tmp_path / "train.parquet")
    splits = {"train": tmp_path / "train.parquet", "test": test_file}
    types = "text in train.parquet, numbers in test.parquet; give it one type"
    assert problems(splits, target="y", sensitive=["sex", "race"]) == [
        f"data.target: the splits disagree about column 'y': {types}",
        "data.sensitive[1]: no column 'race' in train.parquet",
        f"data.inputs: the splits disagree about column 'age': {types}",
        "data.inputs: column 'extra' is not in test.parquet; add it there, or list the inputs here",
        "data.inputs: column 'w' is not in train.parquet; add it there, or list the inputs here",
    ]
    kinds = {"age": "numeric"}
    (tmp_path / "train.parquet").unlink()
    pd.DataFrame({"age": ["1"], "y": [1.5]}).to_parquet(tmp_path / "train.parquet")
    data = Dataset.open(DataSpec.model_validate({"splits": splits, "target": "y", "inputs": kinds}))
    assert next(iter(data.stream("train"))).inputs["age"].tolist() == [1.0]


def test_a_split_that_a_split_lacks_is_named_once_for_all_files(tmp_path: Path, test_file: Path) -> None:
    pd.DataFrame({"age": [1]}).to_parquet(tmp_path / "train.parquet")
    splits = {"train": tmp_path / "train.parquet", "test": test_file}
    assert problems(splits, target="income", inputs={"age": None}) == [
        "data.target: no column 'income' in train.parquet and test.parquet"
    ]


def test_columns_that_no_model_here_reads(tmp_path: Path) -> None:
    table = pa.table({"l": [[1], [2]], "b": pa.array([b"1", b"2"]), "y": [0, 1], "d": pa.array([0, 1], pa.date32())})
    pq.write_table(table, tmp_path / "test.parquet")
    assert problems({"test": tmp_path / "test.parquet"}, target="y", sensitive=["l"]) == [
        "data.sensitive[0]: column 'l' holds nested or binary values, which auditkit can't read here",
        "data.inputs: column 'b' holds nested or binary values, which auditkit can't read here",
    ]
    assert problems({"test": tmp_path / "test.parquet"}, target="y", inputs={"d": "numeric"}) == [
        "data.inputs.d: column 'd' holds dates, which can't be read as numeric"
    ]
    assert problems(
        {"test": tmp_path / "test.parquet"}, target="y", sensitive=["d"], options={"exclude": ["l", "b"]}
    ) == ["data.inputs: no column is left for the model to read"]


def test_inputs_that_nobody_listed(tmp_path: Path) -> None:
    """All but target, sensitive, id, weight, cluster, extra and excluded ones, and no data frame's row numbers."""
    (tmp_path / "t.csv").write_text(
        ",age,sex,job,y,w,p,c,pred,skip,zip,flag,none\n"
        "0,1,f,x,0,1,a,b,0,1,01234,True,\n1,?,m,NA,1,2,b,b,1,2,99999,False,\n"
    )
    spec = DataSpec(
        splits={"test": tmp_path / "t.csv"}, target="y", sensitive=("sex",), id="p", cluster="c", weight="w"
    )
    data = Dataset.open(spec, extra=["pred"], exclude=["skip"])
    assert {item.name: item.kind for item in data.inputs} == {
        "age": InputKind.NUMERIC,
        "job": InputKind.CATEGORICAL,
        "zip": InputKind.CATEGORICAL,
        "flag": InputKind.CATEGORICAL,
        "none": InputKind.CATEGORICAL,
    }
    assert data.notes == ("column '' was taken for a data frame's row numbers and is no input",)
    listed = DataSpec.model_validate(
        {"splits": spec.splits, "target": "y", "sensitive": ["sex"], "inputs": {"sex": None}}
    )
    assert [item.name for item in Dataset.open(listed).inputs] == ["sex"]


@pytest.mark.parametrize(
    ("families", "expected"),
    [
        ({Family.NUMERIC, Family.EMPTY}, Family.NUMERIC),
        ({Family.NUMERIC, Family.UNTYPED}, Family.NUMERIC),
        ({Family.TEXT, Family.UNTYPED}, Family.TEXT),
        ({Family.UNTYPED, Family.EMPTY}, Family.UNTYPED),
        ({Family.EMPTY}, Family.EMPTY),
        ({Family.BOOL, Family.TEXT}, Family.TEXT),
        ({Family.NUMERIC, Family.TEXT}, None),
        ({Family.NUMERIC, Family.BOOL}, None),
        ({Family.NESTED, Family.TEXT}, Family.NESTED),
    ],
)
def test_types_of_several_splits(families: set[Family], expected: Family | None) -> None:
    assert merged(families) is expected

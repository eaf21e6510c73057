"""Sensitive columns from a second table: joined as pandas joins them, and never silently missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditkit.core.errors import InputRefusedError, PlanError
from auditkit.core.types import MISSING_GROUP
from auditkit.data.dataset import ATTRIBUTES, Dataset
from auditkit.data.decode import cell_text
from auditkit.data.ids import ids_of, index_of, known_ids
from auditkit.data.spec import DataSpec
from tests.data.files import SUFFIXES, save

ROWS = 9000


def rows(seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(size=ROWS), "y": rng.integers(0, 2, ROWS)})
    frame["person"] = rng.integers(0, 3000, ROWS)
    return frame


def people(seed: int = 1) -> pd.DataFrame:
    """2,900 of 3,000 people, some attributes missing, some people twice with the same attributes."""
    rng = np.random.default_rng(seed)
    who = rng.permutation(3000)[:2900]
    frame = pd.DataFrame({"key": who, "sex": np.array(["f", "m", None], dtype=object)[rng.integers(0, 3, 2900)]})
    frame["age"] = rng.integers(18, 90, 2900)
    frame["unused"] = "u"
    return pd.concat([frame, frame.iloc[::7]]).sample(frac=1, random_state=2, ignore_index=True)


def opened(folder: Path, splits: dict[str, str], table: str, **spec: Any) -> Dataset:
    named = {split: folder / name for split, name in splits.items()}
    section = {
        "splits": named,
        "target": "y",
        "id": "person",
        "sensitive": ["sex"],
        "attributes": {"path": folder / table, "id": "key"},
        **spec,
    }
    return Dataset.open(DataSpec.model_validate(section))


def groups(data: Dataset, column: str = "sex", split: str = "test") -> list[str | None]:
    return [label for chunk in data.stream(split) for label in chunk.groups[column]]


@pytest.mark.parametrize(
    ("suffix", "second"),
    [*((suffix, "parquet") for suffix in SUFFIXES), ("parquet", "csv"), ("csv", "csv"), ("csv", "jsonl")],
)
def test_the_join_is_that_of_pandas(tmp_path: Path, suffix: str, second: str) -> None:
    frame, table = rows(), people()
    save(frame, tmp_path / f"test.{suffix}")
    save(table, tmp_path / f"people.{second}")
    spec = {"sensitive": ["sex", "age"], "bands": {"age": [50]}}
    data = opened(tmp_path, {"test": f"test.{suffix}"}, f"people.{second}", **spec)
    merged = frame.merge(table.drop_duplicates("key"), left_on="person", right_on="key", how="left")
    assert groups(data) == [None if pd.isna(v) else v for v in merged["sex"]]
    old = [None if pd.isna(v) else "50 and over" if v >= 50 else "under 50" for v in merged["age"]]
    assert groups(data, "age") == old
    without = int(merged["key"].isna().sum())
    counted = f"{without:,} of {ROWS:,} rows of test have no entry in people.{second}"
    assert f"{counted}; their group is (missing)" in data.notes
    assert data.survey.groups["sex"] == ("f", "m", MISSING_GROUP)
    assert [item.name for item in data.inputs] == ["x"]
    shards = data.shards("test", 2000)
    assert [data.read(s).groups["sex"].tolist() for s in shards[::-1]] == [
        groups(data)[s.start : s.stop] for s in shards[::-1]
    ]


@given(
    st.lists(st.sampled_from(["1", "2.0", "-3", "0", "007", "a", "", "12345678901234567890", "-0", " 1"]), max_size=30),
    st.sampled_from(["text", "int", "float", "big"]),
    st.lists(st.integers(-5, 20) | st.just(10**18 + 3), min_size=1, max_size=30),
)
@settings(max_examples=200, deadline=None)
def test_ids_are_the_same_where_their_texts_are(cells: list[str], kind: str, numbers: list[int]) -> None:
    """Against a dictionary of texts, whatever types the two columns have."""
    tables = {
        "text": pa.array(cells, pa.string()),
        "int": pa.array(numbers, pa.int64()),
        "float": pa.array([*map(float, numbers), float("nan")]),
        "big": pa.array([abs(n) for n in numbers], pa.uint64()),
    }
    others = [pa.array([*cells, None], pa.string()), pa.array([*numbers, None], pa.int64()), pa.array([1.0, 7.5, None])]

    def texts(array: pa.Array) -> list[str | None]:
        found = [cell_text(value) for value in array.to_pylist()]
        return [t[:-2] if t is not None and t.endswith(".0") and t[:-2].lstrip("-").isdigit() else t for t in found]

    index, _ = index_of(known_ids([ids_of(tables[kind])]))
    expected = list(dict.fromkeys(t for t in texts(tables[kind]) if t is not None))
    assert len(index) == len(expected)
    for other in others:
        wanted = [expected.index(t) if t in expected else -1 for t in texts(other)]
        assert index.places(ids_of(other)).tolist() == wanted


def test_two_rows_of_one_id_may_only_say_the_same(tmp_path: Path) -> None:
    save(rows(), tmp_path / "test.parquet")
    table = people()
    twice = pd.concat([table, table.iloc[[7]].assign(age=3, unused="other")], ignore_index=True)
    save(twice, tmp_path / "people.csv")
    opened(tmp_path, {"test": "test.parquet"}, "people.csv")  # another column, which nobody asks for, may differ
    with pytest.raises(InputRefusedError) as caught:
        opened(tmp_path, {"test": "test.parquet"}, "people.csv", sensitive=["age"])
    who = table["key"][7]
    assert str(caught.value) == (
        f"people.csv: two rows have the 'key' '{who}', and they differ in 'age'; keep one row for each id"
    )


def test_a_missing_value_differs_from_a_value(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("key,sex\n1,f\n1,\n")
    (tmp_path / "test.csv").write_text("person,x,y\n1,0,0\n")
    with pytest.raises(InputRefusedError, match=r"two rows have the 'key' '1'"):
        opened(tmp_path, {"test": "test.csv"}, "people.csv")


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["a", "b"], "none of the 2 rows of test has an entry in it, by 'person' here ('a') and 'key' there ('1')"),
        (["", ""], "none of the 2 rows of test has an entry in it, by 'person' here (all are missing) and 'key' there"),
        (["01", "02"], "do they name the same people?"),
    ],
)
def test_ids_that_never_match_are_refused(tmp_path: Path, ids: list[str], message: str) -> None:
    (tmp_path / "people.csv").write_text("key,sex\n1,f\n2,m\n")
    (tmp_path / "test.csv").write_text("person,x,y\n" + "".join(f"{i},0,{n}\n" for n, i in enumerate(ids)))
    with pytest.raises(InputRefusedError) as caught:
        opened(tmp_path, {"test": "test.csv"}, "people.csv")
    assert message in str(caught.value)


def test_each_split_is_counted_and_a_stranger_among_them_refused(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("key,sex\n1,f\n2,m\n,f\n")
    (tmp_path / "test.csv").write_text("person,x,y\n1.0,0,0\n,0,1\n3,0,1\n")
    (tmp_path / "train.csv").write_text("person,x,y\n2,0,0\n1,0,1\n")
    data = opened(tmp_path, {"train": "train.csv", "test": "test.csv"}, "people.csv")
    assert groups(data) == ["f", None, None]
    assert groups(data, split="train") == ["m", "f"]
    assert "2 of 3 rows of test have no entry in people.csv; their group is (missing)" in data.notes
    assert "1 rows of people.csv have no 'key' and were left out" in data.notes
    assert not any("rows of train" in note for note in data.notes)
    (tmp_path / "train.csv").write_text("person,x,y\n7,0,0\n8,0,1\n")
    with pytest.raises(InputRefusedError, match="none of the 2 rows of train"):
        opened(tmp_path, {"train": "train.csv", "test": "test.csv"}, "people.csv")


def test_the_digest_follows_the_table(tmp_path: Path) -> None:
    save(rows(), tmp_path / "test.parquet")
    save(people(), tmp_path / "people.csv")
    first = opened(tmp_path, {"test": "test.parquet"}, "people.csv")
    save(people().assign(sex="f"), tmp_path / "people.csv")
    second = opened(tmp_path, {"test": "test.parquet"}, "people.csv")
    assert first.digests["test"] == second.digests["test"]
    assert first.digests[ATTRIBUTES] != second.digests[ATTRIBUTES]
    assert any(second.digests[ATTRIBUTES] in note for note in second.notes)


def test_a_table_that_changes_while_it_is_used_is_refused(tmp_path: Path) -> None:
    save(rows(), tmp_path / "test.parquet")
    save(people(), tmp_path / "people.csv")
    with (tmp_path / "people.csv").open("ab") as stream:
        stream.write(b"5,f,1,u,too many\n")
    with pytest.raises(InputRefusedError, match=r"people.csv: data row \d+ has more cells than the header"):
        opened(tmp_path, {"test": "test.parquet"}, "people.csv")


def test_a_frame_stands_in_for_the_file() -> None:
    frame, table = rows(), people()
    spec = DataSpec.model_validate(
        {
            "splits": {"test": "-"},
            "target": "y",
            "id": "person",
            "sensitive": ["sex"],
            "attributes": {"path": "-", "id": "key"},
        }
    )
    frames = {"test": pa.Table.from_pandas(frame, preserve_index=False)}
    data = Dataset.open(spec, frames=frames, attributes=pa.Table.from_pandas(table, preserve_index=False))
    merged = frame.merge(table.drop_duplicates("key"), left_on="person", right_on="key", how="left")
    assert groups(data) == [None if pd.isna(v) else v for v in merged["sex"]]


def problems(folder: Path, **spec: Any) -> list[str]:
    save(rows(), folder / "test.parquet")
    save(people(), folder / "people.csv")
    with pytest.raises(PlanError) as caught:
        opened(folder, {"test": "test.parquet"}, spec.pop("table", "people.csv"), **spec)
    return [str(problem) for problem in caught.value.problems]


def test_what_is_wrong_with_the_plan(tmp_path: Path) -> None:
    assert problems(tmp_path, sensitive=["sexx", "agee", "z"]) == [
        "data.sensitive[0]: no column 'sexx' in test.parquet or people.csv; did you mean 'sex'?",
        "data.sensitive[1]: no column 'agee' in test.parquet or people.csv; did you mean 'age'?",
        "data.sensitive[2]: no column 'z' in test.parquet or people.csv",
    ]
    table = {"path": tmp_path / "people.csv", "id": "kee"}
    assert problems(tmp_path, id=None) == [
        "data.id: is required with `data.attributes`: the column of the splits that people.csv is joined by"
    ]
    assert problems(tmp_path, id="persn", attributes=table) == [
        "data.id: no column 'persn' in test.parquet; did you mean 'person'?",
        "data.attributes.id: no column 'kee' in people.csv; did you mean 'key'?",
    ]
    assert problems(tmp_path, attributes={"path": tmp_path / "people.csv"}) == [
        "data.attributes: no column 'person' in people.csv; name its column of ids in `data.attributes.id`"
    ]
    assert problems(tmp_path, table="poeple.csv") == [
        "data.attributes.path: no file 'poeple.csv'; did you mean 'people.csv'?"
    ]


def test_a_column_of_some_splits_is_not_taken(tmp_path: Path) -> None:
    save(rows().assign(sex="f"), tmp_path / "train.parquet")
    save(rows(), tmp_path / "test.parquet")
    save(people(), tmp_path / "people.csv")
    with pytest.raises(PlanError) as caught:
        opened(tmp_path, {"train": "train.parquet", "test": "test.parquet"}, "people.csv")
    assert "no column 'sex' in test.parquet; people.csv gives only columns that no split has" in str(caught.value)
    data = opened(tmp_path, {"test": "train.parquet"}, "people.csv")
    assert set(groups(data)) == {"f"}
    assert "people.csv is not used: the splits have every sensitive column themselves" in data.notes


def test_nested_attributes_are_refused(tmp_path: Path) -> None:
    save(rows(), tmp_path / "test.parquet")
    people().assign(sex=[["f"]] * len(people())).to_parquet(tmp_path / "people.parquet")
    with pytest.raises(PlanError, match=r"data.attributes: column 'sex' of people.parquet holds nested"):
        opened(tmp_path, {"test": "test.parquet"}, "people.parquet")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "people.csv: the file is empty"),
        (b"key,sex\n", "people.csv: there are column names in it, but no rows"),
        (b"<!doctype html><p>404", "people.csv: this is an HTML or XML page"),
        (b"key,sex,sex\n1,f,m\n", "people.csv: two columns have the name 'sex'"),
        (b"key,sex\n1," + b"f" * 70_000 + b"\n", "takes 70,000 bytes"),
        (b"key,sex\n" + b"1" * 70_000 + b",f\n", "people.csv: data row 1, column 'key' takes 70,000 bytes"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "people.csv").write_bytes(content)
    (tmp_path / "test.csv").write_text("person,x,y\n1,0,0\n1,1,1\n")
    with pytest.raises(InputRefusedError) as caught:
        opened(tmp_path, {"test": "test.csv"}, "people.csv")
    assert message in str(caught.value)

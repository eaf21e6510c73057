"""Bands of the columns of a data set: in every format, over all splits, as the plan says, and what is never cut."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditkit.core.errors import PlanError
from auditkit.core.types import MISSING_GROUP
from auditkit.data.dataset import Dataset
from auditkit.data.distribution import MAX_EXACT
from auditkit.data.spec import DataSpec
from tests.data.bands import ages, holds
from tests.data.files import SUFFIXES, dataset, save


def table(rows: int = 4000, **columns: Any) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    return pd.DataFrame({"x": rng.normal(size=rows), "y": rng.integers(0, 2, rows), **columns})


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_numeric_column_is_cut_at_quintiles_in_every_format(tmp_path: Path, suffix: str) -> None:
    age = ages().astype(float)
    age[::50] = np.nan
    data = dataset(save(table(age=age), tmp_path / f"t.{suffix}"), target="y", sensitive=["age"])
    known = np.sort(age[~np.isnan(age)])
    edges = sorted({float(known[round(len(known) * k / 5)]) for k in range(1, 5)})
    assert data.survey.bands["age"].edges == pytest.approx(edges, abs=1)
    assert data.survey.groups["age"] == (*data.survey.bands["age"].names, MISSING_GROUP)
    (chunk,) = data.stream("test")
    labels = chunk.groups["age"]
    assert [label is None for label in labels] == np.isnan(age).tolist()
    assert all(holds(label, value) for label, value in zip(labels, age, strict=True) if label is not None)
    sizes = pd.Series(labels).value_counts()
    assert sizes.min() > 0.17 * len(known)
    assert sum("'age' was cut into bands at quintiles" in note for note in data.notes) == 1


def test_edges_come_from_all_splits_together(tmp_path: Path) -> None:
    for name, low in (("train", 0), ("test", 50)):
        save(table(5000, age=np.arange(5000) % 50 + low), tmp_path / f"{name}.parquet")
    splits = {name: tmp_path / f"{name}.parquet" for name in ("train", "test")}
    spec = DataSpec.model_validate({"splits": splits, "target": "y", "sensitive": ["age"]})
    data = Dataset.open(spec)
    assert data.survey.bands["age"].edges == (20, 40, 60, 80)
    seen = set(np.concatenate([c.groups["age"] for c in data.stream("test")]))
    assert seen == {"40 to 59", "60 to 79", "80 and over"}
    assert Dataset.open(spec, max_rows=100).survey.bands == data.survey.bands


@pytest.mark.parametrize(
    ("cells", "groups"),
    [
        ([str(i % 10) for i in range(400)], tuple(map(str, range(10)))),
        (["7"] * 400, ("7",)),
        ([""] * 400, (MISSING_GROUP,)),
        ([f"{i:03d}" for i in range(400)], None),
        ([f"{i % 50}{'x' * (i == 99)}" for i in range(400)], None),
        (["inf", "-inf"] * 200, ("-inf", "inf")),
        (["NA", "1"] * 200, ("1", "NA")),
        (["0", "-0", "-0.0"] * 100, ("-0", "0")),
        (["true", "false"] * 200, ("false", "true")),
    ],
)
def test_what_stays_as_it_is(tmp_path: Path, cells: list[str], groups: tuple[str, ...] | None) -> None:
    (tmp_path / "t.csv").write_text("y,x,g\n" + "".join(f"{i % 2},{i},{cell}\n" for i, cell in enumerate(cells)))
    data = dataset(tmp_path / "t.csv", target="y", sensitive=["g"])
    assert data.survey.bands == {}
    if groups is None:
        groups = tuple(sorted(set(cells), key=lambda t: (float(t) if t.isdigit() else math.inf, t)))
    assert data.survey.groups["g"] == groups


def test_eleven_values_are_cut_ten_and_ids_are_not(tmp_path: Path) -> None:
    frame = table(ten=np.arange(4000) % 10, eleven=np.arange(4000) % 11, row=np.arange(4000), half=np.arange(4000) / 2)
    data = dataset(save(frame, tmp_path / "t.parquet"), target="y", sensitive=["ten", "eleven", "row", "half"])
    assert list(data.survey.bands) == ["eleven", "half"]
    assert data.survey.groups["ten"] == tuple(map(str, range(10)))
    assert len(data.survey.groups["row"]) == 4000
    assert any("'row' holds whole numbers that nearly all differ" in note for note in data.notes)


def test_declared_groups_keep_a_column_uncut(tmp_path: Path) -> None:
    path = save(table(grade=np.arange(4000) % 13), tmp_path / "t.parquet")
    data = dataset(path, target="y", sensitive=["grade"], groups={"grade": [3, 99]})
    assert data.survey.bands == {}
    assert data.survey.groups["grade"][:3] == ("3", "99", "0")


def test_types_of_other_kinds_are_never_cut(tmp_path: Path) -> None:
    frame = table(
        flag=np.arange(4000) % 2 == 0,
        day=pd.to_datetime("2024-01-01") + pd.to_timedelta(np.arange(4000) % 40, unit="D"),
        kind=pd.Categorical(np.arange(4000) % 40),
        name=pd.Series((np.arange(4000) % 40).astype(str), dtype=object),
    )
    data = dataset(save(frame, tmp_path / "t.arrow"), target="y", sensitive=["flag", "day", "kind", "name"])
    assert data.survey.bands == {}
    assert data.survey.groups["flag"] == ("false", "true")
    assert data.survey.groups["day"][0] == "2024-01-01T00:00:00"
    assert data.survey.groups["kind"][:3] == data.survey.groups["name"][:3] == ("0", "1", "2")


def test_splits_of_mixed_types(tmp_path: Path) -> None:
    """A typed split and a text file of numbers are cut alike; a text among them keeps the column as it is."""
    save(table(age=ages()), tmp_path / "train.parquet")
    spec = DataSpec.model_validate(
        {
            "splits": {"train": tmp_path / "train.parquet", "test": tmp_path / "test.csv"},
            "target": "y",
            "sensitive": ["age"],
        }
    )
    lines = [f"0,{i % 2},{cell}\n" for i, cell in enumerate(["20", "20.0", " 21", "2e1", "", "NA", "inf"])]
    (tmp_path / "test.csv").write_text("x,y,age\n" + "".join(lines))
    data = Dataset.open(spec)
    first, last = data.survey.bands["age"].names[0], data.survey.bands["age"].names[-1]
    (chunk,) = data.stream("test")
    assert chunk.groups["age"].tolist() == [first, first, first, first, None, "NA", last]
    assert data.survey.groups["age"][-2:] == ("NA", MISSING_GROUP)
    assert any("1 infinite values are in the end bands" in note for note in data.notes)
    (tmp_path / "test.csv").write_text("x,y,age\n0,1,20.0\n0,0,unknown\n")
    data = Dataset.open(spec)
    assert data.survey.bands == {}
    assert data.survey.groups["age"][-1] == "unknown"
    cut = spec.model_copy(update={"bands": {"age": (30.0,)}})
    with pytest.raises(PlanError, match=r"data.bands.age: test.csv holds 'unknown' in column 'age'"):
        Dataset.open(cut)


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        ([25, 45, 65], ("under 25", "25 to 44", "45 to 64", "65 and over")),
        ([25.5], ("under 25.5", "25.5 and over")),
        (2, ("under 54", "54 and over")),
        ([10, 50], ("10 to 49", "50 and over")),
    ],
)
def test_the_plans_rule(tmp_path: Path, rule: Any, names: tuple[str, ...]) -> None:
    values = np.arange(18, 90).repeat(20)
    path = save(table(len(values), age=values), tmp_path / "t.csv")
    data = dataset(path, target="y", sensitive=["age"], bands={"age": rule})
    assert data.survey.groups["age"] == names
    if rule == [10, 50]:
        assert any("no row is in 'under 10'" in note for note in data.notes)


def test_the_plan_can_forbid_and_ask_for_bands(tmp_path: Path) -> None:
    path = save(table(age=ages(), few=np.arange(4000) % 3, one=7, row=np.arange(4000)), tmp_path / "t.parquet")
    rules = {"age": "none", "few": [1], "one": 3, "row": 4}
    data = dataset(path, target="y", sensitive=["age", "few", "one", "row"], bands=rules)
    assert list(data.survey.bands) == ["few", "row"]
    assert len(data.survey.groups["age"]) == 73
    assert data.survey.groups["few"] == ("under 1", "1 and over")
    assert data.survey.groups["one"] == ("7",)
    assert data.survey.groups["row"] == ("under 1000", "1000 to 1999", "2000 to 2999", "3000 and over")


def test_declared_bands_must_be_there(tmp_path: Path) -> None:
    path = save(table(age=ages()), tmp_path / "t.parquet")
    options: dict[str, Any] = {"target": "y", "sensitive": ["age"], "bands": {"age": [10, 40]}}
    data = dataset(path, groups={"age": ["40 and over", "under 10"]}, **options)
    assert data.survey.groups["age"] == ("under 10", "10 to 39", "40 and over")
    with pytest.raises(PlanError, match=r"data.groups.age: '10-39' is no band of 'age': .*did you mean '10 to 39'\?"):
        dataset(path, groups={"age": ["10-39"]}, **options)


def bad(tmp_path: Path, **spec: Any) -> list[str]:
    path = tmp_path / "t.csv"
    rows = "".join(f"0,{i % 2},{i % 40},{'fm'[i % 2]},{i % 40:02d}\n" for i in range(200))
    path.write_text("x,y,age,sex,code\n" + rows)
    with pytest.raises(PlanError) as caught:
        dataset(path, target="y", sensitive=["age", "sex", "code"], **spec)
    return [str(problem) for problem in caught.value.problems]


def test_bands_of_what_can_not_be_cut(tmp_path: Path) -> None:
    assert bad(tmp_path, bands={"agee": [1], "sexx": 3}) == [
        "data.bands.agee: 'agee' is not in data.sensitive; did you mean 'age'?",
        "data.bands.sexx: 'sexx' is not in data.sensitive; did you mean 'sex'?",
    ]
    assert bad(tmp_path, bands={"sex": 3, "code": [5]}) == [
        "data.bands.sex: t.csv holds 'f' in column 'sex', which is no number; bands are for numbers",
        "data.bands.code: column 'code' holds numbers with leading zeros, as codes have them; bands are for quantities",
    ]
    frame = table(sex=np.array(["f", "m"])[np.arange(4000) % 2])
    with pytest.raises(PlanError, match=r"data.bands.sex: column 'sex' holds text; bands are for numbers"):
        dataset(save(frame, tmp_path / "t.parquet"), target="y", sensitive=["sex"], bands={"sex": [1]})


def test_a_million_different_numbers(tmp_path: Path) -> None:
    """Cut by the sketch: bands of a fifth each, the note says how exact, and the many values are nowhere kept."""
    rng = np.random.default_rng(5)
    values = np.exp(rng.normal(10, 1, 1_000_000))
    pq.write_table(pa.table({"y": rng.integers(0, 2, len(values)), "wealth": values}), tmp_path / "t.parquet")
    data = dataset(tmp_path / "t.parquet", target="y", sensitive=["wealth"], options={"read_inputs": False})
    bands = data.survey.bands["wealth"]
    assert data.survey.groups["wealth"] == bands.names
    assert len(np.unique(values)) > MAX_EXACT
    assert np.bincount(bands.places(values)) / len(values) == pytest.approx([0.2] * 5, abs=0.02)
    assert any("to within 0.2% of a number" in note for note in data.notes)


def test_numbers_that_no_float_tells_apart_stay_as_they_are(tmp_path: Path) -> None:
    """Whole numbers beyond 2^53: bands of them would be a guess."""
    big = [2**62 + i % 40 for i in range(4000)]
    data = dataset(save(table(g=big), tmp_path / "t.parquet"), target="y", sensitive=["g"])
    assert data.survey.bands == {}
    assert data.survey.groups["g"] == tuple(str(2**62 + i) for i in range(40))


@given(
    st.lists(
        st.sampled_from(["a", "A", "a ", "NA", "1", "1.0", "01", "", "inf", "nan", "(missing)", "true"]), min_size=1
    ),
    st.sampled_from([{}, {"g": "none"}]),
)
@settings(max_examples=60, deadline=None)
def test_texts_among_numbers_are_groups_of_their_own(cells: list[str], rule: Any) -> None:
    """With a text that is no number, every distinct text is a group, whatever rule there is."""
    spec = DataSpec.model_validate({"splits": {"test": "-"}, "target": "y", "sensitive": ["g"], "bands": rule})
    frame = pa.table({"x": [0.5] * len(cells), "y": [0] * len(cells), "g": pa.array(cells, pa.string())})
    data = Dataset.open(spec, frames={"test": frame})
    (chunk,) = data.stream("test")
    expected = ["'(missing)'" if cell == "(missing)" else cell for cell in cells]
    assert chunk.groups["g"].tolist() == expected
    assert set(data.survey.groups["g"]) == set(expected)
    assert ("g" in data.survey.group_warnings) == (len({"a", "A", "a "} & set(cells)) > 1)

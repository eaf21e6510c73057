"""The survey: labels, groups, missing cells, weights, and groups that look alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from auditkit.core.errors import InputRefusedError
from auditkit.core.types import MISSING_GROUP
from auditkit.data.dataset import Dataset
from auditkit.data.spec import DataSpec
from auditkit.data.survey import MAX_LABELS, look_alikes
from tests.data.files import SUFFIXES, dataset, save


def test_a_group_named_na_is_a_group(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('x,sex,y\n1,NA,yes\n2,None,NA\n3,,no\n4,"",\n5,nan,yes\n6,(missing),no\n')
    data = dataset(path, target="y", sensitive=["sex"])
    # A quoted empty cell is the text that it is, and a text that reads like the missing group's name is told apart.
    assert data.survey.groups == {"sex": ("", "'(missing)'", "NA", "None", "nan", MISSING_GROUP)}
    assert data.survey.labels == ("NA", "no", "yes")
    assert data.survey.target_missing == {"test": 1}
    (chunk,) = data.stream("test")
    assert chunk.groups["sex"].tolist() == ["NA", "None", None, "", "nan", "'(missing)'"]
    assert chunk.target is not None
    assert chunk.target.to_pylist() == ["yes", "NA", "no", None, "yes", "no"]


@pytest.mark.parametrize("suffix", [s for s in SUFFIXES if s not in ("csv", "tsv")])
def test_a_group_named_na_in_typed_files(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"x": [1, 2, 3], "sex": np.array(["NA", "None", None], dtype=object), "y": [0, 1, 0]})
    data = dataset(save(frame, tmp_path / f"t.{suffix}"), target="y", sensitive=["sex"])
    assert data.survey.groups == {"sex": ("NA", "None", MISSING_GROUP)}


def test_groups_are_the_union_over_splits_declared_first(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("x,g,y\n1,b,0\n1,,1\n")
    (tmp_path / "test.csv").write_text("x,g,y\n1,a,0\n1,c,1\n")
    spec = DataSpec(
        splits={"train": tmp_path / "train.csv", "test": tmp_path / "test.csv"},
        target="y",
        sensitive=("g",),
        groups={"g": ("z", "c")},
    )
    survey = Dataset.open(spec).survey
    assert survey.groups == {"g": ("z", "c", "a", "b", MISSING_GROUP)}
    assert survey.rows == {"train": 2, "test": 2}


@pytest.mark.parametrize(
    ("cells", "numeric", "integral", "labels", "missing"),
    [
        (["0", "1", "10", "2"], True, True, ("0", "1", "2", "10"), 0),
        (["0.0", "1.0", "", "NA"], True, True, ("0", "1"), 2),
        (["0.5", "1", "2"], True, False, ("0.5", "1", "2"), 0),
        (["yes", "no", ""], False, False, ("no", "yes"), 1),
        (["01", "02"], False, False, ("01", "02"), 0),
        (["NA", "None"], False, False, ("NA", "None"), 0),
        (["1", "x", "1.0"], False, False, ("1", "1.0", "x"), 0),
    ],
)
def test_targets_of_text_files(
    tmp_path: Path, cells: list[str], numeric: bool, integral: bool, labels: tuple[str, ...], missing: int
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x,y\n" + "".join(f"1,{cell}\n" for cell in cells))
    survey = dataset(path, target="y").survey
    assert (survey.target_numeric, survey.target_integral) == (numeric, integral)
    assert survey.labels == labels
    assert survey.target_distinct == len(labels)
    assert survey.target_missing == {"test": missing}


def test_labels_are_text_whatever_the_type(tmp_path: Path) -> None:
    for values, labels in (
        ([1.0, 0.0, np.nan], ("0", "1")),
        ([True, False, None], ("false", "true")),
        (pd.Categorical(["b", "a", None], categories=["b", "unused", "a"]), ("a", "b")),
        (pd.to_datetime(["2024-05-01", "2023-01-01", None]), ("2023-01-01T00:00:00", "2024-05-01T00:00:00")),
    ):
        pd.DataFrame({"x": [1, 2, 3], "y": values}).to_parquet(tmp_path / "t.parquet")
        survey = dataset(tmp_path / "t.parquet", target="y").survey
        assert survey.labels == labels
        assert survey.target_missing == {"test": 1}


def test_too_many_labels_are_not_listed(tmp_path: Path) -> None:
    for distinct, known in ((MAX_LABELS, MAX_LABELS), (MAX_LABELS + 1, None)):
        pq.write_table(pa.table({"x": range(distinct), "y": np.arange(distinct) / 7}), tmp_path / "t.parquet")
        survey = dataset(tmp_path / "t.parquet", target="y").survey
        assert survey.target_distinct == known
        assert (survey.labels is None) == (known is None)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ("-1", "data row 2, column 'w' holds -1; a weight is a finite number that is not negative"),
        ("", "data row 2, column 'w' is missing"),
        ("inf", "data row 2, column 'w' holds inf"),
        ("heavy", "data row 2, column 'w' holds 'heavy', which is no number"),
    ],
)
def test_weights(tmp_path: Path, weight: str, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"x,y,w\n1,0,0.5\n1,1,{weight}\n")
    with pytest.raises(InputRefusedError) as caught:
        dataset(path, target="y", weight="w")
    assert str(caught.value).startswith(f"t.csv: {message}")


def test_look_alikes(tmp_path: Path) -> None:
    assert look_alikes(["Female", "Male"]) is None
    assert look_alikes(["Fe male", "Female"]) is None
    warning = look_alikes(["Female", "female ", "Fe\u200bmale", "Male"])
    assert warning is not None
    assert "'Female' and 'female ' and 'Fe\\u200bmale'" in warning
    assert "Male'" not in warning.replace("Female'", "")
    path = tmp_path / "t.csv"
    path.write_text("x,g,h,y\n1,A,A,0\n1,a,B,1\n")
    data = dataset(path, target="y", sensitive=["g", "h"])
    assert list(data.survey.group_warnings) == ["g"]


def test_clusters(tmp_path: Path) -> None:
    """A row without a cluster is its own."""
    path = tmp_path / "t.csv"
    path.write_text("x,y,c\n1,0,1\n1,1,\n1,0,1.0\n1,0,\n1,0,2\n")
    (chunk,) = dataset(path, target="y", cluster="c").stream("test")
    assert chunk.cluster is not None
    codes = np.unique(chunk.cluster, return_inverse=True)[1]
    assert codes[0] == codes[2]
    assert len(set(codes.tolist())) == 4

"""Shares of a reference population: read, normalised, and held against the groups that the data has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from auditkit.core.errors import PlanError
from auditkit.data.dataset import Dataset
from auditkit.data.spec import DataSpec
from tests.data.files import dataset


@pytest.fixture
def path(tmp_path: Path) -> Path:
    rows = "".join(f"{i},{i % 2},{('Female', 'Male', '')[i % 3]},{20 + i % 50},{i % 2}\n" for i in range(600))
    (tmp_path / "t.csv").write_text("x,y,sex,age,zone\n" + rows)
    return tmp_path / "t.csv"


def opened(path: Path, **population: Any) -> Dataset:
    return dataset(path, target="y", sensitive=["sex", "age", "zone"], population=population)


def test_shares_are_normalised_by_column(path: Path) -> None:
    data = opened(path, sex={"Female": 0.505, "Male": 0.5}, zone={0: 0.25, 1: 0.75})
    shares = data.spec.reference_shares
    assert shares["sex"] == pytest.approx({"Female": 0.505 / 1.005, "Male": 0.5 / 1.005})
    assert sum(shares["sex"].values()) == pytest.approx(1, abs=1e-15)
    assert shares["zone"] == {"0": 0.25, "1": 0.75}
    assert data.spec.population["sex"]["Female"] == 0.505
    assert not any("population" in note for note in data.notes)


def test_groups_that_one_side_lacks_are_told(path: Path) -> None:
    data = opened(path, sex={"Female": 0.6, "Unknown to this data": 0.4})
    notes = [note for note in data.notes if "population" in note]
    assert notes == [
        "data.population.sex: no row of any split has the group 'Unknown to this data'",
        "data.population.sex gives no share for 'Male'",
    ]


@pytest.mark.parametrize(
    ("population", "message"),
    [
        ({"sexx": {"a": 1.0}}, "data.population.sexx: 'sexx' is not in data.sensitive; did you mean 'sex'?"),
        ({"sex": {"Femal": 0.5, "Male": 0.5}}, "sex: no row has the group 'Femal'; did you mean 'Female'?"),
        ({"sex": {"FEMALE ": 0.5, "Male": 0.5}}, "sex: no row has the group 'FEMALE '; did you mean 'Female'?"),
        (
            {"age": {"under 30": 0.5, "30 to 39": 0.2, "40 and over": 0.3}},
            "data.population.age: no band of 'age' is called 'under 30': 'under 30.5'",
        ),
    ],
)  # fmt: skip
def test_misspelt_groups_and_columns(path: Path, population: Any, message: str) -> None:
    spec = {"target": "y", "sensitive": ["sex", "age"], "bands": {"age": [30.5]}, "population": population}
    with pytest.raises(PlanError) as caught:
        dataset(path, **spec)
    assert message in str(caught.value)


def test_bands_have_shares_by_name(path: Path) -> None:
    shares = {"under 30": 0.2, "30 to 39": 0.5, "40 and over": 0.3}
    data = dataset(path, target="y", sensitive=["age"], bands={"age": [30, 40]}, population={"age": shares})
    assert data.spec.reference_shares["age"] == pytest.approx(shares)
    assert set(shares) == set(data.survey.groups["age"])


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"population": {"sex": {"F": 51, "M": 49}}}, "the shares add up to 100, not to 1; write 0.51 for 51%"),
        ({"population": {"sex": {"F": 0.5, "M": 0.4}}}, "the shares add up to 0.9, not to 1"),
        ({"population": {"sex": {"F": 1.0, "M": 0.0}}}, "the share of 'M' is 0; a share is above 0"),
        ({"population": {"sex": {"F": 1.5, "M": -0.5}}}, "the share of 'M' is -0.5"),
        ({"population": {"sex": {"F": float("nan")}}}, "the share of 'F' is nan"),
        ({"population": {"sex": {}}}, "names no group"),
        ({"bands": {"age": [45, 25]}}, "the edges must increase, but 25 comes after 45"),
        ({"bands": {"age": [25, 25.0]}}, "the edges must increase, but 25 comes after 25"),
        ({"bands": {"age": [0, float("nan")]}}, "the edge nan is not finite"),
        ({"bands": {"age": [0, float("inf")]}}, "the edge inf is not finite"),
        ({"bands": {"age": [10**400]}}, "is not finite"),
        ({"bands": {"age": []}}, "names no edge"),
        ({"bands": {"age": ["25"]}}, "found '25' among the edges"),
        ({"bands": {"age": [True]}}, "found True among the edges"),
        ({"bands": {"age": 1}}, "expected 2 to 50 bands, found 1; a single edge is written [1]"),
        ({"bands": {"age": 10**6}}, "expected 2 to 50 bands"),
        ({"bands": {"age": list(range(60))}}, "names 60 edges; at most 50 bands are made"),
        ({"bands": {"age": None}}, "expected edges such as [25, 45, 65], a number of bands, or `none`, found None"),
        ({"bands": {"age": "no"}}, "found 'no'"),
        ({"bands": {"age": 2.5}}, "found 2.5"),
    ],
)
def test_wrong_sections(section: Any, message: str) -> None:
    """As a plan file hands them over, and as Python does."""
    whole = {"splits": {"test": "t.csv"}, **section}
    with pytest.raises(ValidationError) as caught:
        DataSpec.model_validate(whole)
    assert message in str(caught.value)
    if not any(isinstance(cell, int) and cell > 10**300 for cell in _cells(section)):
        with pytest.raises(ValidationError) as caught:
            DataSpec.model_validate_json(json.dumps(whole), strict=True)
        assert message in str(caught.value)


def _cells(section: Any) -> list[Any]:
    rule = next(iter(section.values())).get("age")
    return rule if isinstance(rule, list) else []

"""The vendored census data is what UCI published, and the script that made it makes it again."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import auditkit.demos
from auditkit.core.types import InputKind
from tests.data.files import dataset

ROOT = Path(__file__).parents[2]
ADULT = Path(auditkit.demos.__file__).parent / "data" / "adult.parquet"


def test_the_counts_are_ucis() -> None:
    """The number of rows is that of adult.names; the other counts were taken from adult.data with grep."""
    data = dataset(ADULT, target="income", positive=">50K", sensitive=["sex", "race"], id="row_id")
    assert data.survey.rows == {"test": 32_561}
    assert data.survey.labels == ("<=50K", ">50K")
    assert data.survey.groups["sex"] == ("Female", "Male")
    assert data.survey.groups["race"] == ("Amer-Indian-Eskimo", "Asian-Pac-Islander", "Black", "Other", "White")
    kinds = {item.name: item.kind for item in data.inputs}
    assert len(kinds) == 12
    assert sum(kind is InputKind.NUMERIC for kind in kinds.values()) == 6
    chunks = list(data.stream("test"))
    sex = np.concatenate([chunk.groups["sex"] for chunk in chunks])
    assert (sex == "Female").sum() == 10_771
    income = np.concatenate([chunk.target.to_numpy(zero_copy_only=False) for chunk in chunks])
    assert (income == ">50K").sum() == 7_841
    assert round((income == ">50K").mean(), 4) == 0.2408
    missing = {name: sum(int(np.equal(c.inputs[name], None).sum()) for c in chunks) for name in kinds}
    known = {"workclass": 1836, "occupation": 1843, "native_country": 583}
    assert missing == {name: known.get(name, 0) for name in kinds}


def test_it_is_compact_and_in_ucis_order() -> None:
    assert ADULT.stat().st_size < 450_000
    table = pq.read_table(ADULT)
    assert table.column("row_id").to_pylist() == list(range(32_561))
    first = {name: column[0] for name, column in table.to_pydict().items()}
    assert (first["age"], first["workclass"], first["fnlwgt"], first["income"]) == (39, "State-gov", 77_516, "<=50K")
    assert pc.sum(table.column("fnlwgt")).as_py() == 6_179_373_392


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_adult", ROOT / "examples" / "census" / "make_adult.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_script_makes_it_again(script: ModuleType, tmp_path: Path) -> None:
    """From the vendored rows written out as UCI writes them, the same table comes back."""
    table = pq.read_table(ADULT).drop_columns(["row_id"])
    rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
    lines = [", ".join("?" if cell is None else str(cell) for cell in row) for row in rows]
    (tmp_path / "adult.data").write_text("\n".join(lines) + "\n\n")
    script.main(str(tmp_path / "adult.data"), str(tmp_path / "out.parquet"))
    assert pq.read_table(tmp_path / "out.parquet").equals(pq.read_table(ADULT))

"""Rows: CSV rows longer than the header, duplicate columns, a named column that is absent → exit 4 (data) or 2 (plan),
with the row or the nearest name. The group named "NA" or "None" → a group of that name; only truly missing cells are
missing. Groups that differ by case, white space or invisible characters → warn, name them."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import plain
from tests.hostile.table.project import COMMANDS, Cli, call, error_line, findings, frame


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("y,p,sex\n1,1,f\n0,0,m,7\n", "data row 2 has more cells than the header (4 instead of 3)"),
        ("y,p,sex\n1,1,f,\n0,0,m,\n", "data row 1 has more cells than the header (4 instead of 3)"),
        ("y,p,sex\n1,1,f\n0,0\n", "data row 2 has fewer cells than the header (2 instead of 3)"),
        ("y,p,sex,p\n1,1,f,0\n", "two columns have the name 'p'"),
    ],
    ids=["longer", "longer everywhere", "shorter", "duplicate"],
)
def test_a_table_that_does_not_fit_its_header(
    auditkit: Cli, tmp_path: Path, command: str, text: str, message: str
) -> None:
    """Where all rows are longer, pandas takes the first column for an index, and shifts the rest without a word."""
    (tmp_path / "d.csv").write_text(text)
    answer = call(auditkit, command, tmp_path / "d.csv")
    assert answer.code == 4, answer.text
    assert error_line(answer).startswith("d.csv: ")
    assert message in error_line(answer)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"target": "yy"}, "no column 'yy' in d.csv; did you mean 'y'?"),
        ({"prediction": "pp"}, "no column 'pp' in d.csv; did you mean 'p'?"),
        ({"group": "sexx"}, "no column 'sexx' in d.csv; did you mean 'sex'?"),
        ({"group": "SEX"}, "no column 'SEX' in d.csv; did you mean 'sex'?"),
    ],
)
def test_a_column_that_is_absent(
    auditkit: Cli, tmp_path: Path, command: str, names: dict[str, str], message: str
) -> None:
    frame(50).to_csv(tmp_path / "d.csv", index=False)
    answer = call(auditkit, command, tmp_path / "d.csv", **names)
    assert answer.code == 2, answer.text
    assert message in answer.err
    if command == "run":
        assert "line 1: " in answer.err


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
@pytest.mark.parametrize("label", ["NA", "None"])
def test_a_group_of_that_name(auditkit: Cli, tmp_path: Path, command: str, suffix: str, label: str) -> None:
    data = frame()
    data["sex"] = data.sex.where(data.sex == "Male", label).astype(object)
    data.loc[:199, "sex"] = None
    path = tmp_path / f"d.{suffix}"
    save(data, path)
    assert call(auditkit, command, path, group="sex").code == 0
    seen = {group for f in findings(tmp_path / f"out-{command}") for group in f["scope"].get("compared") or ()}
    assert seen == {"(missing)", "Male", label}


def save(data: pd.DataFrame, path: Path) -> None:
    if path.suffix == ".csv":
        data.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        data.to_parquet(path, index=False)
    else:
        lines = (json.dumps(row) for row in data.to_dict(orient="records"))
        path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("label", "shown"),
    [("male", "male"), ("MALE", "MALE"), (" Male", " Male"), ("Male\u200b", "Male"), ("Ma\u00adle", "le")],
    ids=["case", "capitals", "white space", "zero width space", "soft hyphen"],
)
def test_groups_that_look_alike_are_named(auditkit: Cli, tmp_path: Path, command: str, label: str, shown: str) -> None:
    data = frame()
    data.loc[::3, "sex"] = label
    data.to_csv(tmp_path / "d.csv", index=False)
    assert call(auditkit, command, tmp_path / "d.csv", group="sex").code == 0
    warned = [f for f in findings(tmp_path / f"out-{command}") if f["status"] == "warn"]
    texts = [plain(f"{f['title']} {f['explanation']} {f['reason']} {json.dumps(f['tables'])}") for f in warned]
    assert any("Male" in text and shown.strip() in text and "sex" in text for text in texts), texts

"""Bands, a second table and a population from a plan, from the command line and from Python, on UCI Adult."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import auditkit as api
from auditkit.core.audit import Audit
from auditkit.core.errors import PlanError
from auditkit.report.reproduce import command
from tests.conftest import Answer, plain

Cli = Callable[..., Answer]

PLAN = """\
name: adult
model: {kind: predictions, prediction: p}
data:
  splits: {test: data/test.parquet}
  target: income
  positive: ">50K"
  id: row_id
  sensitive: [sex, age]
  attributes: {path: data/people.csv, id: person}
  population: {sex: {Female: 0.51, Male: 0.49}}
gates:
  - {check: bias.groups, metric: false_positive_rate_difference, by: sex, max: 0.10}
  - {check: bias.groups, metric: true_positive_rate, by: age, group: "26 to 33", min: 0.5}
"""
FPR = "false_positive_rate_difference"
LABELS = ["--target", "income", "--prediction", "p", "--positive", ">50K"]


@pytest.fixture(scope="module")
def adult() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Decisions with 10% errors, one in five among women who earn little; and who the people are, in another order."""
    with resources.as_file(resources.files("auditkit.demos") / "data" / "adult.parquet") as path:
        frame = pd.read_parquet(path)
    rng = np.random.default_rng(0)
    rich = (frame["income"] == ">50K").to_numpy()
    error = np.where((frame["sex"] == "Female") & ~rich, 0.2, 0.1)
    frame["p"] = np.where((rng.random(len(frame)) < error) ^ rich, ">50K", "<=50K")
    people = frame[["row_id", "sex", "age"]].rename(columns={"row_id": "person"}).sample(frac=0.98, random_state=1)
    return frame[["row_id", "income", "p", "hours_per_week", "sex", "age"]], people


@pytest.fixture
def folder(tmp_path: Path, adult: tuple[pd.DataFrame, pd.DataFrame]) -> Path:
    (tmp_path / "data").mkdir()
    frame, people = adult
    frame.drop(columns=["sex", "age"]).to_parquet(tmp_path / "data/test.parquet")
    people.to_csv(tmp_path / "data/people.csv", index=False)
    (tmp_path / "plan.yaml").write_text(PLAN)
    return tmp_path


def read(directory: Path) -> dict[str, Any]:
    audit: dict[str, Any] = json.loads((directory / "audit.json").read_text())
    return audit


def gap(audit: Any, attribute: str, metric: str = FPR) -> Any:
    found = audit["findings"] if isinstance(audit, dict) else json.loads(audit.to_json())["findings"]
    return next(f for f in found if f["metric"] == metric and f["scope"]["attribute"] == attribute and f["gate"])


def by_hand(adult: tuple[pd.DataFrame, pd.DataFrame], column: str, edges: Sequence[float] = ()) -> pd.Series[float]:
    """The false positive rate of each group, by pandas."""
    frame, people = adult
    known = frame["row_id"].map(people.set_index("person")[column])
    groups = pd.cut(known, [-np.inf, *edges, np.inf], right=False) if edges else known
    negative = frame["income"] != ">50K"
    wrong = (frame["p"] == ">50K")[negative]
    return wrong.groupby(groups[negative].astype(str)).mean()


def test_a_plan_with_all_of_it(auditkit: Cli, folder: Path, adult: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    out = folder / "out"
    answer = auditkit("run", folder / "plan.yaml", "--out", out)
    assert answer.code in (1, 5), answer.text
    audit = read(out)
    found = gap(audit, "sex")
    rates = by_hand(adult, "sex")
    assert found["value"] == pytest.approx(rates.max() - rates.min(), abs=1e-12)
    assert sorted(found["scope"]["compared"]) == ["(missing)", "Female", "Male"]
    one = gap(audit, "age", "true_positive_rate")
    assert one["status"] == "pass"
    notes = "\n".join(audit["notes"])
    assert "'sex', 'age' from people.csv (SHA-256 " in notes
    assert "651 of 32,561 rows of test have no entry in people.csv" in notes
    assert "'under 26', '26 to 33', '34 to 41', '42 to 50', '51 and over'" in notes


def test_another_table_is_another_audit(auditkit: Cli, folder: Path) -> None:
    """`--resume` takes nothing back that rests on a table of attributes that changed."""
    out = folder / "out"
    first = auditkit("run", folder / "plan.yaml", "--out", out)
    again = auditkit("run", folder / "plan.yaml", "--out", out, "--resume")
    assert first.code == again.code
    before = gap(read(out), "sex")["value"]
    people = pd.read_csv(folder / "data/people.csv")
    people["sex"] = np.random.default_rng(3).permutation(people["sex"])
    people.to_csv(folder / "data/people.csv", index=False)
    assert auditkit("run", folder / "plan.yaml", "--out", out, "--resume").code in (0, 5)
    assert gap(read(out), "sex")["value"] < before / 2
    assert (out / "superseded-audit.json").is_file()


@pytest.mark.parametrize(
    ("old", "new", "code", "words"),
    [
        ('"26 to 33"', "26-33", 2, "line 13: gates[1].group: '26-33' is no band of 'age'"),
        ("sex, age]", "sex, age]\n  bands: {age: [30, 20], sex: 4, agee: none}", 2, "line 9: data.bands.age: the"),
        ("sex, age]", "sex, age]\n  bands: {sex: 4}", 2, "line 9: data.bands.sex: test.parquet holds '"),
        ("sensitive: [sex, age]", "sensitive: [sex, age]\n  bands: {agee: none}", 2, "did you mean 'age'?"),
        ("id: row_id\n", "id: row_di\n", 2, "line 7: data.id: no column 'row_di' in test.parquet; did you mean"),
        ("  id: row_id\n", "", 2, "data.id: is required with `data.attributes`"),
        ("people.csv", "people.cvs", 2, "did you mean 'people.csv'?"),
        ("id: person}", "idd: person}", 2, "line 9: data.attributes.idd: unknown key; did you mean 'id'?"),
        ("Female: 0.51", "Female: 51", 2, "line 10: data.population.sex: the shares add up to 51.49, not to 1"),
        ("Female: 0.51", "Femal: 0.51", 2, "line 10: data.population.sex: no row has the group 'Femal'; did"),
        ("id: person}", "id: sex}", 4, "two rows have the 'sex'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(
    auditkit: Cli, folder: Path, old: str, new: str, code: int, words: str
) -> None:
    text = PLAN.replace(old, new)
    assert text != PLAN
    (folder / "plan.yaml").write_text(text)
    answer = auditkit("run", folder / "plan.yaml", "--out", folder / "out")
    assert answer.code == code, answer.text
    assert words in plain(answer.err)
    assert "Traceback" not in answer.text


def test_ids_of_others_are_refused(auditkit: Cli, folder: Path) -> None:
    people = pd.read_csv(folder / "data/people.csv")
    people["person"] = "p" + people["person"].astype(str)
    people.to_csv(folder / "data/people.csv", index=False)
    answer = auditkit("run", folder / "plan.yaml", "--out", folder / "out")
    assert answer.code == 4
    assert "people.csv: none of the 32,561 rows of test has an entry in it" in plain(answer.err)


@pytest.mark.parametrize(
    ("bands", "code"),
    [(["--band", "age=30,60"], 0), (["--band", "age=2"], 0), ([], 0), (["--band", "age=none"], 5)],
)
def test_gate_with_a_second_table(
    auditkit: Cli, folder: Path, adult: tuple[pd.DataFrame, pd.DataFrame], bands: list[str], code: int
) -> None:
    options = ["--sensitive", "age", "--id", "row_id", "--attributes", folder / "data/people.csv"]
    options += ["--attributes-id", "person", "--max", f"{FPR}=0.2", "--out", folder / "out"]
    answer = auditkit("gate", folder / "data/test.parquet", *LABELS, *options, *bands)
    assert answer.code == code, answer.text
    if bands == ["--band", "age=30,60"]:
        rates = by_hand(adult, "age", [30, 60])
        assert gap(read(folder / "out"), "age")["value"] == pytest.approx(rates.max() - rates.min(), abs=1e-12)
        assert gap(read(folder / "out"), "age")["scope"]["compared"] == [
            "under 30", "30 to 59", "60 and over", "(missing)",
        ]  # fmt: skip


@pytest.mark.parametrize("band", ["age=30,60", "age=40.5,", "age=3", "age=none"])
def test_the_reports_command_makes_the_same_audit_again(auditkit: Cli, folder: Path, band: str) -> None:
    options = ["--sensitive", "age", "--id", "row_id", "--attributes", folder / "data/people.csv", "--band", band]
    options += ["--attributes-id", "person", "--max", f"{FPR}=0.2", "--out", folder / "out"]
    first = auditkit("gate", folder / "data/test.parquet", *LABELS, *options)
    said = command(Audit.from_json((folder / "out/audit.json").read_bytes()))
    again = auditkit(*shlex.split(said)[1:], "--out", folder / "again")
    assert again.code == first.code, said
    assert read(folder / "again")["findings"] == read(folder / "out")["findings"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--band", "age=0"], "--band age: expected 2 to 50 bands, found 0"),
        (["--band", "age=60,30"], "--band age: the edges must increase, but 30 comes after 60"),
        (["--band", "age"], "--band age: expected COLUMN=EDGES such as age=25,45,65"),
        (["--band", "age=old"], "--band age=old: expected COLUMN=EDGES"),
        (["--band", "age=2", "--band", "age=3"], "--band age=3: 'age' is cut twice"),
        (["--band", "agee=2"], "--band agee: 'agee' is not in --sensitive; did you mean 'age'?"),
        (["--band", "sex=2"], "--band sex: test.parquet holds '"),
        (["--attributes-id", "key"], "--attributes-id: no column 'key' in people.csv"),
        (["--id", "nobody"], "--id: no column 'nobody' in test.parquet"),
    ],
)
def test_gate_says_what_is_wrong(auditkit: Cli, folder: Path, options: list[str], words: str) -> None:
    given = ["--sensitive", "age", "--sensitive", "sex", "--id", "row_id", "--attributes-id", "person"]
    given += ["--attributes", folder / "data/people.csv", "--max", f"{FPR}=0.2", *options]
    answer = auditkit("gate", folder / "data/test.parquet", *LABELS, *given)
    assert answer.code == 2, answer.text
    assert words in plain(answer.err)


def test_gate_needs_a_table_for_its_ids(auditkit: Cli, folder: Path) -> None:
    options = ["--sensitive", "hours_per_week", "--attributes-id", "person", "--max", f"{FPR}=0.2"]
    answer = auditkit("gate", folder / "data/test.parquet", *LABELS, *options)
    assert answer.code == 2
    assert "--attributes-id: names a column of a second table, and no such table is given" in plain(answer.err)


def test_an_id_as_group_ends_undecided(auditkit: Cli, folder: Path) -> None:
    answer = auditkit("gate", folder / "data/test.parquet", *LABELS, "--sensitive", "row_id", "--max", f"{FPR}=0.9")
    assert answer.code == 5
    assert "names rows rather than groups" in plain(answer.out)


def test_python_gives_what_the_command_line_gives(folder: Path, adult: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    frame, people = adult
    shared: dict[str, Any] = {"target": "income", "prediction": "p", "positive": ">50K", "max": {FPR: 0.2}}
    joined = api.gate(
        frame.drop(columns=["sex", "age"]),
        sensitive=["sex", "age"],
        id="row_id",
        attributes=people,
        attributes_id="person",
        bands={"age": np.array([30, 60])},
        **shared,
    )
    from_file = api.gate(
        frame.drop(columns=["sex", "age"]),
        sensitive=["sex", "age"],
        id="row_id",
        attributes=folder / "data/people.csv",
        attributes_id="person",
        bands={"age": (30, 60)},
        **shared,
    )
    assert [(f.id, f.value, f.n) for f in joined.findings] == [
        (f.id, f.value if f.value is None else pytest.approx(f.value, rel=1e-9), f.n) for f in from_file.findings
    ]
    for column, edges in (("sex", []), ("age", [30.0, 60.0])):
        rates = by_hand(adult, column, edges)
        assert gap(joined, column)["value"] == pytest.approx(rates.max() - rates.min(), abs=1e-12)
    own = api.gate(frame, sensitive=["age"], **shared)
    assert gap(own, "age")["scope"]["compared"] == ["under 26", "26 to 33", "34 to 41", "42 to 50", "51 and over"]
    with pytest.raises(PlanError, match="the edges must increase"):
        api.gate(frame, sensitive=["age"], bands={"age": [3, 2]}, **shared)


def test_a_live_model_with_a_second_table(adult: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    frame, people = adult
    audit = api.audit(
        lambda rows: (rows["hours_per_week"] > 40).to_numpy().astype(float),
        frame.drop(columns=["sex", "age", "p"]).head(4000),
        target="income",
        positive=">50K",
        outputs="probabilities",
        sensitive=["sex", "age"],
        id="row_id",
        attributes=people,
        attributes_id="person",
        bands={"age": [40]},
        population={"sex": {"Female": 0.5, "Male": 0.5}},
        checks={"explainability": "off", "calibration": "off"},
        gates=[{"check": "bias.groups", "metric": "selection_rate", "by": "age", "group": "under 40", "max": 0.9}],
    )
    assert audit.exit_code == 0
    assert any("rows of test have no entry in attributes" in note for note in audit.notes)
    with pytest.raises(PlanError, match="'under 50' is no band of 'age'"):
        api.audit(
            lambda rows: rows,
            frame,
            target="income",
            sensitive=["age"],
            bands={"age": [40]},
            gates=[{"check": "bias.groups", "metric": "selection_rate", "by": "age", "group": "under 50", "max": 0.9}],
        )

"""Every statistical degeneracy that a file can hold, through `auditkit gate` and through `auditkit run`.

None is a pass, none a traceback, none exit code 4; a definite failure beside it still gives 1.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.conftest import Answer, plain

Cli = Callable[..., Answer]
EO = "equalized_odds_difference"


@dataclass(frozen=True)
class Case:
    """One degenerate file: how it is made of a good one, the gate that must not pass, and what that says.

    `fails`: whether an accuracy that is below its bound for certain can still be seen; `forgiven`: whether it is but an
    interval on both sides of the bound; `more`: further options of the command (keys of the plan's model and data).
    """

    change: Callable[[pd.DataFrame], None]
    gate: tuple[str, str, float] = (f"{EO}@sex", "max", 0.5)
    words: str = ""
    code: int = 5
    fails: bool = True
    forgiven: bool = False
    more: dict[str, str] = field(default_factory=dict)


def good(rows: int = 400) -> pd.DataFrame:
    """Labels, predictions with 10% errors, scores and two groups."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, rows)
    p = np.where(rng.random(rows) < 0.1, 1 - y, y)
    s = np.clip(0.8 * p + 0.1 + rng.normal(0, 0.05, rows), 0, 1).round(6)
    return pd.DataFrame({"y": y, "p": p, "s": s, "sex": np.array(["Female", "Male"])[rng.integers(0, 2, rows)]})


def put(column: str, value: Any, where: Callable[[pd.DataFrame], Any] | None = None) -> Callable[[pd.DataFrame], None]:
    """A change: that value in a column, in all rows or in some."""

    def change(data: pd.DataFrame) -> None:
        found = value(data) if callable(value) else value
        if where is None:
            data[column] = found
        else:
            data[column] = data[column].astype(object)
            data.loc[where(data), column] = found

    return change


def both(*changes: Callable[[pd.DataFrame], None]) -> Callable[[pd.DataFrame], None]:
    def change(data: pd.DataFrame) -> None:
        for one in changes:
            one(data)

    return change


def copies(data: pd.DataFrame) -> None:
    """Every row a copy of one of the first twenty."""
    for column in data.columns:
        data[column] = data[column].to_numpy()[np.arange(len(data)) % 20]


AUC = ("roc_auc", "min", 0.1)
SCORED = {"score": "s"}
CASES: dict[str, Case] = {
    "single group": Case(put("sex", "Female"), words="a gap needs two groups"),
    "absent group": Case(
        lambda data: None, words="'Other' of 'sex' has no rows in this split", more={"groups": "Other"}
    ),
    "tiny group": Case(put("sex", "Other", lambda d: d.index < 6), words="'Other'", forgiven=True),
    "group of one row": Case(put("sex", "Other", lambda d: d.index < 1), words="'Other'"),
    "single-class group": Case(put("y", 0, lambda d: d.sex == "Male"), words="no rows with the label '1'"),
    "one label": Case(put("y", 1), words="", fails=False),
    "one label, constant prediction": Case(both(put("y", 1), put("p", 1)), fails=False),
    "constant predictor": Case(put("p", 0), words="decides the same for every row"),
    "constant predictor with scores": Case(put("p", 0), words="decides the same for every row", more=SCORED),
    "constant predictor, overall": Case(put("p", 0), ("accuracy", "min", 0.1), "decides the same for every row"),
    "NaN scores": Case(put("s", np.nan), AUC, more=SCORED),
    "some NaN scores": Case(
        put("s", np.nan, lambda d: d.index < 40), AUC, "40 rows of test could not be scored", more=SCORED
    ),
    "infinite scores": Case(put("s", np.inf), AUC, more=SCORED),
    "some infinite scores": Case(put("s", np.inf, lambda d: d.index < 40), AUC, "could not be scored", more=SCORED),
    "scores out of range": Case(put("s", lambda d: d.s * 10), AUC, more=SCORED),
    "NaN labels": Case(put("y", np.nan), fails=False),
    "scores where labels belong": Case(put("p", lambda d: d.s), fails=False),
    "an id column as group": Case(put("sex", lambda d: [f"id{i}" for i in d.index]), words="names rows rather than"),
    "duplicated rows": Case(copies, ("accuracy", "min", 0.5), "are copies of others"),
    "predictions missing": Case(put("p", None), ("accuracy", "min", 0.1), fails=False),
    "some predictions missing": Case(
        put("p", None, lambda d: d.index < 40), ("accuracy", "min", 0.1), "40 rows of test could not be scored"
    ),
}

#: What is no degeneracy: such files are judged as they are, and pass.
HARMLESS: dict[str, Case] = {
    "yes/no labels": Case(
        both(put("y", lambda d: d.y.map({0: "no", 1: "yes"})), put("p", lambda d: d.p.map({0: "no", 1: "yes"}))),
        more={"positive": "yes"},
    ),
    "groups that differ by case": Case(put("sex", "male", lambda d: d.index % 3 == 0)),
    "groups that differ by white space": Case(put("sex", "Male ", lambda d: d.index % 3 == 0)),
    "a group named NA": Case(put("sex", "NA", lambda d: d.sex == "Male")),
    "a group named None": Case(put("sex", "None", lambda d: d.sex == "Male")),
    "missing groups": Case(put("sex", None, lambda d: d.index % 3 == 0)),
}
for name, case in list(HARMLESS.items()):
    HARMLESS[name] = Case(case.change, (f"{EO}@sex", "max", 0.6), code=0, more=case.more)


def write(directory: Path, case: Case) -> Path:
    """Parquet: labels, missing values and groups stand there as they are meant."""
    data = good(1200 if case.code == 0 else 400)
    case.change(data)
    for column in data.columns:
        if data[column].dtype == object and column in ("y", "p", "s"):
            numeric = all(isinstance(v, int | float | np.number) or v is None for v in data[column])
            data[column] = pd.to_numeric(data[column]) if numeric else data[column]
    path = directory / "p.parquet"
    data.to_parquet(path, index=False)
    return path


def by_gate(auditkit: Cli, directory: Path, case: Case, *more: str) -> Answer:
    metric, bound, value = case.gate
    options = [part for key in ("score", "positive") if key in case.more for part in (f"--{key}", case.more[key])]
    path = write(directory, case)
    return auditkit(
        "gate", path, "--target", "y", "--prediction", "p", "--sensitive", "sex", f"--{bound}", f"{metric}={value}",
        *options, "--out", directory / "out", *more,
    )  # fmt: skip


def by_run(auditkit: Cli, directory: Path, case: Case, *more: str, failing: bool = False) -> Answer:
    metric, bound, value = case.gate
    name, _, by = metric.partition("@")
    gates: list[dict[str, Any]] = [
        {"check": "bias.groups" if by else "performance.summary", "metric": name, bound: value}
        | ({"by": by} if by else {})
    ]
    gates += [{"check": "performance.summary", "metric": "accuracy", "min": 0.999}] if failing else []
    model = {"kind": "predictions", "prediction": "p"} | {k: v for k, v in case.more.items() if k == "score"}
    data: dict[str, Any] = {"splits": {"test": write(directory, case).name}, "target": "y", "sensitive": ["sex"]}
    data |= {"positive": case.more["positive"]} if "positive" in case.more else {}
    data |= {"groups": {"sex": ["Female", "Male", case.more["groups"]]}} if "groups" in case.more else {}
    plan = directory / "plan.yaml"
    plan.write_text(json.dumps({"name": "degenerate", "model": model, "data": data, "gates": gates}))
    return auditkit("run", plan, "--out", directory / "out", *more)


def allowed(case: Case) -> list[str]:
    """What is more than an interval on both sides of a bound is not forgiven."""
    return [] if case.forgiven else ["--allow-inconclusive"]


def gated(directory: Path) -> list[dict[str, Any]]:
    findings = json.loads((directory / "out" / "audit.json").read_text())["findings"]
    return [f for f in findings if f["gate"]]


@pytest.mark.parametrize("name", [name for name in CASES if "groups" not in CASES[name].more])
def test_gate_never_passes_it(auditkit: Cli, tmp_path: Path, name: str) -> None:
    answer = by_gate(auditkit, tmp_path, CASES[name], *allowed(CASES[name]))
    assert_undecided(answer, tmp_path, CASES[name])


@pytest.mark.parametrize("name", CASES)
def test_run_never_passes_it(auditkit: Cli, tmp_path: Path, name: str) -> None:
    answer = by_run(auditkit, tmp_path, CASES[name], *allowed(CASES[name]))
    assert_undecided(answer, tmp_path, CASES[name])


def assert_undecided(answer: Answer, directory: Path, case: Case) -> None:
    assert answer.code == case.code, answer.text
    (finding,) = gated(directory)
    assert finding["status"] in ("error", "inconclusive")
    assert finding["reason"]
    assert case.words in plain(finding["reason"])
    if finding["status"] == "error":
        assert finding["value"] is None


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.fails])
def test_a_definite_failure_beside_it_still_gives_1(auditkit: Cli, tmp_path: Path, name: str) -> None:
    case = CASES[name]
    (tmp_path / "run").mkdir()
    if "groups" not in case.more and not case.gate[0].startswith("accuracy"):
        assert by_gate(auditkit, tmp_path, case, "--min", "accuracy=0.999").code == 1
    assert by_run(auditkit, tmp_path / "run", case, failing=True).code == 1
    assert [f["status"] for f in gated(tmp_path / "run")][1] == "fail"


@pytest.mark.parametrize("name", HARMLESS)
def test_what_only_looks_degenerate_is_judged(auditkit: Cli, tmp_path: Path, name: str) -> None:
    (tmp_path / "run").mkdir()
    assert by_gate(auditkit, tmp_path, HARMLESS[name]).code == 0
    assert by_run(auditkit, tmp_path / "run", HARMLESS[name]).code == 0
    compared = [gated(directory)[0]["scope"]["compared"] for directory in (tmp_path, tmp_path / "run")]
    assert compared[0] == compared[1]
    for label in ("NA", "None"):
        assert (label in compared[0]) == (name == f"a group named {label}")
    assert ("(missing)" in compared[0]) == (name == "missing groups")


def test_scores_in_place_of_the_target_are_another_task(auditkit: Cli, tmp_path: Path) -> None:
    """Numbers as the target make it a regression, which has no equalized odds: told before anything is judged."""
    case = Case(put("y", lambda d: d.s))
    answer = by_gate(auditkit, tmp_path, case)
    assert answer.code == 2
    assert f"no metric '{EO}' for regression" in plain(answer.err)


def test_more_groups_than_can_be_compared_end_soon(auditkit: Cli, tmp_path: Path) -> None:
    data = good(12_000)
    data["sex"] = [f"g{i % 3000}" for i in range(len(data))]
    data.to_csv(tmp_path / "p.csv", index=False)
    told = ("--target", "y", "--prediction", "p", "--sensitive", "sex", "--max", f"{EO}=0.9")
    answer = auditkit("gate", tmp_path / "p.csv", *told, "--allow-inconclusive", "--out", tmp_path / "out")
    assert answer.code == 5
    assert "names rows rather than groups" in gated(tmp_path)[0]["reason"]
    assert len(json.loads((tmp_path / "out" / "audit.json").read_text())["findings"]) < 200

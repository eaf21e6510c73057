"""`auditkit gate`: bounds, columns, and everything degenerate that a file of predictions can hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.conftest import Answer, plain

Cli = Callable[..., Answer]


def frame(rows: int = 4000, seed: int = 0) -> pd.DataFrame:
    """A fair model with 10% errors: labels, predictions, scores, and two columns of equal groups."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, rows)
    p = np.where(rng.random(rows) < 0.1, 1 - y, y)
    return pd.DataFrame(
        {
            "y": y,
            "p": p,
            "s": np.clip(0.8 * p + 0.1 + rng.normal(0, 0.05, rows), 0, 1).round(6),
            "sex": np.array(["Female", "Male"])[rng.integers(0, 2, rows)],
            "race": np.array(["A", "B", "C"])[rng.integers(0, 3, rows)],
        }
    )


def run(auditkit: Cli, path: Path, *options: str, prediction: str = "p", target: str = "y") -> Answer:
    return auditkit("gate", path, "--target", target, "--prediction", prediction, *options)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "predictions.csv"
    frame().to_csv(path, index=False)
    return path


EO = "equalized_odds_difference"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--sensitive", "sex", "--max", f"{EO}=0.2"], 0),
        (["--sensitive", "sex", "--sensitive", "race", "--max", f"{EO}=0.2", "--min", "accuracy=0.8"], 0),
        (["--sensitive", "sex", "--sensitive", "race", "--max", f"{EO}@sex×race=0.3"], 0),
        (["--min", "accuracy=0.95"], 1),
        (["--min", "accuracy=0.9"], 5),
        (["--min", "accuracy=0.9", "--allow-inconclusive"], 0),
        (["--min", "roc_auc=0.8", "--score", "s"], 0),
        (["--sensitive", "sex", "--min", "true_positive_rate@sex=0.8"], 0),
    ],
)
def test_bounds(auditkit: Cli, good: Path, options: list[str], code: int) -> None:
    answer = run(auditkit, good, *options)
    assert answer.code == code, answer.text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "at least one bound"),
        (["--max", "equalised_odds_difference=0.1", "--sensitive", "sex"], f"did you mean '{EO}'?"),
        (["--max", f"{EO}=10%", "--sensitive", "sex"], "write 0.1"),
        (["--max", f"{EO}=nan", "--sensitive", "sex"], "expected METRIC=NUMBER"),
        (["--max", f"{EO}"], "expected METRIC=NUMBER"),
        (["--max", f"{EO}@rase=0.1", "--sensitive", "race"], "did you mean 'race'?"),
        (["--max", f"{EO}=0.1"], "--sensitive"),
        (["--max", f"{EO}=0.1", "--sensitive", "sexx"], "did you mean 'sex'?"),
        (["--min", "accuracy=0.5", "--positive", "yes"], "'yes' is no label of the target"),
        (["--min", "accuracy=0.5", "--format", "pdf"], "no format 'pdf'"),
        (["--min", "accuracy=0.5", "--format", "md"], "--format needs --out"),
    ],
)
def test_wrong_command_lines(auditkit: Cli, good: Path, options: list[str], words: str) -> None:
    answer = run(auditkit, good, *options)
    assert answer.code == 2, answer.text
    assert words in plain(answer.err)


def test_every_format_gives_the_same_findings(auditkit: Cli, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.feather as feather

    data = frame(1000)
    data.to_csv(tmp_path / "a.csv", index=False)
    data.to_parquet(tmp_path / "a.parquet")
    data.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    feather.write_feather(pa.Table.from_pandas(data), str(tmp_path / "a.arrow"))
    found = []
    for name in ("a.csv", "a.parquet", "a.jsonl", "a.arrow"):
        out = tmp_path / f"out-{name}"
        options = ["--sensitive", "sex", "--sensitive", "race", "--max", f"{EO}=0.3", "--out", str(out), "--score", "s"]
        assert run(auditkit, tmp_path / name, *options).code == 0
        found.append(json.loads((out / "audit.json").read_text())["findings"])
    assert found[0] == found[1] == found[2] == found[3]


def degenerate(name: str) -> tuple[pd.DataFrame, list[str]]:
    """The table of statistical degeneracies: each with the gate that must not pass."""
    data = frame(400)
    gate = ["--sensitive", "sex", "--max", f"{EO}=0.5"]
    if name == "single group":
        data["sex"] = "Female"
    elif name == "single-class group":
        data.loc[data.sex == "Male", "y"] = 0
    elif name == "tiny group":
        data.loc[:5, "sex"] = "Other"
    elif name == "one label":
        data["y"] = 1
    elif name == "one label, constant prediction":
        data["y"], data["p"] = 1, 1
    elif name == "no labels":
        data["y"] = np.nan
    elif name == "no scores":
        data["s"] = np.nan
        gate = ["--score", "s", "--min", "roc_auc=0.1"]
    elif name == "scores out of range":
        data["s"] = data["s"] * 10
        gate = ["--score", "s", "--min", "roc_auc=0.1"]
    elif name == "scores where labels belong":
        data["p"] = data["s"]
    elif name == "an id column as group":
        data["sex"] = [f"id{i}" for i in range(len(data))]
    elif name == "constant predictor":
        data["p"] = 0
        gate = ["--sensitive", "sex", "--max", f"{EO}=0.5"]
    return data, gate


CASES = [
    "single group",
    "single-class group",
    "tiny group",
    "one label",
    "one label, constant prediction",
    "no labels",
    "no scores",
    "scores out of range",
    "scores where labels belong",
    "an id column as group",
    "constant predictor",
]


@pytest.mark.parametrize("name", CASES)
def test_degenerate_statistics_give_5_with_a_reason(auditkit: Cli, tmp_path: Path, name: str) -> None:
    data, gate = degenerate(name)
    path = tmp_path / "p.csv"
    data.to_csv(path, index=False)
    out = tmp_path / "out"
    answer = run(auditkit, path, *gate, "--out", str(out))
    assert answer.code == 5, f"{name}: {answer.text}"
    gated = [f for f in json.loads((out / "audit.json").read_text())["findings"] if f["gate"]]
    assert {f["status"] for f in gated} <= {"error", "inconclusive"}
    assert all(f["reason"] for f in gated)


#: In these cases nothing at all can be measured, so nothing else can fail.
NOTHING = ("one label", "one label, constant prediction", "no labels", "scores where labels belong")


@pytest.mark.parametrize("name", [name for name in CASES if name not in NOTHING])
def test_a_definite_failure_elsewhere_still_gives_1(auditkit: Cli, tmp_path: Path, name: str) -> None:
    data, gate = degenerate(name)
    path = tmp_path / "p.csv"
    data.to_csv(path, index=False)
    answer = run(auditkit, path, *gate, "--min", "accuracy=0.999")
    assert answer.code == 1, answer.text


def test_copied_rows_are_no_evidence(auditkit: Cli, tmp_path: Path) -> None:
    """Sixty rows can't show an accuracy of 0.9; the same sixty rows a hundred times can't, either."""
    data = frame(60)
    data["p"] = data["y"]
    data.loc[0, "p"] = 1 - data.loc[0, "y"]
    data["income"] = np.random.default_rng(1).normal(size=60)
    for name, copies in (("once", 1), ("often", 100)):
        path = tmp_path / f"{name}.parquet"
        pd.concat([data] * copies).to_parquet(path, index=False)
        assert run(auditkit, path, "--min", "accuracy=0.9", "--allow-inconclusive").code == (0 if copies == 1 else 5)
    answer = run(auditkit, tmp_path / "often.parquet", "--min", "accuracy=0.9")
    assert "99.0% of the rows of test are copies of others" in plain(answer.out)


def test_copies_are_seen_without_other_columns(auditkit: Cli, tmp_path: Path) -> None:
    data = frame(40)
    data["p"] = data["y"]
    pd.concat([data] * 50).to_parquet(tmp_path / "p.parquet", index=False)
    answer = run(auditkit, tmp_path / "p.parquet", "--score", "s", "--min", "accuracy=0.85")
    assert answer.code == 5
    assert "98.0% of the rows of test are copies" in plain(answer.out)


def test_a_constant_decision_shows_nothing_however_the_scores_vary(auditkit: Cli, tmp_path: Path) -> None:
    data = frame(2000)
    data["p"], data["s"] = 0, data["s"] * 0.4
    data.to_csv(tmp_path / "p.csv", index=False)
    options = ["--score", "s", "--sensitive", "sex", "--max", f"{EO}=0.5", "--allow-inconclusive"]
    assert run(auditkit, tmp_path / "p.csv", *options).code == 5
    assert run(auditkit, tmp_path / "p.csv", "--score", "s", "--min", "roc_auc=0.7").code == 0, "scores still rank"


def test_columns_that_nobody_named_may_hold_anything(auditkit: Cli, tmp_path: Path) -> None:
    data = frame(500)
    data["lists"], data["bytes"], data["huge"] = [[1, 2]] * 500, [b"x"] * 500, 1e300
    path = tmp_path / "p.parquet"
    data.to_parquet(path)
    assert run(auditkit, path, "--min", "accuracy=0.8").code == 0


def test_labels_and_groups_are_taken_as_they_are(auditkit: Cli, tmp_path: Path) -> None:
    """Yes/no labels are labels, the group "NA" is a group, a truly missing group is named as missing."""
    data = frame(3000)
    data["y"], data["p"] = data.y.map({0: "no", 1: "yes"}), data.p.map({0: "no", 1: "yes"})
    data["sex"] = data.sex.where(data.sex == "Male", "NA")
    data.loc[:299, "sex"] = None
    path = tmp_path / "p.csv"
    data.to_csv(path, index=False)
    options = ["--positive", "yes", "--sensitive", "sex", "--max", f"{EO}=0.5", "--out", str(tmp_path / "out")]
    assert run(auditkit, path, *options).code == 0
    findings: list[dict[str, Any]] = json.loads((tmp_path / "out" / "audit.json").read_text())["findings"]
    gap = next(f for f in findings if f["metric"] == EO and f["gate"])
    assert sorted(gap["scope"]["compared"]) == ["(missing)", "Male", "NA"]


def test_groups_that_look_alike_are_warned_of(auditkit: Cli, tmp_path: Path) -> None:
    data = frame(3000)
    data.loc[::3, "sex"] = "male "
    path = tmp_path / "p.csv"
    data.to_csv(path, index=False)
    assert run(auditkit, path, "--sensitive", "sex", "--max", f"{EO}=0.5", "--out", str(tmp_path / "out")).code == 0
    findings = json.loads((tmp_path / "out" / "audit.json").read_text())["findings"]
    assert any(f["status"] == "warn" and "case" in (f["explanation"] + f["title"] + str(f["reason"])) for f in findings)


def test_hostile_names_reach_the_terminal_as_text(auditkit: Cli, tmp_path: Path) -> None:
    data = frame(3000)
    data["sex"] = data.sex.map({"Male": "\x1b[31mred\x1b[0m", "Female": "::error::[bold]x[/bold]\u202e"})
    path = tmp_path / "p.parquet"
    data.to_parquet(path)
    answer = run(auditkit, path, "--sensitive", "sex", "--min", "true_positive_rate@sex=0.5")
    assert answer.code == 0
    assert "\x1b" not in answer.text
    assert "\u202e" not in answer.text
    assert not any(line.lstrip().startswith("::") for line in answer.text.splitlines())


def test_a_declared_group_without_rows_stops_an_intersection_too(auditkit: Cli, tmp_path: Path) -> None:
    frame(2000).to_csv(tmp_path / "test.csv", index=False)
    plan = tmp_path / "plan.yaml"
    plan.write_text(
        "name: declared\nmodel: {kind: predictions, prediction: p}\n"
        "data: {splits: {test: test.csv}, target: y, positive: 1, sensitive: [sex, race],\n"
        "       groups: {sex: [Female, Male, Other]}}\n"
        f"gates: [{{check: bias.groups, metric: {EO}, by: [race, sex], max: 0.5}}]\n"
    )
    out = tmp_path / "out"
    assert auditkit("run", plan, "--out", out, "--allow-inconclusive").code == 5
    gated = next(f for f in json.loads((out / "audit.json").read_text())["findings"] if f["gate"])
    assert gated["value"] is None
    assert "Other" in gated["reason"]


CROSSED = ["--sensitive", "sex", "--sensitive", "race"]


def test_a_star_stands_for_the_cross(auditkit: Cli, good: Path, tmp_path: Path) -> None:
    answers = [run(auditkit, good, *CROSSED, "--max", f"{EO}@sex{sign}race=0.3") for sign in "×*"]
    assert [a.code for a in answers] == [0, 0]
    assert plain(answers[0].out) == plain(answers[1].out)
    starred = frame().rename(columns={"sex": "sex*race"})
    starred.to_csv(tmp_path / "starred.csv", index=False)
    answer = run(auditkit, tmp_path / "starred.csv", "--sensitive", "sex*race", "--max", f"{EO}@sex*race=0.3")
    assert answer.code == 0


@pytest.mark.parametrize("typed", ["sex,race", "sexxrace", "sex x race", "sex+race", "sex race", "race_sex"])
def test_columns_put_together_otherwise_are_shown_how(auditkit: Cli, good: Path, typed: str) -> None:
    answer = run(auditkit, good, *CROSSED, "--max", f"{EO}@{typed}=0.3")
    assert answer.code == 2
    assert ("write race×sex" if typed.startswith("race") else "write sex×race") in plain(answer.err)


@pytest.mark.parametrize(
    ("metric", "check"),
    [
        ("label_rate_difference@sex", "bias.data"),
        ("true_positive_rate_against_rest", "bias.intersections"),
        ("smallest_group_share", "bias.data"),
    ],
)
def test_a_metric_of_another_check_is_sent_to_a_plan(auditkit: Cli, good: Path, metric: str, check: str) -> None:
    answer = run(auditkit, good, "--sensitive", "sex", "--max", f"{metric}=0.3")
    assert answer.code == 2
    said = " ".join(plain(answer.err).split())
    assert f"is a metric of {check}, which `auditkit gate` does not run" in said
    assert "did you mean" not in said

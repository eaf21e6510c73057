"""What a resumed run may take back, and what it may not: evidence follows everything that it depends on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.conftest import Answer, edit
from tests.pipeline.test_exit_codes import ACCURACY, write

Cli = Callable[..., Answer]

SCORES = """\
name: scores
model: {kind: predictions, scores: {a: sa, b: sb, c: sc}}
data: {splits: {train: train.csv, test: test.csv}, target: y}
checks: {explainability: off}
gates: [{check: performance.summary, metric: accuracy, min: 0.9}]
"""


def _three(directory: Path, seed: int, name: str) -> None:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, 600)
    score = np.full((600, 3), 0.05)
    score[np.arange(600), y] = 0.9
    frame = pd.DataFrame({"x": rng.normal(size=600) + y, "y": np.array(list("abc"))[y]})
    frame[["sa", "sb", "sc"]] = score
    frame.to_csv(directory / name, index=False)


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    _three(tmp_path, 0, "test.csv")
    _three(tmp_path, 1, "train.csv")
    plan = tmp_path / "plan.yaml"
    plan.write_text(SCORES)
    return plan


def _audit(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "audit.json").read_text())
    found.pop("run")
    return found


def test_scores_are_read_by_label_in_whatever_order(auditkit: Cli, scores: Path) -> None:
    out = scores.parent / "right"
    assert auditkit("run", scores, "--out", out).code == 0
    edit(scores, ("{a: sa, b: sb, c: sc}", "{c: sc, b: sb, a: sa}"))
    assert auditkit("run", scores, "--out", scores.parent / "reordered").code == 0
    edit(scores, ("scores: {", "classes: [b, a, c], scores: {"))
    assert auditkit("run", scores, "--out", scores.parent / "classes").code == 0


def test_swapped_scores_fail_also_on_resume(auditkit: Cli, scores: Path) -> None:
    out = scores.parent / "out"
    assert auditkit("run", scores, "--out", out).code == 0
    edit(scores, ("{a: sa, b: sb, c: sc}", "{a: sc, b: sb, c: sa}"))
    assert auditkit("run", scores, "--out", out, "--resume").code == 1
    edit(scores, ("{a: sc, b: sb, c: sa}", "{c: sc, b: sb, a: sa}"))
    assert auditkit("run", scores, "--out", out, "--resume").code == 0


@pytest.mark.parametrize(
    ("new", "words"),
    [
        ("classes: [a, b, d], scores: {a: sa", "its labels are not those of model.classes: c, d"),
        ("scores: {a: sb", "names one column twice"),
    ],
)
def test_scores_that_contradict_themselves(auditkit: Cli, scores: Path, new: str, words: str) -> None:
    edit(scores, ("scores: {a: sa", new))
    answer = auditkit("run", scores)
    assert answer.code == 2
    assert words in answer.err


@pytest.mark.parametrize(
    "change",
    [
        ("threshold: 0.5", "threshold: 0.8"),
        ('positive: ">50K"', 'positive: "<=50K"'),
        ("sensitive: [sex, race]", "sensitive: [race, sex]"),
    ],
)
def test_a_changed_plan_gives_what_a_fresh_run_gives(
    auditkit: Cli, census: Path, tmp_path: Path, change: tuple[str, str]
) -> None:
    plan = census / f"changed-{abs(hash(change))}.yaml"
    plan.write_text((census / "audit.yaml").read_text())
    edit(plan, ("run: {seed: 0}", "run: {seed: 0, max_rows: 1500}"))
    auditkit("--quiet", "run", plan, "--out", tmp_path / "resumed")
    edit(plan, change)
    auditkit("--quiet", "run", plan, "--out", tmp_path / "resumed", "--resume")
    auditkit("--quiet", "run", plan, "--out", tmp_path / "fresh")
    assert _audit(tmp_path / "resumed") == _audit(tmp_path / "fresh")


def test_changed_data_are_scored_again_and_the_old_verdict_is_set_aside(auditkit: Cli, tmp_path: Path) -> None:
    plan = write(tmp_path, ACCURACY % 0.8)
    out = tmp_path / "out"
    assert auditkit("run", plan, "--out", out).code == 0
    write(tmp_path, ACCURACY % 0.8, flip=0.5)
    assert auditkit("run", plan, "--out", out, "--resume").code == 1
    (tmp_path / "test.csv").write_text("y,p,g\n")
    assert auditkit("run", plan, "--out", out, "--resume").code == 4
    assert not (out / "audit.json").exists()
    kept = [json.loads((out / f"superseded-{which}audit.json").read_text())["verdict"] for which in ("", "2-")]
    assert kept == ["pass", "fail"]


def test_the_same_file_for_train_and_test_shows_no_generalization(auditkit: Cli, tmp_path: Path) -> None:
    plan = write(tmp_path, "  - {check: generalization.gap, metric: accuracy_gap, max: 0.2}")
    frame = pd.read_csv(tmp_path / "test.csv")
    frame["x"] = np.random.default_rng(0).normal(size=len(frame))
    frame.to_csv(tmp_path / "test.csv", index=False)
    edit(plan, ("test: test.csv", "train: test.csv, test: test.csv"))
    answer = auditkit("run", plan, "--out", tmp_path / "out")
    assert answer.code == 5
    assert "100.0% of the rows of test stand in train" in " ".join(answer.out.split())


def test_intersections_of_a_sample_are_not_passed(auditkit: Cli, tmp_path: Path) -> None:
    plan = write(tmp_path, "  - {check: bias.groups, metric: accuracy_difference, by: [g, h], max: 0.9}")
    frame = pd.read_csv(tmp_path / "test.csv")
    frame["h"] = np.where(np.arange(len(frame)) % 2 == 0, "u", "v")
    frame.to_csv(tmp_path / "test.csv", index=False)
    edit(plan, ("sensitive: [g]", "sensitive: [g, h]"))
    assert auditkit("run", plan, "--out", tmp_path / "all").code == 0
    plan.write_text(plan.read_text() + "run: {max_rows: 1000}\n")
    assert auditkit("run", plan, "--out", tmp_path / "sample").code == 5


def test_an_old_verdict_is_not_read_as_the_new_one(auditkit: Cli, census: Path, tmp_path: Path) -> None:
    """The model is replaced by rubbish: the run is refused, and nobody finds a passed audit in its directory."""
    import shutil

    project = tmp_path / "project"
    shutil.copytree(census, project, ignore=shutil.ignore_patterns("*-*.yaml"))
    plan = project / "audit.yaml"
    edit(plan, ("run: {seed: 0}", "run: {seed: 0, max_rows: 1500}"))
    out = tmp_path / "out"
    auditkit("--quiet", "run", plan, "--out", out)
    (project / "model" / "model.safetensors").write_bytes(b"rubbish")
    assert auditkit("--quiet", "run", plan, "--out", out, "--resume").code == 4
    assert not (out / "audit.json").exists()
    assert (out / "superseded-audit.json").exists()


def test_edited_findings_are_not_taken_back(auditkit: Cli, tmp_path: Path) -> None:
    plan = write(tmp_path, ACCURACY % 0.95)
    out = tmp_path / "out"
    assert auditkit("run", plan, "--out", out).code == 1
    kept = out / "evidence" / ".checks" / "performance.summary.json"
    content = json.loads(kept.read_text())
    for finding in content["findings"]:
        if finding["metric"] == "accuracy":
            finding["value"], finding["interval"] = 0.99, [0.98, 1.0]
    kept.write_text(json.dumps(content))
    assert auditkit("run", plan, "--out", out, "--resume").code == 1

"""Gates on what is measured only because they name it: training rows, classes among many, the worst group."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.pipeline.test_exit_codes import Cli, result

PLAN = """\
name: asked
model: {{kind: predictions, prediction: p}}
data:
  splits: {{train: train.csv, test: test.csv}}
  target: y
  sensitive: [g]
  {more}
gates:
  - {{check: bias.groups, {gate}}}
"""


def write(directory: Path, gate: str, classes: int = 2) -> Path:
    """On train the model is right for 90% of group a and 60% of group b, on test for 80% of both."""
    rng = np.random.default_rng(0)
    for split, right in (("train", (0.9, 0.6)), ("test", (0.8, 0.8))):
        y, group = rng.integers(0, classes, 6000), rng.integers(0, 2, 6000)
        p = np.where(rng.random(6000) < np.array(right)[group], y, (y + 1) % classes)
        frame = {"y": [f"c{v}" for v in y], "p": [f"c{v}" for v in p], "g": np.array(["a", "b"])[group]}
        pd.DataFrame(frame).to_csv(directory / f"{split}.csv", index=False)
    plan = directory / "plan.yaml"
    plan.write_text(PLAN.format(gate=gate, more="positive: c1" if classes == 2 else ""), encoding="utf-8")
    return plan


@pytest.mark.parametrize(
    ("gate", "code"),
    [
        ("metric: accuracy_difference, by: g, split: train, max: 0.1", 1),
        ("metric: accuracy_difference, by: g, split: train, max: 0.4", 0),
        ("metric: accuracy_difference, by: g, max: 0.1", 0),
        ("metric: worst_group_accuracy, by: g, split: train, min: 0.7", 1),
        ("metric: worst_group_accuracy, by: g, min: 0.7", 0),
        ("metric: false_discovery_rate_difference, by: g, split: train, max: 0.1", 1),
        ("metric: accuracy, by: g, group: b, relative_to: train, min: 1.1", 0),
        ("metric: accuracy, by: g, group: a, relative_to: train, min: 1.0", 1),
    ],
)
def test_a_gate_on_train_is_judged_by_its_numbers(auditkit: Cli, tmp_path: Path, gate: str, code: int) -> None:
    answer = auditkit("run", write(tmp_path, gate), "--out", tmp_path / "out")
    assert answer.code == code, answer.text


def test_other_audits_do_not_measure_groups_on_train(auditkit: Cli, tmp_path: Path) -> None:
    auditkit("run", write(tmp_path, "metric: accuracy_difference, by: g, max: 0.1"), "--out", tmp_path / "out")
    found = [f for f in result(tmp_path / "out")["findings"] if f["check"] == "bias.groups"]
    assert {f["scope"]["split"] for f in found} == {"test"}


@pytest.mark.slow
@pytest.mark.parametrize(("bound", "code"), [(0.5, 0), (0.01, 1)])
def test_a_class_among_many(auditkit: Cli, tmp_path: Path, bound: float, code: int) -> None:
    gate = f"metric: false_negative_rate_difference, by: g, split: train, class: c7, max: {bound}"
    answer = auditkit("run", write(tmp_path, gate, classes=40), "--out", tmp_path / "out")
    assert answer.code == code, answer.text


def test_a_class_that_does_not_exist_is_a_wrong_plan(auditkit: Cli, tmp_path: Path) -> None:
    gate = "metric: true_positive_rate_difference, by: g, class: c99, max: 0.1"
    assert auditkit("run", write(tmp_path, gate, classes=40), "--out", tmp_path / "out").code == 2

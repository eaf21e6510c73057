"""`calibration.reliability` against scores that are calibrated by construction, and their sharpened twin."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from auditkit.checks.calibration.reliability import CalibrationReliability
from auditkit.core.evidence import Evidence
from auditkit.core.finding import Finding
from auditkit.core.types import Status
from tests.evidence import Split, make_evidence, task_of
from tests.evidence_samples import sample_split

ERROR = "expected_calibration_error"


def _sharpened(split: Split, rows: np.ndarray) -> Split:
    """Scores of these rows too sure: their odds to the third power."""
    assert split.scores is not None
    cubed = split.scores**3
    sharp = cubed / cubed.sum(axis=1, keepdims=True)
    return replace(split, scores=np.where(rows[:, None], sharp, split.scores))


def _evidence(split: Split, kind: str = "binary") -> Evidence:
    return make_evidence(task_of(kind), {"test": split})


def _errors(found: list[Finding]) -> dict[str, Finding]:
    return {("all" if f.scope.groups is None else f.scope.groups[0]): f for f in found if f.metric == ERROR}


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_too_sure_is_warned_of_and_calibrated_is_not(kind: str) -> None:
    clean = sample_split(kind, 3000, 1, skill=1.0)
    assert {f.status for f in CalibrationReliability().run(_evidence(clean, kind))} == {Status.INFO}
    found = CalibrationReliability().run(_evidence(_sharpened(clean, np.ones(3000, dtype=bool)), kind))
    assert _errors(found)["all"].status is Status.WARN
    assert _errors(found)["all"].remedy


def test_one_groups_miscalibration_is_found_behind_a_good_average() -> None:
    split = sample_split("binary", 4000, 2, skill=1.0)
    black = np.array([r == "Black" for r in split.groups["race"]])
    errors = _errors(CalibrationReliability().run(_evidence(_sharpened(split, black))))
    assert errors["Black"].status is Status.WARN
    assert errors["Black"].scope.attribute == "race"
    assert "Black" in (errors["Black"].affected or "")
    assert errors["White"].status is Status.INFO
    assert errors["Other"].status is Status.INFO


def test_brier_equals_scikit_learn_overall_and_by_group() -> None:
    split = sample_split("binary", 800, 3)
    assert split.scores is not None
    women = np.array(split.groups["sex"]) == "Female"
    values = {f.scope.groups: f.value for f in CalibrationReliability().run(_evidence(split)) if f.metric == "brier"}
    assert values[None] == pytest.approx(brier_score_loss(split.target, split.scores[:, 1]), abs=1e-12)
    expected = brier_score_loss(split.target[women], split.scores[women, 1])
    assert values[("Female",)] == pytest.approx(expected, abs=1e-12)


def test_figures_overall_and_by_group() -> None:
    found = CalibrationReliability().run(_evidence(sample_split("binary", 800, 3)))
    overall, *by_group = _errors(found)["all"].figures
    assert overall.kind == "reliability"
    assert [[s.name for s in f.series] for f in by_group] == [
        ["Female", "Male"],
        ["(missing)", "Black", "Other", "White"],
    ]


@pytest.mark.parametrize(("kind", "scored"), [("regression", True), ("binary", False)])
def test_without_probabilities_it_is_skipped_with_the_reason(kind: str, scored: bool) -> None:
    split = sample_split(kind, 100, scored=scored)
    task = task_of(kind, None if scored else "labels")
    (finding,) = CalibrationReliability().run(make_evidence(task, {"test": split}))
    assert finding.status is Status.SKIPPED
    assert finding.reason
    assert not CalibrationReliability().offers(task)

"""Bounds that could never fail, ranges that every metric declares, and references that a plan can't mean."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from auditkit.checks.registry import CHECKS
from auditkit.core.errors import PlanError
from auditkit.data.spec import DataSpec
from auditkit.pipeline.document import parse_document
from auditkit.pipeline.load import load_plan
from auditkit.pipeline.plan import GateSpec
from auditkit.pipeline.suite import gate_problems
from tests.evidence import KINDS, task_of
from tests.evidence_samples import sample_evidence

DATA = DataSpec(
    splits={"train": Path("a"), "test": Path("b")}, sensitive=("sex", "race"), groups={"sex": ("Female", "Male")}
)


def problems(kind: str = "binary", *, off: tuple[str, ...] = (), **gate: Any) -> list[str]:
    checks = [CHECKS.get(name)() for name in CHECKS.names() if name not in off]
    spec = GateSpec.model_validate({"check": "bias.groups", **gate})
    return [str(p) for p in gate_problems([(0, spec)], checks, task_of(kind), DATA.splits.keys(), DATA)]  # type: ignore[arg-type]


OVERALL = "performance.summary"


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        ({"metric": "selection_rate_difference", "max": 1}, "never above 1, so this could never fail"),
        ({"metric": "selection_rate_difference", "max": 10}, "write 0.1 for 10%"),
        ({"metric": "selection_rate_difference", "min": 0}, "never below 0, so this could never fail"),
        ({"metric": "equalized_odds_difference", "min": -0.1, "max": 0.1}, "never below 0"),
        ({"metric": "selection_rate_ratio", "max": 1}, "never above 1"),
        ({"metric": "selection_rate", "min": 0, "max": 1}, "never above 1"),
        ({"check": OVERALL, "metric": "roc_auc", "min": 0}, "never below 0"),
        ({"check": OVERALL, "metric": "matthews_correlation", "min": -1}, "never below -1"),
        ({"check": OVERALL, "metric": "log_loss", "min": 0}, "never below 0"),
        ({"check": OVERALL, "metric": "accuracy_gain_over_majority", "min": -1}, "never below -1"),
        ({"check": OVERALL, "metric": "unscored_rows", "min": 0}, "never below 0"),
        ({"check": "calibration.reliability", "metric": "expected_calibration_error", "max": 1}, "never above 1"),
        ({"check": OVERALL, "metric": "accuracy", "min": 0, "relative_to": "train"}, "never below 0"),
        ({"check": OVERALL, "metric": "accuracy", "min": -1, "relative_to": "train", "as": "difference"}, "below -1"),
    ],
)
def test_a_bound_that_can_never_fail_is_refused(gate: dict[str, Any], words: str) -> None:
    found = problems(**gate)
    assert found
    assert words in found[0]
    assert all("could never fail" in problem for problem in found)


@pytest.mark.parametrize(
    "gate",
    [
        {"metric": "selection_rate_difference", "max": 0.99},
        {"metric": "selection_rate_difference", "max": 0},
        {"metric": "selection_rate_difference", "min": 0, "max": 0.1},
        {"metric": "selection_rate", "min": 0.2, "max": 1},
        {"metric": "log_loss_difference", "max": 5},
        {"check": OVERALL, "metric": "log_loss", "max": 3},
        {"check": OVERALL, "metric": "accuracy", "min": 1},
        {"check": OVERALL, "metric": "matthews_correlation", "min": 0},
        {"check": OVERALL, "metric": "accuracy", "min": 1, "relative_to": "train"},
        {"check": OVERALL, "metric": "accuracy", "min": 0.95, "max": 1.05, "relative_to": "train"},
        {"check": OVERALL, "metric": "accuracy", "min": -0.05, "relative_to": "train", "as": "difference"},
        {"check": OVERALL, "metric": "accuracy", "min": 1.1, "relative_to": "baseline"},
        {"check": OVERALL, "metric": "matthews_correlation", "min": -0.1, "relative_to": "train", "as": "difference"},
        {"metric": "true_positive_rate", "by": "sex", "min": 0.9, "relative_to": {"group": "all"}},
        {"metric": "true_positive_rate", "by": "sex", "min": 0.9, "relative_to": {"group": "Male"}},
        {"metric": "accuracy_difference", "by": "sex", "max": 1.5, "relative_to": {"by": "race"}},
    ],
)
def test_a_bound_that_can_fail_is_taken(gate: dict[str, Any]) -> None:
    assert problems(**gate) == []


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        ({"check": OVERALL, "metric": "accuracy", "relative_to": "trian"}, "no split 'trian'; did you mean 'train'?"),
        ({"check": OVERALL, "metric": "accuracy", "relative_to": "majority"}, "write {baseline: majority}"),
        ({"check": OVERALL, "metric": "accuracy", "relative_to": "linear"}, "write {baseline: linear}"),
        ({"check": OVERALL, "metric": "accuracy", "relative_to": "test"}, "what the gate itself judges"),
        ({"check": OVERALL, "metric": "matthews_correlation", "relative_to": "train"}, "write `as: difference`"),
        ({"check": OVERALL, "metric": "f1", "relative_to": "baseline"}, "a baseline is measured for accuracy of"),
        ({"metric": "accuracy", "relative_to": "baseline"}, "a baseline is measured for accuracy of"),
        ({"check": OVERALL, "metric": "accuracy", "relative_to": {"group": "all"}}, "not a metric of a single group"),
        ({"metric": "accuracy_difference", "relative_to": {"group": "Male"}}, "not a metric of a single group"),
        ({"metric": "accuracy", "relative_to": {"group": "Male"}}, "say which column has the group 'Male'"),
        ({"metric": "accuracy", "by": "sex", "relative_to": {"group": "Mal"}}, "did you mean 'Male'?"),
        ({"metric": "accuracy", "by": "sex", "relative_to": {"by": "rase", "group": "x"}}, "did you mean 'race'?"),
        (
            {"metric": "accuracy", "by": "sex", "group": "Male", "relative_to": {"group": "Male"}},
            "what the gate itself judges",
        ),
        ({"metric": "accuracy", "by": "sex", "relative_to": {"class": "yes"}}, "not a metric of a single class"),
        ({"metric": "unlabelled_rate", "by": "sex", "relative_to": {"group": "all"}}, "is measured by group only"),
    ],
)
def test_a_reference_that_cannot_be_meant_is_refused(gate: dict[str, Any], words: str) -> None:
    found = problems(**gate, min=0.5)
    assert len(found) == 1, found
    assert words in found[0]


def test_a_reference_whose_check_is_off_is_refused() -> None:
    gate = {"metric": "true_positive_rate", "by": "sex", "min": 0.9, "relative_to": {"group": "all"}}
    assert "performance.summary, which is off" in problems(**gate, off=("performance.summary",))[0]


def test_a_class_as_reference() -> None:
    gate = {"check": OVERALL, "metric": "recall", "class": "x", "min": 0.5}
    assert problems("multiclass", **gate, relative_to={"class": "y"}) == []
    assert "no class 'w'" in problems("multiclass", **gate, relative_to={"class": "w"})[0]
    assert "itself judges" in problems("multiclass", **gate, relative_to={"class": "x"})[0]


PLAN = """\
name: demo
model: {kind: predictions, prediction: p}
data: {splits: {test: test.csv}, target: y, sensitive: [sex]}
gates:
  - {check: performance.summary, metric: accuracy, min: 0.9, GATE}
"""


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("relative_to: {}", "relative_to: names nothing; name a split, a group, a class, or `baseline`"),
        ("relative_to: {splt: train}", "relative_to.splt: unknown key; did you mean 'split'?"),
        ("relative_to: 5", "relative_to"),
        ("relative_to: {baseline: best}", "relative_to.baseline: expected 'majority' or 'linear'"),
        ("relative_to: {baseline: linear, split: test}", "name nothing beside it"),
        ("as: difference", "needs `relative_to`"),
        ("relative_to: baseline, as: quotient", "as: expected 'ratio' or 'difference'"),
    ],
)
def test_a_reference_that_is_wrong_in_form(tmp_path: Path, written: str, words: str) -> None:
    (tmp_path / "test.csv").write_text("y,p,sex\n1,1,F\n0,1,M\n", encoding="utf-8")
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN.replace("GATE", written), encoding="utf-8")
    with pytest.raises(PlanError) as caught:
        load_plan(path)
    found = [str(problem) for problem in caught.value.problems]
    assert len(found) == 1, found
    assert words in found[0]
    assert found[0].startswith("line 5: gates[0]")


def test_the_gates_of_the_readme_are_right() -> None:
    readme = (Path(__file__).parent.parent.parent / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(gates:\n.*?)```", readme, flags=re.DOTALL)
    gates = parse_document(block).value["gates"]
    assert len(gates) == 5
    for gate in gates:
        assert problems(**gate) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_metric_declares_what_it_can_be_and_keeps_to_it(kind: str) -> None:
    """No value or interval of any check leaves the range that it offers, and shares and gaps have one."""
    evidence = sample_evidence(kind)
    for name in CHECKS.names():
        check = CHECKS.get(name)()
        ranges: dict[str, tuple[float | None, float | None]] = {}
        for offer in check.offers(evidence.task):
            assert ranges.setdefault(offer.metric, (offer.low, offer.high)) == (offer.low, offer.high)
            words = offer.metric.split("_")
            if words[-1] in ("rate", "ratio", "share", "difference", "index") and "error" not in words:
                assert offer.low is not None, f"{name}: {offer.metric} declares no lower end"
        for finding in check.run(evidence):
            if finding.value is None or finding.metric not in ranges:
                continue
            low, high = ranges[finding.metric]
            for number in (finding.value, *(finding.interval or ())):
                assert low is None or number >= low - 1e-12, f"{name}: {finding.metric} {number} is below {low}"
                assert high is None or number <= high + 1e-12, f"{name}: {finding.metric} {number} is above {high}"

"""`bias.groups` against fairlearn, planted gaps and their clean twins."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fairlearn.metrics import (
    MetricFrame,
    demographic_parity_difference,
    demographic_parity_ratio,
    equal_opportunity_difference,
    equalized_odds_difference,
    equalized_odds_ratio,
    false_negative_rate,
    false_positive_rate,
    selection_rate,
    true_negative_rate,
    true_positive_rate,
)
from sklearn.metrics import accuracy_score, mean_absolute_error

from auditkit.checks.bias.groups import BiasGroups
from auditkit.core.evidence import Evidence
from auditkit.core.finding import Finding
from auditkit.core.types import Status
from auditkit.tasks.multiclass import MulticlassTask
from tests.evidence import Split, make_evidence, task_of
from tests.evidence_samples import sample_evidence, sample_split


def of(found: list[Finding], metric: str, by: str = "sex", group: str | None = None) -> Finding:
    (finding,) = [
        f
        for f in found
        if f.metric == metric
        and f.scope.attribute == by
        and f.scope.class_ is None
        and (group is None or f.scope.groups == (group,))
        and (group is not None or f.scope.compared is not None or f.metric == "groups_found")
    ]
    return finding


def evidence_of(test: Split, kind: str = "binary", **more: Any) -> Evidence:
    return make_evidence(task_of(kind), {"test": test}, **more)


GAPS = {
    "demographic_parity_difference": demographic_parity_difference,
    "demographic_parity_ratio": demographic_parity_ratio,
    "equalized_odds_difference": equalized_odds_difference,
    "equalized_odds_ratio": equalized_odds_ratio,
    "equal_opportunity_difference": equal_opportunity_difference,
}
RATES = {
    "selection_rate": selection_rate,
    "true_positive_rate": true_positive_rate,
    "false_positive_rate": false_positive_rate,
    "true_negative_rate": true_negative_rate,
    "false_negative_rate": false_negative_rate,
    "accuracy": accuracy_score,
}


def same_as_fairlearn(test: Split, by: str) -> None:
    """Every rate of every group, and every gap, to 1e-12."""
    found = BiasGroups(intersections="pairs").run(evidence_of(test))
    columns = [["(missing)" if v is None else v for v in test.groups[name]] for name in by.split("×")]
    groups = ["×".join(row) for row in zip(*columns, strict=True)]
    data = {"y_true": test.target, "y_pred": test.prediction, "sensitive_features": groups}
    for metric, function in GAPS.items():
        assert of(found, metric, by).value == pytest.approx(function(**data), abs=1e-12)
    frame = MetricFrame(metrics=RATES, **data)
    for metric in RATES:
        for group, value in frame.by_group[metric].items():
            assert of(found, metric, by, group).value == pytest.approx(value, abs=1e-12)
        assert of(found, f"{metric}_difference", by).value == pytest.approx(frame.difference()[metric], abs=1e-12)
        assert of(found, f"{metric}_ratio", by).value == pytest.approx(frame.ratio()[metric], abs=1e-12)


@pytest.mark.parametrize("by", ["sex", "race", "sex×race"])
def test_rates_and_gaps_equal_fairlearn(by: str) -> None:
    same_as_fairlearn(sample_split("binary", 1500, 4), by)


def _planted(gap: float, rows: int = 3000) -> Split:
    """Women are selected with probability 0.5 − gap, men with 0.5, whatever the truth is."""
    rng = np.random.default_rng(1)
    sex = rng.choice(["Female", "Male"], rows)
    chosen = rng.random(rows) < np.where(sex == "Female", 0.5 - gap, 0.5)
    target = (rng.random(rows) < 0.5).astype(np.int64)
    return Split(target, chosen.astype(np.int64), groups={"sex": sex.tolist()})


def test_a_planted_gap_is_warned_of_with_who_and_what_to_do() -> None:
    found = BiasGroups().run(make_evidence(task_of("binary", "labels"), {"test": _planted(0.3)}))
    for metric in ("demographic_parity_difference", "demographic_parity_ratio"):
        gap = of(found, metric)
        assert gap.status is Status.WARN, metric
        assert gap.scope.groups == ("Male", "Female")
        assert gap.remedy
        assert "Female" in (gap.affected or "")
    assert "29 CFR 1607.4(D)" in of(found, "demographic_parity_ratio").explanation
    assert of(found, "demographic_parity_difference").figures


def test_its_clean_twin_is_not_warned_of_and_says_what_it_would_take() -> None:
    found = BiasGroups().run(make_evidence(task_of("binary", "labels"), {"test": _planted(0.0, rows=60)}))
    assert {f.status for f in found} == {Status.INFO}
    text = of(found, "demographic_parity_difference").explanation
    assert "would be shown by four such samples out of five" in text
    assert "two smallest groups" not in text, "there are but two"
    assert "rows in each group would show one of 0.05" in text


@pytest.mark.slow
def test_chance_alone_seldom_warns() -> None:
    """60 audits of equal groups of 40: without a control over the family, warnings would come by chance."""
    warned = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        groups = {"sex": rng.choice(["a", "b", "c"], 120).tolist()}
        target, prediction = ((rng.random(120) < 0.5).astype(np.int64) for _ in range(2))
        found = BiasGroups().run(
            make_evidence(task_of("binary", "labels"), {"test": Split(target, prediction, groups=groups)})
        )
        warned += any(f.status is Status.WARN for f in found)
    assert warned <= 3


def test_a_gap_in_errors_of_a_regression() -> None:
    rng = np.random.default_rng(2)
    sex = np.where(np.arange(1000) % 2, "Female", "Male")
    truth = rng.normal(0, 10, 1000)
    prediction = truth + rng.normal(0, np.where(sex == "Female", 6.0, 2.0))
    found = BiasGroups().run(evidence_of(Split(truth, prediction, groups={"sex": sex.tolist()}), "regression"))
    errors = {g: mean_absolute_error(truth[sex == g], prediction[sex == g]) for g in ("Female", "Male")}
    gap = of(found, "mean_absolute_error_difference")
    assert gap.value == pytest.approx(errors["Female"] - errors["Male"])
    ratio = of(found, "mean_absolute_error_ratio")
    assert ratio.status is Status.WARN
    assert (ratio.affected or "").startswith("sex 'Female'")


def test_a_group_without_positives_leaves_the_gap_undefined_and_tells_the_rest() -> None:
    test = sample_split("binary", 600, 3)
    other = np.array([r == "Other" for r in test.groups["race"]])
    found = BiasGroups().run(evidence_of(replace(test, target=np.where(other, 0, test.target))))
    gap = of(found, "true_positive_rate_difference", "race")
    assert gap.value is None
    assert "Other" in (gap.reason or "")
    assert "'yes'" in (gap.reason or "")
    assert "Over the groups for which it is defined" in gap.explanation
    assert of(found, "selection_rate_difference", "race").value is not None


def test_missing_values_are_a_group_and_small_groups_carry_no_verdict() -> None:
    test = sample_split("binary", 300, 3)
    race = [None if i < 4 else "White" if i % 2 else "Black" for i in range(300)]
    found = BiasGroups().run(evidence_of(replace(test, groups={"race": race})))
    small = of(found, "selection_rate", "race", "(missing)")
    assert (small.n, small.sufficient) == (4, False)
    assert of(found, "selection_rate", "race", "White").sufficient
    gap = of(found, "selection_rate_difference", "race")
    assert not gap.sufficient
    assert "(missing)" in gap.explanation
    assert of(BiasGroups(min_group=4).run(evidence_of(replace(test, groups={"race": race}))),
              "selection_rate_difference", "race").sufficient  # fmt: skip


def test_an_id_column_has_gaps_without_a_value() -> None:
    test = replace(sample_split("binary", 100, 1), groups={"sex": [f"p{i}" for i in range(100)]})
    found = BiasGroups().run(evidence_of(test))
    gap = of(found, "equalized_odds_difference")
    assert gap.value is None
    assert "100 groups for 100 rows" in (gap.reason or "")
    assert of(found, "groups_found").status is Status.WARN
    assert not [f for f in found if f.metric == "selection_rate"]


def test_labels_that_look_alike_are_warned_of() -> None:
    evidence = sample_evidence(
        "binary", 200, warnings={"sex": "'Male' and 'male ' differ only in case and white space"}
    )
    found = BiasGroups().run(evidence)
    alike = of(found, "groups_found")
    assert alike.status is Status.WARN
    assert "'male '" in alike.explanation
    assert of(found, "groups_found", "race").status is Status.INFO


def test_rows_without_a_label_are_counted_by_group() -> None:
    test = sample_split("binary", 600, 3)
    women = np.array(test.groups["sex"]) == "Female"
    found = BiasGroups().run(evidence_of(replace(test, target=np.where(women, -1, test.target))))
    assert of(found, "unlabelled_rate", group="Female").value == 1.0
    assert of(found, "unlabelled_rate_difference").value == 1.0
    assert of(found, "true_positive_rate_difference").value is None
    assert of(found, "demographic_parity_difference").value is not None


def test_intersections_are_those_of_gates_and_all_pairs_on_request() -> None:
    def attributes(check: BiasGroups, evidence: Evidence) -> set[str | None]:
        return {f.scope.attribute for f in check.run(evidence)}

    evidence = sample_evidence("regression", 120)
    assert attributes(BiasGroups(intersections="pairs"), evidence) == {"sex", "race", "sex×race"}
    assert attributes(BiasGroups(), evidence) == {"sex", "race"}
    named = sample_evidence("regression", 120, intersections=(("sex", "race"),))
    assert attributes(BiasGroups(), named) == {"sex", "race", "sex×race"}


def test_weights_count() -> None:
    test = _planted(0.0, 2000)
    women = np.array(test.groups["sex"]) == "Female"
    weight = np.where(women & (test.prediction == 1), 3.0, 1.0)
    found = BiasGroups().run(make_evidence(task_of("binary", "labels"), {"test": replace(test, weight=weight)}))
    expected = np.average(test.prediction[women], weights=weight[women])
    assert of(found, "selection_rate", group="Female").value == pytest.approx(expected)


def test_what_keeps_all_rows_from_being_measured_is_the_reason_of_every_rate_and_gap() -> None:
    test = sample_split("binary", 100, 1)
    lost = replace(test, prediction=np.full_like(test.prediction, -1), scores=None, problem="the column holds scores")
    found = BiasGroups().run(evidence_of(lost))
    assert of(found, "equalized_odds_difference").reason == "the column holds scores"
    assert of(found, "accuracy", group="Female").reason == "the column holds scores"
    assert of(found, "unlabelled_rate_difference").value is not None


def test_many_labels_are_compared_on_average_only_and_that_is_said() -> None:
    rng = np.random.default_rng(0)
    task = MulticlassTask(tuple(f"c{k}" for k in range(31)), "labels")
    target, prediction = rng.integers(0, 31, 400), rng.integers(0, 31, 400)
    split = Split(target, prediction, groups={"sex": rng.choice(["Female", "Male"], 400).tolist()})
    found = BiasGroups().run(make_evidence(task, {"test": split}))
    assert all(f.scope.class_ is None for f in found)
    assert {"accuracy", "accuracy_difference", "macro_f1", "macro_true_positive_rate_difference"} <= {
        f.metric for f in found
    }
    assert "With 31 labels only metrics over all of them" in of(found, "groups_found").explanation
    few = MulticlassTask(task.classes[:30], "labels")
    found = BiasGroups().run(
        make_evidence(few, {"test": replace(split, target=target % 30, prediction=prediction % 30)})
    )
    assert any(f.scope.class_ == "c7" and f.metric == "equalized_odds_difference" for f in found)
    assert "With 30 labels" not in of(found, "groups_found").explanation


def test_a_gap_of_numbers_too_large_to_be_squared_is_not_borrowed_from_other_groups() -> None:
    rng = np.random.default_rng(2)
    sex, truth = np.where(np.arange(200) % 2, "Female", "Male"), rng.normal(0, 1, 200)
    wild = np.where(np.arange(200) == 1, 1e200, truth + rng.normal(0, 1, 200))
    found = BiasGroups().run(evidence_of(Split(truth, wild, groups={"sex": sex.tolist()}), "regression"))
    absolute, squared = (of(found, f"mean_{name}_error_difference") for name in ("absolute", "squared"))
    assert absolute.value == pytest.approx(1e198)
    assert absolute.interval is None
    assert squared.value is None
    for finding in (absolute, squared):
        assert "too large" in (finding.reason or "")
    assert "Female" in (squared.reason or "")
    assert len(absolute.title) < 200


def test_the_loss_of_a_few_rows_carries_no_pass() -> None:
    rng = np.random.default_rng(0)
    group = ["few"] * 25 + ["many"] * 400
    target = rng.integers(0, 2, 425)
    score = np.clip(np.where(target == 1, 0.8, 0.2) + rng.normal(0, 0.1, 425), 0.01, 0.99)
    scores = np.column_stack([1 - score, score])
    split = Split(target, (score >= 0.5).astype(np.int64), scores, groups={"g": group})
    findings = BiasGroups().run(make_evidence(task_of("binary"), {"test": split}))
    few = {(f.metric, f.scope.groups) for f in findings if not f.sufficient}
    assert ("log_loss", ("few",)) in few
    assert "log_loss_difference" in {metric for metric, _ in few}
    assert ("log_loss", ("many",)) not in few
    assert ("accuracy", ("few",)) not in few

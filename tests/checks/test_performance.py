"""`performance.summary`, `generalization.gap` and `overfitting.gap` against planted truths."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score, log_loss, mean_absolute_error
from sklearn.neural_network import MLPClassifier

from auditkit.checks.generalization.gap import GeneralizationGap
from auditkit.checks.overfitting.gap import OverfittingGap
from auditkit.checks.performance.summary import PerformanceSummary
from auditkit.core.evidence import Evidence
from auditkit.core.finding import Finding
from auditkit.core.types import Status
from auditkit.report.labels import finding_label
from auditkit.tasks.multiclass import MulticlassTask
from tests.evidence import Split, make_evidence, task_of
from tests.evidence_samples import outputs_table, sample_evidence, sample_split


def one(found: list[Finding], metric: str, split: str = "test") -> Finding:
    (finding,) = [f for f in found if f.metric == metric and f.scope.split == split and f.scope.class_ is None]
    return finding


def test_metrics_and_gains_equal_scikit_learn() -> None:
    train, test = sample_split("binary", 500, 1), sample_split("binary", 500, 2)
    assert test.scores is not None
    rng = np.random.default_rng(3)
    linear = np.clip(test.scores[:, 1] + rng.normal(0, 0.3, 500), 0, 1)
    table = outputs_table("test", np.arange(500)[::-1], np.column_stack([1 - linear, linear])[::-1])
    found = PerformanceSummary().run(
        make_evidence(task_of("binary"), {"train": train, "test": test}, tables={"baseline": table})
    )
    accuracy = accuracy_score(test.target, test.prediction)
    assert one(found, "accuracy").value == pytest.approx(accuracy, abs=1e-12)
    assert one(found, "log_loss").value == pytest.approx(log_loss(test.target, test.scores), abs=1e-12)
    majority = int(train.target.mean() > 0.5)
    expected = accuracy - accuracy_score(test.target, np.full(500, majority))
    assert one(found, "accuracy_gain_over_majority").value == pytest.approx(expected, abs=1e-12)
    # The table is in another order than the rows: it must be matched by row, not by place.
    expected = accuracy - accuracy_score(test.target, (linear > 0.5).astype(int))
    assert one(found, "accuracy_gain_over_linear").value == pytest.approx(expected, abs=1e-12)


def test_gain_of_an_error_is_positive_where_the_model_is_better() -> None:
    evidence = sample_evidence("regression", 300)
    found = PerformanceSummary().run(evidence)
    test, train = evidence.outcomes("test"), evidence.outcomes("train")
    known = test.labelled
    model = mean_absolute_error(test.target[known], test.prediction[known])
    constant = mean_absolute_error(test.target[known], np.full(known.sum(), train.target.mean()))
    gain = one(found, "mean_absolute_error_gain_over_majority")
    assert gain.value == pytest.approx(constant - model)
    assert gain.value > 0
    assert gain.status is Status.INFO


def _useless(right: float) -> Evidence:
    """80% of labels are 'no'; the model gives the true label with probability `right`, whatever it is."""
    rng = np.random.default_rng(0)
    target = (rng.random(2000) < 0.2).astype(np.int64)
    prediction = np.where(rng.random(2000) < right, target, 1 - target)
    split = Split(target, prediction)
    return make_evidence(task_of("binary", "labels"), {"train": split, "test": split})


@pytest.mark.parametrize(("right", "status"), [(0.7, Status.WARN), (0.95, Status.INFO)])
def test_worse_than_the_majority_is_warned_of(right: float, status: Status) -> None:
    gain = one(PerformanceSummary().run(_useless(right)), "accuracy_gain_over_majority")
    assert gain.status is status
    assert (gain.remedy is not None) is (status is Status.WARN)


def test_the_majority_of_the_split_itself_is_said() -> None:
    evidence = make_evidence(task_of("binary"), {"test": sample_split("binary", 200, 2)})
    gain = one(PerformanceSummary().run(evidence), "accuracy_gain_over_majority")
    assert "no labelled train split" in gain.explanation
    assert (
        "no labelled train split"
        not in one(PerformanceSummary().run(sample_evidence("binary", 200)), "accuracy_gain_over_majority").explanation
    )


def test_unscored_rows_and_a_constant_prediction_are_warned_of() -> None:
    clean = sample_split("binary", 200, 2)
    lost = replace(clean, prediction=np.where(np.arange(200) < 7, -1, clean.prediction))
    assert one(PerformanceSummary().run(_of(clean)), "unscored_rows").status is Status.INFO
    unscored = one(PerformanceSummary().run(_of(lost)), "unscored_rows")
    assert (unscored.value, unscored.status) == (7.0, Status.WARN)
    same = replace(clean, prediction=np.zeros_like(clean.prediction))
    assert one(PerformanceSummary().run(_of(clean)), "distinct_predictions").status is Status.INFO
    assert one(PerformanceSummary().run(_of(same)), "distinct_predictions").status is Status.WARN


def test_the_constant_prediction_is_named() -> None:
    clean = sample_split("binary", 200, 2)
    same = one(
        PerformanceSummary().run(_of(replace(clean, prediction=np.ones(200, dtype=np.int64)))), "distinct_predictions"
    )
    assert same.title.endswith("the same prediction, 'yes'")
    number = replace(sample_split("regression", 50, 2), prediction=np.full(50, 3.25))
    evidence = make_evidence(task_of("regression"), {"test": number})
    assert one(PerformanceSummary().run(evidence), "distinct_predictions").title.endswith("the same prediction, 3.25")


def test_a_gain_names_its_baseline_once() -> None:
    for finding in PerformanceSummary().run(sample_evidence("binary", 200)):
        for rival in ("majority", "linear"):
            if finding.metric.endswith(f"gain_over_{rival}"):
                assert finding_label(finding) == f"Accuracy gain over {rival}"


def _of(test: Split) -> Evidence:
    return make_evidence(task_of("binary"), {"test": test})


def test_gap_is_train_minus_test_and_positive_where_test_is_worse() -> None:
    easy, hard = sample_split("binary", 900, 1, skill=4.0), sample_split("binary", 900, 2, skill=1.0)
    found = GeneralizationGap().run(make_evidence(task_of("binary"), {"train": easy, "test": hard}))
    gap = one(found, "accuracy_gap")
    parts = [accuracy_score(s.target, s.prediction) for s in (easy, hard)]
    assert gap.value == pytest.approx(parts[0] - parts[1], abs=1e-12)
    assert gap.interval is not None
    assert gap.interval[0] > 0
    assert gap.scope.reference == "train"
    assert "worse than on train" in gap.title
    loss = one(found, "loss_gap")
    losses = [log_loss(s.target, s.scores) for s in (easy, hard)]
    assert loss.value == pytest.approx(losses[1] - losses[0], abs=1e-9)
    swapped = GeneralizationGap().run(make_evidence(task_of("binary"), {"train": hard, "test": easy}))
    assert one(swapped, "accuracy_gap").value == pytest.approx(-gap.value)
    assert "better than on train" in one(swapped, "accuracy_gap").title


def test_without_train_the_gap_is_skipped_with_the_remedy() -> None:
    for check in (GeneralizationGap(), OverfittingGap()):
        (finding,) = check.run(_of(sample_split("binary", 50)))
        assert finding.status is Status.SKIPPED
        assert "data.splits.train" in (finding.reason or "")


def _digits(rows: int, shuffled: float) -> Evidence:
    images, labels = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(labels))
    images, labels = images[order] / 16, labels[order].astype(np.int64)
    given = labels[:rows].copy()
    wrong = rng.random(rows) < shuffled
    given[wrong] = rng.permutation(given[wrong])
    model = MLPClassifier((64,), max_iter=3000, random_state=0, solver="lbfgs", alpha=1e-4 if shuffled else 1.0)
    model.fit(images[:rows], given)
    classes = tuple(str(c) for c in range(10))

    def split(x: np.ndarray, y: np.ndarray) -> Split:
        scores = model.predict_proba(x)
        return Split(y, scores.argmax(axis=1).astype(np.int64), scores)

    splits = {"train": split(images[:rows], given), "test": split(images[rows:], labels[rows:])}
    return make_evidence(MulticlassTask(classes), splits)


def test_a_network_that_remembers_shuffled_labels_is_warned_of_and_its_clean_twin_is_not() -> None:
    (overfitted,) = OverfittingGap().run(_digits(300, shuffled=0.3))
    assert overfitted.status is Status.WARN
    assert overfitted.remedy
    (clean,) = OverfittingGap().run(_digits(1000, shuffled=0.0))
    assert clean.status is Status.INFO
    assert clean.value is not None
    assert clean.value < 0.1


def test_tolerance_is_an_option_and_history_is_drawn() -> None:
    evidence = sample_evidence("binary", 300)
    (finding,) = OverfittingGap().run(evidence)
    (figure,) = finding.figures
    assert [series.name for series in figure.series] == ["train", "validation"]
    assert [p.y for p in figure.series[1].points] == [0.95, 0.7, 0.65]
    easy, hard = sample_split("binary", 900, 1, skill=4.0), sample_split("binary", 900, 2, skill=1.0)
    splits = {"train": easy, "test": hard}
    assert OverfittingGap(tolerance=0.9).run(make_evidence(task_of("binary"), splits))[0].status is Status.INFO
    assert OverfittingGap(tolerance=0.05).run(make_evidence(task_of("binary"), splits))[0].status is Status.WARN

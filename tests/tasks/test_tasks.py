from __future__ import annotations

import time

import numpy as np
import pytest
from fairlearn import metrics as fair
from sklearn import datasets, metrics
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from auditkit.core.outcomes import Groups
from auditkit.core.task import Task
from auditkit.measures.gaps import gap
from auditkit.measures.rates import by_group
from auditkit.tasks.binary import BinaryTask
from auditkit.tasks.multiclass import MulticlassTask
from auditkit.tasks.regression import RegressionTask
from tests.tasks.tables import by_name, outcomes


@pytest.fixture(scope="module")
def cancer():
    x, y = datasets.load_breast_cancer(return_X_y=True)
    x = x[:, [1, 4]]
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(x[:300], y[:300])
    task = BinaryTask(("malignant", "benign"), "benign")
    score = model.predict_proba(x[300:])
    names = np.array(["malignant", "benign"])[y[300:]]
    return task, y[300:], score, outcomes(task, names, score), (x[300:, 0] > 19).astype(np.int64)


@pytest.fixture(scope="module")
def digits():
    x, y = datasets.load_digits(return_X_y=True)
    model = LogisticRegression(max_iter=200).fit(x[:300] / 16, y[:300])
    task = MulticlassTask(tuple("0123456789"))
    score = model.predict_proba(x[300:] / 16)
    return task, y[300:], score, outcomes(task, [str(v) for v in y[300:]], score), np.arange(len(y) - 300) % 3


@pytest.fixture(scope="module")
def diabetes():
    x, y = datasets.load_diabetes(return_X_y=True)
    predicted = LinearRegression().fit(x[:200], y[:200]).predict(x[200:])
    task = RegressionTask()
    return task, y[200:], predicted, outcomes(task, y[200:], predicted, outputs="values"), (x[200:, 1] > 0).astype(int)


def test_binary_values_are_scikit_learns(cancer):
    task, y, score, found, _ = cancer
    p = (score[:, 1] >= 0.5).astype(int)
    expected = {
        "accuracy": metrics.accuracy_score(y, p),
        "balanced_accuracy": metrics.balanced_accuracy_score(y, p),
        "precision": metrics.precision_score(y, p),
        "recall": metrics.recall_score(y, p),
        "f1": metrics.f1_score(y, p),
        "matthews_correlation": metrics.matthews_corrcoef(y, p),
        "roc_auc": metrics.roc_auc_score(y, score[:, 1]),
        "log_loss": metrics.log_loss(y, score),
        "brier": metrics.brier_score_loss(y, score[:, 1]),
        "selection_rate": p.mean(),
        "negative_predictive_value": metrics.precision_score(1 - y, 1 - p),
        "true_negative_rate": metrics.recall_score(1 - y, 1 - p),
    }
    values = by_name(task.summary(found, 0.95))
    assert {name: values[name] for name in expected} == pytest.approx(expected, abs=1e-12)


def test_binary_gaps_are_fairlearns(cancer):
    task, y, score, found, code = cancer
    p = (score[:, 1] >= 0.5).astype(int)
    groups = Groups("texture", ("low", "high"), code)
    gaps = {rule.name: gap(rule, task.statistics(found), groups).estimate.value for rule in task.gap_rules()}
    given = {"y_true": y, "y_pred": p, "sensitive_features": code}
    frame = fair.MetricFrame(
        metrics={"accuracy": metrics.accuracy_score, "false_negative_rate": fair.false_negative_rate}, **given
    )
    expected = {
        "demographic_parity_difference": fair.demographic_parity_difference(**given),
        "demographic_parity_ratio": fair.demographic_parity_ratio(**given),
        "equalized_odds_difference": fair.equalized_odds_difference(**given),
        "equalized_odds_ratio": fair.equalized_odds_ratio(**given),
        "equal_opportunity_difference": fair.equal_opportunity_difference(**given),
        "equal_opportunity_ratio": fair.equal_opportunity_ratio(**given),
        "accuracy_difference": frame.difference()["accuracy"],
        "accuracy_ratio": frame.ratio()["accuracy"],
        "false_negative_rate_difference": frame.difference()["false_negative_rate"],
    }
    assert {name: gaps[name] for name in expected} == pytest.approx(expected, abs=1e-12)
    assert gaps["selection_rate_difference"] == gaps["demographic_parity_difference"]


def test_multiclass_values_are_scikit_learns(digits):
    task, y, score, found, code = digits
    p = score.argmax(axis=1)
    summary = task.summary(found, 0.95)
    values = by_name(summary)
    assert values["accuracy"] == pytest.approx(metrics.accuracy_score(y, p), abs=1e-12)
    assert values["macro_f1"] == pytest.approx(metrics.f1_score(y, p, average="macro"), abs=1e-12)
    assert values["log_loss"] == pytest.approx(metrics.log_loss(y, score), abs=1e-12)
    assert values["brier"] == pytest.approx(((score - np.eye(10)[y]) ** 2).sum(axis=1).mean(), abs=1e-12)
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(y, p)
    for k, label in enumerate(task.classes):
        one = by_name(summary, label)
        assert (one["precision"], one["recall"], one["f1"]) == pytest.approx((precision[k], recall[k], f1[k]))
    frame = fair.MetricFrame(metrics=fair.true_positive_rate, y_true=y == 3, y_pred=p == 3, sensitive_features=code)
    rule = next(r for r in task.gap_rules() if r.name == "true_positive_rate_difference" and r.class_ == "3")
    seen = gap(rule, task.statistics(found), Groups("third", ("x", "y", "z"), code))
    assert seen.estimate.value == pytest.approx(frame.difference(), abs=1e-12)


def test_regression_values_are_scikit_learns(diabetes):
    task, y, predicted, found, sex = diabetes
    expected = {
        "mean_error": np.mean(predicted - y),
        "mean_absolute_error": metrics.mean_absolute_error(y, predicted),
        "mean_squared_error": metrics.mean_squared_error(y, predicted),
        "root_mean_squared_error": metrics.root_mean_squared_error(y, predicted),
        "r2": metrics.r2_score(y, predicted),
    }
    assert by_name(task.summary(found, 0.95)) == pytest.approx(expected, rel=1e-12)
    frame = fair.MetricFrame(metrics=metrics.mean_absolute_error, y_true=y, y_pred=predicted, sensitive_features=sex)
    groups = Groups("sex", ("a", "b"), sex)
    gaps = {r.name: gap(r, task.statistics(found), groups).estimate.value for r in task.gap_rules()}
    assert gaps["mean_absolute_error_difference"] == pytest.approx(frame.difference(), rel=1e-12)
    assert gaps["mean_absolute_error_ratio"] == pytest.approx(frame.ratio(), rel=1e-12)


CASES = ["cancer", "digits", "diabetes"]


@pytest.mark.parametrize("case", CASES)
def test_what_is_offered_is_what_is_found(case, request):
    task, *_, found, _ = request.getfixturevalue(case)
    summary = task.summary(found, 0.95)
    offered = {(o.metric, o.class_): o.better for o in task.summary_offers()}
    assert {(m.name, m.class_ is not None): m.better for m in summary} == offered
    for metric in summary:
        assert metric.estimate.interval is not None
        low, high = metric.estimate.interval
        assert low <= metric.estimate.value <= high
        assert low < high
    names = {(s.name, s.class_) for s in task.statistics(found)}
    assert task.headline in {name for name, _ in names}
    rules = task.gap_rules()
    assert {(s, r.class_) for r in rules for s in r.statistics} <= names
    assert len({(r.name, r.class_) for r in rules}) == len(rules)


@pytest.mark.parametrize("case", CASES)
def test_statistics_keep_their_promises(case, request):
    task, *_, found, _ = request.getfixturevalue(case)
    for stat in task.statistics(found):
        assert stat.numerator.dtype == np.float64
        assert stat.counts.dtype == np.bool_
        assert not stat.numerator[~stat.counts].any()
        if stat.kind == "proportion":
            assert set(np.unique(stat.numerator)) <= {0.0, 1.0}


@pytest.mark.parametrize("case", CASES)
def test_the_constant_prediction_is_the_best_one(case, request):
    task, y, _, found, _ = request.getfixturevalue(case)
    constant = task.majority(found, found)
    values = by_name(task.summary(constant, 0.95))
    if case == "diabetes":
        assert values["r2"] == pytest.approx(0.0, abs=1e-12)
        assert values["mean_squared_error"] == pytest.approx(np.var(y))
        return
    share = np.bincount(y) / len(y)
    assert values["accuracy"] == pytest.approx(share.max())
    assert values["log_loss"] == pytest.approx(-np.sum(share * np.log(share)))
    nothing = task.majority(found.where(np.zeros(len(y), dtype=bool)), found)
    assert "no label" in nothing.problem


@pytest.mark.parametrize("case", CASES)
def test_the_same_raw_outputs_give_the_same_response(case, request):
    task, _, raw, found, _ = request.getfixturevalue(case)
    assert task.response_of(raw, found) == pytest.approx(task.response(found), abs=1e-12)
    if case != "diabetes":
        assert task.response(found) == pytest.approx(found.scores[np.arange(len(found)), found.prediction])


def test_response_of_logits_goes_the_way_of_the_predictions():
    task = BinaryTask(("no", "yes"), "no", outputs="logits")
    raw = np.array([[-2.0], [0.5]])
    found = outcomes(task, ["no", "yes"], raw, outputs="logits")
    assert task.response_of(raw, found) == pytest.approx(task.response(found))
    assert task.response_of(raw + 1, found)[1] > task.response(found)[1]
    assert task.response_of(raw + 1, found)[0] < task.response(found)[0]


@pytest.mark.parametrize("case", CASES)
def test_loss_of_rows(case, request):
    task, y, raw, found, _ = request.getfixturevalue(case)
    expected = (raw - y) ** 2 if case == "diabetes" else -np.log(raw[np.arange(len(y)), y])
    assert task.loss(found) == pytest.approx(expected)


@pytest.mark.parametrize("case", ["cancer", "digits"])
def test_calibration_has_figure_table_and_what_it_offers(case, request):
    task, *_, found, _ = request.getfixturevalue(case)
    seen = task.calibration(found, 0.95, 15)
    assert [m.name for m in seen.metrics] == [o.metric for o in task.calibration_offers()]
    assert all(m.estimate.low < m.estimate.high for m in seen.metrics)
    assert seen.figure.kind == "reliability"
    assert seen.figure.alt
    assert len(seen.table.rows) == len(seen.figure.series[0].points) == min(15, len(found) // 20)
    assert sum(row[0] for row in seen.table.rows) == len(found)


def test_where_there_is_nothing_to_calibrate_a_sentence_says_so(diabetes):
    task, *_, found, _ = diabetes
    assert "numbers" in task.calibration(found, 0.95, 15)
    assert task.calibration_offers() == ()
    labels = BinaryTask(("no", "yes"), "yes", outputs="labels")
    assert "labels" in labels.calibration(outcomes(labels, ["no"], label=["no"], outputs="labels"), 0.95, 15)


LABELS_ONLY: list[Task] = [BinaryTask(("no", "yes"), "yes", "labels"), MulticlassTask(("no", "yes"), "labels")]


@pytest.mark.parametrize("task", LABELS_ONLY)
def test_labels_without_scores_leave_out_what_needs_scores(task):
    found = outcomes(task, ["no", "yes"] * 20, label=["no", "yes", "yes", "no"] * 10, outputs="labels")
    names = {(m.name, m.class_ is not None) for m in task.summary(found, 0.95)}
    assert names == {(o.metric, o.class_) for o in task.summary_offers()}
    assert not {"log_loss", "brier", "roc_auc"} & {name for name, _ in names}
    assert np.isnan(task.loss(found)).all()
    assert np.isnan(task.response(found)).all()


def test_rows_without_a_label_count_for_the_selection_rate_only():
    task = BinaryTask(("no", "yes"), "yes")
    found = outcomes(task, ["yes", None, "no", None], [0.9, 0.8, 0.2, float("nan")])
    counted = {s.name: int(s.counts.sum()) for s in task.statistics(found)}
    assert counted["selection_rate"] == 3
    assert counted["accuracy"] == counted["log_loss"] == counted["brier"] == 2
    assert counted["true_positive_rate"] == counted["false_positive_rate"] == 1


def test_a_group_without_positives_says_which_label_it_lacks():
    task = BinaryTask(("<=50K", ">50K"), ">50K")
    found = outcomes(task, [">50K", "<=50K", "<=50K", "<=50K"], [0.9, 0.8, 0.2, 0.1])
    stat = next(s for s in task.statistics(found) if s.name == "true_positive_rate")
    seen = by_group(stat, Groups("sex", ("Female", "Male"), np.array([1, 1, 0, 0])))
    assert seen[0].reason == "Female: there are no rows with the label '>50K'"
    assert seen[1].value == 1.0


def test_tasks_that_can_not_be_are_refused():
    with pytest.raises(ValueError, match="two classes"):
        BinaryTask(("a", "b", "c"), "a")
    with pytest.raises(ValueError, match="two classes"):
        BinaryTask(("a", "b"), "c")
    with pytest.raises(ValueError, match="at least one"):
        MulticlassTask(())


@pytest.mark.parametrize("n", [0, 1])
@pytest.mark.parametrize("case", CASES)
def test_none_or_one_row_never_breaks(case, n, request):
    task, *_, found, _ = request.getfixturevalue(case)
    few = found.where(np.arange(len(found)) < n)
    for metric in task.summary(few, 0.95):
        assert metric.estimate.n <= n
        assert n or metric.estimate.reason
        assert metric.estimate.interval is None or metric.estimate.low < metric.estimate.high
    task.calibration(few, 0.95, 15)
    assert len(task.loss(few)) == len(task.response(few)) == n


@pytest.mark.parametrize("task", [BinaryTask(("no", "yes"), "yes"), MulticlassTask(("no", "yes", "perhaps"))])
def test_scores_that_are_all_unusable_leave_their_metrics_undefined_with_the_reason(task):
    """They must not vanish: a gate on one of them would select nothing."""
    wrong = np.full((40, len(task.classes)), 7.0)
    found = outcomes(task, ["no", "yes"] * 20, wrong, label=["no", "yes", "yes", "no"] * 10)
    assert found.scores is None
    assert found.problem is None
    summary = task.summary(found, 0.95)
    assert {(m.name, m.class_ is not None) for m in summary} == {(o.metric, o.class_) for o in task.summary_offers()}
    needing = {"log_loss", "brier", "roc_auc"} & {m.name for m in summary}
    for metric in summary:
        if metric.name in needing:
            assert metric.estimate.value is None
            assert "every score is missing or out of range" in metric.estimate.reason
    assert by_name(summary)["accuracy"] == 0.5
    groups = Groups("sex", ("a", "b"), np.arange(40) % 2)
    rules = [rule for rule in task.gap_rules() if rule.statistics[0] in ("log_loss", "brier")]
    assert len(rules) == 2
    for rule in rules:
        seen = gap(rule, task.statistics(found), groups).estimate
        assert seen.value is None
        assert "every score is missing or out of range" in seen.reason
    assert task.calibration(found, 0.95, 15) == "every score is missing or out of range"


def many(n: int, size: int, right: float = 0.7, seed: int = 0):
    rng = np.random.default_rng(seed)
    target = np.concatenate([np.arange(size), rng.integers(0, size, n - size)])
    given = np.where(rng.random(n) < right, target, rng.integers(0, size, n))
    task = MulticlassTask(tuple(f"c{k}" for k in range(size)), "labels")
    names = np.array(task.classes)
    return task, target, given, outcomes(task, names[target], label=names[given], outputs="labels")


def test_thousands_of_labels_are_measured_in_seconds():
    start = time.process_time()
    task, target, given, found = many(20_000, 2000)
    summary = task.summary(found, 0.95)
    assert time.process_time() - start < 30
    values, one = by_name(summary), by_name(summary, "c7")
    assert values["matthews_correlation"] == pytest.approx(metrics.matthews_corrcoef(target, given))
    assert one["recall"] == pytest.approx(metrics.recall_score(target == 7, given == 7))
    assert [m.name for m in summary[:4]] == ["accuracy", "balanced_accuracy", "macro_f1", "matthews_correlation"]
    assert all(s.class_ is None for s in task.statistics(found))
    names = ("accuracy", "error_rate", "accuracy_equality")
    assert {rule.name for rule in task.gap_rules()} == {
        f"{n}_{form}" for n in names for form in ("difference", "ratio")
    }
    assert task.majority(found, found).scores is None

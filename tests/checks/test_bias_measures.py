"""`bias.groups` beyond rates: measures, named gaps, adverse impact, worst groups, inequality, by independent code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from fairlearn.metrics import MetricFrame
from scipy.stats import fisher_exact
from sklearn import metrics as sk

from auditkit.checks.bias.groups import BiasGroups
from auditkit.core.evidence import Asked, Evidence
from auditkit.core.finding import Finding
from auditkit.tasks.multiclass import MulticlassTask
from tests.checks.test_bias import evidence_of, of
from tests.evidence import Split, make_evidence, task_of
from tests.evidence_samples import sample_split

Values = npt.NDArray[Any]


def asking(evidence: Evidence, *metrics: str, split: str = "test", class_: str | None = None) -> Evidence:
    return replace(evidence, asked=tuple(Asked("bias.groups", m, split, class_=class_) for m in metrics))


def everything(test: Split, kind: str) -> list[Finding]:
    """All findings, where gates ask for everything that is offered."""
    evidence = evidence_of(test, kind)
    return BiasGroups().run(asking(evidence, *{o.metric for o in BiasGroups().offers(evidence.task)}))


def by_race(measures: Mapping[str, Callable[..., float]], test: Split) -> MetricFrame:
    races = ["(missing)" if r is None else r for r in test.groups["race"]]
    return MetricFrame(
        metrics=dict(measures),
        y_true=test.target,
        y_pred=test.prediction,
        sensitive_features=races,
    )


def compare(found: list[Finding], frame: MetricFrame, forms: tuple[str, ...] = ("difference",)) -> None:
    for metric in frame.by_group.columns:
        for group, value in frame.by_group[metric].items():
            assert of(found, metric, "race", group).value == pytest.approx(value, abs=1e-12), (metric, group)
        for form in forms:
            expected = getattr(frame, form)()[metric]
            assert of(found, f"{metric}_{form}", "race").value == pytest.approx(expected, abs=1e-12), metric


def test_rates_and_measures_of_labels_are_those_of_scikit_learn_by_fairlearn() -> None:
    test = sample_split("binary", 2000, 4)
    measures = {
        "error_rate": sk.zero_one_loss,
        "false_discovery_rate": lambda y, p: 1 - sk.precision_score(y, p),
        "false_omission_rate": lambda y, p: 1 - sk.precision_score(1 - y, 1 - p),
        "f1": sk.f1_score,
        "balanced_accuracy": sk.balanced_accuracy_score,
    }
    found = everything(test, "binary")
    compare(found, by_race(measures, test), ("difference", "ratio"))
    # The same numbers under the field's own names.
    for name, rate in (("predictive_equality", "false_positive_rate"), ("accuracy_equality", "accuracy")):
        for form in ("difference", "ratio"):
            named, plain = of(found, f"{name}_{form}", "race"), of(found, f"{rate}_{form}", "race")
            assert (named.value, named.interval) == (plain.value, plain.interval)
    parts = [of(found, f"{rate}_predictive_value_difference", "race").value for rate in ("positive", "negative")]
    assert of(found, "conditional_use_accuracy_equality_difference", "race").value == max(parts)


def test_measures_of_scores_are_those_of_scikit_learn() -> None:
    test = sample_split("binary", 2000, 4)
    assert test.scores is not None
    found, sex = everything(test, "binary"), np.array(test.groups["sex"])
    for metric, function in (("roc_auc", sk.roc_auc_score), ("average_precision", sk.average_precision_score)):
        values = {g: function(test.target[sex == g], test.scores[sex == g, 1]) for g in ("Female", "Male")}
        for group, value in values.items():
            assert of(found, metric, group=group).value == pytest.approx(value, abs=1e-12)
        gap = of(found, f"{metric}_difference")
        assert gap.value == pytest.approx(abs(values["Female"] - values["Male"]), abs=1e-12)
        assert gap.interval is not None
        assert gap.interval[0] <= (gap.value or 0.0) < gap.interval[1]
    assert of(found, "expected_calibration_error_difference").interval is not None


def test_treatment_equality_is_the_gap_in_false_negatives_for_each_false_positive() -> None:
    test = sample_split("binary", 2000, 4)
    found, sex = everything(test, "binary"), np.array(test.groups["sex"])
    odds = {}
    for group in ("Female", "Male"):
        _, fp, fn, _ = sk.confusion_matrix(test.target[sex == group], test.prediction[sex == group]).ravel()
        odds[group] = fn / fp
        assert of(found, "error_odds", group=group).value == pytest.approx(fn / fp)
    assert of(found, "treatment_equality_difference").value == pytest.approx(max(odds.values()) - min(odds.values()))
    assert of(found, "treatment_equality_ratio").value == pytest.approx(min(odds.values()) / max(odds.values()))


def test_averages_over_classes_are_those_of_scikit_learn() -> None:
    test = sample_split("multiclass", 3000, 4)

    def specificity_complement(y: Values, p: Values) -> float:
        return float(np.mean([np.mean(p[y != k] == k) for k in range(3)]))

    measures = {
        "macro_true_positive_rate": lambda y, p: sk.recall_score(y, p, average="macro"),
        "macro_false_negative_rate": lambda y, p: 1 - sk.recall_score(y, p, average="macro"),
        "macro_false_positive_rate": specificity_complement,
        "macro_positive_predictive_value": lambda y, p: sk.precision_score(y, p, average="macro"),
        "macro_f1": lambda y, p: sk.f1_score(y, p, average="macro"),
        "balanced_accuracy": sk.balanced_accuracy_score,
    }
    compare(everything(test, "multiclass"), by_race(measures, test), ("difference", "ratio"))


def test_measures_of_numbers_are_those_of_scikit_learn_and_numpy() -> None:
    test = sample_split("regression", 2000, 4)
    measures = {
        "root_mean_squared_error": sk.root_mean_squared_error,
        "r2": sk.r2_score,
        "median_absolute_error": sk.median_absolute_error,
        "absolute_error_90th_percentile": lambda y, p: float(np.quantile(np.abs(y - p), 0.9)),
    }
    compare(everything(test, "regression"), by_race(measures, test))


def test_what_is_asked_for_is_found_and_what_is_not_stands_in_tables() -> None:
    evidence = evidence_of(sample_split("binary", 500, 4))
    unasked = {f.metric for f in BiasGroups().run(evidence)}
    rare = {"error_rate", "false_omission_rate_ratio", "worst_group_accuracy", "roc_auc_ratio", "average_precision"}
    assert not rare & unasked
    assert rare <= {f.metric for f in BiasGroups().run(asking(evidence, *rare))}
    titles = {t.title: t for t in of(BiasGroups().run(evidence), "groups_found", "race").tables}
    told = {row[1] for row in titles["Further metrics by race on test"].rows}
    assert {"error rate", "false discovery rate", "average precision"} <= told
    assert "ROC AUC ratio" in {row[0] for row in titles["Further gaps by race on test"].rows}
    assert {row[0] for row in titles["Ranks by race on test"].rows} == {"(missing)", "Black", "Other", "White"}


def test_the_worst_group_is_named_with_an_interval_around_its_value() -> None:
    test = sample_split("binary", 2000, 4)
    metrics = {"worst_group_accuracy": "accuracy", "worst_group_roc_auc": "roc_auc"}
    found = BiasGroups().run(asking(evidence_of(test), *metrics))
    for metric, own in metrics.items():
        worst = of(found, metric, "race")
        values = {g: of(found, own, "race", g).value for g in ("(missing)", "Black", "Other", "White")}
        assert worst.scope.groups == (min(values, key=lambda g: values[g] or 0.0),)
        assert worst.value == min(values.values())
    found = BiasGroups().run(asking(evidence_of(test), "worst_group_false_positive_rate"))
    rates = [f.value or 0.0 for f in found if f.metric == "false_positive_rate" and f.scope.attribute == "race"]
    assert len(rates) == 4
    assert of(found, "worst_group_false_positive_rate", "race").value == max(rates)


def _selected(counts: Mapping[str, tuple[int, int]]) -> Split:
    """So many of so many of each group are selected."""
    group = np.concatenate([np.repeat(name, n) for name, (_, n) in counts.items()])
    chosen = np.concatenate([np.arange(n) < k for k, n in counts.values()]).astype(np.int64)
    return Split(chosen, chosen, groups={"sex": group.tolist()})


def test_adverse_impact_with_the_tests_of_regulators() -> None:
    """48 of 80 against 12 of 40, as in the questions and answers on the Uniform Guidelines: 30% over 60%."""
    evidence = make_evidence(task_of("binary", "labels"), {"test": _selected({"W": (48, 80), "B": (12, 40)})})
    found = BiasGroups().run(evidence)
    black, white = of(found, "adverse_impact_ratio", group="B"), of(found, "adverse_impact_ratio", group="W")
    assert (black.value, white.value) == (pytest.approx(0.5), 1.0)
    pooled = 60 / 120
    deviations = (0.6 - 0.3) / np.sqrt(pooled * (1 - pooled) * (1 / 80 + 1 / 40))
    assert f"by {deviations:.3g} standard deviations, more than the two" in black.explanation
    assert f"p = {fisher_exact([[12, 28], [48, 32]]).pvalue:.3g}"[:9] in black.explanation
    assert "is below four fifths" in black.explanation
    assert "the most selected group, which the others" in white.explanation
    (table,) = [t for t in of(found, "groups_found").tables if t.title.startswith("Adverse impact")]
    row = dict(zip(table.columns, next(r for r in table.rows if r[0] == "B"), strict=True))
    assert row["standard deviations"] == pytest.approx(deviations)
    assert row["selections short of equal rates"] == pytest.approx(40 * 0.5 - 12)


def test_inequality_is_that_of_the_definition() -> None:
    test = sample_split("binary", 2000, 4)
    found, b = everything(test, "binary"), test.prediction - test.target + 1.0
    x = b / b.mean()
    theil = float(np.mean(np.where(x > 0, x * np.log(np.where(x > 0, x, 1.0)), 0.0)))
    values = {f.metric: f.value for f in found if f.metric in ("generalized_entropy_index", "theil_index")}
    assert values["generalized_entropy_index"] == pytest.approx(float(np.mean(x**2 - 1) / 2))
    assert values["theil_index"] == pytest.approx(theil)
    sex = np.array(test.groups["sex"])
    means = np.array([b[sex == g].mean() for g in sex]) / b.mean()
    (part,) = [f for f in found if f.metric == "between_group_theil_index" and f.scope.attribute == "sex"]
    assert part.value == pytest.approx(float(np.mean(means * np.log(means))), abs=1e-12)


def test_train_is_measured_where_a_gate_names_it_and_warns_of_nothing() -> None:
    women = ["Female", "Male"] * 1500
    rng = np.random.default_rng(0)
    chosen = (rng.random(3000) < np.where(np.arange(3000) % 2, 0.7, 0.2)).astype(np.int64)
    bad = Split(chosen, chosen, groups={"sex": women})
    fair = replace(bad, prediction=np.tile([0, 0, 1, 1], 750), target=np.tile([0, 0, 1, 1], 750))
    evidence = make_evidence(task_of("binary", "labels"), {"train": bad, "test": fair})
    assert {f.scope.split for f in BiasGroups().run(evidence)} == {"test"}
    found = BiasGroups().run(asking(evidence, "demographic_parity_difference", split="train"))
    (gap,) = [f for f in found if f.metric == "demographic_parity_difference" and f.scope.split == "train"]
    assert gap.value == pytest.approx(chosen[1::2].mean() - chosen[::2].mean())
    assert not [f for f in found if f.status == "warn"]


def test_of_many_classes_those_are_measured_that_gates_name() -> None:
    rng = np.random.default_rng(0)
    task = MulticlassTask(tuple(f"c{k}" for k in range(40)), "labels")
    y, p = rng.integers(0, 40, 4000), rng.integers(0, 40, 4000)
    p = np.where(rng.random(4000) < 0.7, y, p)
    sex = rng.choice(["Female", "Male"], 4000)
    evidence = make_evidence(task, {"test": Split(y, p, groups={"sex": sex.tolist()})})
    metrics = ("true_positive_rate_difference", "worst_group_false_discovery_rate", "f1_ratio")
    found = BiasGroups().run(asking(evidence, *metrics, class_="c7"))
    single = {f.metric: f for f in found if f.scope.class_ is not None and f.scope.compared is not None}
    assert {f.scope.class_ for f in single.values()} == {"c7"}
    frame = MetricFrame(metrics=sk.recall_score, y_true=y == 7, y_pred=p == 7, sensitive_features=sex)
    assert single["true_positive_rate_difference"].value == pytest.approx(frame.difference())
    frame = MetricFrame(metrics=sk.f1_score, y_true=y == 7, y_pred=p == 7, sensitive_features=sex)
    assert single["f1_ratio"].value == pytest.approx(frame.ratio())
    frame = MetricFrame(metrics=sk.precision_score, y_true=y == 7, y_pred=p == 7, sensitive_features=sex)
    assert single["worst_group_false_discovery_rate"].value == pytest.approx(1 - frame.by_group.min())


def test_beyond_two_hundred_groups_measures_are_left_out_unless_asked_for() -> None:
    test = sample_split("binary", 3000, 4)
    test = replace(test, groups={"sex": [f"g{i % 250}" for i in range(3000)]})
    found = BiasGroups().run(evidence_of(test))
    assert (
        "With more than 200 groups these are measured only where a gate names them: F1"
        in of(found, "groups_found").explanation
    )
    assert not {"f1", "roc_auc_difference"} & {f.metric for f in found}
    assert "f1_difference" in {f.metric for f in BiasGroups().run(asking(evidence_of(test), "f1_difference"))}
    assert not [table.title for f in found for table in f.tables if table.title.startswith("Ranks")]

"""Every rate and gap of `bias.groups` against fairlearn and scikit-learn, on UCI Adult by sex, race and sex×race."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from typing import Any

import fairlearn.metrics as fm
import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sm
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import auditkit

NUMBERS = ["age", "education_num", "capital_gain", "capital_loss", "hours_per_week"]


@pytest.fixture(scope="module")
def adult() -> pd.DataFrame:
    """Adult with the decisions and scores of a small linear model."""
    with resources.as_file(resources.files("auditkit.demos") / "data" / "adult.parquet") as path:
        frame = pd.read_parquet(path)
    label = (frame.income == ">50K").astype(int)
    inputs = frame[NUMBERS].to_numpy(float)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(inputs[:10_000], label[:10_000])
    frame["score"] = model.predict_proba(inputs)[:, 1]
    frame["prediction"] = np.where(frame.score >= 0.5, ">50K", "<=50K")
    return frame


@pytest.fixture(scope="module")
def audit(adult: pd.DataFrame) -> auditkit.Audit:
    return auditkit.gate(
        adult[["income", "prediction", "score", "sex", "race"]],
        target="income",
        prediction="prediction",
        score="score",
        positive=">50K",
        sensitive=["sex", "race"],
        max={"selection_rate_difference@sex×race": 0.9},
    )


def _binary(function: Callable[..., float], **more: Any) -> Callable[..., float]:
    return lambda y, p: function(y, p, pos_label=">50K", zero_division=np.nan, **more)


RATES: dict[str, Callable[..., float]] = {
    "selection_rate": lambda y, p: fm.selection_rate(y, p, pos_label=">50K"),
    "accuracy": sm.accuracy_score,
    "true_positive_rate": lambda y, p: fm.true_positive_rate(y, p, pos_label=">50K"),
    "false_positive_rate": lambda y, p: fm.false_positive_rate(y, p, pos_label=">50K"),
    "false_negative_rate": lambda y, p: fm.false_negative_rate(y, p, pos_label=">50K"),
    "true_negative_rate": lambda y, p: fm.true_negative_rate(y, p, pos_label=">50K"),
    "positive_predictive_value": _binary(sm.precision_score),
}
BY = {"sex": ["sex"], "race": ["race"], "sex×race": ["sex", "race"]}


@pytest.mark.parametrize("by", list(BY))
@pytest.mark.parametrize("rate", list(RATES))
def test_rates_and_gaps(adult: pd.DataFrame, audit: auditkit.Audit, rate: str, by: str) -> None:
    frame = fm.MetricFrame(
        metrics=RATES[rate], y_true=adult.income, y_pred=adult.prediction, sensitive_features=adult[BY[by]]
    )
    ours = {f.scope.groups[0]: f for f in audit.find(rate, check="bias.groups", by=by) if f.scope.groups}
    theirs = {"×".join(key) if isinstance(key, tuple) else key: value for key, value in frame.by_group.items()}
    assert set(ours) == set(theirs)
    exist = {group: f.value for group, f in ours.items() if f.value is not None}
    assert exist
    for group, found in exist.items():
        assert found == pytest.approx(theirs[group], abs=1e-12)
    gap = audit.find(f"{rate}_difference", check="bias.groups", by=by)[0]
    ratio = audit.find(f"{rate}_ratio", check="bias.groups", by=by)[0]
    if len(exist) == len(ours):
        assert gap.value == pytest.approx(frame.difference(method="between_groups"), abs=1e-12)
        assert ratio.value == pytest.approx(frame.ratio(method="between_groups"), abs=1e-12)
    else:
        assert gap.value is None
        assert gap.reason


@pytest.mark.parametrize("by", list(BY))
@pytest.mark.parametrize(
    ("metric", "function"),
    [
        ("demographic_parity_difference", fm.demographic_parity_difference),
        ("demographic_parity_ratio", fm.demographic_parity_ratio),
        ("equalized_odds_difference", fm.equalized_odds_difference),
        ("equalized_odds_ratio", fm.equalized_odds_ratio),
        ("equal_opportunity_difference", fm.equal_opportunity_difference),
    ],
)
def test_the_fields_own_names(
    adult: pd.DataFrame, audit: auditkit.Audit, metric: str, function: Callable[..., float], by: str
) -> None:
    found = audit.find(metric, check="bias.groups", by=by)[0]
    label, decision = (adult.income == ">50K").astype(int), (adult.prediction == ">50K").astype(int)
    expected = function(label, decision, sensitive_features=adult[BY[by]])
    if found.value is None:
        assert found.reason
    else:
        assert found.value == pytest.approx(expected, abs=1e-12)
        assert found.interval is not None
        assert found.interval[0] <= found.value <= found.interval[1]


def test_overall_metrics(adult: pd.DataFrame, audit: auditkit.Audit) -> None:
    y, p, s = adult.income == ">50K", adult.prediction == ">50K", adult.score
    expected = {
        "accuracy": sm.accuracy_score(y, p),
        "balanced_accuracy": sm.balanced_accuracy_score(y, p),
        "precision": sm.precision_score(y, p),
        "recall": sm.recall_score(y, p),
        "f1": sm.f1_score(y, p),
        "matthews_correlation": sm.matthews_corrcoef(y, p),
        "roc_auc": sm.roc_auc_score(y, s),
        "log_loss": sm.log_loss(y, s),
        "brier": sm.brier_score_loss(y, s),
    }
    for metric, number in expected.items():
        found = audit.find(metric, check="performance.summary")[0]
        assert found.value == pytest.approx(number, abs=1e-10), metric
        assert found.interval is not None

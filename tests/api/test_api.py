"""The Python API on live objects: callables, torch modules, scikit-learn estimators; each row scored exactly once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, mean_absolute_error, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import auditkit
from auditkit.core.errors import AuditkitError, PlanError
from auditkit.core.finding import Finding


def value(audit: auditkit.Audit, metric: str, **scope: Any) -> Finding:
    found = audit.find(metric, check="performance.summary", **scope)
    assert len(found) == 1
    return found[0]


@pytest.fixture(scope="module")
def cancer() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Breast cancer as frames: 30 numeric inputs, `benign` 0 or 1, and a made-up column of groups."""
    data = load_breast_cancer(as_frame=True)
    frame = data.frame.rename(columns={"target": "benign"})
    rng = np.random.default_rng(0)
    frame["site"] = np.array(["north", "south"])[rng.integers(0, 2, len(frame))]
    order = rng.permutation(len(frame))
    return frame.iloc[order[:350]].reset_index(drop=True), frame.iloc[order[350:]].reset_index(drop=True)


COMMON: dict[str, Any] = {"target": "benign", "positive": 1, "sensitive": ["site"]}


def test_an_estimator(cancer: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    train, test = cancer
    inputs = [c for c in train.columns if c not in ("benign", "site")]
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(train[inputs], train.benign)
    gate = {"check": "performance.summary", "metric": "accuracy", "min": 0.8}
    audit = auditkit.audit(model, {"train": train, "test": test}, gates=[gate], **COMMON)
    assert (audit.verdict, audit.exit_code) == ("pass", 0)
    assert value(audit, "accuracy").value == pytest.approx(accuracy_score(test.benign, model.predict(test[inputs])))
    score = model.predict_proba(test[inputs])[:, 1]
    assert value(audit, "roc_auc").value == pytest.approx(roc_auc_score(test.benign, score))
    assert "own process" in audit.environment.isolation
    shown = audit._repr_html_()
    assert "accuracy" in shown.lower()
    assert "<script" not in shown


def test_a_torch_module(cancer: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    import torch

    _, test = cancer
    inputs = [c for c in test.columns if c not in ("benign", "site")]
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.BatchNorm1d(30), torch.nn.Linear(30, 2))
    audit = auditkit.audit(model, test, outputs="logits", **COMMON)
    with torch.no_grad():
        expected = model.eval()(torch.tensor(test[inputs].to_numpy(np.float32))).argmax(1).numpy()
    assert value(audit, "accuracy").value == pytest.approx(accuracy_score(test.benign, expected))
    assert audit.find("completeness_error")


def test_a_callable_and_regression() -> None:
    data = load_diabetes(as_frame=True).frame
    data["sex"] = np.where(data.sex > 0, "b", "a")
    train, test = data.iloc[:300], data.iloc[300:]
    inputs = [c for c in data.columns if c not in ("target", "sex")]
    ridge = Ridge(alpha=0.1).fit(train[inputs], train.target)

    def predict(frame: pd.DataFrame) -> Any:
        return ridge.predict(frame[inputs])

    gates = [{"check": "bias.groups", "metric": "mean_absolute_error_difference", "by": "sex", "max": 30}]
    audit = auditkit.audit(
        predict, {"train": train, "test": test}, target="target", sensitive=["sex"], outputs="values", gates=gates
    )
    assert audit.model.task == "regression"
    error = mean_absolute_error(test.target, ridge.predict(test[inputs]))
    assert value(audit, "mean_absolute_error").value == pytest.approx(error)
    by_sex = [mean_absolute_error(t.target, ridge.predict(t[inputs])) for _, t in test.groupby("sex")]
    assert audit.gated[0].value == pytest.approx(abs(by_sex[0] - by_sex[1]))
    assert audit.find("deletion_gain_over_random")


class Counting:
    """A model that remembers every row it was shown."""

    def __init__(self, model: Any, inputs: list[str]) -> None:
        self.model, self.inputs = model, inputs
        self.seen: Counter[tuple[float, ...]] = Counter()
        self.calls = 0

    def __call__(self, frame: pd.DataFrame) -> Any:
        self.calls += 1
        self.seen.update(map(tuple, frame[self.inputs].to_numpy().tolist()))
        return self.model.predict_proba(frame[self.inputs])[:, 1]


@pytest.mark.parametrize("checks", [{}, {"explainability": "off"}])
def test_each_row_of_each_split_is_scored_exactly_once(
    cancer: tuple[pd.DataFrame, pd.DataFrame], checks: dict[str, str]
) -> None:
    """In the whole default suite no row is shown to the model twice as it is; probes only show changed rows."""
    train, test = cancer
    inputs = [c for c in train.columns if c not in ("benign", "site")]
    model = Counting(GradientBoostingClassifier(n_estimators=5).fit(train[inputs], train.benign), inputs)
    auditkit.audit(model, {"train": train, "test": test}, outputs="probabilities", checks=checks, **COMMON)
    rows = [tuple(row) for part in (train, test) for row in part[inputs].to_numpy().tolist()]
    assert {model.seen[row] for row in rows} == {1}
    if checks:
        assert sum(model.seen.values()) == len(rows)
        assert model.calls == 2


def test_wrong_arguments_name_everything(cancer: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    _, test = cancer
    with pytest.raises(PlanError) as caught:
        auditkit.audit(len, test, target="bening", sensitive=["sites"], gates=[{"check": "x", "metric": "y"}])
    with pytest.raises(PlanError) as columns:
        auditkit.audit(len, test, target="bening", sensitive=["sites"])
    assert "a gate needs `max` or `min`" in str(caught.value)
    assert "did you mean 'benign'?" in str(columns.value)
    assert "did you mean 'site'?" in str(columns.value)


@pytest.mark.parametrize(
    "broken",
    [
        lambda frame: 1 / 0,
        lambda frame: np.zeros(3),
        lambda frame: None,
        lambda frame: [["a", "b"]] * len(frame),
    ],
)
def test_a_model_that_answers_nonsense(cancer: tuple[pd.DataFrame, pd.DataFrame], broken: Any) -> None:
    with pytest.raises(AuditkitError) as caught:
        auditkit.audit(broken, cancer[1], outputs="probabilities", **COMMON)
    assert caught.value.exit_code in (3, 5)


def test_nan_answers_never_pass(cancer: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    """A model that fails on some rows: they are counted, and a gate that would pass on the rest is undecided."""
    _, test = cancer
    truth = test.benign.to_numpy()

    def predict(frame: pd.DataFrame) -> Any:
        answer = np.where(truth == 1, 0.9, 0.1)
        answer[:20] = np.nan
        return answer

    gates = [{"check": "performance.summary", "metric": "accuracy", "min": 0.5}]
    audit = auditkit.audit(
        predict, test, outputs="probabilities", gates=gates, checks={"explainability": "off"}, **COMMON
    )
    assert audit.exit_code == 5
    assert audit.data[0].unscored == 20
    assert "20 rows" in (audit.gated[0].reason or "")


def test_a_run_directory_and_saving(cancer: tuple[pd.DataFrame, pd.DataFrame], tmp_path: Path) -> None:
    _, test = cancer

    def predict(frame: pd.DataFrame) -> Any:
        return np.full(len(frame), 0.7)

    audit = auditkit.audit(predict, test, outputs="probabilities", out=tmp_path / "run", **COMMON)
    for name in ("audit.json", "report.html", "journal.jsonl", "evidence/predictions.parquet"):
        assert (tmp_path / "run" / name).is_file()
    paths = audit.save(tmp_path / "copy", formats=("html", "md"))
    assert (tmp_path / "copy" / "audit.json").is_file()
    assert {p.name for p in paths} == {"audit.json", "report.html", "summary.md"}
    again = auditkit.Audit.from_json((tmp_path / "copy" / "audit.json").read_bytes())
    assert again.findings == audit.findings


def test_gate_in_memory() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 2000)
    frame = pd.DataFrame({"y": y, "p": np.where(rng.random(2000) < 0.1, 1 - y, y), "g": rng.integers(0, 2, 2000)})
    audit = auditkit.gate(
        frame, target="y", prediction="p", sensitive=["g"], max={"accuracy_difference": 0.2}, min={"accuracy": 0.8}
    )
    assert audit.exit_code == 0
    with pytest.raises(PlanError, match="at least one bound"):
        auditkit.gate(frame, target="y", prediction="p")

"""One audit by one tool in this process; run by `audit_tools.py` with the Python of that tool's own environment.

    python audit_tools_child.py fit TOOL DIR       fits the model that the tool will audit, with this environment's
                                                   scikit-learn, and leaves it in DIR
    python audit_tools_child.py audit TOOL DIR     audits it, and prints one JSON line with what that cost

Needs NumPy, pandas and scikit-learn of any recent version besides the tool.
"""

from __future__ import annotations

import json
import os
import pickle
import resource
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin

TARGET, SENSITIVE = "outcome", ("sex", "region")
CATEGORICAL = ("sex", "region", "job", "channel", "plan")


def frames(directory: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows that every tool is given: those that the model was fitted on, and the held-out ones."""
    stored = np.load(directory / "data.npz")
    whole = pd.DataFrame({name: stored[name] for name in stored.files if name != "train_rows"})
    for name in CATEGORICAL:
        whole[name] = whole[name].astype(object)
    cut = int(stored["train_rows"])
    return whole.iloc[:cut].reset_index(drop=True), whole.iloc[cut:].reset_index(drop=True)


def fit(directory: Path, tool: str) -> None:
    """Gradient boosting on ordinal codes: mixed data, no other library."""
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    train, _ = frames(directory)
    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = make_column_transformer((encode, list(CATEGORICAL)), remainder="passthrough")
    model = make_pipeline(columns, HistGradientBoostingClassifier(random_state=0))
    model.fit(train.drop(columns=TARGET), train[TARGET])
    (directory / f"model-{tool}.pickle").write_bytes(pickle.dumps(model))


class Counting(ClassifierMixin, BaseEstimator):
    """A fitted classifier that counts the rows that it is asked about."""

    def __init__(self, model: Any) -> None:
        self.model, self.rows, self.calls = model, 0, 0
        self.classes_, self.feature_names_in_ = model.classes_, model.feature_names_in_
        self.n_features_in_ = len(model.feature_names_in_)

    def _count(self, frame: Any) -> Any:
        self.rows, self.calls = self.rows + len(frame), self.calls + 1
        return frame if hasattr(frame, "columns") else pd.DataFrame(frame, columns=self.feature_names_in_)

    def fit(self, *_: Any) -> Counting:
        """Fitted already."""
        return self

    def predict(self, frame: Any) -> Any:
        """The labels."""
        return self.model.predict(self._count(frame))

    def predict_proba(self, frame: Any) -> Any:
        """The scores."""
        return self.model.predict_proba(self._count(frame))


def auditkit(model: Counting, train: pd.DataFrame, test: pd.DataFrame, out: Path) -> Path:
    """Everything but explanations, which need the model on changed rows and which no other tool here is asked for."""
    import auditkit as tool

    gates = [
        {"check": "performance.summary", "metric": "accuracy", "min": 0.7},
        *(
            {"check": "bias.groups", "metric": "equalized_odds_difference", "by": name, "max": 0.1}
            for name in SENSITIVE
        ),
    ]
    tool.audit(
        model, {"train": train, "test": test}, target=TARGET, positive=1, sensitive=list(SENSITIVE), gates=gates,
        inputs=[name for name in test.columns if name != TARGET], checks={"explainability": "off"}, out=out / "run",
    )  # fmt: skip
    return out / "run" / "report.html"


def deepchecks(model: Counting, train: pd.DataFrame, test: pd.DataFrame, out: Path) -> Path:
    """The model evaluation suite, as its documentation runs it."""
    from deepchecks.tabular import Dataset
    from deepchecks.tabular.suites import model_evaluation

    sides = [Dataset(side, label=TARGET, cat_features=list(CATEGORICAL)) for side in (train, test)]
    result = model_evaluation().run(train_dataset=sides[0], test_dataset=sides[1], model=model)
    result.save_as_html(str(out / "report.html"), as_widget=False)
    return out / "report.html"


def evidently(model: Counting, train: pd.DataFrame, test: pd.DataFrame, out: Path) -> Path:
    """The classification preset, the training rows as its reference; predictions are made before, as it asks."""
    from evidently import BinaryClassification, DataDefinition, Dataset, Report
    from evidently.presets import ClassificationPreset

    sides = []
    for side in (test, train):
        scores = model.predict_proba(side.drop(columns=TARGET))[:, 1]
        told = side.assign(score=scores, prediction=(scores >= 0.5).astype(int))
        numeric = [c for c in side.columns if c not in (*CATEGORICAL, TARGET)]
        roles = [
            BinaryClassification(target=TARGET, prediction_labels="prediction", prediction_probas="score", pos_label=1)
        ]
        definition = DataDefinition(
            classification=roles, categorical_columns=list(CATEGORICAL), numerical_columns=numeric
        )
        sides.append(Dataset.from_pandas(told, data_definition=definition))
    Report([ClassificationPreset()]).run(sides[0], sides[1]).save_html(str(out / "report.html"))
    return out / "report.html"


def giskard(model: Counting, train: pd.DataFrame, test: pd.DataFrame, out: Path) -> Path:
    """The whole scan of the held-out rows; it takes no training rows."""
    from giskard import Dataset, Model, scan

    names = [c for c in test.columns if c != TARGET]
    wrapped = Model(
        model=lambda frame: model.predict_proba(frame[names]), model_type="classification",
        classification_labels=[0, 1], feature_names=names,
    )  # fmt: skip
    result = scan(wrapped, Dataset(test, target=TARGET, cat_columns=list(CATEGORICAL)), verbose=False)
    result.to_html(str(out / "report.html"))
    return out / "report.html"


TOOLS: dict[str, Callable[[Counting, pd.DataFrame, pd.DataFrame, Path], Path]] = {
    "auditkit": auditkit, "deepchecks": deepchecks, "evidently": evidently, "giskard": giskard,
}  # fmt: skip


def _cpu() -> float:
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(use.ru_utime + use.ru_stime for use in both)


def audit(directory: Path, tool: str) -> dict[str, Any]:
    """What one audit costs, its imports included; data and model stand ready in memory."""
    out = directory / f"out-{tool}-{os.getpid()}"
    out.mkdir()
    train, test = frames(directory)
    model = Counting(pickle.loads((directory / f"model-{tool}.pickle").read_bytes()))
    model.model.predict(test.iloc[:10].drop(columns=TARGET))
    before, cpu = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, _cpu()
    report = TOOLS[tool](model, train, test, out)
    used = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    given = len(test) + (0 if tool == "giskard" else len(train))
    return {
        "cpu": _cpu() - cpu,
        "memory": max(use.ru_maxrss for use in used) / 1024,
        "before": before / 1024,
        "passes": model.rows / given,
        "calls": model.calls,
        "report": report.stat().st_size / 1000,
    }


def main() -> None:
    """Fit, or audit and print."""
    warnings.simplefilter("ignore")
    what, tool, directory = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    if what == "fit":
        fit(directory, tool)
    else:
        print("RESULT " + json.dumps(audit(directory, tool)))


if __name__ == "__main__":
    main()

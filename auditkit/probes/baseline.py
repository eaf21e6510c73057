"""Probe: a linear model fitted on a sample of the training rows, the yardstick that any deep model should beat."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from auditkit.core.model import as_float_matrix
from auditkit.core.outcomes import Outcomes
from auditkit.core.tables import BASELINE, PREDICTIONS, ROWS
from auditkit.core.types import Batch, FloatArray, InputKind
from auditkit.probes.base import ProbeContext

if TYPE_CHECKING:
    import pandas as pd

_MAX_CATEGORIES = 100


@dataclass(frozen=True)
class LinearBaseline:
    """Logistic (or ridge) regression on standardised numbers and one-hot categories, at most `rows` training rows."""

    rows: int = 20_000
    train: str = "train"
    split: str = "test"
    name: str = "linear baseline"
    provides: tuple[str, ...] = (BASELINE.name,)
    needs: tuple[str, ...] = (ROWS.name, PREDICTIONS.name)
    after: tuple[str, ...] = ()

    def request(self) -> Mapping[str, Any]:
        """See `Probe`."""
        return {"rows": self.rows, "train": self.train, "split": self.split}

    def unavailable(self, context: ProbeContext) -> str | None:
        """See `Probe`."""
        if self.train not in context.dataset.splits:
            return "a linear baseline needs a `train` split to learn from"
        if not context.dataset.inputs:
            return "the data has no input columns to learn from"
        labelled = context.evidence.outcomes(self.train)
        known = labelled.target[labelled.labelled]
        if len(known) < 10 or len(np.unique(known)) < 2:
            return "the training rows have fewer than two labels (or fewer than ten rows)"
        return None

    def collect(self, context: ProbeContext) -> Mapping[str, pa.Table]:
        """See `Probe`."""
        if context.budget.spent(self.name):
            return {}
        outcomes = context.evidence.outcomes(self.train)
        chosen = np.flatnonzero(outcomes.labelled)
        rng = context.evidence.rng(self.name)
        chosen = np.sort(rng.permutation(chosen)[: self.rows])
        frame = _read_rows(context, self.train, outcomes, chosen)
        model = _fit(context, frame, outcomes.target[chosen])
        classes = len(context.evidence.task.classes)
        parts = []
        with context.progress.bar(self.name, context.dataset.rows[self.split]) as bar:
            for chunk in context.dataset.stream(self.split):
                values = _answers(model, _frame(context, chunk.inputs), classes)
                outputs = {f"output:{i}": values[:, i] for i in range(values.shape[1])}
                split = pa.array([self.split] * len(chunk.row))
                parts.append(pa.table({"split": split, "row": chunk.row, **outputs}))
                bar.advance(len(chunk.row))
        return {BASELINE.name: pa.concat_tables(parts)}


def _read_rows(context: ProbeContext, split: str, outcomes: Outcomes, chosen: Any) -> pd.DataFrame:
    import pandas as pd

    wanted = outcomes.row[chosen]
    frames = []
    for chunk in context.dataset.stream(split):
        keep = np.isin(chunk.row, wanted)
        if keep.any():
            frames.append(_frame(context, {n: v[keep] for n, v in chunk.inputs.items()}))
    return pd.concat(frames, ignore_index=True)


def _frame(context: ProbeContext, inputs: Batch) -> pd.DataFrame:
    import pandas as pd

    columns: dict[str, Any] = {}
    for item in context.dataset.inputs:
        values = inputs[item.name]
        if item.kind is InputKind.NUMERIC:
            columns[item.name] = np.where(np.isfinite(values), values, np.nan)
        else:
            columns[item.name] = np.where(pd.isna(values), "(missing)", values)
    return pd.DataFrame(columns)


def _fit(context: ProbeContext, frame: pd.DataFrame, target: Any) -> Any:
    """Fit scikit-learn's pipeline; a solver that stops early still gives a valid, if weaker, baseline."""
    from sklearn.compose import ColumnTransformer
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numeric = [i.name for i in context.dataset.inputs if i.kind is InputKind.NUMERIC and frame[i.name].notna().any()]
    categorical = [i.name for i in context.dataset.inputs if i.kind is InputKind.CATEGORICAL]
    encoder = OneHotEncoder(handle_unknown="ignore", max_categories=_MAX_CATEGORIES, dtype=np.float64)
    transform = ColumnTransformer(
        [("numeric", make_pipeline(SimpleImputer(), StandardScaler()), numeric), ("categorical", encoder, categorical)]
    )
    estimator = LogisticRegression(max_iter=300) if context.evidence.task.classes else Ridge()
    model = make_pipeline(transform, estimator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(frame, target)
    return model


def _answers(model: Any, frame: pd.DataFrame, classes: int) -> FloatArray:
    """Probabilities `[n, C]` in the task's order of classes (0 for a class that training never showed), or values."""
    if not classes:
        return as_float_matrix(model.predict(frame))
    known = model.predict_proba(frame)
    values = np.zeros((len(frame), classes))
    values[:, model.classes_.astype(int)] = known
    return values

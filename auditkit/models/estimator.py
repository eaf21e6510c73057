"""A scikit-learn estimator, or what behaves like one: a pandas frame in, probabilities, values or labels out."""

from __future__ import annotations

import contextlib
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from auditkit.core.errors import InputRefusedError
from auditkit.core.model import ModelInfo, OutputKind, Outputs, as_float_matrix
from auditkit.core.types import Batch, ObjectArray
from auditkit.data.spec import label_text


def to_frame(batch: Batch) -> pd.DataFrame:
    """The batch as pandas itself would read it from a Parquet file: float64, and text in pandas' own text type.

    (object with None for missing before pandas 3, `str` with NaN since.)
    """
    columns = {
        name: pa.array(values, type=pa.string(), from_pandas=True).to_pandas() if values.dtype == object else values
        for name, values in batch.items()
    }
    return pd.DataFrame(columns)


def label_array(values: Any) -> ObjectArray:
    """Labels `[B]` as text, None where missing."""
    flat = np.asarray(values).reshape(-1)
    labels = np.empty(len(flat), dtype=object)
    labels[:] = [None if pd.isna(value) else label_text(value) for value in flat.tolist()]
    return labels


class EstimatorModel:
    """`Model` around an estimator: `predict_proba` where it has one, else `predict`."""

    notes: tuple[str, ...] = ()

    def __init__(self, estimator: Any, *, name: str) -> None:
        """Raises `InputRefusedError` (naming `name`) where the object is neither classifier nor regressor, or is not
        fitted."""
        self._estimator = estimator
        self._estimates = _estimates(estimator, name)
        self._outputs = _outputs(estimator, self._estimates)
        classes = getattr(estimator, "classes_", None)
        if self._estimates == "classification" and (not isinstance(classes, np.ndarray) or classes.ndim != 1):
            raise InputRefusedError(
                f"{name}: a classifier without `classes_`: it is not fitted, or answers several targets"
            )
        features = getattr(estimator, "feature_names_in_", None)
        self._info = ModelInfo(
            kind="sklearn",
            outputs=self._outputs,
            classes=tuple(label_text(c) for c in classes.tolist()) if isinstance(classes, np.ndarray) else None,
            estimates=self._estimates,
            inputs=None if features is None else tuple(str(name) for name in features),
            description=_describe(estimator),
        )

    @property
    def info(self) -> ModelInfo:
        """What the estimator says of itself."""
        return self._info

    def predict(self, batch: Batch) -> Outputs:
        """Probabilities `[B, C]` in the order of `classes_`, values `[B, 1]`, or labels `[B]`."""
        frame = to_frame(batch)
        if self._info.inputs is not None:
            frame = frame[list(self._info.inputs)]
        if self._outputs == "probabilities":
            return Outputs(values=as_float_matrix(self._estimator.predict_proba(frame)))
        answer = self._estimator.predict(frame)
        if self._outputs == "labels":
            return Outputs(labels=label_array(answer))
        return Outputs(values=as_float_matrix(answer))

    def close(self) -> None:
        """Nothing is held that Python doesn't give back."""


def _estimates(estimator: Any, name: str) -> Literal["classification", "regression"]:
    from sklearn.base import is_classifier, is_regressor

    # What has no tags is no estimator of scikit-learn's: asking raises.
    with contextlib.suppress(AttributeError):
        if is_classifier(estimator):
            return "classification"
        if is_regressor(estimator):
            return "regression"
    if hasattr(estimator, "predict_proba"):
        return "classification"
    raise InputRefusedError(f"{name}: a {type(estimator).__name__} is neither a classifier nor a regressor")


def _outputs(estimator: Any, estimates: str) -> OutputKind:
    if estimates == "regression":
        return "values"
    return "probabilities" if hasattr(estimator, "predict_proba") else "labels"


def _describe(estimator: Any) -> str:
    steps = getattr(estimator, "steps", None)
    if isinstance(steps, list):
        return "scikit-learn pipeline: " + ", ".join(type(step).__name__ for _, step in steps)
    return f"scikit-learn {type(estimator).__name__}"

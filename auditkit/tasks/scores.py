"""From raw outputs to probabilities: the same arithmetic wherever a model's outputs are read."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from auditkit.core.errors import AuditkitError
from auditkit.core.model import OutputKind, as_float_matrix
from auditkit.core.types import BoolArray, FloatArray

#: Probabilities of one row may add up to 1 ± this (half precision does).
_SUM_TOLERANCE = 0.02


def probabilities(raw: FloatArray, outputs: OutputKind, classes: int, positive: int | None = None) -> FloatArray:
    """Probabilities `[n, C]` in float64 from raw outputs `[n, C]`, or `[n, 1]` for the positive of two classes.

    Logits go through softmax (one column: the logistic function); probabilities stay as they are. A row that is not
    finite, has a probability outside 0..1, or probabilities that don't add up to 1 ± 0.02, is NaN: it counts as
    unscored. Raises `AuditkitError` where the number of columns fits no reading.
    """
    matrix = as_float_matrix(raw)
    columns = matrix.shape[1]
    if columns != classes and not (columns == 1 and classes == 2):
        raise AuditkitError(f"the model gives {columns} outputs a row, but the task has {classes} classes")
    usable: BoolArray = np.asarray(np.isfinite(matrix).all(axis=1), dtype=np.bool_)
    if outputs == "probabilities":
        usable &= _are_probabilities(matrix)
    safe = np.where(usable[:, None], matrix, 0.0)
    if columns == 1 and classes == 2:
        chosen, other = (expit(safe), expit(-safe)) if outputs == "logits" else (safe, 1 - safe)
        scores = np.hstack([other, chosen] if positive == 1 else [chosen, other])
    else:
        scores = _softmax(safe) if outputs == "logits" else safe
    return np.where(usable[:, None], scores, np.nan)


def _softmax(logits: FloatArray) -> FloatArray:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), dtype=np.float64)


def _are_probabilities(matrix: FloatArray) -> BoolArray:
    with np.errstate(invalid="ignore"):
        inside = ((matrix >= 0) & (matrix <= 1)).all(axis=1)
        if matrix.shape[1] == 1:
            return np.asarray(inside, dtype=np.bool_)
        return np.asarray(inside & (np.abs(matrix.sum(axis=1) - 1) <= _SUM_TOLERANCE), dtype=np.bool_)

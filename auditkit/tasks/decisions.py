"""What would be if: another threshold decided, or the missing labels were known. And what a decision gives people."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from auditkit.core.outcomes import NO_LABEL, Outcomes
from auditkit.core.types import FloatArray
from auditkit.measures.inequality import benefits as measured


def decided_at(outcomes: Outcomes, code: int, threshold: float) -> Outcomes:
    """The same rows of a binary task, the class `code` predicted from `threshold` on; unscored rows stay unscored."""
    if outcomes.scores is None:
        raise ValueError("without scores no threshold decides")
    score = outcomes.scores[:, code]
    chosen = np.where(score >= threshold, code, 1 - code)
    return replace(outcomes, prediction=np.where(np.isfinite(score), chosen, NO_LABEL).astype(np.int64))


def if_labelled(outcomes: Outcomes, classes: int, *, right: bool) -> Outcomes:
    """The rows with a prediction all labelled: where the label is missing, as predicted (`right`) or otherwise."""
    other = outcomes.prediction if right else (outcomes.prediction + 1) % classes
    filled = np.where(outcomes.labelled, outcomes.target, np.where(outcomes.scored, other, NO_LABEL))
    return replace(outcomes, target=filled.astype(np.int64))


def benefits(outcomes: Outcomes, code: int) -> FloatArray:
    """Prediction − label + 1, both 1 for the class `code` and 0 for any other (Speicher et al. 2018), `[n]`: 2 for a
    false positive, 0 for a false negative, 1 where the model is right; NaN without a label or a prediction."""
    known = outcomes.labelled & outcomes.scored
    return np.where(known, measured(outcomes.target == code, outcomes.prediction == code), np.nan)

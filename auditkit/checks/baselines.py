"""What the model is held against: the best constant answer, and a linear model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from auditkit.checks.reading import TRAIN, differences, integers, outputs, rows_of
from auditkit.core.estimate import Estimate
from auditkit.core.evidence import Evidence
from auditkit.core.outcomes import NO_LABEL, Outcomes, places
from auditkit.core.task import RowStatistic
from auditkit.core.types import Better
from auditkit.measures.difference import paired_mean


def majority_outcomes(evidence: Evidence, outcomes: Outcomes) -> tuple[Outcomes, bool]:
    """What the best constant answer gives on these rows, and whether it was learnt on the rows themselves.

    It is learnt on the train split where that has labels. Rows that the model did not score stay unscored, so that
    both speak of the same rows.
    """
    own = TRAIN not in evidence.data.splits or not evidence.outcomes(TRAIN).labelled.any()
    reference = outcomes if own else evidence.outcomes(TRAIN)
    return evidence.task.majority(reference, outcomes), own


def gain(model: RowStatistic, baseline: RowStatistic, outcomes: Outcomes, confidence: float) -> Estimate:
    """How much better the model is than a baseline, as the mean difference over the rows that both count.

    Positive where the model is better, whichever direction of the statistic is the good one.
    """
    values = differences(model, baseline)
    if np.isnan(values).all():
        return Estimate.undefined(f"there are no rows with {model.empty}")
    sign = -1.0 if model.better is Better.LOWER else 1.0
    return paired_mean(sign * values, outcomes.design, confidence)


def linear_outcomes(evidence: Evidence, outcomes: Outcomes) -> Outcomes | str:
    """What the linear baseline answers on these rows; a sentence says why there is none.

    Rows that the model did not score stay unscored, so that both speak of the same rows.
    """
    if not evidence.has("baseline"):
        return evidence.absent.get("baseline", "no linear baseline was fitted")
    answers = rows_of(evidence.table("baseline"), outcomes.split)
    at = places(outcomes.row, integers(answers, "row"))
    if not len(answers) or (at < 0).any():
        return f"the linear baseline was not asked about every row of '{outcomes.split}'"
    raw = outputs(answers)[at]
    task = evidence.task
    if raw.shape[1] != max(1, len(task.classes)):
        return f"the linear baseline gives {raw.shape[1]} outputs a row, which does not fit the task"
    if not task.classes:
        return replace(outcomes, prediction=np.where(outcomes.scored, raw[:, 0], np.nan))
    best = np.where(outcomes.scored, np.argmax(raw, axis=1), NO_LABEL).astype(np.int64)
    return replace(outcomes, scores=np.where(outcomes.scored[:, None], raw, np.nan), prediction=best)

"""What tasks measure of a group that is no ratio of sums: see `core.task.GroupMeasure`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from auditkit.core.estimate import Estimate
from auditkit.core.outcomes import Outcomes
from auditkit.core.task import Form, GroupMeasure
from auditkit.core.types import Better, BoolArray, FloatArray
from auditkit.measures import regression
from auditkit.measures.calibration import expected_calibration_error
from auditkit.measures.classification import balanced_accuracy, error_odds, f1
from auditkit.measures.macro import ClassRate, macro_f1_of_group, macro_rate
from auditkit.measures.quantiles import quantile
from auditkit.measures.ranking import average_precision, roc_auc
from auditkit.tasks import rates

#: Bins of a calibration error, as in `calibration.reliability`.
_BINS = 15
_BOTH: tuple[Form, ...] = ("difference", "ratio")
#: Rates of single classes that are averaged over the classes. (The mean selection rate is 1/C in every group.)
MACRO_RATES: dict[ClassRate, Better] = {
    "true_positive_rate": Better.HIGHER,
    "false_negative_rate": Better.LOWER,
    "false_positive_rate": Better.LOWER,
    "positive_predictive_value": Better.HIGHER,
}

#: With more classes than this most groups lack one, and then an average over all of them does not exist.
MOST_CLASSES_AVERAGED = 200
#: Quantiles of the size of a regression's errors.
ERROR_QUANTILES = {"median_absolute_error": 0.5, "absolute_error_90th_percentile": 0.9}
_LARGEST = float(np.finfo(np.float64).max)

_Of = Callable[[Outcomes, float], Estimate]


def _share(
    name: str, better: Better, of: _Of, forms: tuple[Form, ...] = _BOTH, class_: str | None = None
) -> GroupMeasure:
    return GroupMeasure(name, better, True, of, class_, forms=forms, low=0.0, high=1.0)


def class_f1(code: int, class_: str | None = None) -> GroupMeasure:
    """F1 of the class `code`; no value where a group has it neither as label nor as prediction."""

    def of(outcomes: Outcomes, confidence: float) -> Estimate:
        known = rates.both_known(outcomes)
        actual, chosen = known & (outcomes.target == code), known & (outcomes.prediction == code)
        return f1(actual, chosen, outcomes.design, confidence)

    return _share("f1", Better.HIGHER, of, class_=class_)


def balanced(classes: tuple[str, ...]) -> GroupMeasure:
    """Balanced accuracy over all classes."""
    return _share(
        "balanced_accuracy",
        Better.HIGHER,
        lambda o, confidence: balanced_accuracy(o.target, o.prediction, classes, o.design, confidence),
    )


def errors_balance(code: int) -> GroupMeasure:
    """False negatives for each false positive of the class `code`: alike in all groups where treatment is equal."""

    def of(outcomes: Outcomes, confidence: float) -> Estimate:
        known, chosen, true = rates.both_known(outcomes), outcomes.prediction == code, outcomes.target == code
        return error_odds(known & true & ~chosen, known & ~true & chosen, outcomes.design, confidence)

    return GroupMeasure("error_odds", None, False, of, gap="treatment_equality", forms=_BOTH, low=0.0)


def score_measures(code: int) -> list[GroupMeasure]:
    """How well the score of the class `code` ranks, and how far it is from a probability."""

    def ranked(measure: Callable[..., Estimate]) -> _Of:
        def of(outcomes: Outcomes, confidence: float) -> Estimate:
            if outcomes.scores is None:
                return Estimate.undefined(rates.NO_SCORE)
            score = np.where(outcomes.labelled, outcomes.scores[:, code], np.nan)
            return measure(score, outcomes.target == code, outcomes.design, confidence)

        return of

    def calibrated(outcomes: Outcomes, confidence: float) -> Estimate:
        if outcomes.scores is None:
            return Estimate.undefined(rates.NO_SCORE)
        return _calibration(outcomes.scores[:, code], outcomes.target == code, outcomes, confidence)

    return [
        _share("roc_auc", Better.HIGHER, ranked(roc_auc)),
        _share("average_precision", Better.HIGHER, ranked(average_precision)),
        _share("expected_calibration_error", Better.LOWER, calibrated, ("difference",)),
    ]


def _calibration(score: FloatArray, right: BoolArray, outcomes: Outcomes, confidence: float) -> Estimate:
    correct = np.where(outcomes.labelled, right.astype(np.float64), np.nan)
    return expected_calibration_error(score, correct, _BINS, outcomes.design, confidence)


def multiclass_measures(classes: tuple[str, ...], *, scored: bool) -> list[GroupMeasure]:
    """Averages over the classes, and how far the highest score is from the chance that it is right."""

    def top(outcomes: Outcomes, confidence: float) -> Estimate:
        if outcomes.scores is None:
            return Estimate.undefined(rates.NO_SCORE)
        score, chosen = rates.top_label(outcomes.scores)
        return _calibration(score, chosen == outcomes.target, outcomes, confidence)

    def averaged(rate: ClassRate) -> _Of:
        return lambda o, confidence: macro_rate(rate, o.target, o.prediction, classes, o.design, confidence)

    if len(classes) > MOST_CLASSES_AVERAGED:
        return []
    found = [_share(f"macro_{rate}", better, averaged(rate)) for rate, better in MACRO_RATES.items()]
    found.append(balanced(classes))
    found.append(
        _share(
            "macro_f1",
            Better.HIGHER,
            lambda o, confidence: macro_f1_of_group(o.target, o.prediction, classes, o.design, confidence),
        )
    )
    if scored:
        found.append(_share("expected_calibration_error", Better.LOWER, top, ("difference",)))
    return found


def regression_measures() -> Sequence[GroupMeasure]:
    """Root mean squared error, R², and the size of the error that half, and nine tenths, of the rows stay below."""

    def of(measure: Callable[..., Estimate]) -> _Of:
        return lambda o, confidence: measure(o.target, o.prediction, o.design, confidence)

    root = GroupMeasure(
        "root_mean_squared_error", Better.LOWER, False, of(regression.root_mean_squared_error), forms=_BOTH, low=0.0
    )
    r2 = GroupMeasure("r2", Better.HIGHER, False, of(regression.r_squared), high=1.0)
    return [root, r2, *(_error_quantile(name, q) for name, q in ERROR_QUANTILES.items())]


def _error_quantile(name: str, q: float) -> GroupMeasure:
    """A quantile of the size of the error. An error too large for a float is as large as floats go."""

    def of(outcomes: Outcomes, confidence: float) -> Estimate:
        size = np.abs(regression.errors(outcomes.target, outcomes.prediction))
        return quantile(np.minimum(size, _LARGEST), q, outcomes.design, confidence)

    return GroupMeasure(name, Better.LOWER, False, of, forms=_BOTH, low=0.0)

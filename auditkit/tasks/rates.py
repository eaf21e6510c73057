"""The rates of one class against the rest, as row statistics; binary and multiclass tasks share them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from auditkit.core.estimate import Estimate
from auditkit.core.model import OutputKind
from auditkit.core.outcomes import NO_LABEL, Outcomes
from auditkit.core.task import Form, GapRule, Metric, Offer, RowStatistic
from auditkit.core.types import Better, BoolArray, FloatArray, IntArray
from auditkit.measures.classification import row_log_loss
from auditkit.measures.moments import sums, whole_weight
from auditkit.measures.rates import estimate

#: Every rate of one class, and which direction is good.
BETTER: dict[str, Better | None] = {
    "selection_rate": None,
    "accuracy": Better.HIGHER,
    "error_rate": Better.LOWER,
    "true_positive_rate": Better.HIGHER,
    "false_positive_rate": Better.LOWER,
    "false_negative_rate": Better.LOWER,
    "true_negative_rate": Better.HIGHER,
    "positive_predictive_value": Better.HIGHER,
    "negative_predictive_value": Better.HIGHER,
    "false_discovery_rate": Better.LOWER,
    "false_omission_rate": Better.LOWER,
    "log_loss": Better.LOWER,
    "brier": Better.LOWER,
}
#: The field's own names of group metrics, and the rates that they compare.
NAMED_GAPS: dict[str, tuple[str, ...]] = {
    "demographic_parity": ("selection_rate",),
    "equalized_odds": ("true_positive_rate", "false_positive_rate"),
    "equal_opportunity": ("true_positive_rate",),
    "predictive_parity": ("positive_predictive_value",),
    "predictive_equality": ("false_positive_rate",),
    "conditional_use_accuracy_equality": ("positive_predictive_value", "negative_predictive_value"),
    "accuracy_equality": ("accuracy",),
}
#: What a metric that is no proportion can never be below or above (None: there is no such limit).
LIMITS: dict[str, tuple[float | None, float | None]] = {
    "log_loss": (0.0, None),
    "brier": (0.0, 2.0),
    "mean_absolute_error": (0.0, None),
    "mean_squared_error": (0.0, None),
    "root_mean_squared_error": (0.0, None),
    "r2": (None, 1.0),
    "matthews_correlation": (-1.0, 1.0),
    "mean_error": (None, None),
}
#: Why there is no score at all where the model gives scores.
NO_SCORE = "every score is missing or out of range"
#: Overall metrics go by these names, groups' rates by their own.
SUMMARY_NAMES = {"true_positive_rate": "recall", "positive_predictive_value": "precision"}


def both_known(outcomes: Outcomes) -> BoolArray:
    """Rows with a label and a prediction, `[n]`."""
    return np.asarray(outcomes.labelled & outcomes.scored, dtype=np.bool_)


def accuracy(outcomes: Outcomes) -> RowStatistic:
    """Share of the rows whose prediction is their label."""
    known = both_known(outcomes)
    right = known & (outcomes.target == outcomes.prediction)
    return proportion("accuracy", right, known, "a label and a prediction")


def error_rate(outcomes: Outcomes) -> RowStatistic:
    """Share of the rows whose prediction is not their label."""
    known = both_known(outcomes)
    wrong = known & (outcomes.target != outcomes.prediction)
    return proportion("error_rate", wrong, known, "a label and a prediction")


def proportion(name: str, hit: BoolArray, counts: BoolArray, empty: str, class_: str | None = None) -> RowStatistic:
    """A row statistic of kind proportion."""
    return RowStatistic(name, "proportion", hit.astype(np.float64), counts, BETTER[name], empty, class_)


def mean(name: str, values: FloatArray, empty: str, better: Better | None) -> RowStatistic:
    """A row statistic of kind mean; rows that are NaN do not count, one that is too large to be computed does."""
    counts = ~np.isnan(values)
    low, high = LIMITS.get(name, (None, None))
    return RowStatistic(name, "mean", np.where(counts, values, 0.0), counts, better, empty, low=low, high=high)


def class_rates(
    outcomes: Outcomes, code: int, label: str, other: str, names: Iterable[str], class_: str | None = None
) -> list[RowStatistic]:
    """The named rates of class `code` against the rest. `other` says how a label that is not it is called."""
    scored, known = outcomes.scored, both_known(outcomes)
    chosen, true = outcomes.prediction == code, outcomes.target == code
    yes, no = known & true, known & ~true
    given, denied = f"a label and the prediction {label!r}", f"a label and a prediction other than {label!r}"
    made: dict[str, tuple[BoolArray, BoolArray, str]] = {
        "selection_rate": (scored & chosen, scored, "a prediction"),
        "error_rate": (known & (chosen != true), known, "a label and a prediction"),
        "true_positive_rate": (yes & chosen, yes, f"the label {label!r}"),
        "false_negative_rate": (yes & ~chosen, yes, f"the label {label!r}"),
        "false_positive_rate": (no & chosen, no, other),
        "true_negative_rate": (no & ~chosen, no, other),
        "positive_predictive_value": (yes & chosen, known & chosen, given),
        "false_discovery_rate": (no & chosen, known & chosen, given),
        "negative_predictive_value": (no & ~chosen, known & ~chosen, denied),
        "false_omission_rate": (yes & ~chosen, known & ~chosen, denied),
    }
    return [proportion(name, *made[name], class_) for name in names]


def gap_rules(
    rates: Iterable[str], means: Iterable[str] = (), named: Iterable[str] = (), class_: str | None = None
) -> list[GapRule]:
    """Difference and ratio of each rate and of each named gap, and the difference of each mean."""
    forms: tuple[Form, ...] = ("difference", "ratio")
    compared = {rate: (rate,) for rate in rates} | {name: NAMED_GAPS[name] for name in named}
    rules = [GapRule(f"{name}_{form}", stats, form, class_) for name, stats in compared.items() for form in forms]
    return rules + [GapRule(f"{name}_difference", (name,), "difference", class_) for name in means]


def row_metrics(stats: Sequence[RowStatistic], outcomes: Outcomes, confidence: float) -> list[Metric]:
    """Each row statistic over all rows, by the name that a summary gives it."""
    return [
        Metric(
            SUMMARY_NAMES.get(s.name, s.name),
            estimate(s, outcomes.design, confidence),
            s.better,
            s.class_,
        )
        for s in stats
    ]


def offer(name: str, better: Better | None, *, class_: bool = False) -> Offer:
    """An overall metric that can be gated; where no limits are stated, it is a share."""
    low, high = LIMITS.get(name, (0.0, 1.0))
    return Offer(name, class_=class_, better=better, low=low, high=high)


def nothing_measured(offers: Sequence[Offer], classes: Sequence[str], problem: str) -> list[Metric]:
    """Every metric that a summary offers, undefined for one reason."""
    reason = Estimate.undefined(problem)
    return [
        Metric(offer.metric, reason, offer.better, class_)
        for offer in offers
        for class_ in (classes if offer.class_ else (None,))
    ]


def top_label(scores: FloatArray) -> tuple[FloatArray, IntArray]:
    """The highest score of each row, `[n]`, NaN without scores, and the class that has it, int64 `[n]`."""
    usable = np.isfinite(scores).all(axis=1)
    chosen = np.argmax(np.nan_to_num(scores, nan=-1.0), axis=1).astype(np.int64)
    return np.where(usable, scores.max(axis=1), np.nan), chosen


def needed_for_scores(outcomes: Outcomes) -> str:
    """What a row needs to count in a metric of the scores, as `RowStatistic.empty` words it."""
    return "a label and a score" if outcomes.scores is not None else f"a label and a score: {NO_SCORE}"


def no_calibration(outcomes: Outcomes, outputs: OutputKind) -> str:
    """Why there is nothing to calibrate where there are no scores."""
    if outcomes.problem is not None:
        return outcomes.problem
    return (
        "the model gives labels without scores, so there is nothing to calibrate" if outputs == "labels" else NO_SCORE
    )


def log_loss(outcomes: Outcomes) -> FloatArray:
    """Log loss of each row, `[n]`, NaN without a score or a label."""
    if outcomes.scores is None:
        return np.full(len(outcomes), np.nan)
    return row_log_loss(outcomes.scores, outcomes.target)


def predicted_score(scores: FloatArray | None, like: Outcomes) -> FloatArray:
    """The score of the class that was predicted for each row of `like`, `[n]`, NaN where there is none."""
    found = np.full(len(like), np.nan)
    if scores is not None:
        rows = np.flatnonzero(like.scored)
        found[rows] = scores[rows, like.prediction[rows]]
    return found


def majority(reference: Outcomes, like: Outcomes, classes: int, *, scored: bool) -> Outcomes:
    """The most frequent label of `reference` for every row of `like` that the model scored, with the labels' shares as
    scores where the model gives scores, too.

    Weighted where the reference is. Ties go to the first class.
    """
    known = reference.labelled
    counts = sums(reference.target[known], whole_weight(reference.design.where(known), int(known.sum())), classes)
    if counts.sum() <= 0:
        nothing = np.full(len(like), NO_LABEL, dtype=np.int64)
        problem = f"the split '{reference.split}' has no label to learn a constant prediction from"
        return replace(like, prediction=nothing, scores=None, problem=problem)
    prediction = np.where(like.scored, int(np.argmax(counts)), NO_LABEL).astype(np.int64)
    scores = np.where(like.scored[:, None], counts / counts.sum(), np.nan) if scored else None
    return replace(like, prediction=prediction, scores=scores)

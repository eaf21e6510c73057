"""Binary classification: two classes, one of them favourable, decided by a threshold on its score."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from auditkit.core.estimate import Estimate
from auditkit.core.model import OutputKind
from auditkit.core.outcomes import Outcomes
from auditkit.core.task import Calibration, GapRule, GroupMeasure, Metric, Named, Offer, RowStatistic
from auditkit.core.types import Better, FloatArray, TaskKind
from auditkit.measures import calibration as measured
from auditkit.measures.classification import balanced_accuracy, f1, matthews_correlation
from auditkit.measures.ranking import roc_auc
from auditkit.tasks import by_group, curves, decisions, rates
from auditkit.tasks.scores import probabilities

_RATES = (
    "selection_rate",
    "true_positive_rate",
    "false_positive_rate",
    "false_negative_rate",
    "true_negative_rate",
    "positive_predictive_value",
    "negative_predictive_value",
)
#: Rates that say of groups what others leave to be worked out.
_MORE_RATES = ("error_rate", "false_discovery_rate", "false_omission_rate")
_MEANS = ("log_loss", "brier")


@dataclass(frozen=True)
class BinaryTask:
    """Two `classes` in the order of the scores, `positive` the favourable one.

    `outputs` says what the model returns; `threshold` is the score of the positive class from which on it is predicted.
    Raises `ValueError` where there are not two classes, or `positive` is none of them.
    """

    classes: tuple[str, ...]
    positive: str
    outputs: OutputKind = "probabilities"
    threshold: float = 0.5

    def __post_init__(self) -> None:
        if len(self.classes) != 2 or self.positive not in self.classes:
            raise ValueError(f"a binary task has two classes, one positive; got {self.classes}, {self.positive!r}")

    @property
    def kind(self) -> TaskKind:
        """Binary classification."""
        return TaskKind.BINARY

    @property
    def headline(self) -> str:
        """Accuracy stands for the rest."""
        return "accuracy"

    @property
    def code(self) -> int:
        """The position of the positive class."""
        return self.classes.index(self.positive)

    @property
    def negative(self) -> str:
        """The other label."""
        return self.classes[1 - self.code]

    def statistics(self, outcomes: Outcomes, also: Collection[Named] = ()) -> Sequence[RowStatistic]:
        """Accuracy, the rates of the positive class, and log loss and Brier score where the model gives scores.

        Rows without a label count for the selection rate only; rows without a prediction count nowhere.
        """
        return [*self._averaged(outcomes), *self._rates(outcomes, _MORE_RATES)]

    def _averaged(self, outcomes: Outcomes) -> list[RowStatistic]:
        """The statistics that a summary holds."""
        stats = [rates.accuracy(outcomes), *self._rates(outcomes, _RATES)]
        if self.outputs == "labels":
            return stats
        what = rates.needed_for_scores(outcomes)
        loss = rates.mean("log_loss", rates.log_loss(outcomes), what, Better.LOWER)
        return [*stats, loss, rates.mean("brier", self._brier(outcomes), what, Better.LOWER)]

    def _rates(self, outcomes: Outcomes, names: Sequence[str]) -> list[RowStatistic]:
        return rates.class_rates(outcomes, self.code, self.positive, f"the label {self.negative!r}", names)

    def gap_rules(self, also: Collection[Named] = ()) -> Sequence[GapRule]:
        """Difference and ratio of every rate and of the field's named gaps; differences of the losses."""
        means = () if self.outputs == "labels" else _MEANS
        return rates.gap_rules(("accuracy", *_RATES, *_MORE_RATES), means, rates.NAMED_GAPS)

    def group_measures(self, also: Collection[Named] = ()) -> Sequence[GroupMeasure]:
        """F1, balanced accuracy, false negatives for each false positive; AUC, average precision and calibration error
        where the model gives scores."""
        scored = () if self.outputs == "labels" else by_group.score_measures(self.code)
        plain = by_group.class_f1(self.code), by_group.balanced(self.classes), by_group.errors_balance(self.code)
        return [*plain, *scored]

    def on_request(self) -> Sequence[Offer]:
        """Nothing: all of it is measured."""
        return ()

    def decision_scores(self, outcomes: Outcomes) -> FloatArray | None:
        """The positive class's score."""
        return None if outcomes.scores is None else outcomes.scores[:, self.code]

    def decided_at(self, outcomes: Outcomes, threshold: float) -> Outcomes:
        """The rows as another threshold would decide them."""
        return decisions.decided_at(outcomes, self.code, threshold)

    def if_labelled(self, outcomes: Outcomes, *, right: bool) -> Outcomes | None:
        """The rows with the labels that the model gave them, or with the others, where a label is missing."""
        return decisions.if_labelled(outcomes, len(self.classes), right=right)

    def benefits(self, outcomes: Outcomes) -> FloatArray | None:
        """Prediction − label + 1 of each row (Speicher et al. 2018)."""
        return decisions.benefits(outcomes, self.code)

    def summary(self, outcomes: Outcomes, confidence: float) -> Sequence[Metric]:
        """The row statistics (true positive rate as `recall`, positive predictive value as `precision`), balanced
        accuracy, F1, Matthews correlation, and the area under the ROC curve."""
        if outcomes.problem is not None:
            return rates.nothing_measured(self.summary_offers(), (), outcomes.problem)
        design = outcomes.design
        found = rates.row_metrics(self._averaged(outcomes), outcomes, confidence)
        target, prediction, known = outcomes.target, outcomes.prediction, rates.both_known(outcomes)
        positive, chosen = known & (target == self.code), known & (prediction == self.code)
        balanced = balanced_accuracy(target, prediction, self.classes, design, confidence)
        matthews = matthews_correlation(target, prediction, 2, design, confidence)
        found.append(Metric("balanced_accuracy", balanced, Better.HIGHER))
        found.append(Metric("f1", f1(positive, chosen, design, confidence), Better.HIGHER))
        found.append(Metric("matthews_correlation", matthews, Better.HIGHER))
        if self.outputs != "labels":
            found.append(Metric("roc_auc", self._roc_auc(outcomes, confidence), Better.HIGHER))
        return found

    def _roc_auc(self, outcomes: Outcomes, confidence: float) -> Estimate:
        if outcomes.scores is None:
            return Estimate.undefined(rates.NO_SCORE)
        score = np.where(outcomes.labelled, outcomes.scores[:, self.code], np.nan)
        return roc_auc(score, outcomes.target == self.code, outcomes.design, confidence)

    def summary_offers(self) -> Sequence[Offer]:
        """What `summary` returns."""
        names = ["accuracy", *_RATES, *(() if self.outputs == "labels" else _MEANS)]
        offers = [rates.offer(rates.SUMMARY_NAMES.get(name, name), rates.BETTER[name]) for name in names]
        more = ["balanced_accuracy", "f1", "matthews_correlation", *([] if self.outputs == "labels" else ["roc_auc"])]
        return [*offers, *(rates.offer(name, Better.HIGHER) for name in more)]

    def majority(self, reference: Outcomes, like: Outcomes) -> Outcomes:
        """The more frequent label of `reference` for every row, with the labels' shares as scores."""
        return rates.majority(reference, like, len(self.classes), scored=self.outputs != "labels")

    def loss(self, outcomes: Outcomes) -> FloatArray:
        """Log loss of each row in nats, `[n]`, NaN without a score or a label."""
        return rates.log_loss(outcomes)

    def calibration(self, outcomes: Outcomes, confidence: float, bins: int) -> Calibration | str:
        """Calibration of the positive class's score."""
        if outcomes.scores is None:
            return rates.no_calibration(outcomes, self.outputs)
        score = outcomes.scores[:, self.code]
        hit = np.where(outcomes.labelled, (outcomes.target == self.code).astype(np.float64), np.nan)
        code = np.where(outcomes.labelled, outcomes.target == self.code, -1).astype(np.int64)
        brier = measured.brier(score, code, outcomes.design, confidence)
        return curves.calibration_of(score, hit, brier, outcomes, f"the label {self.positive!r}", confidence, bins)

    def calibration_offers(self) -> Sequence[Offer]:
        """What `calibration` returns."""
        return () if self.outputs == "labels" else curves.OFFERS

    def response(self, outcomes: Outcomes) -> FloatArray:
        """The score of the predicted class, `[n]`, NaN without one."""
        return rates.predicted_score(outcomes.scores, outcomes)

    def response_of(self, raw: FloatArray, like: Outcomes) -> FloatArray:
        """The score of the class predicted in `like`, from changed raw outputs `[n, 1]` or `[n, 2]`."""
        return rates.predicted_score(probabilities(raw, self.outputs, 2, self.code), like)

    def _brier(self, outcomes: Outcomes) -> FloatArray:
        if outcomes.scores is None:
            return np.full(len(outcomes), np.nan)
        error = outcomes.scores[:, self.code] - (outcomes.target == self.code)
        return np.where(outcomes.labelled, error**2, np.nan)

"""Multiclass classification: the class with the highest score is predicted."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from auditkit.core.model import OutputKind
from auditkit.core.outcomes import Outcomes
from auditkit.core.task import Calibration, GapRule, GroupMeasure, Metric, Named, Offer, RowStatistic
from auditkit.core.types import Better, FloatArray, TaskKind
from auditkit.measures import calibration as measured
from auditkit.measures.classification import balanced_accuracy, f1, macro_f1, matthews_correlation, row_brier
from auditkit.tasks import by_group, curves, decisions, rates
from auditkit.tasks.scores import probabilities

#: Rates of each class against the rest.
_RATES = (
    "selection_rate",
    "true_positive_rate",
    "false_positive_rate",
    "false_negative_rate",
    "positive_predictive_value",
)
#: Rates and gaps of a class that are measured by group only where a gate names them.
_MORE_RATES = (
    "negative_predictive_value",
    "false_discovery_rate",
    "false_omission_rate",
    "true_negative_rate",
    "error_rate",
)
_NAMED_GAPS = ("demographic_parity", "equalized_odds", "equal_opportunity", "predictive_parity")
_MORE_GAPS = ("predictive_equality", "conditional_use_accuracy_equality")
_MEANS = ("log_loss", "brier")
#: With more classes than this, rates of single classes are measured over all rows, but by group only where a gate names
#: the class: there would be more of them than rows could bear or a reader could take in.
MOST_CLASSES_BY_GROUP = 30


@dataclass(frozen=True)
class MulticlassTask:
    """`classes` in the order of the scores; none of them is favourable. `outputs` says what the model returns.

    Raises `ValueError` without a class.
    """

    classes: tuple[str, ...]
    outputs: OutputKind = "probabilities"
    threshold: float = 0.5

    def __post_init__(self) -> None:
        if not self.classes:
            raise ValueError("a classification task needs at least one class")

    @property
    def kind(self) -> TaskKind:
        """Multiclass classification."""
        return TaskKind.MULTICLASS

    @property
    def positive(self) -> str | None:
        """No label is the favourable one."""
        return None

    @property
    def headline(self) -> str:
        """Accuracy stands for the rest."""
        return "accuracy"

    @property
    def classes_by_group(self) -> tuple[str, ...]:
        """The classes whose rates are compared between groups: all of them, or none where there are more than 30."""
        return self.classes if len(self.classes) <= MOST_CLASSES_BY_GROUP else ()

    def statistics(self, outcomes: Outcomes, also: Collection[Named] = ()) -> Sequence[RowStatistic]:
        """Accuracy, losses where the model gives scores, and (up to 30 classes) the rates of each class against the
        rest; of other classes, and other rates of a class, those that `also` names."""
        stats = [*self._averaged(outcomes), rates.error_rate(outcomes)]
        for code, label in enumerate(self.classes):
            asked = [name for name in (*_RATES, *_MORE_RATES) if (name, label) in also]
            always = _RATES if label in self.classes_by_group else ()
            stats += self._class_rates(outcomes, code, tuple(dict.fromkeys([*always, *asked])))
        return stats

    def _averaged(self, outcomes: Outcomes) -> list[RowStatistic]:
        """The statistics over all classes."""
        stats = [rates.accuracy(outcomes)]
        if self.outputs == "labels":
            return stats
        what = rates.needed_for_scores(outcomes)
        nothing = np.full(len(outcomes), np.nan)
        brier = nothing if outcomes.scores is None else row_brier(outcomes.scores, outcomes.target)
        stats.append(rates.mean("log_loss", rates.log_loss(outcomes), what, Better.LOWER))
        return [*stats, rates.mean("brier", brier, what, Better.LOWER)]

    def _class_rates(self, outcomes: Outcomes, code: int, names: Sequence[str] = _RATES) -> list[RowStatistic]:
        label = self.classes[code]
        return rates.class_rates(outcomes, code, label, f"a label other than {label!r}", names, label)

    def gap_rules(self, also: Collection[Named] = ()) -> Sequence[GapRule]:
        """Accuracy and losses over all classes; up to 30 classes, the usual rates and named gaps of each; and what
        `also` names."""
        means = () if self.outputs == "labels" else _MEANS
        rules = rates.gap_rules(("accuracy", "error_rate"), means, ("accuracy_equality",))
        for label in self.classes_by_group:
            rules += rates.gap_rules(_RATES, (), _NAMED_GAPS, label)
        for label in dict.fromkeys(class_ for _, class_ in also if class_ in self.classes):
            every = rates.gap_rules((*_RATES, *_MORE_RATES), (), (*_NAMED_GAPS, *_MORE_GAPS), label)
            rules += [rule for rule in every if (rule.name, label) in also and rule not in rules]
        return rules

    def group_measures(self, also: Collection[Named] = ()) -> Sequence[GroupMeasure]:
        """Rates and F1 averaged over the classes, balanced accuracy, the calibration error of the highest score; and
        F1 of the classes for which `also` names it or its gap."""
        found = by_group.multiclass_measures(self.classes, scored=self.outputs != "labels")
        single = [by_group.class_f1(code, label) for code, label in enumerate(self.classes)]
        asked = [m for m in single if any((name, m.class_) in also for name in (m.name, *(r.name for r in m.rules)))]
        return [*found, *asked]

    def on_request(self) -> Sequence[Offer]:
        """Every rate, gap and F1 of a single class."""
        names = (*_RATES, *_MORE_RATES)
        single = [rates.offer(name, rates.BETTER[name], class_=True) for name in names]
        single.append(rates.offer("f1", Better.HIGHER, class_=True))
        gaps = [*rates.gap_rules(names, (), (*_NAMED_GAPS, *_MORE_GAPS)), *by_group.class_f1(0).rules]
        return [
            *(replace(offer, by=True, group=True) for offer in single),
            *(replace(rates.offer(rule.name, rule.better, class_=True), by=True) for rule in gaps),
        ]

    def decision_scores(self, outcomes: Outcomes) -> FloatArray | None:
        """None: the highest score decides, not a threshold."""
        return None

    def decided_at(self, outcomes: Outcomes, threshold: float) -> Outcomes:
        """No threshold decides."""
        raise ValueError("the class with the highest score is predicted, whatever the threshold")

    def if_labelled(self, outcomes: Outcomes, *, right: bool) -> Outcomes | None:
        """The rows with the labels that the model gave them, or with others, where a label is missing."""
        return decisions.if_labelled(outcomes, len(self.classes), right=right) if len(self.classes) > 1 else None

    def benefits(self, outcomes: Outcomes) -> FloatArray | None:
        """None: no label is favourable."""
        return None

    def summary(self, outcomes: Outcomes, confidence: float) -> Sequence[Metric]:
        """Accuracy, balanced accuracy, macro F1, Matthews correlation, losses; recall, precision, F1 of each class."""
        if outcomes.problem is not None:
            return rates.nothing_measured(self.summary_offers(), self.classes, outcomes.problem)
        design = outcomes.design
        target, prediction, known = outcomes.target, outcomes.prediction, rates.both_known(outcomes)
        found = rates.row_metrics(self._averaged(outcomes), outcomes, confidence)
        balanced = balanced_accuracy(target, prediction, self.classes, design, confidence)
        macro = macro_f1(target, prediction, self.classes, design, confidence)
        matthews = matthews_correlation(target, prediction, len(self.classes), design, confidence)
        found.append(Metric("balanced_accuracy", balanced, Better.HIGHER))
        found.append(Metric("macro_f1", macro, Better.HIGHER))
        found.append(Metric("matthews_correlation", matthews, Better.HIGHER))
        for code, label in enumerate(self.classes):  # one at a time: all statistics at once could fill the memory
            found += rates.row_metrics(self._class_rates(outcomes, code), outcomes, confidence)
            single = f1(known & (target == code), known & (prediction == code), design, confidence)
            found.append(Metric("f1", single, Better.HIGHER, label))
        return found

    def summary_offers(self) -> Sequence[Offer]:
        """What `summary` returns."""
        whole = ["accuracy", *(() if self.outputs == "labels" else _MEANS)]
        offers = [rates.offer(name, rates.BETTER[name]) for name in whole]
        offers += [rates.offer(rates.SUMMARY_NAMES.get(n, n), rates.BETTER[n], class_=True) for n in _RATES]
        more = ("balanced_accuracy", "macro_f1", "matthews_correlation")
        offers += [rates.offer(name, Better.HIGHER) for name in more]
        return [*offers, rates.offer("f1", Better.HIGHER, class_=True)]

    def majority(self, reference: Outcomes, like: Outcomes) -> Outcomes:
        """The most frequent label of `reference` for every row, with the labels' shares as scores."""
        return rates.majority(reference, like, len(self.classes), scored=self.outputs != "labels")

    def loss(self, outcomes: Outcomes) -> FloatArray:
        """Log loss of each row in nats, `[n]`, NaN without a score or a label."""
        return rates.log_loss(outcomes)

    def calibration(self, outcomes: Outcomes, confidence: float, bins: int) -> Calibration | str:
        """Calibration of the highest score against whether its class is the true one (top-label confidence)."""
        if outcomes.scores is None:
            return rates.no_calibration(outcomes, self.outputs)
        top, chosen = rates.top_label(outcomes.scores)
        hit = np.where(outcomes.labelled, (chosen == outcomes.target).astype(np.float64), np.nan)
        brier = measured.brier(outcomes.scores, outcomes.target, outcomes.design, confidence)
        return curves.calibration_of(top, hit, brier, outcomes, "the predicted class", confidence, bins)

    def calibration_offers(self) -> Sequence[Offer]:
        """What `calibration` returns."""
        return () if self.outputs == "labels" else curves.OFFERS

    def response(self, outcomes: Outcomes) -> FloatArray:
        """The score of the predicted class, `[n]`, NaN without one."""
        return rates.predicted_score(outcomes.scores, outcomes)

    def response_of(self, raw: FloatArray, like: Outcomes) -> FloatArray:
        """The score of the class predicted in `like`, from changed raw outputs `[n, C]`."""
        return rates.predicted_score(probabilities(raw, self.outputs, len(self.classes)), like)

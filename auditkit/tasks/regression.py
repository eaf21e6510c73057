"""Regression: a number is predicted, and compared with a number."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from auditkit.core.estimate import Estimate
from auditkit.core.model import OutputKind, as_float_matrix
from auditkit.core.outcomes import Outcomes
from auditkit.core.task import Calibration, GapRule, GroupMeasure, Metric, Named, Offer, RowStatistic
from auditkit.core.types import Better, FloatArray, TaskKind
from auditkit.measures import regression as measured
from auditkit.measures.moments import TOO_LARGE, whole_weight
from auditkit.tasks import by_group, rates

_EMPTY = "a target value and a prediction"
_BETTER: dict[str, Better | None] = {
    "mean_error": None,
    "mean_absolute_error": Better.LOWER,
    "mean_squared_error": Better.LOWER,
    "root_mean_squared_error": Better.LOWER,
    "r2": Better.HIGHER,
}
_MEASURES: dict[str, Callable[..., Estimate]] = {
    "mean_error": measured.mean_error,
    "mean_absolute_error": measured.mean_absolute_error,
    "mean_squared_error": measured.mean_squared_error,
    "root_mean_squared_error": measured.root_mean_squared_error,
    "r2": measured.r_squared,
}


@dataclass(frozen=True)
class RegressionTask:
    """One number a row."""

    outputs: OutputKind = "values"
    threshold: float = 0.5
    classes: ClassVar[tuple[str, ...]] = ()
    positive: ClassVar[str | None] = None

    @property
    def kind(self) -> TaskKind:
        """Regression."""
        return TaskKind.REGRESSION

    @property
    def headline(self) -> str:
        """The mean absolute error stands for the rest."""
        return "mean_absolute_error"

    def statistics(self, outcomes: Outcomes, also: Collection[Named] = ()) -> Sequence[RowStatistic]:
        """Mean error (prediction − target), mean absolute error, mean squared error."""
        error = measured.errors(outcomes.target, outcomes.prediction)
        squared = measured.squared_errors(outcomes.target, outcomes.prediction)
        values = {"mean_error": error, "mean_absolute_error": np.abs(error), "mean_squared_error": squared}
        return [rates.mean(name, value, _EMPTY, _BETTER[name]) for name, value in values.items()]

    def gap_rules(self, also: Collection[Named] = ()) -> Sequence[GapRule]:
        """Differences of the errors between groups, and the ratio of the mean absolute errors."""
        names = ("mean_error", "mean_absolute_error", "mean_squared_error")
        differences = [GapRule(f"{name}_difference", (name,), "difference") for name in names]
        return [*differences, GapRule("mean_absolute_error_ratio", ("mean_absolute_error",), "ratio")]

    def group_measures(self, also: Collection[Named] = ()) -> Sequence[GroupMeasure]:
        """Root mean squared error, R², and quantiles of the size of the error."""
        return by_group.regression_measures()

    def on_request(self) -> Sequence[Offer]:
        """Nothing: all of it is measured."""
        return ()

    def decision_scores(self, outcomes: Outcomes) -> FloatArray | None:
        """None: nothing is decided."""
        return None

    def decided_at(self, outcomes: Outcomes, threshold: float) -> Outcomes:
        """Nothing is decided."""
        raise ValueError("a model of numbers decides nothing by a threshold")

    def if_labelled(self, outcomes: Outcomes, *, right: bool) -> Outcomes | None:
        """None: a missing number may be any."""
        return None

    def benefits(self, outcomes: Outcomes) -> FloatArray | None:
        """None: no label is favourable."""
        return None

    def summary(self, outcomes: Outcomes, confidence: float) -> Sequence[Metric]:
        """Mean error, mean absolute error, mean squared error, its root, and R²."""
        if outcomes.problem is not None:
            return rates.nothing_measured(self.summary_offers(), (), outcomes.problem)
        arguments = (outcomes.target, outcomes.prediction, outcomes.design, confidence)
        return [Metric(name, measure(*arguments), _BETTER[name]) for name, measure in _MEASURES.items()]

    def summary_offers(self) -> Sequence[Offer]:
        """What `summary` returns."""
        return [rates.offer(name, _BETTER[name]) for name in _MEASURES]

    def majority(self, reference: Outcomes, like: Outcomes) -> Outcomes:
        """The mean target of `reference` for every row of `like` that the model scored."""
        known = reference.labelled
        weight = whole_weight(reference.design.where(known), int(known.sum()))
        if weight.sum() <= 0:
            problem = f"the split '{reference.split}' has no target value to learn a constant prediction from"
            return replace(like, prediction=np.full(len(like), np.nan), problem=problem)
        with np.errstate(over="ignore", invalid="ignore"):
            constant = float(np.average(reference.target[known], weights=weight))
        if not np.isfinite(constant):
            problem = f"the target of the split '{reference.split}': {TOO_LARGE}"
            return replace(like, prediction=np.full(len(like), np.nan), problem=problem)
        return replace(like, prediction=np.where(like.scored, constant, np.nan))

    def loss(self, outcomes: Outcomes) -> FloatArray:
        """Squared error of each row, `[n]`, in its unit squared; NaN where unknown, infinite where too large."""
        return measured.squared_errors(outcomes.target, outcomes.prediction)

    def calibration(self, outcomes: Outcomes, confidence: float, bins: int) -> Calibration | str:
        """None: predicted numbers are no probabilities."""
        return "the model predicts numbers without an uncertainty, so there is no probability to calibrate"

    def calibration_offers(self) -> Sequence[Offer]:
        """Nothing."""
        return ()

    def response(self, outcomes: Outcomes) -> FloatArray:
        """The predicted value, `[n]`."""
        return np.asarray(outcomes.prediction, dtype=np.float64)

    def response_of(self, raw: FloatArray, like: Outcomes) -> FloatArray:
        """The predicted value from changed raw outputs `[n]` or `[n, 1]`, NaN where it is not finite."""
        values = as_float_matrix(raw)[:, 0]
        return np.where(np.isfinite(values) & like.scored, values, np.nan)

"""The protocol between tasks and checks. A check speaks to a task through this and never asks which task it is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from auditkit.core.estimate import Estimate
from auditkit.core.figure import Figure, Table
from auditkit.core.outcomes import Outcomes
from auditkit.core.types import Better, BoolArray, FloatArray, TaskKind

Form: TypeAlias = Literal["difference", "ratio"]
#: A metric by name and the class that it is about; None where it is about all of them.
Named: TypeAlias = tuple[str, str | None]


@dataclass(frozen=True)
class RowStatistic:
    """A metric that is a ratio of sums over rows: value = Σ w·numerator / Σ w·counts.

    `kind` "proportion": `numerator` is 0 or 1 (Wilson-type intervals); "mean": any real number (t-type intervals).
    `numerator` is float64 `[n]` (0 where `counts` is False), `counts` bool `[n]`: the rows in the denominator.
    `empty` completes "…: there are no rows with …" when the denominator is 0 (for TPR: "the label '>50K'").
    `low` and `high`: what a mean can never be below or above, None where there is no such limit; see `limits`.
    """

    name: str
    kind: Literal["proportion", "mean"]
    numerator: FloatArray
    counts: BoolArray
    better: Better | None
    empty: str
    class_: str | None = None
    low: float | None = None
    high: float | None = None

    @property
    def limits(self) -> tuple[float | None, float | None]:
        """What the value can never be below or above: 0 and 1 for a proportion."""
        return (0.0, 1.0) if self.kind == "proportion" else (self.low, self.high)


@dataclass(frozen=True)
class GapRule:
    """How a group metric is made from row statistics: largest minus smallest, or smallest over largest.

    With several statistics (equalized odds) the value is the worst of their gaps, and the interval is simultaneous.
    """

    name: str
    statistics: tuple[str, ...]
    form: Form
    class_: str | None = None

    @property
    def better(self) -> Better:
        """The good direction of a gap: small differences, large ratios."""
        return Better.LOWER if self.form == "difference" else Better.HIGHER


@dataclass(frozen=True)
class GroupMeasure:
    """A metric of a group that is no ratio of sums: an area, F1, a calibration error, a quantile.

    `of` gives it over the rows of one group, with a pointwise interval of that confidence. `share`: values read as
    percentages. Gaps between groups are named after `gap` (else `name`), one for each of `forms`. `low` and `high` as
    in `RowStatistic`.
    """

    name: str
    better: Better | None
    share: bool
    of: Callable[[Outcomes, float], Estimate]
    class_: str | None = None
    gap: str | None = None
    forms: tuple[Form, ...] = ("difference",)
    low: float | None = None
    high: float | None = None

    @property
    def rules(self) -> tuple[GapRule, ...]:
        """Its gaps."""
        return tuple(GapRule(f"{self.gap or self.name}_{form}", (self.name,), form, self.class_) for form in self.forms)


@dataclass(frozen=True)
class Offer:
    """A metric that can be gated: its name, which selectors of a gate apply to it, and what it can be.

    `low` and `high`: the metric can never be below or above; None: no such limit is known. A bound that no value can
    break is refused by them, and a ratio of a metric that may be negative.
    """

    metric: str
    by: bool = False
    group: bool = False
    class_: bool = False
    better: Better | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Metric:
    """A named estimate, for one class where `class_` is set."""

    name: str
    estimate: Estimate
    better: Better | None = None
    class_: str | None = None


@dataclass(frozen=True)
class Calibration:
    """How far scores can be taken as probabilities."""

    metrics: tuple[Metric, ...]
    figure: Figure | None
    table: Table | None


class Task(Protocol):
    """What a kind of task must answer. One file in `auditkit/tasks/` implements each."""

    @property
    def kind(self) -> TaskKind:
        """The kind of task."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Class labels in the order of the scores; empty for regression."""

    @property
    def positive(self) -> str | None:
        """The favourable label of a binary task."""

    @property
    def headline(self) -> str:
        """The name of the metric that stands for the rest; always one of `statistics`."""

    @property
    def threshold(self) -> float:
        """The score from which on a binary model decides for the favourable label; without meaning for other tasks."""

    def statistics(self, outcomes: Outcomes, also: Collection[Named] = ()) -> Sequence[RowStatistic]:
        """Every metric that is a ratio of sums, over these rows; `also` names more of them, see `on_request`."""

    def gap_rules(self, also: Collection[Named] = ()) -> Sequence[GapRule]:
        """Every gap between groups that rests on `statistics`; `also` names more of them, see `on_request`."""

    def group_measures(self, also: Collection[Named] = ()) -> Sequence[GroupMeasure]:
        """Every metric of a group that is no ratio of sums; `also` names more of them, or of their gaps."""

    def on_request(self) -> Sequence[Offer]:
        """What is measured by group only where it is asked for by name and class: there would be too much of it."""

    def decision_scores(self, outcomes: Outcomes) -> FloatArray | None:
        """The score that is held against the threshold, `[n]`, NaN without one; None where no threshold decides."""

    def decided_at(self, outcomes: Outcomes, threshold: float) -> Outcomes:
        """The same rows as another threshold would decide them. Raises `ValueError` where no threshold decides."""

    def if_labelled(self, outcomes: Outcomes, *, right: bool) -> Outcomes | None:
        """The rows, those without a label given the one that proves the model right there, or one that proves it
        wrong; None where no label does."""

    def benefits(self, outcomes: Outcomes) -> FloatArray | None:
        """What a row gets beside what it deserves, `[n]`: 0 less, 1 as much, 2 more, NaN where unknown. None where the
        task has no favourable label."""

    def summary(self, outcomes: Outcomes, confidence: float) -> Sequence[Metric]:
        """Every overall metric with its interval: the row statistics and those that are none (AUC, F1, R²)."""

    def summary_offers(self) -> Sequence[Offer]:
        """What `summary` returns, by name, known before any row is."""

    def majority(self, reference: Outcomes, like: Outcomes) -> Outcomes:
        """What the best constant prediction, learnt on `reference`, would give on the rows of `like`."""

    def loss(self, outcomes: Outcomes) -> FloatArray:
        """Loss of each row, float64 `[n]`, NaN where unknown: log loss, or squared error."""

    def calibration(self, outcomes: Outcomes, confidence: float, bins: int) -> Calibration | str:
        """Calibration of the scores, or one sentence that says why there is none."""

    def calibration_offers(self) -> Sequence[Offer]:
        """What `calibration` returns, by name; empty where the task has none."""

    def response(self, outcomes: Outcomes) -> FloatArray:
        """The output that explanations are about, `[n]`: the score of the predicted class, or the predicted value."""

    def response_of(self, raw: FloatArray, like: Outcomes) -> FloatArray:
        """The same output of the same classes, after the inputs of those rows were changed: `raw` outputs `[n, C]`."""

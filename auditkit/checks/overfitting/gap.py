"""`overfitting.gap`: the share of its performance that the model loses on new rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from auditkit.checks.reading import TRAIN, floats, headline, new_splits
from auditkit.checks.texts import name_of, sentence, size, span
from auditkit.core.check import Check
from auditkit.core.evidence import Evidence
from auditkit.core.figure import Axis, Figure, Point, Series
from auditkit.core.finding import Finding, Scope
from auditkit.core.messages import number, percent
from auditkit.core.outcomes import Outcomes
from auditkit.core.task import Offer, Task
from auditkit.core.types import Better, Status
from auditkit.measures.difference import relative_degradation

_CURVES = (("train_loss", "train"), ("validation_loss", "validation"))


class OverfittingGap(Check):
    """Whether the model remembers its training rows rather than learns from them.

    Measures:
    `relative_degradation`: by what share of its training value the headline metric gets worse on new rows. 0.2 means
    that a fifth of the accuracy is lost, or that errors are a fifth larger.

    How:
    (train - new) / train for a metric where more is better, (new - train) / train for an error. The check warns where
    the lower end of the interval exceeds `tolerance`: the loss is larger than that, and chance doesn't explain it.

    Assumptions:
    `train` holds the rows that the model was fitted on, and both splits come from the same population. A shift between
    the splits looks the same.

    Reading:
    With no warning, the loss may still be large: see the upper end. Training curves that part (the training loss falls
    while the validation loss rises) show from which epoch on the model remembered.

    Source:
    The default tolerance of 0.10 is deepchecks' for the relative degradation between train and test (check Train Test
    Performance). Zhang et al. (2017), Understanding deep learning requires rethinking generalization, ICLR: networks
    can fit shuffled labels.
    """

    id: ClassVar[str] = "overfitting.gap"
    title: ClassVar[str] = "Signs of overfitting"
    uses: ClassVar[tuple[str, ...]] = ("history",)
    messages: ClassVar[dict[str, str]] = {
        "lost": "{metric} is {value} worse on {split} than on train, relative to train",
        "won": "{metric} is {value} better on {split} than on train, relative to train",
        "undefined": "How much worse {metric} is on {split} than on train is not defined",
        "over": "Certainly more than {tolerance} is lost on new rows: the model remembers part of its training rows, "
        "or the splits differ.",
        "unsure": "The loss could be more or less than {tolerance}; more rows in {split} would decide it.",
        "under": "The loss on new rows is within {tolerance}.",
        "remedy": "Stop earlier, add weight decay or dropout, use a smaller model or more rows, and check the training "
        "labels for mistakes; then check that both splits come from the same source.",
        "affected": "everyone the model is used on: figures from the training rows promise too much",
        "curves": "Loss by epoch",
        "curves_alt": "Loss over {epochs} epochs. Train: {train}. Validation: {validation}.",
        "run": "from {first} to {last}, lowest {lowest}",
        "none": "not recorded",
        "no_train": "the plan names no train split; add data.splits.train to compare with new rows",
        "alone": "the plan names no split besides train; add data.splits.test to compare with new rows",
    }

    #: Largest relative loss that is taken as usual.
    tolerance: float = Field(default=0.10, ge=0, allow_inf_nan=False)

    def offers(self, task: Task) -> Sequence[Offer]:
        """The relative loss of the headline metric."""
        return [Offer("relative_degradation", better=Better.LOWER)]

    def run(self, evidence: Evidence) -> list[Finding]:
        """One finding for each split besides train."""
        if TRAIN not in evidence.data.splits:
            return [self.skipped(self.say("no_train"))]
        others = new_splits(evidence)
        if not others:
            return [self.skipped(self.say("alone"))]
        return [self._against(evidence, evidence.outcomes(TRAIN), evidence.outcomes(split)) for split in others]

    def _against(self, evidence: Evidence, train: Outcomes, test: Outcomes) -> Finding:
        seen, new = headline(evidence.task, train), headline(evidence.task, test)
        lost = relative_degradation(
            seen,
            new,
            train_design=train.design,
            test_design=test.design,
            confidence=evidence.confidence,
        )
        over = lost.low is not None and lost.low > self.tolerance
        key = "undefined" if lost.value is None else "lost" if lost.value >= 0 else "won"
        words = {"metric": sentence(name_of(seen.name)), "split": test.split}
        return self.finding(
            "relative_degradation",
            Scope(split=test.split, reference=TRAIN),
            lost,
            title=self.say(key, **words, value=span(size(lost), share=True)),
            explanation=self._explain(lost.low, lost.high, test.split),
            status=Status.WARN if over else Status.INFO,
            better=Better.LOWER,
            remedy=self.say("remedy") if over else None,
            affected=self.say("affected") if over else None,
            figures=(self._curves(evidence.table("history")),) if evidence.has("history") else (),
        )

    def _explain(self, low: float | None, high: float | None, split: str) -> str:
        if low is None or high is None:
            return ""
        key = "over" if low > self.tolerance else "under" if high <= self.tolerance else "unsure"
        return self.say(key, tolerance=percent(self.tolerance), split=split)

    def _curves(self, history: pa.Table) -> Figure:
        epochs, series, told = floats(history, "epoch"), [], {}
        for column, name in _CURVES:
            loss = floats(history, column) if column in history.column_names else np.full(len(epochs), np.nan)
            known = np.isfinite(loss)
            told[name] = self.say("none")
            if known.any():
                drawn = loss[known]
                ends = {"first": drawn[0], "last": drawn[-1], "lowest": drawn.min()}
                told[name] = self.say("run", **{key: number(float(value)) for key, value in ends.items()})
                points = tuple(Point(x=float(e), y=float(y)) for e, y in zip(epochs[known], drawn, strict=True))
                series.append(Series(name=name, points=points))
        return Figure(
            kind="lines",
            title=self.say("curves"),
            alt=self.say("curves_alt", epochs=len(epochs), **told),
            x=Axis(label="epoch"),
            y=Axis(label="loss"),
            series=tuple(series),
        )

"""`data.leakage`: rows of a test split that stand in the train split too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from auditkit.checks.data.repeats import AGREEMENT_OF_COPIES, agreement_between, has_twin, repeated_elsewhere
from auditkit.checks.reading import (
    TRAIN,
    headline,
    is_share,
    known_statistics,
    new_splits,
    rows_of,
    share_of,
)
from auditkit.checks.texts import count, name_of, sentence, span
from auditkit.core.check import Check
from auditkit.core.estimate import Estimate
from auditkit.core.evidence import Evidence
from auditkit.core.finding import Finding, Scope
from auditkit.core.messages import percent
from auditkit.core.outcomes import Outcomes, places
from auditkit.core.task import Offer, RowStatistic, Task
from auditkit.core.types import Better, BoolArray, Status
from auditkit.measures.difference import difference
from auditkit.measures.rates import estimate

_NO_ROW = "any content"


@dataclass(frozen=True)
class _Overlap:
    """Which rows of a split are in train: by their inputs, by inputs and label, by their cluster (None without).

    `agreement`: of the pairs of a row here and one in train with the same inputs, the share with the same label."""

    outcomes: Outcomes
    inputs: BoolArray
    rows: BoolArray
    cluster: BoolArray | None
    agreement: float | None


class DataLeakage(Check):
    """Whether rows that the model is tested on stand in its training data.

    Measures:
    `overlap_share`: rows of the split whose inputs and label occur in train. `input_overlap_share`: the same by inputs
    alone. `cluster_overlap_share`, where the plan names clusters: rows whose cluster (person, household, device) also
    has rows in train. `<headline>_without_overlap`: the headline metric over the rows whose inputs are new.

    How:
    Rows are compared by a hash of their inputs, and of inputs and label. How often rows repeat by chance is read off
    the train split: the share of its rows that have a twin there is what a new draw from the same population would
    show. The check warns where the lower end of the overlap exceeds `tolerance` and chance doesn't explain it: the
    overlap exceeds the twins of train by more than `tolerance`, too, or rows with the same inputs always bear the
    same label in both, as copies do and rows that are alike by chance don't.

    Assumptions:
    Train and test are draws from the same population. Near copies (rounded, resized, paraphrased) are not found.

    Reading:
    On rows that training has seen, a model that remembers looks like one that has learnt. Read the headline without
    the overlap. Where copies were in the data before it was split, train has twins, too: see `data.integrity`.

    Source:
    Kapoor and Narayanan (2023), Leakage and the reproducibility crisis in machine-learning-based science, Patterns
    4(9). The tolerance is deepchecks' default for Train Test Samples Mix (0.05). Comparing with the twins of train is
    the leave-one-out argument of Good (1953), Biometrika 40.
    """

    id: ClassVar[str] = "data.leakage"
    title: ClassVar[str] = "Leakage between splits"
    messages: ClassVar[dict[str, str]] = {
        "overlap_share": "Rows of {split} that are in train, too: {value}",
        "input_overlap_share": "Rows of {split} whose inputs are in train, too: {value}",
        "cluster_overlap_share": "Rows of {split} whose cluster is in train, too: {value}",
        "chance": "Within train, {twins} of rows have a twin: new rows from the same source would overlap "
        "about as often.",
        "labels": "Of the pairs of rows with the same inputs in {split} and train, {same} bear the same label.",
        "leak": "This is more than chance explains: the model was tested on rows that it was trained on.",
        "excused": "That is what rows with few different values show by chance; it is no sign of copying.",
        "cluster": "What belongs together was split: the model may recognise a person instead of judging the case.",
        "cluster_few": "Rows of one cluster that stand on both sides let a model recognise it.",
        "remedy": "Take these rows out of one of the splits, find out how they came into both (copies before "
        "splitting, joins, augmentation), and audit again.",
        "cluster_remedy": "Split by cluster, so that all rows of one stand on one side.",
        "affected": "{rows} of {split}, and every figure that rests on them",
        "without": "{metric} on rows of {split} that are not in train: {value}",
        "without_why": "On all rows it is {all}, on the overlapping rows {known}.",
        "no_train": "the plan names no train split; add data.splits.train to look for rows that are in both",
        "alone": "the plan names no split besides train; add data.splits.test to look for rows that are in both",
        "no_inputs": "the plan names no input columns, so rows can't be compared",
    }

    #: Largest overlap that passes without a warning.
    tolerance: float = Field(default=0.05, ge=0, le=1)

    def offers(self, task: Task) -> Sequence[Offer]:
        """The shares of rows in both splits, and the headline metric without them."""
        own = next(s for s in known_statistics(task) if s.name == task.headline)
        low, high = own.limits
        shares = ("overlap_share", "input_overlap_share", "cluster_overlap_share")
        return [
            *(Offer(name, better=Better.LOWER, low=0.0, high=1.0) for name in shares),
            Offer(f"{task.headline}_without_overlap", better=own.better, low=low, high=high),
        ]

    def run(self, evidence: Evidence) -> list[Finding]:
        """Every split besides train."""
        others = new_splits(evidence)
        table = evidence.table("rows")
        if TRAIN not in evidence.data.splits or not others:
            return [self.skipped(self.say("alone" if TRAIN in evidence.data.splits else "no_train"))]
        if not evidence.data.inputs or not {"input_hash", "row_hash"} <= set(table.column_names):
            return [self.skipped(self.say("no_inputs"))]
        train = rows_of(table, TRAIN)
        return [f for split in others for f in self._split(evidence, train, rows_of(table, split), split)]

    def _split(self, evidence: Evidence, train: pa.Table, rows: pa.Table, split: str) -> list[Finding]:
        overlap = _overlap(evidence.outcomes(split), train, rows)
        found = [
            self._share(evidence, overlap, train, "overlap_share", overlap.rows, "row_hash"),
            self._share(evidence, overlap, train, "input_overlap_share", overlap.inputs, "input_hash"),
        ]
        if overlap.cluster is not None:
            found.append(self._clusters(evidence, overlap, overlap.cluster))
        return [*found, self._without(evidence, overlap)]

    def _share(
        self, evidence: Evidence, overlap: _Overlap, train: pa.Table, metric: str, here: BoolArray, column: str
    ) -> Finding:
        outcomes, confidence = overlap.outcomes, evidence.confidence
        share = share_of(metric, here, _NO_ROW)
        value = estimate(share, outcomes.design, confidence)
        seen = evidence.outcomes(TRAIN)
        # Twins within train, in the order of its outcomes, so that weights and clusters fit.
        order = places(seen.row, np.asarray(train.column("row").to_numpy(), dtype=np.int64))
        twins = share_of(metric, has_twin(train.column(column))[order], _NO_ROW)
        excess = difference(share, twins, outcomes.design, seen.design, confidence)
        same = overlap.agreement
        large = value.low is not None and value.low > self.tolerance
        beyond_chance = excess.low is not None and excess.low > self.tolerance
        leak = large and (beyond_chance or (same is not None and same >= AGREEMENT_OF_COPIES))
        twin_share = estimate(twins, seen.design, confidence)
        told = [self.say("leak")] if leak else []
        told.append(self.say("chance", twins=span(twin_share, share=True)))
        if same is not None:
            told.append(self.say("labels", same=percent(same), split=outcomes.split))
        if large and not leak:
            told.append(self.say("excused"))
        return self._finding(metric, overlap, value, " ".join(told), leak, outcomes.rows_where(here), "remedy")

    def _clusters(self, evidence: Evidence, overlap: _Overlap, here: BoolArray) -> Finding:
        outcomes, metric = overlap.outcomes, "cluster_overlap_share"
        value = estimate(share_of(metric, here, _NO_ROW), outcomes.design, evidence.confidence)
        leak = value.low is not None and value.low > self.tolerance
        why = self.say("cluster" if leak else "cluster_few")
        return self._finding(metric, overlap, value, why, leak, outcomes.rows_where(here), "cluster_remedy")

    def _finding(
        self, metric: str, overlap: _Overlap, value: Estimate, why: str, leak: bool, rows: int, remedy: str
    ) -> Finding:
        split = overlap.outcomes.split
        return self.finding(
            metric,
            Scope(split=split, reference=TRAIN),
            value,
            title=self.say(metric, split=split, value=span(value, share=True)),
            explanation=why,
            status=Status.WARN if leak else Status.INFO,
            better=Better.LOWER,
            remedy=self.say(remedy) if leak else None,
            affected=self.say("affected", rows=count(rows), split=split) if leak else None,
        )

    def _without(self, evidence: Evidence, overlap: _Overlap) -> Finding:
        outcomes, confidence = overlap.outcomes, evidence.confidence

        def value(keep: BoolArray) -> tuple[RowStatistic, Estimate]:
            part = outcomes.where(keep)
            statistic = headline(evidence.task, part)
            return statistic, estimate(statistic, part.design, confidence)

        statistic, new = value(~overlap.inputs)
        everything = np.ones(len(outcomes), dtype=np.bool_)
        share = is_share(statistic)
        said = {"all": span(value(everything)[1], share=share), "known": span(value(overlap.inputs)[1], share=share)}
        metric, split = sentence(name_of(statistic.name)), outcomes.split
        return self.finding(
            f"{statistic.name}_without_overlap",
            Scope(split=split, reference=TRAIN),
            new,
            title=self.say("without", metric=metric, split=split, value=span(new, share=share)),
            explanation=self.say("without_why", **said),
            better=statistic.better,
        )


def _overlap(outcomes: Outcomes, train: pa.Table, rows: pa.Table) -> _Overlap:
    order = places(outcomes.row, np.asarray(rows.column("row").to_numpy(), dtype=np.int64))

    def both(column: str) -> BoolArray:
        return repeated_elsewhere(rows.column(column), train.column(column))[order]

    cluster = both("cluster") if "cluster" in rows.column_names else None
    return _Overlap(outcomes, both("input_hash"), both("row_hash"), cluster, agreement_between(rows, train))

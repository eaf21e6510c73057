"""`generalization.gap`: what the model loses between the rows it was fitted on and new ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from auditkit.checks.figures import intervals
from auditkit.checks.reading import TRAIN, headline, is_share, loss_statistic, new_splits
from auditkit.checks.texts import amount, change, name_of, sentence, size
from auditkit.core.check import Check
from auditkit.core.estimate import Estimate
from auditkit.core.evidence import Evidence
from auditkit.core.figure import Figure
from auditkit.core.finding import Finding, Scope
from auditkit.core.outcomes import Outcomes
from auditkit.core.task import Offer, RowStatistic, Task
from auditkit.core.types import Better
from auditkit.measures.difference import difference
from auditkit.measures.rates import estimate


class GeneralizationGap(Check):
    """How much worse the model does on new rows than on its training rows.

    Measures:
    `<headline>_gap` and, where the model gives scores, `loss_gap`: train against every other split, turned so that a
    gap above 0 means worse on the new rows.

    How:
    The difference of the two splits' values with an interval for independent samples.

    Assumptions:
    `train` holds the rows that the model was fitted on, and both splits come from the same population. A gap mixes
    overfitting with a shift between the splits; it can't tell them apart.

    Reading:
    A small gap is usual, as training rows are always a little easier. A large one says that the figures on training
    rows promise too much. `overfitting.gap` puts it in proportion and warns.

    Source:
    Newcombe (1998), Interval estimation for the difference between independent proportions, Statistics in Medicine
    17; Welch (1947) for means. Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, section 7.4.
    """

    id: ClassVar[str] = "generalization.gap"
    title: ClassVar[str] = "Training against test"
    messages: ClassVar[dict[str, str]] = {
        "gap": "{metric} on {split}: {value} worse than on train",
        "better": "{metric} on {split}: {value} better than on train",
        "unknown": "{metric} on {split} against train: not defined",
        "shown": "{train} on train against {test} on {split}; chance doesn't explain the loss.",
        "unsure": "{train} on train against {test} on {split}; these rows show no certain loss.",
        "no_train": "the plan names no train split; add data.splits.train to compare with new rows",
        "alone": "the plan names no split besides train; add data.splits.test to compare with new rows",
    }

    def offers(self, task: Task) -> Sequence[Offer]:
        """The gap of the headline and of the loss."""
        names = [f"{task.headline}_gap", *(["loss_gap"] if task.headline != "loss" else [])]
        return [Offer(name, better=Better.LOWER) for name in names]

    def run(self, evidence: Evidence) -> list[Finding]:
        """One finding for each split besides train, and each of the two metrics."""
        if TRAIN not in evidence.data.splits:
            return [self.skipped(self.say("no_train"))]
        train = evidence.outcomes(TRAIN)
        others = new_splits(evidence)
        if not others:
            return [self.skipped(self.say("alone"))]
        return [f for split in others for f in self._against(evidence, train, evidence.outcomes(split))]

    def _against(self, evidence: Evidence, train: Outcomes, test: Outcomes) -> list[Finding]:
        task = evidence.task
        pairs = [(headline(task, train), headline(task, test))]
        if task.headline != "loss":
            pairs.append((loss_statistic(task, train), loss_statistic(task, test)))
        return [self._gap(evidence, (train, test), pair) for pair in pairs]

    def _gap(
        self, evidence: Evidence, sides: tuple[Outcomes, Outcomes], pair: tuple[RowStatistic, RowStatistic]
    ) -> Finding:
        test, (seen, new) = sides[1], pair
        gap = _loss_on_new_rows(sides, pair, evidence.confidence)
        levels = [estimate(s, o.design, evidence.confidence) for s, o in zip(pair, sides, strict=True)]
        words = {"metric": sentence(name_of(seen.name)), "split": test.split}
        share = is_share(seen)
        if gap.value is None:
            title, explanation = self.say("unknown", **words), ""
        else:
            ends = [amount(e.value, share=share) if e.value is not None else "not defined" for e in levels]
            lost = change(size(gap), share=share)
            title = self.say("better" if gap.value < 0 else "gap", **words, value=lost)
            certain = gap.low is not None and gap.low > 0
            explanation = self.say("shown" if certain else "unsure", train=ends[0], test=ends[1], split=test.split)
        return self.finding(
            f"{new.name}_gap",
            Scope(split=test.split, reference=TRAIN),
            gap,
            title=title,
            explanation=explanation,
            better=Better.LOWER,
            figures=_figure(new, test.split, levels) if new.name == evidence.task.headline else (),
        )


def _loss_on_new_rows(
    sides: tuple[Outcomes, Outcomes], pair: tuple[RowStatistic, RowStatistic], confidence: float
) -> Estimate:
    """Train against new rows, turned so that a value above 0 means worse on the new rows."""
    both = list(zip(pair, sides, strict=True))
    (first, one), (second, two) = reversed(both) if pair[0].better is Better.LOWER else both
    return difference(first, second, one.design, two.design, confidence)


def _figure(statistic: RowStatistic, split: str, levels: Sequence[Estimate]) -> tuple[Figure, ...]:
    name = name_of(statistic.name)
    rows = list(zip((TRAIN, split), levels, strict=True))
    title = f"{sentence(name)} on {TRAIN} and {split}"
    return intervals(title, name, {sentence(name): rows}, share=is_share(statistic))

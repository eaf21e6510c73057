"""`performance.summary`: every metric of the task with its interval, beside what costs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from auditkit.checks.baselines import gain, linear_outcomes, majority_outcomes
from auditkit.checks.figures import intervals
from auditkit.checks.glossary import meaning
from auditkit.checks.reading import TRAIN, headline, is_share, known_statistics
from auditkit.checks.texts import amount, change, count, name_of, sentence, size, span
from auditkit.core.check import Check
from auditkit.core.estimate import Estimate
from auditkit.core.evidence import Evidence
from auditkit.core.figure import Figure
from auditkit.core.finding import Finding, Scope
from auditkit.core.messages import number
from auditkit.core.outcomes import Outcomes
from auditkit.core.task import Offer, Task
from auditkit.core.types import Better, Status
from auditkit.measures.rates import estimate

MAJORITY = "majority"
LINEAR = "linear"
#: Shares that are no row statistics of that name, or not of every task.
_SHARES = {"recall", "precision", "balanced_accuracy", "selection_rate", "false_positive_rate", "false_negative_rate"}


@dataclass(frozen=True)
class _Rival:
    """A baseline beside the model on the same rows; `outcomes` is None where there is none, for `reason`."""

    name: str
    outcomes: Outcomes | None
    said: str = ""
    reason: str = ""


class PerformanceSummary(Check):
    """How well the model does, beside a majority and a linear baseline.

    Measures:
    Every metric of the task on every split, each with its interval; what two baselines reach
    (`<headline>_of_majority`, `<headline>_of_linear`), and how much better the model is than they
    (`<headline>_gain_over_majority`, `<headline>_gain_over_linear`, positive where the model is better); rows that
    could not be scored; how many different predictions there are.

    How:
    The majority baseline gives every row the best constant answer of the train split (of the split itself where there
    is no train split). The linear baseline is a linear model fitted on a sample of the training rows. The gain is the
    mean over rows of the difference of model and baseline on that row, so that its interval is that of a paired
    difference. A warning says that the upper end of the gain over the majority is not above `least_gain`.

    Assumptions:
    Rows (or clusters, where the plan names them) are independent draws from the population that the model is for.

    Reading:
    A metric says little alone: 76% is what always answering "no" gives where 76% of rows are "no". Read the gains
    first. A model no better than a linear one may not be worth its cost and its opacity.

    Source:
    Intervals: Wilson (1927) for proportions, Student's t for means; see the method of each finding. Baselines: Rudin
    (2019), Stop explaining black box machine learning models for high stakes decisions, Nature Machine Intelligence 1.
    """

    id: ClassVar[str] = "performance.summary"
    title: ClassVar[str] = "Overall performance"
    uses: ClassVar[tuple[str, ...]] = ("baseline",)
    messages: ClassVar[dict[str, str]] = {
        "metric": "{metric} on {split}: {value}",
        "level": "{metric} of the {rival} baseline on {split}: {value}",
        "level_why": "What {said} reaches.",
        "gain": "{metric} on {split}: {value} better than the {rival} baseline",
        "loss": "{metric} on {split}: {value} worse than the {rival} baseline",
        "no_gain": "{metric} on {split}: no comparison with the {rival} baseline",
        "gain_shown": "The model does better than the {rival} baseline ({said}: {theirs}); chance doesn't explain it.",
        "gain_unsure": "These rows don't show that the model does better than the {rival} baseline ({said}: {theirs}).",
        "gain_none": "The model does no better than the {rival} baseline ({said}: {theirs}).",
        "remedy": "Check that the inputs carry the answer, that labels and classes are matched correctly, and that "
        "training has converged; until then the constant answer is the better model.",
        "learnt_train": "the best constant answer, learnt on the train split",
        "learnt_own": "the best constant answer of the split itself, as there is no labelled train split",
        "linear": "a linear model fitted on training rows",
        "figure": "{metric} on {split}, model beside baselines",
        "unscored": "Rows of {split} without a usable prediction: {rows} of {all}",
        "unscored_why": "These rows are left out of every metric, so that the metrics speak only for the others.",
        "unscored_none": "Every row has a prediction.",
        "unscored_remedy": "Find out what those rows have in common; a model in use would have to answer them too.",
        "distinct": "Different predictions on {split}: {found}",
        "constant": "On {split} the model gives every row the same prediction, {value}",
        "constant_why": "A constant prediction ignores its inputs; it also looks perfectly fair, as all groups get it.",
        "distinct_why": "How many different answers the model gave.",
        "constant_remedy": "Check the model file, its preprocessing and its threshold.",
    }

    #: How much better than the majority the model must certainly be; the plan may ask for more.
    least_gain: float = 0.0

    def offers(self, task: Task) -> Sequence[Offer]:
        """Every metric of the task, both baselines and the gains over them, and two counts."""
        own = next(s for s in known_statistics(task) if s.name == task.headline)
        low, high = own.limits
        most = None if low is None or high is None else high - low
        least = None if most is None else -most
        rivals = [
            offer
            for rival in (MAJORITY, LINEAR)
            for offer in (
                Offer(f"{task.headline}_of_{rival}", better=own.better, low=low, high=high),
                Offer(f"{task.headline}_gain_over_{rival}", better=Better.HIGHER, low=least, high=most),
            )
        ]
        counts = [Offer("unscored_rows", better=Better.LOWER, low=0.0), Offer("distinct_predictions", low=0.0)]
        return [*task.summary_offers(), *rivals, *counts]

    def run(self, evidence: Evidence) -> list[Finding]:
        """Every split, the ones that training did not see with the gains over the baselines."""
        found: list[Finding] = []
        for split in evidence.data.splits:
            outcomes = evidence.outcomes(split)
            rivals = [] if split == TRAIN else [self._majority(evidence, outcomes), self._linear(evidence, outcomes)]
            found += self._metrics(evidence, outcomes, rivals)
            found += [
                f for r in rivals for f in (self._level(evidence, outcomes, r), self._gain(evidence, outcomes, r))
            ]
            found += [self._unscored(outcomes), self._distinct(evidence.task, outcomes)]
        return found

    def _majority(self, evidence: Evidence, outcomes: Outcomes) -> _Rival:
        baseline, own = majority_outcomes(evidence, outcomes)
        return _Rival(MAJORITY, baseline, self.say("learnt_own" if own else "learnt_train"))

    def _linear(self, evidence: Evidence, outcomes: Outcomes) -> _Rival:
        baseline = linear_outcomes(evidence, outcomes)
        if isinstance(baseline, str):
            return _Rival(LINEAR, None, reason=baseline)
        return _Rival(LINEAR, baseline, self.say("linear"))

    def _metrics(self, evidence: Evidence, outcomes: Outcomes, rivals: Sequence[_Rival]) -> list[Finding]:
        task, found = evidence.task, []
        shares = _SHARES | {s.name for s in known_statistics(task) if is_share(s)}
        for metric in task.summary(outcomes, evidence.confidence):
            value = span(metric.estimate, share=metric.name in shares)
            name = sentence(name_of(metric.name, metric.class_))
            figures: tuple[Figure, ...] = ()
            if metric.name == task.headline and metric.class_ is None and rivals:
                figures = self._figure(evidence, outcomes, metric.estimate, rivals)
            found.append(
                self.finding(
                    metric.name,
                    Scope(split=outcomes.split, class_=metric.class_),
                    metric.estimate,
                    title=self.say("metric", metric=name, split=outcomes.split, value=value),
                    explanation=meaning(metric.name, metric.class_),
                    better=metric.better,
                    figures=figures,
                )
            )
        return found

    def _figure(
        self, evidence: Evidence, outcomes: Outcomes, own: Estimate, rivals: Sequence[_Rival]
    ) -> tuple[Figure, ...]:
        rows = [("model", own)]
        for rival in rivals:
            if rival.outcomes is not None:
                theirs = headline(evidence.task, rival.outcomes)
                value = estimate(theirs, rival.outcomes.design, evidence.confidence)
                rows.append((f"{rival.name} baseline", value))
        statistic = headline(evidence.task, outcomes)
        name = name_of(statistic.name)
        title = self.say("figure", metric=sentence(name), split=outcomes.split)
        return intervals(title, name, {sentence(name): rows}, share=is_share(statistic))

    def _level(self, evidence: Evidence, outcomes: Outcomes, rival: _Rival) -> Finding:
        """What a baseline reaches on the same rows: a gate may hold the model against it."""
        statistic = headline(evidence.task, outcomes)
        value = Estimate.undefined(rival.reason)
        if rival.outcomes is not None:
            theirs = headline(evidence.task, rival.outcomes)
            value = estimate(theirs, rival.outcomes.design, evidence.confidence)
        words = {"metric": sentence(name_of(statistic.name)), "split": outcomes.split, "rival": rival.name}
        return self.finding(
            f"{statistic.name}_of_{rival.name}",
            Scope(split=outcomes.split),
            value,
            title=self.say("level", **words, value=span(value, share=is_share(statistic))),
            explanation=self.say("level_why", said=rival.said) if rival.said else "",
            better=statistic.better,
        )

    def _gain(self, evidence: Evidence, outcomes: Outcomes, rival: _Rival) -> Finding:
        statistic = headline(evidence.task, outcomes)
        metric, scope = f"{statistic.name}_gain_over_{rival.name}", Scope(split=outcomes.split)
        words = {"metric": sentence(name_of(statistic.name)), "split": outcomes.split, "rival": rival.name}
        if rival.outcomes is None:
            nothing = Estimate.undefined(rival.reason)
            return self.finding(metric, scope, nothing, title=self.say("no_gain", **words), better=Better.HIGHER)
        theirs = headline(evidence.task, rival.outcomes)
        value = gain(statistic, theirs, outcomes, evidence.confidence)
        if value.value is None:
            return self.finding(metric, scope, value, title=self.say("no_gain", **words), better=Better.HIGHER)
        useless = rival.name == MAJORITY and value.high is not None and value.high <= self.least_gain
        better = value.low is not None and value.low > 0
        level = estimate(theirs, rival.outcomes.design, evidence.confidence).value
        told = amount(level, share=is_share(theirs)) if level is not None else "not defined"
        worse = value.value < 0
        key = "gain_shown" if better else "gain_none" if value.high is not None and value.high <= 0 else "gain_unsure"
        return self.finding(
            metric,
            scope,
            value,
            title=self.say("loss" if worse else "gain", **words, value=change(size(value), share=is_share(statistic))),
            explanation=self.say(key, rival=rival.name, said=rival.said, theirs=told),
            status=Status.WARN if useless else Status.INFO,
            better=Better.HIGHER,
            remedy=self.say("remedy") if useless else None,
            affected=f"all {count(value.n)} of {outcomes.split}" if useless else None,
        )

    def _unscored(self, outcomes: Outcomes) -> Finding:
        missing = outcomes.rows_where(~outcomes.scored)
        return self.finding(
            "unscored_rows",
            Scope(split=outcomes.split),
            Estimate.exact(float(missing), outcomes.rows),
            title=self.say("unscored", split=outcomes.split, rows=f"{missing:,}", all=f"{outcomes.rows:,}"),
            explanation=self.say("unscored_why" if missing else "unscored_none"),
            status=Status.WARN if missing else Status.INFO,
            better=Better.LOWER,
            remedy=self.say("unscored_remedy") if missing else None,
            affected=f"{count(missing)} of {outcomes.split}" if missing else None,
        )

    def _distinct(self, task: Task, outcomes: Outcomes) -> Finding:
        given = outcomes.prediction[outcomes.scored]
        found = len(np.unique(given))
        constant = found == 1 and len(given) > 1
        value = "" if not constant else f"'{task.classes[int(given[0])]}'" if task.classes else number(float(given[0]))
        words = {"split": outcomes.split, "found": f"{found:,}", "value": value}
        return self.finding(
            "distinct_predictions",
            Scope(split=outcomes.split),
            Estimate.exact(float(found), len(given)) if len(given) else Estimate.undefined("no row has a prediction"),
            title=self.say("constant" if constant else "distinct", **words),
            explanation=self.say("constant_why" if constant else "distinct_why"),
            status=Status.WARN if constant else Status.INFO,
            remedy=self.say("constant_remedy") if constant else None,
            affected=f"all {count(len(given))} of {outcomes.split}" if constant else None,
        )

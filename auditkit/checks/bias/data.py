"""`bias.data`: what the data holds of each group, before any model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field

from auditkit.checks.bias.comparison import UNLABELLED
from auditkit.checks.bias.composition import Composition, compose, label_rules, label_statistics
from auditkit.checks.bias.data_claims import Key, Tolerances, claimed, comparable
from auditkit.checks.bias.data_labels import LabelFindings
from auditkit.checks.bias.data_shares import ShareFindings
from auditkit.checks.bias.data_texts import MESSAGES
from auditkit.checks.bias.representation import AgainstPopulation, against_population
from auditkit.checks.reading import TRAIN, no_outcomes
from auditkit.checks.texts import listed
from auditkit.core.check import Check
from auditkit.core.evidence import Evidence
from auditkit.core.finding import Finding, Scope, finding_id
from auditkit.core.task import GapRule, Offer, Task
from auditkit.core.types import INTERSECTION, Better, Status


class BiasData(Check):
    """What the data holds of each group, before any model: who is there, how they are labelled, and who is missing.

    Measures:
    On every split, train included, for each sensitive column: `group_share` of each group and `smallest_group_share`;
    `missing_group_rate`, the rows without a value; `group_share_change`, the largest difference of a share from the
    training rows. Where `data.population` gives shares: `representation_ratio` of each group (its share of the rows
    over its share of the population), `lowest_representation_ratio` and `representation_difference`, the largest
    difference of the two. Labels: `label_rate` (the share of a group's rows with the favourable label; of each label
    where none is favourable; `mean_target` of numbers), its difference and ratio between groups, `label_association`
    (Cramer's V), `unlabelled_rate`, and `small_cells`, the combinations of group and label with few rows.

    How:
    Shares have Wilson's interval; where one group of all is named (the smallest, the lowest, the furthest) the interval
    holds for all groups together (Sidak). Gaps in labels are those of `bias.groups`, with labels in place of answers.
    Goodness of fit is the likelihood ratio test G². Shares against a population are those among the rows whose group
    the population names. Cramer's V is corrected for bias; its interval joins that of the noncentral chi-square with
    that of the delta method. Weights and clusters count in all of it.
    A warning needs an effect and certainty: the near end of the interval beyond a tolerance after one false discovery
    control (Benjamini and Yekutieli) over all that the check judges: a group with less than four fifths of its share
    in the population; label rates in a ratio below four fifths, or (several labels) more than 0.1 apart, or means
    more than half a standard deviation apart, on the split that is learnt from; shares that moved by more than 0.1
    between train and another split; missing labels more than 0.1 apart.

    Assumptions:
    Rows (or clusters) are independent draws, and the population's shares are known without error. A gap in labels may
    be a fact, or the trace of unfair decisions: data can't tell. Labels that are missing may not be missing by chance.
    With more than 200 groups only the smallest and those furthest out have findings of their own, unless a gate names
    the metric.

    Reading:
    A model that learns from labels learns their gap: with different label rates, equal selection rates and equal
    precision can't both hold. A group with few rows of some label can be neither learnt nor judged well.

    Source:
    Barocas, Hardt and Narayanan (2023), Fairness and machine learning, ch. 4; Mehrabi et al. (2021), ACM Computing
    Surveys 54(6), for representation and historical bias. Agresti (2013), Categorical data analysis, 1.5.6; Rao and
    Scott (1981), JASA 76; Bergsma (2013), J. Korean Statistical Society 42; Smithson (2003), Confidence intervals,
    ch. 4. Four-fifths rule: 29 CFR 1607.4(D). Half a standard deviation: Cohen (1988), section 2.2. Benjamini and
    Yekutieli (2001), Annals of Statistics 29(4).
    """

    id: ClassVar[str] = "bias.data"
    title: ClassVar[str] = "Groups and labels in the data"
    messages: ClassVar[Mapping[str, str]] = MESSAGES

    #: Fewer rows than this behind a number can't carry a verdict; combinations of group and label below it are counted.
    min_group: int = Field(default=10, ge=1)
    #: Largest difference of shares that passes without a warning.
    tolerance: float = Field(default=0.1, ge=0, le=1)
    #: Smallest ratio, of label rates or of a share to that of the population, that passes without a warning.
    ratio_tolerance: float = Field(default=0.8, ge=0, le=1)
    #: Largest difference of means, in standard deviations of the target, that passes without a warning.
    deviation_tolerance: float = Field(default=0.5, ge=0)
    #: With more labels than this the rates of single labels are not compared.
    max_labels: int = Field(default=10, ge=0)

    def offers(self, task: Task) -> Sequence[Offer]:
        """Shares, ratios to the population, label rates and their gaps, counts of small cells."""
        labels = label_statistics(task, no_outcomes(task), self.max_labels)
        share: dict[str, Any] = {"by": True, "low": 0.0, "high": 1.0}
        found = [
            Offer("group_share", group=True, **share),
            Offer("smallest_group_share", better=Better.HIGHER, **share),
            Offer("missing_group_rate", better=Better.LOWER, **share),
            Offer("group_share_change", better=Better.LOWER, **share),
            Offer("representation_ratio", by=True, group=True, low=0.0),
            Offer("lowest_representation_ratio", by=True, better=Better.HIGHER, low=0.0, high=1.0),
            Offer("representation_difference", better=Better.LOWER, **share),
            Offer(UNLABELLED, group=True, better=Better.LOWER, **share),
        ]
        for s in labels:
            low, high = s.limits
            found.append(Offer(s.name, by=True, group=True, class_=s.class_ is not None, low=low, high=high))
        for rule in label_rules(labels):
            bounded = rule.form == "ratio" or rule.statistics != ("mean_target",)
            high = 1.0 if bounded else None
            found.append(
                Offer(rule.name, by=True, class_=rule.class_ is not None, better=rule.better, low=0.0, high=high)
            )
        if task.classes:
            found.append(Offer("label_association", better=Better.LOWER, **share))
            found.append(Offer("small_cells", by=True, better=Better.LOWER, low=0.0))
        return list({(offer.metric, offer.class_): offer for offer in found}.values())

    def run(self, evidence: Evidence) -> list[Finding]:
        """Every split, by every sensitive column and every combination of them that a gate names."""
        sensitive = evidence.data.sensitive
        asked = [INTERSECTION.join(sorted(a.by, key=sensitive.index)) for a in evidence.asked_of(self.id) if a.by]
        names = [*sensitive, *asked]
        if not names:
            return [self.skipped(self.say("no_columns"))]
        every = [
            compose(evidence, split, attribute, self.max_labels, self.min_group, self.id)
            for split in evidence.data.splits
            for attribute in dict.fromkeys(names)
        ]
        populations = self._populations(every)
        gaps = self._gaps(every)
        base = TRAIN if TRAIN in evidence.data.splits else evidence.data.splits[0]
        tolerances = Tolerances(self.tolerance, self.ratio_tolerance, self.deviation_tolerance)
        warned = claimed(every, gaps, populations, tolerances, base)
        train = {one.attribute: one for one in every if one.split == TRAIN}
        found = []
        for one in every:
            other = train.get(one.attribute) if one.split != TRAIN else None
            population = populations.get((one.split, one.attribute))
            found += ShareFindings(self, one, population, other, warned, tolerances).all()
            rules = [rule for (split, attribute, _, _), (_, rule) in gaps.items() if (split, attribute) == where(one)]
            found += LabelFindings(self, one, rules, warned, tolerances, self.max_labels).all()
        return [*found, *self._without_population(evidence)]

    def _populations(self, every: Sequence[Composition]) -> dict[tuple[str, str], AgainstPopulation]:
        made = {where(one): against_population(one) for one in every if one.population and comparable(one)}
        return {key: found for key, found in made.items() if found is not None}

    def _gaps(self, every: Sequence[Composition]) -> dict[Key, tuple[Composition, GapRule]]:
        return {(*where(one), rule.name, rule.class_): (one, rule) for one in every for rule in label_rules(one.labels)}

    def _without_population(self, evidence: Evidence) -> list[Finding]:
        """One finding that says which columns have no population: a gate on them is told so."""
        missing = [name for name in evidence.data.sensitive if name not in evidence.data.population]
        if not missing:
            return []
        return [
            Finding(
                id=finding_id(self.id, Status.SKIPPED.value, Scope()),
                check=self.id,
                metric=Status.SKIPPED.value,
                scope=Scope(),
                status=Status.SKIPPED,
                title=self.say("no_population_title"),
                reason=self.say("no_population", attributes=listed(missing)),
            )
        ]


def where(one: Composition) -> tuple[str, str]:
    """Split and attribute."""
    return one.split, one.attribute

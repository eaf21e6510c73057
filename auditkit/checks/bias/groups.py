"""`bias.groups`: every rate by group, and the gaps between groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar, Literal

from pydantic import Field

from auditkit.checks.bias.asking import asked_here, gap_is_told
from auditkit.checks.bias.comparison import MOST_MEASURED, Comparison, compare
from auditkit.checks.bias.gap_findings import GapTeller
from auditkit.checks.bias.group_findings import impact_findings, impact_of, rate_findings, worst_findings
from auditkit.checks.bias.inequality import between_findings, inequality_findings
from auditkit.checks.bias.messages import MESSAGES
from auditkit.checks.bias.missing import ranges
from auditkit.checks.bias.more import more_tables
from auditkit.checks.bias.offers import offers_of
from auditkit.checks.bias.shown import group_figure, group_tables, is_drawn, said_sizes
from auditkit.checks.bias.thresholds import AtThreshold, at_thresholds, threshold_figure, threshold_table
from auditkit.checks.bias.told import MOST_TOLD
from auditkit.checks.bias.tolerance import Tolerance, confirmed
from auditkit.checks.reading import held_out, measured_splits
from auditkit.checks.texts import count, listed, name_of, sentence
from auditkit.core.check import Check
from auditkit.core.estimate import Estimate
from auditkit.core.evidence import Evidence
from auditkit.core.figure import Figure, Table
from auditkit.core.finding import Finding, Scope
from auditkit.core.task import GapRule, Offer, Task
from auditkit.core.types import INTERSECTION, Status

#: The gap whose finding shows how gaps depend on the threshold.
_BY_THRESHOLD = "equalized_odds_difference"


class BiasGroups(Check):
    """Whether the model treats groups of people alike: every rate by group, and the gaps between groups.

    Measures:
    For each sensitive column, and each intersection that a gate names, every metric of the task by group (the search
    over all intersections is `bias.intersections`). Rates and means: accuracy, selection rate, true and false positive
    rates, predictive values, losses, errors. Metrics that are none: F1, AUC, average precision, calibration error;
    averages over classes; R² and quantiles of errors.

    Gaps, each the largest minus the smallest value over the groups or the smallest over the largest:
    `<rate>_difference`, `<rate>_ratio`, and the field's own: `demographic_parity` (selection rate), `equalized_odds`
    (true and false positive rate), `equal_opportunity` (true positive rate), `predictive_parity` (positive predictive
    value), `predictive_equality` (false positive rate), `conditional_use_accuracy_equality` (both predictive values),
    `accuracy_equality`, `treatment_equality` (false negatives for each false positive).

    `adverse_impact_ratio`: a group's selection rate over that of the most selected group (the four-fifths rule), with
    the tests that regulators use. `worst_group_<metric>`: the worst group's value. `generalized_entropy_index`,
    `theil_index`: how unequally the model's mistakes fall on single people; `between_group_theil_index`: the part of it
    that lies between groups. `groups_found` counts groups; `unlabelled_rate` is the share of a group's rows whose
    outcome is not known.

    The rates and gaps that the field goes by are findings. What can be read off them, and what specialists ask for,
    stands in tables with the same intervals, and is a finding where a gate names it.

    How:
    The value of a gap is the plain one, as fairlearn computes it. Its interval is made of simultaneous intervals of
    all pairs of groups, so that it holds however many groups there are. A warning needs an effect and certainty: the
    near end of the interval beyond the tolerance, after one false discovery control (Benjamini and Hochberg) over a few
    gaps that are fixed in advance: demographic parity, equalized odds, equal opportunity, and the headline metric.
    Gates are not affected by that control. Where a threshold decides, the gaps and the accuracy are shown at others,
    too. Ranks of three groups or more come with the ranks that they may have (Mogstad and others).

    Assumptions:
    Rows (or clusters) are independent draws. A rate whose denominator is empty in a group does not exist there, and
    then the gap does not exist either; the gap over the other groups is told beside it. Rows with a missing group
    value are a group of their own. Rates that need a label speak only for the rows that have one; where a label is
    missing, the finding tells the range in which accuracy, true and false positive rates would lie if all were known,
    whatever they are (Manski). With more than 200 groups, metrics that are no rate or mean are measured only where a
    gate names them, groups are not ranked, and only the groups furthest out have findings of their own (the table has
    all); with more than 30 classes, rates of single classes are
    measured only where a gate names them.

    Reading:
    Different base rates make it impossible that all of these gaps are 0 at once: decide which one matters for the use
    and gate that. A gap that is inconclusive is not a small gap; the finding says how many rows would decide. A ratio
    below four fifths is a rule of thumb, not a finding of law: the interval and the tests say whether chance explains
    it.

    Source:
    Hardt, Price and Srebro (2016), Equality of opportunity in supervised learning, NeurIPS. Chouldechova (2017) and
    Corbett-Davies et al. (2017) for predictive parity and equality; Berk et al. (2021), Sociological Methods and
    Research 50, for conditional use accuracy, accuracy and treatment equality. Newcombe (1998) and the studentised
    range for the intervals. Adverse impact and the ratio's tolerance: US EEOC Uniform Guidelines, 29 CFR 1607.4(D), and
    Castaneda v. Partida (1977). Speicher et al. (2018), KDD, for inequality. Mogstad, Romano, Shaikh and Wilhelm (2024)
    for ranks. Manski (1989) for missing labels. Difference tolerance: the range from -0.1 to 0.1 that AI Fairness 360
    documents as fair (Bellamy et al. 2018). Benjamini and Hochberg (1995), JRSS B 57(1).
    """

    id: ClassVar[str] = "bias.groups"
    title: ClassVar[str] = "Rates and gaps between groups"
    messages: ClassVar[Mapping[str, str]] = MESSAGES

    #: Fewer rows than this behind a rate can't carry a verdict.
    min_group: int = Field(default=10, ge=1)
    #: Largest difference between groups of a share that passes without a warning.
    tolerance: float = Field(default=0.1, ge=0, le=1)
    #: Smallest ratio between groups that passes without a warning.
    ratio_tolerance: float = Field(default=0.8, ge=0, le=1)
    #: Whether all pairs of sensitive columns are crossed here, too, and not by `bias.intersections` alone; those that a
    #: gate names always are.
    intersections: Literal["pairs", "none"] = "none"

    def offers(self, task: Task) -> Sequence[Offer]:
        """Every metric by group, every gap, the worst group, adverse impact, inequality, and counts."""
        return offers_of(task)

    def run(self, evidence: Evidence) -> list[Finding]:
        """Every split that training did not see, and those that a gate names, by every sensitive column."""
        attributes = self._attributes(evidence)
        if not attributes:
            return [self.skipped(self.say("no_columns"))]
        splits, held = measured_splits(evidence, self.id), held_out(evidence)
        asked = {(s, a): asked_here(evidence, self.id, s, a) for s in splits for a in attributes}
        comparisons = [
            compare(evidence, split, attribute, self.min_group, names)
            for (split, attribute), names in asked.items()
            if split in held or names
        ]
        tolerance = Tolerance(self.tolerance, self.ratio_tolerance)
        # Training rows are measured where a gate names them, but what is warned of is what holds on others.
        judged = [c for c in comparisons if c.split in held]
        warned = confirmed(judged, tolerance, evidence.task.headline, evidence.confidence)
        beyond = {(judged[c].split, judged[c].attribute, r) for c, r in warned}
        found: list[Finding] = [f for split in splits for f in inequality_findings(self, evidence, split)]
        for comparison in comparisons:
            whose = (comparison.split, comparison.attribute)
            found += self._of(evidence, comparison, tolerance, {r for *where, r in beyond if tuple(where) == whose})
        return found

    def _attributes(self, evidence: Evidence) -> list[str]:
        single = list(evidence.data.sensitive)
        pairs = list(combinations(single, 2)) if self.intersections == "pairs" else []
        crossed = [INTERSECTION.join(names) for names in (*pairs, *evidence.intersections)]
        return list(dict.fromkeys([*single, *crossed]))

    def _of(
        self, evidence: Evidence, comparison: Comparison, tolerance: Tolerance, warned: set[int]
    ) -> Iterable[Finding]:
        """Every finding on one attribute and split; `warned` are the places of the rules that are warned of."""
        task = evidence.task
        lacking, impact = ranges(task, comparison), impact_of(comparison)
        yield self._groups(comparison, more_tables(comparison, task.headline, impact))
        yield from rate_findings(self, comparison, lacking)
        yield from worst_findings(self, comparison)
        yield from impact_findings(self, comparison, impact)
        yield from between_findings(self, evidence, comparison)
        shown = _Shown(comparison, self._thresholds(evidence, comparison), task.headline)
        teller = GapTeller(self, comparison, lacking)
        for r, rule in enumerate(comparison.rules):
            if gap_is_told(rule, comparison.measure_of(rule), comparison.asked):
                bound = tolerance if r in warned else None
                yield teller.finding(rule, comparison.gaps[r], bound, shown.figures(rule), shown.tables(rule))

    def _thresholds(self, evidence: Evidence, comparison: Comparison) -> list[AtThreshold]:
        single = INTERSECTION not in comparison.attribute
        return at_thresholds(evidence.task, comparison) if single else []

    def _groups(self, comparison: Comparison, tables: tuple[Table, ...]) -> Finding:
        """How many groups there are; warns of labels that look alike, of declared groups without rows, of an id."""
        groups, split = comparison.groups, comparison.split
        sizes = groups.sizes().tolist()
        absent = comparison.absent
        here = len(groups.labels) - len(absent)
        words = {"attribute": groups.attribute, "split": split, "groups": here, "rows": count(groups.rows)}
        told = [self.say("groups_why", sizes=said_sizes(groups.labels, sizes))]
        more, remedy = "", None
        if absent:
            more = self.say("absent", count=len(absent))
            told.append(self.say("no_rows", groups=listed(absent)))
        if comparison.labels_left_out:
            told.append(self.say("labels", count=f"{comparison.labels_left_out:,}"))
        if not comparison.names_rows and len(comparison.told) < len(groups.labels):
            many = {"told": len(comparison.told), "groups": f"{len(groups.labels):,}"}
            told.append(self.say("furthest", most=MOST_TOLD, **many))
        if comparison.measures_left_out:
            names = ", ".join(map(name_of, comparison.measures_left_out))
            told.append(self.say("measures", most=MOST_MEASURED, names=names))
        if groups.warning:
            told.append(self.say("alike", warning=sentence(groups.warning).rstrip(".") + "."))
            remedy = self.say("alike_remedy")
        if comparison.names_rows:
            told.append(sentence(self.say("idlike", **words)) + ".")
            remedy = self.say("idlike_remedy")
        return self.finding(
            "groups_found",
            Scope(split=split, attribute=groups.attribute),
            Estimate.exact(float(here), groups.rows),
            title=self.say("groups", **words, found=count(here, "group"), more=more),
            explanation=" ".join(told),
            status=Status.WARN if remedy else Status.INFO,
            remedy=remedy,
            affected=f"every gap by {groups.attribute}" if remedy else None,
            tables=(*group_tables(comparison), *tables),
        )


@dataclass(frozen=True)
class _Shown:
    """The figures and tables of the gaps of one comparison."""

    comparison: Comparison
    thresholds: list[AtThreshold]
    headline: str

    def figures(self, rule: GapRule) -> tuple[Figure, ...]:
        """The groups behind a gap, and how it depends on the threshold."""
        drawn = group_figure(self.comparison, rule) if is_drawn(rule, self.headline) else ()
        where = (self.comparison.attribute, self.comparison.split)
        if rule.class_ is not None or rule.name != _BY_THRESHOLD or not self.thresholds:
            return drawn
        curve = threshold_figure(self.thresholds, *where)
        return drawn if curve is None else (*drawn, curve)

    def tables(self, rule: GapRule) -> tuple[Table, ...]:
        """Every number of the figure on thresholds."""
        here = rule.class_ is None and rule.name == _BY_THRESHOLD and self.thresholds
        return (threshold_table(self.thresholds, self.comparison.attribute, self.comparison.split),) if here else ()

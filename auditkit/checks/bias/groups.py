"""`bias.groups`: every rate by group, and the gaps between groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import ClassVar, Literal

from pydantic import Field

from auditkit.checks.bias.comparison import (
    UNLABELLED,
    Comparison,
    all_rules,
    better_of,
    compare,
    labels_with,
    worst_off,
)
from auditkit.checks.bias.messages import MESSAGES
from auditkit.checks.bias.reach import SMALL_GAP, reach
from auditkit.checks.bias.shown import group_figure, group_tables, is_drawn, said_sizes
from auditkit.checks.bias.tolerance import Tolerance, confirmed
from auditkit.checks.glossary import gap_meaning, meaning
from auditkit.checks.reading import held_out, is_share, known_statistics, limits_of_gap
from auditkit.checks.texts import change, count, listed, name_of, sentence, span
from auditkit.core.check import Check
from auditkit.core.estimate import Estimate
from auditkit.core.evidence import Evidence
from auditkit.core.finding import Finding, Scope
from auditkit.core.messages import number
from auditkit.core.task import GapRule, Offer, RowStatistic, Task
from auditkit.core.types import INTERSECTION, Better, Status
from auditkit.measures.gaps import Gap
from auditkit.measures.intervals import split_confidence


class BiasGroups(Check):
    """Whether the model treats groups of people alike: every rate by group, and the gaps between groups.

    Measures:
    For each sensitive column and each intersection of two: every rate and every mean of the task by group; and every
    gap (`<rate>_difference`, `<rate>_ratio`, `demographic_parity_difference`, `equalized_odds_difference`, ...), the
    largest minus the smallest value over the groups, or the smallest over the largest. `groups_found` counts groups;
    `unlabelled_rate` is the share of a group's rows whose outcome is not known.

    How:
    The value of a gap is the plain one, as fairlearn computes it. Its interval is made of simultaneous intervals of
    all pairs of groups, so that it holds however many groups there are. A warning needs an effect and certainty: the
    near end of the interval beyond the tolerance, after one false discovery control (Benjamini and Hochberg) over all
    warnings of this check. Gates are not affected by that control.

    Assumptions:
    Rows (or clusters) are independent draws. A rate whose denominator is empty in a group does not exist there, and
    then the gap does not exist either; the gap over the other groups is told beside it. Rows with a missing group
    value are a group of their own. Rates that need a label speak only for the rows that have one.

    Reading:
    Different base rates make it impossible that all of these gaps are 0 at once: decide which one matters for the use
    and gate that. A gap that is inconclusive is not a small gap; the finding says how many rows would decide.

    Source:
    Hardt, Price and Srebro (2016), Equality of opportunity in supervised learning, NeurIPS. Newcombe (1998) and the
    studentised range for the intervals. Ratio tolerance: the four-fifths rule, US EEOC Uniform Guidelines,
    29 CFR 1607.4(D). Difference tolerance: the range from -0.1 to 0.1 that AI Fairness 360 documents as fair
    (Bellamy et al. 2018). Benjamini and Hochberg (1995), JRSS B 57(1).
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
    #: Whether all pairs of sensitive columns are crossed; those that a gate names always are.
    intersections: Literal["pairs", "none"] = "pairs"

    def offers(self, task: Task) -> Sequence[Offer]:
        """Every statistic by group, every gap, and the counts of groups and of rows without a label."""
        known = known_statistics(task)
        rates = [
            Offer(s.name, by=True, group=True, class_=s.class_ is not None, better=s.better, low=low, high=high)
            for s in known
            for low, high in [s.limits]
        ]
        gaps = [
            Offer(rule.name, by=True, class_=rule.class_ is not None, better=better_of(rule), low=low, high=high)
            for rule in all_rules(task)
            for low, high in [limits_of_gap(rule, known)]
        ]
        counts = [
            Offer(UNLABELLED, by=True, group=True, better=Better.LOWER, low=0.0, high=1.0),
            Offer("groups_found", by=True, low=0.0),
        ]
        return list({(offer.metric, offer.class_): offer for offer in [*rates, *gaps, *counts]}.values())

    def run(self, evidence: Evidence) -> list[Finding]:
        """Every split that training did not see, by every sensitive column and intersection."""
        attributes = self._attributes(evidence)
        if not attributes:
            return [self.skipped(self.say("no_columns"))]
        comparisons = [
            compare(evidence, split, attribute, self.min_group)
            for split in held_out(evidence)
            for attribute in attributes
        ]
        tolerance = Tolerance(self.tolerance, self.ratio_tolerance)
        warned = confirmed(comparisons, tolerance, evidence.task.headline, evidence.confidence)
        found: list[Finding] = []
        for c, comparison in enumerate(comparisons):
            found += [self._groups(comparison), *self._rates(comparison)]
            for r, rule in enumerate(comparison.rules):
                drawn = is_drawn(rule, evidence.task.headline)
                bound = tolerance if (c, r) in warned else None
                found.append(self._gap(comparison, rule, comparison.gaps[r], bound, drawn))
        return found

    def _attributes(self, evidence: Evidence) -> list[str]:
        single = list(evidence.data.sensitive)
        pairs = list(combinations(single, 2)) if self.intersections == "pairs" else []
        crossed = [INTERSECTION.join(names) for names in (*pairs, *evidence.intersections)]
        return list(dict.fromkeys([*single, *crossed]))

    def _groups(self, comparison: Comparison) -> Finding:
        """How many groups there are; warns of labels that look alike, of declared groups without rows, of an id."""
        groups, split = comparison.groups, comparison.split
        sizes = groups.sizes().tolist()
        absent = labels_with(groups, sizes, empty=True)
        here = len(groups.labels) - len(absent)
        words = {"attribute": groups.attribute, "split": split, "groups": here, "rows": count(groups.rows)}
        told = [self.say("groups_why", sizes=said_sizes(groups.labels, sizes))]
        more, remedy = "", None
        if absent:
            more = self.say("absent", count=len(absent))
            told.append(self.say("no_rows", groups=listed(absent)))
        if comparison.labels_left_out:
            told.append(self.say("labels", count=f"{comparison.labels_left_out:,}"))
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
            tables=group_tables(comparison),
        )

    def _rates(self, comparison: Comparison) -> list[Finding]:
        return [
            self._rate(comparison, statistic, group, value)
            for statistic, values in zip(comparison.statistics, comparison.estimates, strict=False)
            for group, value in zip(comparison.groups.labels, values, strict=True)
        ]

    def _rate(self, comparison: Comparison, statistic: RowStatistic, group: str, value: Estimate) -> Finding:
        told = [meaning(statistic.name, statistic.class_)]
        enough = value.n >= self.min_group
        if value.value is not None and not enough:
            told.append(self.say("few", rows=count(value.n), least=self.min_group))
        return self.finding(
            statistic.name,
            Scope(split=comparison.split, attribute=comparison.attribute, groups=(group,), class_=statistic.class_),
            value,
            title=self.say(
                "rate",
                metric=sentence(name_of(statistic.name, statistic.class_)),
                attribute=comparison.attribute,
                group=group,
                split=comparison.split,
                value=span(value, share=is_share(statistic)),
            ),
            explanation=" ".join(text for text in told if text),
            better=statistic.better,
            sufficient=enough,
        )

    def _gap(
        self, comparison: Comparison, rule: GapRule, gap: Gap | None, beyond: Tolerance | None, drawn: bool
    ) -> Finding:
        if gap is None:
            return self._idlike_gap(comparison, rule)
        pair = None if gap.highest is None or gap.lowest is None else (gap.highest, gap.lowest)
        worst = worst_off(comparison, rule, gap) if beyond else None
        return self.finding(
            rule.name,
            Scope(
                split=comparison.split,
                attribute=comparison.attribute,
                groups=pair,
                compared=gap.compared,
                class_=rule.class_,
            ),
            gap.estimate,
            title=self._gap_title(comparison, rule, gap),
            explanation=self._explain(comparison, rule, gap, beyond),
            status=Status.WARN if beyond else Status.INFO,
            better=better_of(rule),
            sufficient=not gap.small,
            remedy=self.say("remedy") if beyond else None,
            affected=None if worst is None else self._affected(comparison, worst),
            figures=group_figure(comparison, rule) if drawn else (),
        )

    def _gap_title(self, comparison: Comparison, rule: GapRule, gap: Gap) -> str:
        words = {"attribute": comparison.attribute, "split": comparison.split}
        name = sentence(name_of(rule.name, rule.class_))
        if gap.estimate.value is None:
            return self.say("undefined", metric=name, **words)
        difference = rule.form == "difference" and comparison.is_share(rule)
        value = change(gap.estimate, share=difference)
        key = "alike_gap" if gap.highest == gap.lowest else "gap"
        return self.say(key, metric=name, value=value, highest=gap.highest, lowest=gap.lowest, **words)

    def _explain(self, comparison: Comparison, rule: GapRule, gap: Gap, beyond: Tolerance | None) -> str:
        share = rule.form == "difference" and comparison.is_share(rule)
        told = [gap_meaning(rule.name, rule.form, name_of(rule.statistics[0], rule.class_), rule.class_)]
        if beyond:
            told.append(self.say("beyond", bound=number(beyond.bound(rule)), source=beyond.source(rule)))
        if len(rule.statistics) > 1 and gap.highest is not None:
            told.append(self._each(comparison, rule))
        if gap.partial is not None and gap.partial.value is not None:
            told.append(self.say("partial", value=change(gap.partial, share=share)))
        if gap.small:
            told.append(self.say("small", groups=listed(gap.small), least=self.min_group))
        if gap.expected_if_equal is not None and _may_be_equal(rule, gap.estimate):
            expected = 100 * gap.expected_if_equal if share else gap.expected_if_equal
            told.append(self.say("null", expected=f"{number(expected)} points" if share else number(expected)))
        told += self._reach(comparison, rule, gap)
        return " ".join(told)

    def _each(self, comparison: Comparison, rule: GapRule) -> str:
        """The gap of each rate by itself, at its share of the confidence: which one decides, and between whom."""
        confidence = split_confidence(comparison.confidence, len(rule.statistics))
        parts = []
        for name in rule.statistics:
            found = comparison.at(GapRule(name, (name,), rule.form, rule.class_), confidence)
            if found.estimate.value is not None:
                parts.append(
                    self.say(
                        "part",
                        metric=name_of(name, rule.class_),
                        value=change(found.estimate, share=rule.form == "difference"),
                        highest=found.highest,
                        lowest=found.lowest,
                    )
                )
        return self.say("each", parts="; ".join(parts))

    def _reach(self, comparison: Comparison, rule: GapRule, gap: Gap) -> list[str]:
        """Where no gap is shown: how large a one could hide, and what it would take."""
        found = reach(comparison, rule, gap)
        if found is None:
            return []
        key = "hidden_all" if found.detectable >= 1 else "hidden_two" if len(gap.compared) == 2 else "hidden"
        told = [self.say(key, smallest=number(found.detectable))]
        if found.rows is not None:
            told.append(self.say("need", rows=f"{found.rows:,}", small=SMALL_GAP))
        return told

    def _affected(self, comparison: Comparison, group: str) -> str:
        rows = int(comparison.groups.sizes()[comparison.groups.labels.index(group)])
        return self.say(
            "affected", attribute=comparison.attribute, group=group, rows=count(rows), split=comparison.split
        )

    def _idlike_gap(self, comparison: Comparison, rule: GapRule) -> Finding:
        """The gap that can't be computed, so that a gate on it has a finding without a value to judge."""
        groups = comparison.groups
        words = {"attribute": groups.attribute, "split": comparison.split, "groups": len(groups.labels)}
        return self.finding(
            rule.name,
            Scope(split=comparison.split, attribute=groups.attribute, compared=(), class_=rule.class_),
            Estimate.undefined(self.say("idlike", **words, rows=count(groups.rows)), groups.rows),
            title=self.say("undefined", metric=sentence(name_of(rule.name, rule.class_)), **words),
            better=better_of(rule),
            sufficient=False,
        )


def _may_be_equal(rule: GapRule, found: Estimate) -> bool:
    """Whether the interval holds what equal groups would give: the gap that chance alone shows is worth telling."""
    if found.low is None or found.high is None or found.value == (0.0 if rule.form == "difference" else 1.0):
        return False
    return found.low <= 0 if rule.form == "difference" else found.high >= 1

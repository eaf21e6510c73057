"""The finding on one gap: its words, what is behind it, and what the rows at hand can't show."""

from __future__ import annotations

from dataclasses import dataclass

from auditkit.checks.bias.comparison import Comparison, worst_off
from auditkit.checks.bias.missing import Ranges
from auditkit.checks.bias.reach import SMALL_GAP, reach
from auditkit.checks.bias.tolerance import Tolerance
from auditkit.checks.glossary import gap_meaning
from auditkit.checks.texts import amount, change, count, listed, name_of, sentence
from auditkit.core.check import Check
from auditkit.core.estimate import Estimate
from auditkit.core.figure import Figure, Table
from auditkit.core.finding import Finding, Scope
from auditkit.core.messages import number, points
from auditkit.core.task import GapRule, RowStatistic
from auditkit.core.types import Status
from auditkit.measures.gaps import Gap
from auditkit.measures.intervals import split_confidence
from auditkit.measures.rates import FEWEST_OF_A_MEAN


@dataclass(frozen=True)
class GapTeller:
    """Makes the findings on the gaps of one comparison. `ranges`: what rows without a label do to them."""

    check: Check
    comparison: Comparison
    ranges: Ranges | None

    def finding(
        self,
        rule: GapRule,
        gap: Gap | None,
        beyond: Tolerance | None = None,
        figures: tuple[Figure, ...] = (),
        tables: tuple[Table, ...] = (),
    ) -> Finding:
        """The finding on the gap of one rule; `beyond` is the tolerance that it is warned of by."""
        comparison = self.comparison
        if gap is None:
            return self._idlike(rule)
        pair = None if gap.highest is None or gap.lowest is None else (gap.highest, gap.lowest)
        worst = worst_off(comparison, rule, gap) if beyond else None
        return self.check.finding(
            rule.name,
            Scope(
                split=comparison.split,
                attribute=comparison.attribute,
                groups=pair,
                compared=gap.compared,
                class_=rule.class_,
            ),
            gap.estimate,
            title=self._title(rule, gap),
            explanation=self._explain(rule, gap, beyond),
            status=Status.WARN if beyond else Status.INFO,
            better=rule.better,
            sufficient=not gap.small,
            remedy=self.check.say("remedy") if beyond else None,
            affected=None if worst is None else self._affected(worst),
            figures=figures,
            tables=tables,
        )

    def _in_points(self, rule: GapRule) -> bool:
        return rule.form == "difference" and self.comparison.is_share(rule)

    def _title(self, rule: GapRule, gap: Gap) -> str:
        words = {"attribute": self.comparison.attribute, "split": self.comparison.split}
        name = sentence(name_of(rule.name, rule.class_))
        if gap.estimate.value is None:
            return self.check.say("undefined", metric=name, **words)
        value = change(gap.estimate, share=self._in_points(rule))
        key = "alike_gap" if gap.highest == gap.lowest else "gap"
        return self.check.say(key, metric=name, value=value, highest=gap.highest, lowest=gap.lowest, **words)

    def _explain(self, rule: GapRule, gap: Gap, beyond: Tolerance | None) -> str:
        say, share = self.check.say, self._in_points(rule)
        told = [gap_meaning(rule.name, rule.form, name_of(rule.statistics[0], rule.class_), rule.class_)]
        if beyond:
            told.append(say("beyond", bound=number(beyond.bound(rule)), source=beyond.source(rule)))
        if len(rule.statistics) > 1 and gap.highest is not None:
            told.append(self._each(rule))
        if gap.partial is not None and gap.partial.value is not None:
            told.append(say("partial", value=change(gap.partial, share=share)))
        if gap.small:
            means = any(isinstance(s, RowStatistic) and s.kind == "mean" for s in self.comparison.of(rule))
            least = max(self.comparison.min_group, FEWEST_OF_A_MEAN if means else 0)
            told.append(say("small", groups=listed(gap.small), least=least))
        if gap.expected_if_equal is not None and _may_be_equal(rule, gap.estimate):
            expected = 100 * gap.expected_if_equal if share else gap.expected_if_equal
            told.append(say("null", expected=f"{number(expected)} points" if share else number(expected)))
        return " ".join([*told, *self._reach(rule, gap), *self._unlabelled(rule)])

    def _each(self, rule: GapRule) -> str:
        """The gap of each rate by itself, at its share of the confidence: which one decides, and between whom."""
        confidence = split_confidence(self.comparison.confidence, len(rule.statistics))
        parts = []
        for name in rule.statistics:
            found = self.comparison.at(GapRule(name, (name,), rule.form, rule.class_), confidence)
            if found.estimate.value is not None:
                parts.append(
                    self.check.say(
                        "part",
                        metric=name_of(name, rule.class_),
                        value=change(found.estimate, share=rule.form == "difference"),
                        highest=found.highest,
                        lowest=found.lowest,
                    )
                )
        return self.check.say("each", parts="; ".join(parts))

    def _reach(self, rule: GapRule, gap: Gap) -> list[str]:
        """Where no gap is shown: how large a one could hide, and what it would take."""
        found = reach(self.comparison, rule, gap)
        if found is None:
            return []
        key = "hidden_all" if found.detectable >= 1 else "hidden_two" if len(gap.compared) == 2 else "hidden"
        told = [self.check.say(key, smallest=number(found.detectable))]
        if found.rows is not None:
            told.append(self.check.say("need", rows=f"{found.rows:,}", small=SMALL_GAP))
        return told

    def _unlabelled(self, rule: GapRule) -> list[str]:
        """What the gap could be if the missing labels were known."""
        ends = None if self.ranges is None else self.ranges.of_gap(rule)
        if ends is None or self.ranges is None:
            return []
        shown = [f"{points(end)} points" if self._in_points(rule) else amount(end, share=False) for end in ends]
        rows = count(int(self.ranges.missing.sum()))
        return [self.check.say("unlabelled_gap", rows=rows, low=shown[0], high=shown[1])]

    def _affected(self, group: str) -> str:
        groups = self.comparison.groups
        rows = count(int(groups.sizes()[groups.labels.index(group)]))
        words = {"attribute": groups.attribute, "split": self.comparison.split}
        return self.check.say("affected", group=group, rows=rows, **words)

    def _idlike(self, rule: GapRule) -> Finding:
        """The gap that can't be computed, so that a gate on it has a finding without a value to judge."""
        groups = self.comparison.groups
        words = {"attribute": groups.attribute, "split": self.comparison.split, "groups": len(groups.labels)}
        return self.check.finding(
            rule.name,
            Scope(split=self.comparison.split, attribute=groups.attribute, compared=(), class_=rule.class_),
            Estimate.undefined(self.check.say("idlike", **words, rows=count(groups.rows)), groups.rows),
            title=self.check.say("undefined", metric=sentence(name_of(rule.name, rule.class_)), **words),
            better=rule.better,
            sufficient=False,
        )


def _may_be_equal(rule: GapRule, found: Estimate) -> bool:
    """Whether the interval holds what equal groups would give: the gap that chance alone shows is worth telling."""
    if found.low is None or found.high is None or found.value == (0.0 if rule.form == "difference" else 1.0):
        return False
    return found.low <= 0 if rule.form == "difference" else found.high >= 1

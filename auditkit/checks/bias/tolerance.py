"""Which gaps are warned of: a cited tolerance, certainty, and one false discovery control over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from auditkit.checks.bias.comparison import Comparison
from auditkit.checks.discovery import confirm
from auditkit.core.estimate import Estimate
from auditkit.core.task import GapRule

_DIFFERENCES = ("demographic_parity_difference", "equal_opportunity_difference", "equalized_odds_difference")
_RATIOS = ("demographic_parity_ratio",)
_CITED = {"difference": 0.1, "ratio": 0.8}
_FAIR_RANGE = "the range that AI Fairness 360 documents as fair for such gaps"
SAME_RANGE = "the tolerance that auditkit takes for every gap between shares"
_FOUR_FIFTHS = "the four-fifths rule of US employment guidance, 29 CFR 1607.4(D)"
DECLARED = "the tolerance of the plan"


@dataclass(frozen=True)
class Tolerance:
    """The bounds beyond which a gap is warned of."""

    difference: float
    ratio: float

    def judges(self, comparison: Comparison, rule: GapRule, headline: str) -> bool:
        """Whether gaps of this rule can be warned of: the field's own measures, and the gap of the headline metric.

        The others are shown and can be gated; warning of all of them would repeat one finding many times. Where the
        headline has a unit no difference fits all targets, so its ratio is judged.
        """
        if rule.name in (*_DIFFERENCES, *_RATIOS):
            return True
        form = "difference" if comparison.is_share(rule) else "ratio"
        return rule.class_ is None and rule.name == f"{headline}_{form}"

    def beyond(self, rule: GapRule, found: Estimate) -> bool:
        """Whether the near end of the interval is beyond the bound."""
        if found.low is None or found.high is None:
            return False
        return found.low > self.difference if rule.form == "difference" else found.high < self.ratio

    def bound(self, rule: GapRule) -> float:
        """The bound for this form of gap."""
        return self.difference if rule.form == "difference" else self.ratio

    def source(self, rule: GapRule) -> str:
        """Whose bound it is."""
        if self.bound(rule) != _CITED[rule.form]:
            return DECLARED
        if rule.name in _RATIOS:
            return _FOUR_FIFTHS
        return _FAIR_RANGE if rule.name in _DIFFERENCES else SAME_RANGE


def confirmed(
    comparisons: Sequence[Comparison], tolerance: Tolerance, headline: str, confidence: float
) -> set[tuple[int, int]]:
    """Which gaps to warn of, as (index of the comparison, index of the rule)."""
    places = [
        (c, r)
        for c, comparison in enumerate(comparisons)
        for r, rule in enumerate(comparison.rules)
        if comparison.gaps[r] is not None and tolerance.judges(comparison, rule, headline)
    ]

    def claim(place: tuple[int, int], level: float) -> bool:
        comparison, rule = comparisons[place[0]], comparisons[place[0]].rules[place[1]]
        found = comparison.gaps[place[1]] if level == comparison.confidence else comparison.at(rule, level)
        return found is not None and tolerance.beyond(rule, found.estimate)

    claims = [lambda level, place=place: claim(place, level) for place in places]
    return {place for place, holds in zip(places, confirm(claims, confidence), strict=True) if holds}

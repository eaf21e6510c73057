"""What `bias.data` may warn of: an effect beyond a cited tolerance, and one false discovery control over all of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from auditkit.checks.bias.comparison import UNLABELLED
from auditkit.checks.bias.composition import LABEL, Composition
from auditkit.checks.bias.representation import AgainstPopulation, share_change
from auditkit.checks.discovery import step_up
from auditkit.checks.reading import TRAIN
from auditkit.core.estimate import Estimate
from auditkit.core.task import GapRule
from auditkit.core.types import BoolArray
from auditkit.measures.gaps import Gap

#: Split, attribute, metric, class: what a warning is about.
Key = tuple[str, str, str, str | None]
_Claim = Callable[[float], bool]


@dataclass(frozen=True)
class Tolerances:
    """The bounds beyond which is warned: differences of shares, ratios, and differences of means in standard
    deviations of the target."""

    difference: float
    ratio: float
    deviations: float

    def judges(self, one: Composition, rule: GapRule, base: str) -> bool:
        """Whether a gap can be warned of: labels on the split that is learnt from, rows without a label on each.

        Of the favourable label the ratio is judged, by the four-fifths rule; of one label among several the difference,
        as ratios of rare labels are large by themselves.
        """
        if rule.statistics == (UNLABELLED,):
            return True
        if one.split != base:
            return False
        favourable = rule.statistics == (LABEL,) and rule.class_ is None
        return rule.form == ("ratio" if favourable else "difference")

    def bound(self, one: Composition, rule: GapRule) -> float:
        """The bound of that gap, in its own unit."""
        if rule.form == "ratio":
            return self.ratio
        return self.difference if rule.statistics[0] in (LABEL, UNLABELLED) else self.deviations * deviation(one)

    def beyond(self, one: Composition, rule: GapRule, found: Gap) -> bool:
        """Whether the near end of a gap's interval is beyond its bound."""
        low, high = found.estimate.low, found.estimate.high
        if low is None or high is None:
            return False
        bound = self.bound(one, rule)
        return high < bound if rule.form == "ratio" else low > bound


def deviation(one: Composition) -> float:
    """The standard deviation of the target, infinite where it is too large to be computed."""
    values = np.asarray(one.outcomes.target[one.outcomes.labelled], dtype=np.float64)
    design = one.outcomes.design.where(one.outcomes.labelled)
    weight = np.ones(len(values)) if design.count is None else design.count.astype(np.float64)
    if not len(values):
        return np.inf
    with np.errstate(over="ignore", invalid="ignore"):
        centred = values - np.average(values, weights=weight)
        found = float(np.sqrt(np.average(centred**2, weights=weight)))
    return found if np.isfinite(found) else np.inf


def claimed(
    every: Sequence[Composition],
    gaps: Mapping[Key, tuple[Composition, GapRule]],
    populations: Mapping[tuple[str, str], AgainstPopulation],
    tolerances: Tolerances,
    base: str,
) -> frozenset[Key]:
    """What to warn of: step-up over under-representation, changes between splits, and gaps in labels."""
    claims: dict[Key, _Claim] = {}
    for (split, attribute), found in populations.items():
        claims[split, attribute, "lowest_representation_ratio", None] = _under(found, tolerances)
    train = {one.attribute: one for one in every if one.split == TRAIN and comparable(one)}
    for one in every:
        if one.split != TRAIN and one.attribute in train and comparable(one):
            claims[one.split, one.attribute, "group_share_change", None] = _changed(
                one, train[one.attribute], tolerances
            )
    for key, (one, rule) in gaps.items():
        if tolerances.judges(one, rule, base):
            claims[key] = _apart(one, rule, tolerances)
    if not claims:
        return frozenset()

    def beyond(level: float) -> BoolArray:
        return np.array([claim(level) for claim in claims.values()])

    held = step_up(beyond, every[0].confidence)
    return frozenset(key for key, holds in zip(claims, held, strict=True) if holds)


def comparable(one: Composition) -> bool:
    """Whether the shares of an attribute can be compared: it has groups, and rows that count."""
    return not one.names_rows and len(one.groups.labels) > 0 and bool(np.isfinite(one.shares().value).all())


def _under(found: AgainstPopulation, tolerances: Tolerances) -> _Claim:
    return lambda level: _end(found.lowest(level)[0], high=True) < tolerances.ratio


def _changed(one: Composition, train: Composition, tolerances: Tolerances) -> _Claim:
    return lambda level: _end(share_change(one, train, level)[0], high=False) > tolerances.difference


def _apart(one: Composition, rule: GapRule, tolerances: Tolerances) -> _Claim:
    return lambda level: tolerances.beyond(one, rule, one.gap(rule, level))


def _end(found: Estimate, *, high: bool) -> float:
    end = found.high if high else found.low
    return float("nan") if end is None else end

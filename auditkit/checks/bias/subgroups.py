"""Subgroups that several attributes make together: which there are, and what each rate is inside and outside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np

from auditkit.checks.reading import is_share, names_rows
from auditkit.core.evidence import Evidence
from auditkit.core.outcomes import Groups, Outcomes
from auditkit.core.task import RowStatistic, Task
from auditkit.core.types import INTERSECTION, Better, BoolArray, FloatArray, IntArray
from auditkit.measures.intervals import Limits, normal_quantile
from auditkit.measures.subgroups import Beside, beside

#: A combination that could have more subgroups than this is not looked at: next to none of them would have rows.
MOST_CELLS = 100_000
#: The rates that are looked at over all labels; of single labels only the first two.
_RATES = (
    "selection_rate",
    "true_positive_rate",
    "false_positive_rate",
    "accuracy",
    "positive_predictive_value",
    "mean_absolute_error",
    "mean_error",
)
_OF_LABELS = _RATES[:2]
#: On which side of the rest a subgroup stands that fares worse; None: neither is worse.
Side = Literal["below", "above"] | None


def headline_rates(task: Task, statistics: Sequence[RowStatistic], most_labels: int) -> tuple[RowStatistic, ...]:
    """The statistics that subgroups are compared by: the rates named above, and whatever stands for the task."""
    labels = list(dict.fromkeys(s.class_ for s in statistics if s.class_ is not None))
    few = labels if len(labels) <= most_labels else []
    return tuple(
        s
        for s in statistics
        if (s.class_ is None and s.name in (*_RATES, task.headline)) or (s.class_ in few and s.name in _OF_LABELS)
    )


def worse_side(statistic: RowStatistic) -> Side:
    """Where a subgroup stands that fares worse: below the rest for what is good, above it for errors. To be selected
    is good where one label is the favourable one."""
    if statistic.name == "selection_rate" and statistic.class_ is None:
        return "below"
    if statistic.better is None:
        return None
    return "below" if statistic.better is Better.HIGHER else "above"


@dataclass(frozen=True)
class Compared:
    """One statistic in each of the G subgroups of a combination, beside all rows outside it."""

    statistic: RowStatistic
    found: Beside
    supported: BoolArray

    @property
    def at(self) -> IntArray:
        """The supported subgroups."""
        return np.flatnonzero(self.supported)

    @property
    def side(self) -> Side:
        """Where the worse subgroups stand."""
        return worse_side(self.statistic)

    def distance(self) -> FloatArray:
        """How far each subgroup is on the worse side of the rest, `[G]`; without such a side, how far away it is."""
        return self._turned(self.found.value())

    def distance_limits(self, of: IntArray, confidence: float, within: Limits | None = None) -> Limits:
        """Limits of that distance for the subgroups `of`, all of them supported; `within` as in `Beside.limits`."""
        low, high = self.found.take(of).limits(normal_quantile(confidence), within=within)
        if self.side == "below":
            return -high, -low
        if self.side == "above":
            return low, high
        return np.maximum(0.0, np.maximum(low, -high)), np.maximum(np.abs(low), np.abs(high))

    def _turned(self, difference: FloatArray) -> FloatArray:
        if self.side is None:
            return np.abs(difference)
        return -difference if self.side == "below" else difference

    def beyond(self, level: float, tolerance: Tolerated) -> BoolArray:
        """In which subgroups the near end of the interval at that confidence is beyond the tolerance, `[G]`."""
        result = np.zeros(len(self.supported), dtype=np.bool_)
        margin, factor = tolerance.of(self)
        if margin is None:
            return result
        values = self._turned(self.found.value(factor))
        likely = np.flatnonzero(self.supported & (np.nan_to_num(values, nan=-1.0) > margin))
        if len(likely):
            result[likely] = self.near_end(likely, level, factor) > margin
        return result

    def near_end(self, of: IntArray, confidence: float, factor: float = 1.0) -> FloatArray:
        """The end nearer to 0 of the distance of the subgroups `of` from `factor` times the rest; below 0 where the
        interval holds 0."""
        low, high = self.found.take(of).limits(normal_quantile(confidence), factor)
        return {"below": -high, "above": low, None: np.maximum(low, -high)}[self.side]


@dataclass(frozen=True)
class Tolerated:
    """How far a subgroup may be on the worse side of the rest: a difference of shares, or a ratio of means."""

    difference: float
    ratio: float
    headline: str

    def of(self, compared: Compared) -> tuple[float | None, float]:
        """A margin, and the factor of the rest that it is measured from; no margin where nothing is warned of.

        Of means only the one that stands for the task is judged: one difference does not fit all units, a ratio does.
        """
        statistic = compared.statistic
        if is_share(statistic):
            return self.difference, 1.0
        if statistic.name != self.headline or compared.side is None or (statistic.numerator < 0).any():
            return None, 1.0
        return 0.0, self.ratio if compared.side == "below" else 1 / self.ratio if self.ratio > 0 else math.inf


@dataclass(frozen=True)
class Combination:
    """The subgroups of several attributes on one split.

    `why`: the message that says why nothing is computed, and how many subgroups there are or could be; `groups` is then
    None where not even the subgroups are known.
    """

    outcomes: Outcomes
    names: tuple[str, ...]
    groups: Groups | None
    compared: tuple[Compared, ...]
    why: tuple[str, int] | None = None

    @property
    def split(self) -> str:
        """The split that is looked at."""
        return self.outcomes.split

    @property
    def attribute(self) -> str:
        """`sex×race`."""
        return INTERSECTION.join(self.names)


def combine(
    evidence: Evidence, split: str, names: tuple[str, ...], statistics: Sequence[RowStatistic], least: int
) -> Combination:
    """Every statistic inside and outside every subgroup that the columns `names` make."""
    outcomes = evidence.outcomes(split)
    cells = math.prod(len(evidence.groups(split, name).labels) for name in names)
    if cells > MOST_CELLS:
        return Combination(outcomes, names, None, (), ("cells", cells))
    groups = evidence.groups(split, names)
    if names_rows(groups):
        return Combination(outcomes, names, groups, (), ("idlike", len(groups.labels)))
    compared = []
    for statistic in statistics:
        found = beside(statistic, groups.codes, len(groups.labels), outcomes.design)
        compared.append(Compared(statistic, found, found.supported(least)))
    return Combination(outcomes, names, groups, tuple(compared))


@dataclass(frozen=True)
class Part:
    """What fewer of the attributes show: the rate of the other rows of `label`, and whether the subgroup is certainly
    worse than those. `value` is None where there are too few of them."""

    attribute: str
    label: str
    value: float | None
    worse: bool


def parts_of(evidence: Evidence, one: Combination, compared: Compared, group: int, least: int) -> list[Part]:
    """The subgroup against the other rows of each of its single attributes, and of each pair of a triple."""
    assert one.groups is not None
    inside = one.groups.codes == group
    row = int(np.argmax(inside))
    found = []
    for size in range(1, len(one.names)):
        for names in combinations(one.names, size):
            parent = evidence.groups(one.split, names)
            found.append(_part(one.outcomes, compared, inside, parent, row, evidence.confidence, least))
    return found


def _part(
    outcomes: Outcomes, compared: Compared, inside: BoolArray, parent: Groups, row: int, confidence: float, least: int
) -> Part:
    code = int(parent.codes[row])
    members = parent.codes == code
    statistic = replace(compared.statistic, counts=compared.statistic.counts & members)
    both = beside(statistic, np.where(inside, 0, 1).astype(np.int64), 2, outcomes.design)
    pair = Compared(statistic, both, both.supported(least))
    label = parent.labels[code]
    if not pair.supported[0]:
        return Part(parent.attribute, label, None, worse=False)
    low, _ = pair.distance_limits(np.array([0]), confidence)
    return Part(parent.attribute, label, float(both.rest.value[0]), worse=bool(low[0] > 0))

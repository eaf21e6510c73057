"""What rows without a label do to rates and gaps: the range that they could have if the missing labels were known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from auditkit.checks.bias.comparison import Comparison
from auditkit.core.task import Form, GapRule, Task
from auditkit.core.types import BoolArray, FloatArray, IntArray
from auditkit.measures.moments import moments

#: The rates that are bounded: all labels right and all labels wrong bound each of them from both sides.
BOUNDED = ("accuracy", "true_positive_rate", "false_positive_rate")


@dataclass(frozen=True)
class Ranges:
    """Worst-case bounds by group: low and high ends (`[G]` each) of each rate.

    `missing` counts the rows of a group with a prediction and no label, `present` says which groups have rows.

    Manski (1989), "Anatomy of the selection problem", Journal of Human Resources 24: without assumptions on why labels
    are missing, a rate lies between what it is if each missing label proves the model wrong, and what it is if each
    proves it right. They bound what these rows would show; other rows of the same kind may show more or less.
    """

    rates: Mapping[str, tuple[FloatArray, FloatArray]]
    missing: IntArray
    present: BoolArray

    def of_group(self, rate: str, group: int) -> tuple[float, float] | None:
        """The range of a rate in the group at that place, None where all its labels are known."""
        if rate not in self.rates or not self.missing[group]:
            return None
        low, high = self.rates[rate]
        return float(low[group]), float(high[group])

    def of_gap(self, rule: GapRule) -> tuple[float, float] | None:
        """The range of a gap, None where it is not one of bounded rates. Of several rates the worst."""
        bounded = rule.class_ is None and set(rule.statistics) <= set(self.rates)
        if not bounded or not self.missing.any() or np.count_nonzero(self.present) < 2:
            return None
        ends = []
        for name in rule.statistics:
            low, high = self.rates[name]
            ends.append(gap_range(rule.form, low[self.present], high[self.present]))
        pick = max if rule.form == "difference" else min
        return pick(end[0] for end in ends), pick(end[1] for end in ends)


def gap_range(form: Form, low: FloatArray, high: FloatArray) -> tuple[float, float]:
    """Smallest and largest gap of rates that lie anywhere from `low` to `high`, `[G]` each, G ≥ 2."""
    most, least = float(low.max()), float(high.min())
    apart = max(
        ((float(high[g]), float(np.delete(low, g).min())) for g in np.argsort(-high, kind="stable")[:2]),
        key=lambda pair: pair[0] - pair[1],
    )
    if form == "difference":
        return max(0.0, most - least), max(0.0, apart[0] - apart[1])
    # Smallest over largest: the lowest low over the highest high of another group; 0 where it may be 0.
    ratios = [float(np.delete(low, g).min()) / high[g] for g in range(len(high)) if high[g] > 0]
    return min(ratios, default=0.0), min(1.0, least / most) if most > 0 else 1.0


def ranges(task: Task, comparison: Comparison) -> Ranges | None:
    """The ranges of the bounded rates; None where no label is missing, or no label bounds anything (a missing number
    may be any)."""
    outcomes, groups = comparison.outcomes, comparison.groups
    lacking = outcomes.scored & ~outcomes.labelled
    if comparison.names_rows or outcomes.problem is not None or not lacking.any():
        return None
    filled = [task.if_labelled(outcomes, right=right) for right in (True, False)]
    ends: dict[str, list[FloatArray]] = {}
    for rows in filled:
        if rows is None:
            return None
        for stat in task.statistics(rows):
            if stat.name in BOUNDED and stat.class_ is None:
                found = moments(stat, groups.codes, len(groups.labels), outcomes.design)
                ends.setdefault(stat.name, []).append(np.where(found.defined, found.value, np.nan))
    rates = {name: _ordered(*values) for name, values in ends.items()}
    missing = np.bincount(groups.codes[lacking], weights=_copies(outcomes.count, lacking), minlength=len(groups.labels))
    return Ranges(rates, missing.astype(np.int64), groups.sizes() > 0)


def _ordered(first: FloatArray, second: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Both ends in order; anything is possible where one of them does not exist."""
    known = np.isfinite(first) & np.isfinite(second)
    return np.where(known, np.minimum(first, second), 0.0), np.where(known, np.maximum(first, second), 1.0)


def _copies(count: IntArray | None, keep: BoolArray) -> IntArray | None:
    return None if count is None else count[keep]

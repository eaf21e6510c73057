"""Gaps and accuracy as functions of the threshold that turns scores into decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from auditkit.checks.bias.comparison import Comparison
from auditkit.checks.texts import span
from auditkit.core.estimate import Estimate
from auditkit.core.figure import Axis, Cell, Figure, Point, Series, Table
from auditkit.core.messages import number
from auditkit.core.outcomes import Groups, Outcomes
from auditkit.core.task import Task
from auditkit.core.types import FloatArray, IntArray
from auditkit.measures.gaps import gap
from auditkit.measures.rates import estimate

#: Twentieths of the rows, in the order of their scores.
_SHARES = np.arange(1, 20) / 20
#: The same where rows have weights or clusters, and every threshold goes through all of them.
_FEWER = np.arange(1, 10) / 10
_GAPS = ("demographic_parity_difference", "equalized_odds_difference")
_NAMES = ("demographic parity difference", "equalized odds difference", "accuracy")


@dataclass(frozen=True)
class AtThreshold:
    """What one threshold gives: demographic parity, equalized odds (intervals hold for all groups at once) and accuracy
    over all rows. `operating`: the model's decisions were made with it."""

    threshold: float
    operating: bool
    gaps: tuple[Estimate, ...]
    accuracy: Estimate

    @property
    def values(self) -> tuple[Estimate, ...]:
        """The gaps and the accuracy, in the order of their names."""
        return (*self.gaps, self.accuracy)


def at_thresholds(task: Task, comparison: Comparison) -> list[AtThreshold]:
    """Both gaps and the accuracy at about nineteen thresholds (twentieths of the scores) and at the operating one, in
    their order; nothing where no threshold decides or there are no gaps.

    Rows of one group and one label between the same two thresholds are alike at all of them: without weights and
    clusters they are stored once and counted, so that a threshold costs as much as there are such cells.
    """
    outcomes, groups = comparison.outcomes, comparison.groups
    rules = [rule for rule in comparison.rules if rule.name in _GAPS and rule.class_ is None]
    score = task.decision_scores(outcomes)
    if score is None or len(rules) < len(_GAPS) or comparison.names_rows or len(groups.labels) < 2:
        return []
    if not np.isfinite(score).any():
        return []
    plain = outcomes.design.plain
    thresholds = _quantiles(score, outcomes.count, _SHARES if plain else _FEWER)
    operates = np.array_equal(task.decided_at(outcomes, task.threshold).prediction, outcomes.prediction)
    thresholds = np.unique(np.append(thresholds, task.threshold) if operates else thresholds)
    if plain:
        outcomes, groups = _cells(outcomes, groups, score, thresholds)
    found = []
    for threshold in thresholds.tolist():
        rows = task.decided_at(outcomes, threshold)
        stats = task.statistics(rows)
        where = (rows.design, comparison.confidence, comparison.min_group)
        gaps = (gap(rule, stats, groups, *where, expected=False) for rule in rules)
        own = next(s for s in stats if s.name == "accuracy" and s.class_ is None)
        overall = estimate(own, rows.design, comparison.confidence)
        operating = operates and threshold == task.threshold
        found.append(AtThreshold(threshold, operating, tuple(g.estimate for g in gaps), overall))
    return found


def _quantiles(score: FloatArray, count: IntArray | None, shares: FloatArray) -> FloatArray:
    """Scores that occur, with about such a share of the rows below them."""
    known = np.isfinite(score)
    order = np.argsort(score[known], kind="stable")
    copies = np.ones(len(order)) if count is None else count[known][order]
    below = np.cumsum(copies) - copies
    at = np.searchsorted(below, shares * copies.sum())
    return np.asarray(score[known][order][np.minimum(at, len(order) - 1)], dtype=np.float64)


def _cells(outcomes: Outcomes, groups: Groups, score: FloatArray, thresholds: FloatArray) -> tuple[Outcomes, Groups]:
    """One stored row for each group, label and stretch between thresholds, and how many rows it stands for."""
    known = np.flatnonzero(np.isfinite(score))
    stretch = np.searchsorted(thresholds, score[known], side="right")
    label = outcomes.target[known] + 1
    key = (groups.codes[known] * (int(label.max()) + 1) + label) * (len(thresholds) + 1) + stretch
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    weights = None if outcomes.count is None else outcomes.count[known]
    count = np.bincount(inverse, weights=weights).astype(np.int64)
    kept = known[first]
    return replace(outcomes.where(kept), count=count), replace(groups.where(kept), count=count)


def threshold_table(found: Sequence[AtThreshold], attribute: str, split: str) -> Table:
    """Every value with its interval."""
    rows: list[tuple[Cell, ...]] = []
    for one in found:
        ends = [end for e in one.values for end in (e.value, e.low, e.high)]
        rows.append((one.threshold, "the model's own" if one.operating else "", *ends))
    columns = [part for name in _NAMES for part in (name, f"{name}, low", f"{name}, high")]
    title = f"Gaps by {attribute} on {split} at other thresholds"
    return Table(title=title, columns=("threshold", "which", *columns), rows=tuple(rows))


def threshold_figure(found: Sequence[AtThreshold], attribute: str, split: str) -> Figure | None:
    """The gaps and the accuracy against the threshold, with bands; None where fewer than two thresholds have any."""
    drawn = []
    for at, name in enumerate(_NAMES):
        points = tuple(
            Point(x=one.threshold, y=e.value, low=e.low, high=e.high, n=e.n)
            for one in found
            for e in [one.values[at]]
            if e.value is not None
        )
        if len(points) > 1:
            drawn.append(Series(name=name[:1].upper() + name[1:], points=points))
    if not drawn:
        return None
    title = f"Gaps by {attribute} on {split}, and accuracy, by the threshold that decides"
    own = [one for one in found if one.operating] or [found[len(found) // 2]]
    said = "; ".join(f"{name} {span(e, share=True)}" for name, e in zip(_NAMES, own[0].values, strict=True))
    where = "the model's own threshold" if own[0].operating else "the threshold"
    return Figure(
        kind="lines",
        title=title,
        alt=f"{title}. At {where} {number(own[0].threshold)}: {said}.",
        x=Axis(label="score from which on the decision is favourable"),
        y=Axis(label="gap, or share of rows decided rightly", low=0, high=1),
        series=tuple(drawn),
    )

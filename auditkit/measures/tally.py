"""Mergeable counts of group × label × prediction, plain and weighted: what every rate and gap can be made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from auditkit.core.design import Design
from auditkit.core.estimate import Estimate
from auditkit.core.outcomes import Groups
from auditkit.core.task import RowStatistic
from auditkit.core.types import FloatArray, IntArray
from auditkit.measures.cells import CellRate
from auditkit.measures.intervals import normal_quantile, proportion_limits, student_quantile
from auditkit.measures.states import ExactSums, aligned, digest_of, ordered

#: Weights outside these (0 is allowed) have no square that a float holds to full precision.
_WEIGHTS = (1e-140, 1e140)


@dataclass(frozen=True)
class Tally:
    """Rows of each group by label and by prediction, names sorted; a commutative monoid under `+`.

    `counts`: int64 `[G, C + 1, C + 1]`, rows are labels, columns predictions; the last of each are rows without one.
    Names make chunks line up, whatever groups and classes each chunk happens to hold; a group that was declared stays,
    though it has no row.
    """

    groups: tuple[str, ...]
    classes: tuple[str, ...]
    counts: IntArray

    @classmethod
    def of(
        cls,
        groups: Groups,
        target: IntArray,
        prediction: IntArray,
        classes: Sequence[str],
        count: IntArray | None = None,
    ) -> Tally:
        """The tally of n rows: `target` and `prediction` are codes into `classes` (int64 `[n]`, negative: missing).

        `count`: so many rows stand behind each (`groups.count` where not given). O(n).
        """
        times = groups.count if count is None else count
        names, labels, cell = _cells(groups, target, prediction, classes)
        size = len(labels) + 1
        flat = np.zeros(len(names) * size * size, dtype=np.int64)
        if times is None:
            flat += np.bincount(cell, minlength=len(flat))
        else:
            np.add.at(flat, cell, times)
        return cls(names, labels, flat.reshape(len(names), size, size))

    def __add__(self, other: Tally) -> Tally:
        """The rows of both."""
        groups, mine, theirs = aligned(self.groups, other.groups)
        classes, my_class, their_class = aligned(self.classes, other.classes)
        size = len(classes) + 1
        counts = np.zeros((len(groups), size, size), dtype=np.int64)
        for one, place, label in ((self, mine, my_class), (other, theirs, their_class)):
            to = np.append(label, size - 1)
            counts[np.ix_(place, to, to)] += one.counts
        return Tally(groups, classes, counts)

    def digest(self) -> str:
        """SHA-256 of the tally, the same for any partition and order of its chunks."""
        return digest_of("tally", (self.groups, self.classes), self.counts)

    @property
    def rows(self) -> IntArray:
        """Rows of each group, `[G]`, with or without a label."""
        return np.asarray(self.counts.sum(axis=(1, 2)), dtype=np.int64)

    @property
    def unlabelled(self) -> IntArray:
        """Rows of each group without a label, `[G]`."""
        return np.asarray(self.counts[:, -1].sum(axis=1), dtype=np.int64)

    def table(self, classes: Sequence[str] | None = None) -> IntArray:
        """Rows with a label and a prediction, `[G, C, C]`, classes in the order given (all of them; else sorted).

        It is what `bootstrap_groups` takes. Raises `ValueError` where `classes` are not those of the tally.
        """
        order = np.arange(len(self.classes)) if classes is None else _order(self.classes, classes)
        return self.counts[:, order][:, :, order]

    def rows_of(self, rate: CellRate, classes: Sequence[str] | None = None) -> tuple[RowStatistic, Groups, Design]:
        """What `rates.by_group` and `gaps.gap` take, for one rate: a stored row for the hits and one for the misses of
        each group, with how often it occurs. `classes`: the order in which the rate's masks mean them."""
        table = self.table(classes)
        hits, whole = table[:, rate.hits].sum(axis=1), table[:, rate.counts].sum(axis=1)
        count = np.stack([hits, whole - hits], axis=1).ravel()
        some = count > 0
        code = np.repeat(np.arange(len(self.groups)), 2)[some]
        hit = np.tile([1.0, 0.0], len(self.groups))[some]
        statistic = RowStatistic(rate.name, "proportion", hit, np.ones(len(hit), np.bool_), None, rate.empty)
        return statistic, Groups("group", self.groups, code, count=count[some]), Design(count=count[some])


def _cells(
    groups: Groups, target: IntArray, prediction: IntArray, classes: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...], IntArray]:
    """Sorted names of groups and classes, and the cell of each row."""
    names, group_place = ordered(groups.labels)
    labels, class_place = ordered(classes)
    to = np.append(class_place, len(labels))
    true, given = (to[np.where(codes < 0, len(labels), codes)] for codes in (target, prediction))
    return names, labels, (group_place[groups.codes] * (len(labels) + 1) + true) * (len(labels) + 1) + given


def _order(known: tuple[str, ...], wanted: Sequence[str]) -> IntArray:
    if sorted(wanted) != list(known):
        raise ValueError(f"the tally's classes are {', '.join(known)}; asked for {', '.join(wanted)}")
    return np.array([known.index(name) for name in wanted], dtype=np.int64)


@dataclass(frozen=True)
class WeightedTally:
    """A tally with Σw and Σw² of each cell, both exact, so that no order of the rows changes a bit.

    Each w² is the float64 nearest to it. Enough for the linearised variance of any rate of the cells.
    """

    tally: Tally
    weight: ExactSums
    square: ExactSums

    @classmethod
    def of(
        cls,
        groups: Groups,
        target: IntArray,
        prediction: IntArray,
        classes: Sequence[str],
        weight: FloatArray,
        count: IntArray | None = None,
    ) -> WeightedTally:
        """As `Tally.of`, with the weight of each row (`[n]`): 0, or between 1e-140 and 1e140.

        With `count` each of the rows behind a stored one has this weight. Rows of weight 0 do not count. Raises
        `ValueError` for other weights.
        """
        positive = weight > 0
        some = weight[positive]
        if not np.isfinite(weight).all() or np.any(weight < 0) or np.any((some < _WEIGHTS[0]) | (some > _WEIGHTS[1])):
            raise ValueError("weights must be 0 or lie between 1e-140 and 1e140; divide them all by one number")
        times = groups.count if count is None else count
        kept = Groups(groups.attribute, groups.labels, groups.codes[positive])
        target, prediction = target[positive], prediction[positive]
        times = None if times is None else times[positive]
        tally = Tally.of(kept, target, prediction, classes, times)
        cell, size = _cells(kept, target, prediction, classes)[2], tally.counts.size
        weights = ExactSums.of(cell, some, size, times)
        return cls(tally, weights, ExactSums.of(cell, some * some, size, times))

    def __add__(self, other: WeightedTally) -> WeightedTally:
        """The rows of both."""
        tally = self.tally + other.tally
        size = tally.counts.size
        place, also = _places(self.tally, tally), _places(other.tally, tally)
        weight = self.weight.spread(place, size) + other.weight.spread(also, size)
        return WeightedTally(tally, weight, self.square.spread(place, size) + other.square.spread(also, size))

    def digest(self) -> str:
        """SHA-256 of the state, the same for any partition and order of its chunks."""
        names = (self.tally.groups, self.tally.classes)
        return digest_of("weighted tally", names, self.tally.counts, self.weight, self.square)

    def rate(
        self, rate: CellRate, classes: Sequence[str] | None = None, confidence: float = 0.95
    ) -> tuple[Estimate, ...]:
        """A rate of each group, Σ w over its hits / Σ w over its denominator, with the limits of the effective rows.

        Variance of the ratio by linearisation: ((1 − p)² Σ_hits w² + p² Σ_misses w²) / (Σw)². Where it vanishes, and
        never with less than it, Kish's (Σw)² / Σw² rows. Against `rates.by_group`, which knows each weight, the degrees
        of freedom are Kish's rows less one; the two agree as the rows grow.
        """
        order = np.arange(len(self.tally.classes)) if classes is None else _order(self.tally.classes, classes)
        shape = self.tally.counts.shape
        whole, squared = (sums.values().reshape(shape)[:, order][:, :, order] for sums in (self.weight, self.square))
        z = normal_quantile(confidence)
        found = []
        for g, name in enumerate(self.tally.groups):
            n = int(self.tally.counts[g][order][:, order][rate.counts].sum())
            if n == 0:
                found.append(Estimate.undefined(f"{name}: there are no rows with {rate.empty}"))
                continue
            misses = rate.counts & ~rate.hits
            w, hit = float(whole[g][rate.counts].sum()), float(whole[g][rate.hits].sum())
            rows = _effective(hit / w, w, float(squared[g][rate.hits].sum()), float(squared[g][misses].sum()), n, z)
            found.append(_weighted_estimate(rate, hit / w, rows, n, z, confidence))
        return tuple(found)


def _weighted_estimate(rate: CellRate, p: float, rows: float, n: int, z: float, confidence: float) -> Estimate:
    (low, high), method = proportion_limits(np.array([p]), np.array([rows]), z)
    value, low, high = (rate.curved(np.atleast_1d(x)) for x in (p, low, high))
    return Estimate(float(value[0]), float(low[0]), float(high[0]), confidence, f"{method}, effective rows", n)


def _effective(p: float, w: float, hits: float, misses: float, n: int, z: float) -> float:
    """So many equally weighted rows would know as much about a rate, see `moments.Moments.effective_at`."""
    units = w**2 / (hits + misses)
    variance = ((1 - p) ** 2 * hits + p**2 * misses) / w**2
    if variance <= 0 or units <= 1:
        return min(units, n)
    effective = p * (1 - p) / variance
    if effective > units:
        effective = max(units, effective * float(z / student_quantile(z, max(units - 1, 1e-3))) ** 2)
    return min(effective, n)


def _places(part: Tally, whole: Tally) -> IntArray:
    """Where each cell of a part stands among those of the whole, `[cells]`."""
    groups, classes = ({name: at for at, name in enumerate(names)} for names in (whole.groups, whole.classes))
    group = [groups[name] for name in part.groups]
    label = [*(classes[name] for name in part.classes), len(whole.classes)]
    size = len(whole.classes) + 1
    grid = np.meshgrid(group, label, label, indexing="ij")
    return np.asarray((grid[0] * size + grid[1]) * size + grid[2], dtype=np.int64).ravel()

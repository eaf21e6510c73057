"""Shares of groups: beside those of a population, beside another split, and the smallest of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from auditkit.checks.bias.composition import Composition
from auditkit.core.estimate import Estimate
from auditkit.core.types import FloatArray, IntArray
from auditkit.measures.intervals import Limits, mover_difference
from auditkit.measures.moments import Moments
from auditkit.measures.representation import Fit, goodness_of_fit, group_shares, share_limits, together

_TOGETHER = "simultaneous Wilson"


@dataclass(frozen=True)
class AgainstPopulation:
    """Shares beside those of a population, `[G]` each, over the rows whose group the population has.

    `left_out`: rows of groups that it does not have.
    """

    groups: tuple[str, ...]
    shares: Moments
    population: FloatArray
    rows: IntArray
    left_out: int

    def ratio_limits(self, z: float) -> Limits:
        """Limits of share over the population's share."""
        low, high = share_limits(self.shares, z)
        return low / self.population, high / self.population

    def ratios(self) -> FloatArray:
        """Share over the population's share."""
        return np.asarray(self.shares.value / self.population, dtype=np.float64)

    def lowest(self, confidence: float) -> tuple[Estimate, str]:
        """The lowest ratio and its group; the interval holds for the lowest of all, which can't be above 1."""
        low, high = self.ratio_limits(together(confidence, len(self.groups)))
        at, n = int(np.argmin(self.ratios())), int(self.shares.n[0])
        value = float(self.ratios()[at])
        return Estimate(value, float(low.min()), min(1.0, float(high.min())), confidence, _TOGETHER, n), self.groups[at]

    def furthest(self, confidence: float) -> tuple[Estimate, str]:
        """The largest difference between a share and that of the population, and its group."""
        low, high = share_limits(self.shares, together(confidence, len(self.groups)))
        away = np.abs(self.shares.value - self.population)
        near = np.maximum(0.0, np.maximum(low - self.population, self.population - high))
        far = np.maximum(np.abs(low - self.population), np.abs(high - self.population))
        at, n = int(np.argmax(away)), int(self.shares.n[0])
        return Estimate(float(away[at]), float(near.max()), float(far.max()), confidence, _TOGETHER, n), self.groups[at]

    def fit(self) -> Fit | None:
        """Whether all shares are those of the population."""
        return goodness_of_fit(self.shares, self.population)


def against_population(one: Composition) -> AgainstPopulation | None:
    """The shares of an attribute beside its population; None where none is given, or no row has such a group."""
    if not one.population:
        return None
    labels = tuple(one.population)
    place = {label: at for at, label in enumerate(labels)}
    lookup = np.array([place.get(label, -1) for label in one.groups.labels], dtype=np.int64)
    codes = lookup[one.groups.codes] if len(lookup) else one.groups.codes
    keep = codes >= 0
    groups = replace(one.groups.where(keep), labels=labels, codes=codes[keep])
    found = group_shares(groups, one.outcomes.design.where(keep))
    if not found.n[0] or not np.isfinite(found.value).all():
        return None
    population = np.array([one.population[label] for label in labels])
    left_out = one.outcomes.rows - one.outcomes.rows_where(keep)
    return AgainstPopulation(labels, found, population, groups.sizes(), left_out)


def smallest_share(one: Composition, found: Moments) -> tuple[Estimate, str]:
    """The share of the smallest group that must be there; the interval holds for the smallest of all."""
    low, high = share_limits(found, together(one.confidence, len(found.value)))
    at = int(np.argmin(found.value))
    value, n = float(found.value[at]), int(found.n[0])
    return Estimate(value, float(low.min()), float(high.min()), one.confidence, _TOGETHER, n), one.groups.labels[at]


def share_change(one: Composition, other: Composition, confidence: float) -> tuple[Estimate, str]:
    """The largest difference between a group's share here and there, and that group; Newcombe's interval (1998, method
    10) of each at a confidence that holds for all (Šidák). Raises nothing: both must have rows."""
    here, there = one.shares(), other.shares()
    z = together(confidence, len(here.value))
    low, high = mover_difference(here.value, share_limits(here, z), there.value, share_limits(there, z))
    away = np.abs(here.value - there.value)
    near, far = np.maximum(0.0, np.maximum(low, -high)), np.maximum(np.abs(low), np.abs(high))
    at = int(np.argmax(away))
    n = int(here.n[0] + there.n[0])
    value = Estimate(float(away[at]), float(near.max()), float(far.max()), confidence, "simultaneous Newcombe", n)
    return value, one.groups.labels[at]

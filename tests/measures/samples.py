"""Arrays that the tests of the measures start from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from auditkit.core.estimate import Estimate
from auditkit.core.outcomes import Groups
from auditkit.core.task import GapRule, RowStatistic
from auditkit.core.types import Better


def proportion(hit, counts=None, name="rate", better: Better | None = Better.HIGHER) -> RowStatistic:
    """A proportion over all rows, or over those that count."""
    hit = np.asarray(hit, dtype=float)
    counts = np.ones(len(hit), dtype=bool) if counts is None else np.asarray(counts, dtype=bool)
    return RowStatistic(name, "proportion", np.where(counts, hit, 0.0), counts, better, "the label 'yes'")


def mean(values, counts=None, name="loss", better: Better | None = Better.LOWER) -> RowStatistic:
    """A mean over all rows, or over those that count."""
    values = np.asarray(values, dtype=float)
    counts = np.ones(len(values), dtype=bool) if counts is None else np.asarray(counts, dtype=bool)
    return RowStatistic(name, "mean", np.where(counts, values, 0.0), counts, better, "a value")


def groups(codes, labels: Sequence[str] | int) -> Groups:
    """Groups by code; a number stands for so many labels."""
    names = tuple(f"g{i}" for i in range(labels)) if isinstance(labels, int) else tuple(labels)
    return Groups("attribute", names, np.asarray(codes, dtype=np.int64))


def rule(*statistics: str, form="difference") -> GapRule:
    """A rule over the named statistics."""
    return GapRule(f"{statistics[0]}_{form}", statistics, form)


def assert_sound(found: Estimate) -> None:
    """What holds of every estimate of sampled rows that has an interval."""
    assert found.value is not None, found.reason
    assert found.interval is not None, found.reason
    assert found.low < found.high
    assert found.low <= found.value <= found.high
    assert type(found.low) is type(found.high) is type(found.value) is float


def covers(found: Estimate, truth: float) -> bool:
    """Whether the interval holds the truth."""
    return found.low is not None and found.low - 1e-12 <= truth <= found.high + 1e-12


def binary(n=4000, seed=3):
    """Groups of three, labels, predictions that are right more often from group to group, and the generator."""
    rng = np.random.default_rng(seed)
    groups = Groups("group", ("x", "y", "z"), rng.integers(0, 3, n))
    target = rng.integers(0, 2, n)
    given_ = np.where(rng.random(n) < 0.7 + 0.08 * groups.codes, target, 1 - target)
    return groups, target, given_, rng

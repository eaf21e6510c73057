"""The estimates of all groups side by side, as arrays: what gaps, worst groups and ranks are made from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from auditkit.core.estimate import Estimate
from auditkit.core.types import BoolArray, FloatArray
from auditkit.measures.intervals import Limits

#: One estimate for each group, aligned with the names, with pointwise intervals at the confidence that it is given.
EstimatesAt = Callable[[float], Sequence[Estimate]]
#: So many groups without a value are named.
_NAMED = 5


@dataclass(frozen=True)
class GroupEstimates:
    """The estimates of G groups, each with its own interval at `confidence`.

    Arrays are float64 `[G]`: `value` is NaN where there is none, `low` and `high` where there is no interval, `n`
    counts rows. `absent`: names of groups without a row; they have no value.
    """

    names: tuple[str, ...]
    estimates: tuple[Estimate, ...]
    absent: tuple[str, ...]
    confidence: float
    value: FloatArray
    low: FloatArray
    high: FloatArray
    n: FloatArray

    @classmethod
    def of(
        cls, names: Sequence[str], estimates_at: EstimatesAt, absent: Sequence[str], level: Callable[[int], float]
    ) -> GroupEstimates:
        """Ask for the estimates at `level`, the confidence that so many groups need; absent groups don't count.

        Raises `ValueError` where an absent group is not among the names, or there is not one estimate for each name.
        """
        gone = set(absent)
        if not gone <= set(names):
            raise ValueError(f"absent groups must be among the names, and {min(gone - set(names))!r} is not")
        confidence = level(len(names) - len(gone))
        found = estimates_at(confidence)
        if len(found) != len(names):
            raise ValueError(f"there are {len(names)} groups, but {len(found)} estimates")
        missing = Estimate.undefined("it has no rows in this split")
        kept = tuple(missing if name in gone else one for name, one in zip(names, found, strict=True))
        value, low, high = (_array([getattr(one, field) for one in kept]) for field in ("value", "low", "high"))
        rows = _array([float(one.n) for one in kept])
        return cls(tuple(names), kept, tuple(x for x in names if x in gone), confidence, value, low, high, rows)

    @property
    def defined(self) -> BoolArray:
        """Groups that have a value, `[G]`."""
        return np.isfinite(self.value)

    @property
    def limits(self) -> Limits:
        """Limits of the groups that have a value; −∞ and ∞ where such a group has no interval."""
        low, high = self.low[self.defined], self.high[self.defined]
        return np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)

    @property
    def undefined(self) -> tuple[str, ...]:
        """Groups that have rows, but no value."""
        absent = frozenset(self.absent)
        return tuple(name for name in self.named(~self.defined) if name not in absent)

    def rows(self) -> int:
        """Rows behind all values."""
        return int(self.n[self.defined].sum())

    def small(self, min_group: int) -> tuple[str, ...]:
        """Groups whose value rests on fewer rows than that."""
        return self.named(self.defined & (self.n < min_group))

    def named(self, keep: BoolArray) -> tuple[str, ...]:
        """Names of some of the groups."""
        return tuple(self.names[i] for i in np.flatnonzero(keep))

    def why(self) -> str:
        """Which groups have no value, and why."""
        lacking = [(name, one) for name, one in zip(self.names, self.estimates, strict=True) if one.value is None]
        more = f"; and {len(lacking) - _NAMED} more groups" if len(lacking) > _NAMED else ""
        return "; ".join(f"the group {name!r}: {_reason(name, one)}" for name, one in lacking[:_NAMED]) + more

    def without_interval(self) -> str | None:
        """Why the groups make no interval, where one that has a value has none."""
        for name, one in zip(self.names, self.estimates, strict=True):
            if one.value is not None and one.low is None:
                return f"the group {name!r} has no interval: {_reason(name, one)}"
        return None


def _array(numbers: Sequence[float | None]) -> FloatArray:
    return np.array([np.nan if number is None else number for number in numbers], dtype=np.float64)


def _reason(name: str, one: Estimate) -> str:
    """The estimate's reason, without the group's name in front where a measure has put it there."""
    return (one.reason or "none was given").removeprefix(f"{name}: ")

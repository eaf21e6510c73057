"""`Estimate`: the one shape in which every measured number travels."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A number and how sure it is.

    `value` is None where the quantity does not exist; `reason` then says why. `low` and `high` are None where no
    interval exists: legitimately for deterministic quantities (`sampled=False`), otherwise with a `reason`.
    `n` counts the rows that the number rests on (the denominator of a rate).
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    confidence: float = 0.95
    method: str = ""
    n: int = 0
    reason: str | None = None
    sampled: bool = True
    #: False where so few rows stand behind the interval that it may be too narrow: it can't carry a pass.
    sufficient: bool = True

    def __post_init__(self) -> None:
        for name in ("value", "low", "high"):
            number = getattr(self, name)
            if number is not None and not math.isfinite(number):
                raise ValueError(f"Estimate.{name} must be finite or None, got {number}")
        if (self.low is None) != (self.high is None):
            raise ValueError("Estimate needs both ends of its interval, or neither")
        if self.value is None and self.reason is None:
            raise ValueError("Estimate without a value needs a reason")
        if self.value is not None and self.low is not None and self.high is not None:
            # Round-off must not push a value out of its own interval.
            object.__setattr__(self, "low", min(self.low, self.value))
            object.__setattr__(self, "high", max(self.high, self.value))

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends, or None."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    @classmethod
    def undefined(cls, reason: str, n: int = 0) -> Estimate:
        """A quantity that does not exist, and why."""
        return cls(value=None, n=n, reason=reason)

    @classmethod
    def exact(cls, value: float, n: int = 0, method: str = "exact count") -> Estimate:
        """A deterministic quantity: no sampling, hence no interval."""
        return cls(value=value, n=n, method=method, sampled=False)

"""Mergeable moments of a regressor's errors, by group."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from auditkit.core.estimate import Estimate
from auditkit.core.outcomes import Groups
from auditkit.core.types import FloatArray, IntArray
from auditkit.measures.intervals import normal_quantile
from auditkit.measures.moments import Moments
from auditkit.measures.rates import mean_limits, no_spread
from auditkit.measures.regression import root_of
from auditkit.measures.states import ExactSums, aligned, digest_of, ordered

#: Errors above this have a sixth power that no float holds.
LARGEST_ERROR = 1e50
#: What is summed: e, |e|, e², e³, |e|³, e⁴, e⁶.
_POWERS: tuple[Callable[[FloatArray], FloatArray], ...] = (
    lambda e: e,
    np.abs,
    lambda e: e**2,
    lambda e: e**3,
    lambda e: np.abs(e) ** 3,
    lambda e: e**4,
    lambda e: e**6,
)


@dataclass(frozen=True)
class ErrorMoments:
    """Rows of each group, and Σ e, |e|, e², e³, |e|³, e⁴, e⁶ of their errors; a commutative monoid under `+`.

    `sums` holds G numbers for each of the seven, every one exact (of the float64 powers): means, variances and
    skewness of e, |e| and e² come out as from the rows, to about 1e-16 · (mean / standard deviation)³.
    """

    groups: tuple[str, ...]
    n: IntArray
    sums: tuple[ExactSums, ...]

    @classmethod
    def of(cls, groups: Groups, error: FloatArray, count: IntArray | None = None) -> ErrorMoments:
        """From the errors (prediction − target) of n rows, in the target's unit; NaN where unknown: not counted.

        Raises `ValueError` for errors above 1e50 (or infinite ones): give them in another unit.
        """
        known = ~np.isnan(error)
        e = error[known]
        if np.any(np.abs(e) > LARGEST_ERROR):
            raise ValueError(f"errors above {LARGEST_ERROR:g} can't be raised to the sixth power; use a larger unit")
        names, place = ordered(groups.labels)
        times = groups.count if count is None else count
        times = None if times is None else times[known]
        code = place[groups.codes[known]]
        rows = np.zeros(len(names), dtype=np.int64)
        np.add.at(rows, code, 1 if times is None else times)
        return cls(names, rows, tuple(ExactSums.of(code, power(e), len(names), times) for power in _POWERS))

    def __add__(self, other: ErrorMoments) -> ErrorMoments:
        """The rows of both."""
        groups, mine, theirs = aligned(self.groups, other.groups)
        size = len(groups)
        rows = np.zeros(size, dtype=np.int64)
        rows[mine] += self.n
        rows[theirs] += other.n
        pairs = zip(self.sums, other.sums, strict=True)
        return ErrorMoments(groups, rows, tuple(a.spread(mine, size) + b.spread(theirs, size) for a, b in pairs))

    def digest(self) -> str:
        """SHA-256 of the state, the same for any partition and order of its chunks."""
        return digest_of("error moments", (self.groups,), self.n, *self.sums)

    def mean_error(self, confidence: float = 0.95) -> tuple[Estimate, ...]:
        """Mean of e in each group; limits as `rates.by_group` gives them."""
        # Exact sums tell whether any error is negative: only then do Σe and Σ|e| differ.
        return self._means(0, 2, 3, confidence, never_negative=self.sums[0] == self.sums[1])

    def mean_absolute_error(self, confidence: float = 0.95) -> tuple[Estimate, ...]:
        """Mean of |e| in each group; the lower end is at least 0."""
        return self._means(1, 2, 4, confidence, never_negative=True)

    def mean_squared_error(self, confidence: float = 0.95) -> tuple[Estimate, ...]:
        """Mean of e² in each group; the lower end is at least 0."""
        return self._means(2, 5, 6, confidence, never_negative=True)

    def root_mean_squared_error(self, confidence: float = 0.95) -> tuple[Estimate, ...]:
        """Root of the mean squared error in each group; its limits are the roots of those."""
        return tuple(root_of(found) for found in self.mean_squared_error(confidence))

    def _means(
        self, first: int, second: int, third: int, confidence: float, *, never_negative: bool
    ) -> tuple[Estimate, ...]:
        """Means of x with Student's t, from Σx, Σx² and Σx³, which stand at these places of `sums`."""
        found = [
            _central(int(n), *(Fraction(self.sums[i].total[g], 1 << 1126) for i in (first, second, third)))
            for g, n in enumerate(self.n)
        ]
        mean, variance, skewness = (np.array(column) for column in zip(*found, strict=True))
        size = self.n.astype(np.float64)
        every = Moments(self.n, mean, variance, np.maximum(size - 1, 0), size, size, plain=True, skewness=skewness)
        some = np.flatnonzero(self.n)
        lower, upper, corrections = mean_limits(every.take(some), normal_quantile(confidence), never_negative)
        out = [Estimate.undefined(f"{name}: there are no rows with a label and a prediction") for name in self.groups]
        for at, g in enumerate(some):
            n, method = int(self.n[g]), "Student t"
            if lower[at] < upper[at]:
                method += corrections[at]
                out[g] = Estimate(float(mean[g]), float(lower[at]), float(upper[at]), confidence, method, n)
            else:
                out[g] = Estimate(float(mean[g]), method=method, n=n, reason=f"{self.groups[g]}: {no_spread(n)}")
        return tuple(out)


def _central(n: int, first: Fraction, second: Fraction, third: Fraction) -> tuple[float, float, float]:
    """Mean, variance of the mean, and its skewness, from exact sums: no digit is lost to a mean far from 0."""
    if n == 0:
        return np.nan, np.nan, 0.0
    mean = first / n
    squares = second - n * mean**2
    # e² is rounded before it is summed: what is left of equal errors is that rounding.
    if n == 1 or squares <= Fraction(1, 10**15) * second:
        return float(mean), np.nan if n == 1 else 0.0, 0.0
    variance = squares / (n - 1) / n
    cubes = third - 3 * mean * second + 2 * n * mean**3
    return float(mean), float(variance), float(cubes / n**3) / math.sqrt(float(variance)) ** 3

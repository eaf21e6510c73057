"""The formulas of the generalised entropy index: its value, and how it moves with each row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auditkit.core.types import FloatArray

#: Directions, and points in each, at which shares that the data allow are tried.
_DIRECTIONS, _POINTS = 180, 12


@dataclass(frozen=True)
class Entropy:
    """GE(α) of benefits b ≥ 0 with mean μ (Shorrocks 1980; Speicher and others 2018, equation 1).

    Σ [(b/μ)^α − 1] / (n α (α − 1)); for α = 1 Theil's index, Σ (b/μ) ln(b/μ) / n; for α = 0 −Σ ln(b/μ) / n. Each is a
    function of the means of b and of f(b): b^α, b ln b, ln b.
    """

    alpha: float

    def f(self, benefit: FloatArray) -> FloatArray:
        """What is averaged; 0 · ln 0 is 0. Infinite where the index does not exist (α ≤ 0 and a benefit of 0)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.alpha == 1:
                return np.where(benefit > 0, benefit * np.log(np.where(benefit > 0, benefit, 1.0)), 0.0)
            found = np.log(benefit) if self.alpha == 0 else benefit**self.alpha
        return np.asarray(found, dtype=np.float64)

    def derivative(self, benefit: FloatArray) -> FloatArray:
        """f′; infinite at 0 where α ≤ 1."""
        with np.errstate(divide="ignore"):
            if self.alpha == 1:
                return np.asarray(np.log(benefit) + 1, dtype=np.float64)
            found = 1 / benefit if self.alpha == 0 else self.alpha * benefit ** (self.alpha - 1)
        return np.asarray(found, dtype=np.float64)

    def indices(self, averaged: FloatArray, mean: FloatArray) -> FloatArray:
        """The index from the mean of f and the mean benefit, arrays alike; NaN where it does not exist. What is below 0
        is round-off, and is cut."""
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.alpha == 1:
                found = averaged / mean - np.log(mean)
            elif self.alpha == 0:
                found = np.log(mean) - averaged
            else:
                found = (averaged / mean**self.alpha - 1) / (self.alpha * (self.alpha - 1))
        return np.where(np.isfinite(found) & (mean > 0), np.maximum(found, 0.0), np.nan)

    def index(self, averaged: float, mean: float) -> float:
        """The same for one."""
        return float(self.indices(np.array([averaged]), np.array([mean]))[0])

    def partial(self, averaged: float, mean: float) -> tuple[float, float]:
        """Derivatives of the index by the mean of f and by the mean benefit."""
        if self.alpha == 1:
            return 1 / mean, -averaged / mean**2 - 1 / mean
        if self.alpha == 0:
            return -1.0, 1 / mean
        scale = self.alpha * (self.alpha - 1)
        return 1 / (mean**self.alpha * scale), -averaged / (mean ** (self.alpha + 1) * (self.alpha - 1))

    def of_errors(self, share: float) -> tuple[float, float]:
        """The smallest and the largest index of decisions of which this share (< 1) is wrong: all wrongly granted
        (benefit 2) or all denied (benefit 0), the rest right (benefit 1)."""
        ends = []
        for wrong in (0.0, 2.0):
            averaged = (1 - share) * float(self.f(np.ones(1))[0]) + share * float(self.f(np.array([wrong]))[0])
            ends.append(self.index(averaged, 1 + (wrong - 1) * share))
        return min(ends), max(ends)

    def of_shares(self, shares: FloatArray) -> FloatArray:
        """The index of decisions of which these shares `[K, 3]` have the benefits 0, 1 and 2; α > 0."""
        possible = np.array([0.0, 1.0, 2.0])
        return self.indices(shares @ self.f(possible), shares @ possible)


def plausible_shares(shares: FloatArray, rows: float, z: float) -> FloatArray:
    """Shares of three outcomes that `rows` rows with these `shares` (`[3]`) do not refute, `[K, 3]`.

    They fill the region where twice the log likelihood ratio is at most z², so that the extremes of any function over
    them are its profile likelihood limits (Wilks 1938): right also where the function is flat and the delta method says
    nothing.
    """
    angle = np.linspace(0.0, 2 * np.pi, _DIRECTIONS, endpoint=False)
    scale = np.sqrt(np.maximum(shares * (1 - shares), 1 / rows) / rows)
    step = np.stack([np.cos(angle) * scale[0], np.zeros(len(angle)), np.sin(angle) * scale[2]], axis=1)
    step[:, 1] = -step[:, 0] - step[:, 2]
    step[np.abs(step) < 1e-12 * scale.max()] = 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = np.min(np.where(step < 0, -shares / step, np.inf), axis=1)
    low, high = np.zeros(len(angle)), inside
    for _ in range(45):
        middle = (low + high) / 2
        tried = np.maximum(shares + middle[:, None] * step, 0.0)
        allowed = _log_ratio(shares, tried, rows) <= z**2
        low, high = np.where(allowed, middle, low), np.where(allowed, high, middle)
    far = np.linspace(0.0, 1.0, _POINTS)[:, None, None] * low[:, None]
    found = np.maximum(shares + far * step, 0.0).reshape(-1, 3)
    return np.asarray(found / found.sum(axis=1, keepdims=True), dtype=np.float64)


def _log_ratio(shares: FloatArray, tried: FloatArray, rows: float) -> FloatArray:
    """Twice the log likelihood ratio of the observed shares against those tried, `[K]`."""
    seen = shares > 0
    with np.errstate(divide="ignore"):
        return np.asarray(2 * rows * np.log(shares[seen] / tried[:, seen]) @ shares[seen], dtype=np.float64)

"""How groups are represented: their shares, how far those are from given ones, and how labels go with groups."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, chndtr, ndtri

from auditkit.core.design import Design
from auditkit.core.estimate import Estimate
from auditkit.core.outcomes import Groups
from auditkit.core.types import FloatArray, IntArray
from auditkit.measures.intervals import Limits, normal_quantile, proportion_limits, split_confidence
from auditkit.measures.moments import Moments, copies, each_weight, sums
from auditkit.measures.roots import root

#: From this noncentrality on, the distribution is normal to many digits, and its series too long.
_LARGE = 1e4
_ROUND_OFF = 1e-12


def group_shares(groups: Groups, design: Design) -> Moments:
    """The share of each of G groups among all rows, as moments `[G]` of proportions (`n` is that of all rows).

    O(rows + groups): a share is the mean of an indicator, whose sums of squares need no pass for each group. Weights
    and clusters enter through the linearised variance of a ratio, as in `moments`.
    """
    size = len(groups.labels)
    keep = np.arange(len(groups.codes)) if design.weight is None else np.flatnonzero(design.weight > 0)
    codes, some = groups.codes[keep], design.where(keep)
    k, w = copies(some), each_weight(some, len(codes))
    rows = sums(codes, np.ones(len(codes)), size, k)
    with np.errstate(invalid="ignore", divide="ignore"):
        inside = sums(codes, w, size, k)
        whole = inside.sum()
        value = inside / whole
        squares, products, total, units = _squares(codes, size, w, k, some.cluster)
        spread = np.maximum(squares - 2 * value * products + value**2 * total, 0.0)
        variance = spread / whole**2 * units / (units - 1) if units > 1 else np.full(size, np.nan)
        kish = float(whole**2 / total) if total > 0 else 0.0
        found = value * (1 - value) / (1 - np.divide(1.0, kish)) / variance
    n = rows.sum()
    known = np.isfinite(found) & (variance > 0) & (kish > 1)
    effective = np.full(size, n) if some.plain else np.minimum(np.where(known, found, kish), n)
    every = np.full(size, int(n), dtype=np.int64)
    degrees, effective_units = np.full(size, max(kish - 1, 0.0)), np.full(size, min(kish, n))
    return Moments(every, value, variance, degrees, effective, effective_units, some.plain)


def _squares(
    codes: IntArray, size: int, w: FloatArray, k: FloatArray | None, cluster: IntArray | None
) -> tuple[FloatArray, FloatArray, float, float]:
    """Over the units (rows, or clusters of weight W, W_g of them in group g): Σ W_g² and Σ W_g W of each group, Σ W²,
    and how many units there are."""
    if cluster is None:
        own = sums(codes, w * w, size, k)
        return own, own, float(own.sum()), float(len(codes) if k is None else k.sum())
    _, compact = np.unique(cluster, return_inverse=True)
    width = int(compact.max()) + 1 if len(compact) else 1
    keys, part = np.unique(codes * width + compact, return_inverse=True)
    of = (keys // width).astype(np.int64)
    mine, whole = sums(part, w, len(keys), k), sums(compact, w, width, k)
    products = sums(of, mine * whole[keys % width], size)
    return sums(of, mine * mine, size), products, float(np.sum(whole**2)), float(width)


def share_limits(found: Moments, z: float) -> Limits:
    """Limits of shares at the critical value `z`, by `intervals.interval_rule`."""
    return proportion_limits(found.value, found.effective_at(z), z)[0]


def together(confidence: float, parts: int) -> float:
    """The critical value at which limits of `parts` quantities all hold together (Šidák 1967)."""
    return normal_quantile(split_confidence(confidence, max(parts, 1)))


@dataclass(frozen=True)
class Fit:
    """A test of whether shares are those of a population: the statistic, its degrees of freedom, the p-value."""

    statistic: float
    freedom: int
    p_value: float


def goodness_of_fit(found: Moments, population: FloatArray) -> Fit | None:
    """The likelihood ratio test G² of shares `[G]` against those of a population (`[G]`, > 0, adding up to 1).

    G² = 2 n Σ p log(p/π), chi-square with G − 1 degrees of freedom (Agresti 2013, Categorical data analysis, 1.5.6).
    With weights or clusters it is divided by the mean design effect, Σ (p/π)(1 − p) d / (G − 1) with d = n / effective
    rows of each share (Rao and Scott 1981, JASA 76, eq. 2.9). None with fewer than two groups, or no rows.
    """
    if len(population) < 2 or not np.isfinite(found.value).all() or not found.n[0]:
        return None
    p, n, freedom = found.value, float(found.n[0]), len(population) - 1
    ratio = np.where(p > 0, p / population, 1.0)
    statistic = 2 * n * float(np.sum(p * np.log(ratio)))
    if not found.plain:
        effect = n / np.maximum(found.effective, 1e-9)
        mean = float(np.sum(p / population * (1 - p) * effect)) / freedom
        statistic = statistic / mean if mean > 0 else statistic
    statistic = max(statistic, 0.0)
    return Fit(statistic, freedom, float(chdtrc(freedom, statistic)))


def association(counts: FloatArray, effective: float, confidence: float = 0.95) -> Estimate:
    """Cramér's V of a table `[R, C]` of (weighted) counts: 0 where rows and columns are independent, at most 1.

    Value: bias-corrected (Bergsma 2013, J. Korean Statistical Society 42, eq. 5 to 7). Interval: the outer ends of two.
    That of the noncentrality of the chi-square which X² (of `effective` rows) is a draw from (Smithson 2003, Confidence
    intervals, ch. 4), V = √(λ / (n · min(R − 1, C − 1))), is right near independence; the delta method (Bishop,
    Fienberg and Holland 1975, ch. 11.3) is wider where the association is strong and margins are uneven.
    Empty rows and columns are left out. No value with fewer than two of each.
    """
    # What holds next to none of the weight is as good as empty, and its square would be 0.
    least = _ROUND_OFF * float(counts.sum())
    table = counts[counts.sum(axis=1) > least][:, counts.sum(axis=0) > least]
    n = round(float(counts.sum()))
    if min(table.shape) < 2 or effective <= max(table.shape):
        return Estimate.undefined("an association needs two groups and two labels with rows", n)
    share = table / table.sum()
    expected = share.sum(axis=1, keepdims=True) * share.sum(axis=0, keepdims=True)
    square = float(np.sum((share - expected) ** 2 / expected))
    rows, columns = table.shape
    freedom, most = (rows - 1) * (columns - 1), min(rows, columns) - 1
    corrected = max(0.0, square - freedom / (effective - 1))
    narrow = min(rows - (rows - 1) ** 2 / (effective - 1), columns - (columns - 1) ** 2 / (effective - 1)) - 1
    value = min(1.0, math.sqrt(corrected / narrow)) if narrow > 0 else 0.0
    ends = _noncentrality(effective * square, freedom, (1 - confidence) / 2)
    low, high = (math.sqrt(end / (effective * most)) for end in ends)
    half = normal_quantile(confidence) * _delta_error(share, expected, square, effective) / math.sqrt(most)
    low, high = max(0.0, min(low, value - half)), min(1.0, max(high, value + half))
    return Estimate(value, low, high, confidence, "noncentral chi-square, delta method", n)


def _delta_error(share: FloatArray, expected: FloatArray, square: float, effective: float) -> float:
    """The standard error of √(X²/n) by the delta method, 0 where it is 0 itself."""
    if square <= 0:
        return 0.0
    rows, columns = share.sum(axis=1, keepdims=True), share.sum(axis=0, keepdims=True)
    parts = share**2 / expected
    slope = 2 * share / expected - parts.sum(axis=1, keepdims=True) / rows - parts.sum(axis=0, keepdims=True) / columns
    variance = float(np.sum(share * slope**2) - np.sum(share * slope) ** 2)
    return math.sqrt(max(variance, 0.0) / effective) / (2 * math.sqrt(square))


def _noncentrality(statistic: float, freedom: int, tail: float) -> tuple[float, float]:
    """Limits of the noncentrality λ of a chi-square. Of a statistic below its mean under independence the mean is taken
    for the upper end, as a smaller one would say that there is no uncertainty at all."""
    if statistic - freedom > _LARGE:
        middle = statistic - freedom
        reach = float(-ndtri(tail)) * math.sqrt(2 * (freedom + 2 * middle))
        return max(0.0, middle - reach), middle + reach

    def limit(x: float, probability: float) -> float:
        def excess(noncentrality: float) -> float:
            return float(chndtr(x, freedom, noncentrality)) - probability

        if excess(0.0) <= 0:
            return 0.0
        most = x + 20.0
        while excess(most) > 0:
            most *= 2
        return float(root(excess, 0.0, most, 1e-9))

    return limit(statistic, 1 - tail), limit(max(statistic, float(freedom)), tail)

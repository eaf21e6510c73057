"""Inequality of the benefits that a model's decisions give: generalised entropy, Theil, between and within groups."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import chdtri

from auditkit.core.design import SIMPLE, Design
from auditkit.core.estimate import Estimate
from auditkit.core.outcomes import Groups
from auditkit.core.task import RowStatistic
from auditkit.core.types import BoolArray, FloatArray, IntArray
from auditkit.measures.bootstrap import from_counts
from auditkit.measures.entropy import Entropy, plausible_shares
from auditkit.measures.influence import ONE_UNIT, is_one_unit, standard_error
from auditkit.measures.intervals import normal_quantile, student_quantile
from auditkit.measures.moments import each_weight, moments, sums, whole_weight
from auditkit.measures.pairs import with_pooled_spread
from auditkit.measures.rates import estimate

#: With fewer errors than this nothing but their rate is known well enough.
_FEW = 10.0
_WORST_CASE = "worst case of the error rate"


@dataclass(frozen=True)
class Inequality:
    """The parts of the index: `overall` = `between` + `within`."""

    overall: Estimate
    between: Estimate
    within: Estimate


def benefits(target: BoolArray, prediction: BoolArray) -> FloatArray:
    """The benefit of each decision, prediction − target + 1, `[n]` (Speicher and others 2018, section 2.2): 0 for a
    favourable outcome that was denied, 1 for a right decision, 2 for one that was granted wrongly.

    Both are bool `[n]`, True for favourable.
    """
    return prediction.astype(np.float64) - target.astype(np.float64) + 1


def generalized_entropy(
    benefit: FloatArray, alpha: float = 2.0, design: Design = SIMPLE, confidence: float = 0.95
) -> Estimate:
    """The generalised entropy index GE(α), α = `alpha`, of `benefit` (`[n]`, ≥ 0; rows that are not finite do not
    count), 0 for perfect equality, without an upper end. Formula: Shorrocks (1980); Speicher and others (2018, equation
    1).

    With benefits of 0, 1 and 2 it says how unequally a classifier's errors burden and favour people. Interval for such
    benefits: profile likelihood limits over the shares of the two errors (weights and clusters: on the effective rows
    of the less certain one); with fewer than ten errors the smallest and the largest index that the limits of the error
    rate leave (see `rates.estimate`), so that it never has zero width. For other benefits: the delta method on the log
    scale, with Student's t on as many degrees of freedom as rows carry the variance. No value where α ≤ 0 and a benefit
    is 0, or all are 0. Raises `ValueError` for a negative benefit.
    """
    rows = _Benefits.of(benefit, alpha, design)
    return rows if isinstance(rows, Estimate) else _overall(rows, confidence)


def theil(benefit: FloatArray, design: Design = SIMPLE, confidence: float = 0.95) -> Estimate:
    """Theil's index, GE(1) = Σ (b/μ) ln(b/μ) / n (Theil 1967); see `generalized_entropy`."""
    return generalized_entropy(benefit, 1.0, design, confidence)


def coefficient_of_variation(benefit: FloatArray, design: Design = SIMPLE, confidence: float = 0.95) -> Estimate:
    """Standard deviation of `benefit` over its mean, √(2 GE(2)), at least 0; its limits are the roots of those of
    `generalized_entropy`."""
    squared = generalized_entropy(benefit, 2.0, design, confidence)
    if squared.value is None:
        return squared
    # What round-off leaves of equal benefits must not grow by the root.
    value = math.sqrt(2 * squared.value) if squared.value > 1e-15 else 0.0
    if squared.low is None or squared.high is None:
        return replace(squared, value=value)
    method = f"root of {squared.method}"
    return replace(
        squared, value=value, low=math.sqrt(2 * squared.low), high=math.sqrt(2 * squared.high), method=method
    )


def entropy_from_counts(
    counts: IntArray,
    benefit: FloatArray,
    alpha: float = 2.0,
    confidence: float = 0.95,
    rng: np.random.Generator | None = None,
) -> Estimate:
    """GE(α), α = `alpha`, from the number of rows with each of K benefits, by the exact bootstrap (see
    `bootstrap.from_counts`).

    `counts`: int64 `[K]`; `benefit`: float64 `[K]`, ≥ 0. For decisions: the counts of benefits 0, 1 and 2 are those of
    false negatives, right decisions and false positives. O(K × replicates) however many rows.
    """
    entropy = Entropy(alpha)
    kept = counts > 0 if alpha <= 0 else np.ones(len(counts), dtype=np.bool_)
    value, f = benefit[kept], entropy.f(benefit[kept])

    def statistic(drawn: FloatArray) -> FloatArray:
        n = drawn.sum(axis=1)
        return entropy.indices(drawn @ f / n, drawn @ value / n)

    return from_counts(counts[kept], statistic, confidence, rng=rng)


def inequality(
    benefit: FloatArray, groups: Groups, alpha: float = 2.0, design: Design = SIMPLE, confidence: float = 0.95
) -> Inequality:
    """GE(α) split into inequality between and within groups: Speicher and others (2018, section 3; Shorrocks 1980).

    Between: the index that is left when everybody gets the mean benefit of the own group. Within: the rest, the groups'
    own indices weighted by share · (group's mean / mean)^α. `groups` are on the same rows, `benefit` and `alpha` are
    those of `generalized_entropy`.

    The index between is a squared distance that is 0 where all groups have one mean, and there the delta method fails.
    Its interval is the wider of the delta method's and of [(√B − r)², (√B + r)²], where r is the quantile of the length
    of the error of the groups' means (a weighted sum of χ², by Satterthwaite 1946), by the triangle inequality: it
    covers more than asked for. No part has a value where a group has no row.
    """
    rows = _Benefits.of(benefit, alpha, design)
    if isinstance(rows, Estimate):
        return Inequality(rows, rows, rows)
    overall, codes = _overall(rows, confidence), groups.codes[rows.known]
    whole = sums(codes, rows.share, len(groups.labels))
    if len(groups.labels) < 2 or not (whole > 0).all():
        lacking = [repr(name) for name, share in zip(groups.labels, whole, strict=True) if not share > 0]
        why = f"no rows with a benefit in {', '.join(lacking[:5])}" if lacking else "groups need to be two or more"
        nothing = Estimate.undefined(why, rows.n)
        return Inequality(overall, nothing, nothing)
    means = sums(codes, rows.share * rows.benefit, len(groups.labels)) / whole
    between, slope = _between(rows, codes, whole, means)
    return Inequality(
        overall,
        _with_distance(rows, codes, whole, between, slope, confidence),
        _within(rows, overall, between, rows.slope() - slope, confidence),
    )


@dataclass(frozen=True)
class _Benefits:
    """Stored rows that count: `known` bool `[n]` says which, `share` `[k]` is each one's part of the whole weight."""

    entropy: Entropy
    known: BoolArray
    benefit: FloatArray
    share: FloatArray
    design: Design
    n: int

    @classmethod
    def of(cls, benefit: FloatArray, alpha: float, design: Design) -> _Benefits | Estimate:
        """The rows that count, or why there is no index."""
        known = np.isfinite(benefit) & (True if design.weight is None else design.weight > 0)
        b, some, n = benefit[known].astype(np.float64), design.where(known), design.rows(known)
        if (b < 0).any():
            raise ValueError(f"a benefit must be at least 0, got {float(b.min())}")
        if n == 0:
            return Estimate.undefined("there are no rows with a benefit")
        if not b.any() or (alpha <= 0 and not b.all()):
            what = f"does not exist for α = {alpha:g} where a benefit is 0" if b.any() else "does not exist: all are 0"
            return Estimate.undefined(f"the index {what}", n)
        weight = whole_weight(some, len(b))
        return cls(Entropy(alpha), known, b, weight / weight.sum(), some, n)

    @property
    def mean(self) -> float:
        return float(self.share @ self.benefit)

    def slope(self) -> FloatArray:
        """How the index moves with a row, `[k]`."""
        f = self.entropy.f(self.benefit)
        averaged = float(self.share @ f)
        by_f, by_mean = self.entropy.partial(averaged, self.mean)
        return np.asarray(by_f * (f - averaged) + by_mean * (self.benefit - self.mean), dtype=np.float64)

    def error(self, slope: FloatArray) -> tuple[float, float]:
        """Standard error and degrees of freedom of a quantity that moves so with each row."""
        each = each_weight(self.design, len(self.benefit))
        return standard_error(each / float(np.sum(whole_weight(self.design, len(each)))) * slope, self.design)

    @property
    def decisions(self) -> bool:
        """Whether the benefits are those of decisions: 0, 1 and 2."""
        return bool(self.entropy.alpha > 0 and np.isin(self.benefit, (0.0, 1.0, 2.0)).all())

    def share_of(self, benefit: FloatArray) -> RowStatistic:
        """The share of rows that have one of these benefits."""
        everything = np.ones(len(self.benefit), dtype=np.bool_)
        hit = np.isin(self.benefit, benefit).astype(np.float64)
        return RowStatistic("share", "proportion", hit, everything, None, "a benefit")


def _overall(rows: _Benefits, confidence: float) -> Estimate:
    value = rows.entropy.index(float(rows.share @ rows.entropy.f(rows.benefit)), rows.mean)
    if is_one_unit(rows.design, len(rows.benefit)):
        return Estimate(value, n=rows.n, reason=ONE_UNIT)
    if rows.decisions:
        return _of_decisions(rows, value, confidence)
    return _log_scale(value, *rows.error(rows.slope()), rows.n, confidence)


def _of_decisions(rows: _Benefits, value: float, confidence: float) -> Estimate:
    """Benefits of 0, 1 and 2: profile likelihood, and where there are few errors the worst case of the error rate."""
    z, wrong = normal_quantile(confidence), rows.share_of(np.array([0.0, 2.0]))
    kinds = (wrong, rows.share_of(np.array([0.0])), rows.share_of(np.array([2.0])))
    effective = [moments(kind, None, 1, rows.design).effective_at(z)[0] for kind in kinds]
    errors = estimate(wrong, rows.design, confidence)
    if float(effective[0]) * (errors.value or 0.0) >= _FEW:
        shares = np.array([float(rows.share @ (rows.benefit == b)) for b in (0.0, 1.0, 2.0)])
        found = rows.entropy.of_shares(plausible_shares(shares, float(min(effective)), z))
        return Estimate(value, float(found.min()), float(found.max()), confidence, "profile likelihood", rows.n)
    if errors.low is None or errors.high is None or errors.high >= 1:
        return Estimate(value, n=rows.n, reason=f"{rows.n} rows are too few for an interval")
    low, high = rows.entropy.of_errors(errors.low)[0], rows.entropy.of_errors(errors.high)[1]
    return Estimate(value, low, high, confidence, f"{_WORST_CASE} ({errors.method})", rows.n)


def _log_scale(value: float, error: float, df: float, n: int, confidence: float) -> Estimate:
    method = "delta method, log scale"
    if value <= 0 or error <= 1e-12 * value:
        return Estimate(
            value, method=method, n=n, reason="the benefits are all equal, so their spread can't be estimated"
        )
    half = float(student_quantile(normal_quantile(confidence), max(df, 1e-2))) * error / value
    if half > 50:
        return Estimate(value, method=method, n=n, reason=f"{n} rows are too few for an interval")
    return Estimate(value, value * math.exp(-half), value * math.exp(half), confidence, method, n)


def _between(rows: _Benefits, codes: IntArray, whole: FloatArray, means: FloatArray) -> tuple[float, FloatArray]:
    """The index of the groups' means (`[G]`), and how it moves with each row."""
    entropy, mean = rows.entropy, rows.mean
    f, rise = entropy.f(means), entropy.derivative(means)
    averaged = float(whole @ f)
    by_f, by_mean = entropy.partial(averaged, mean)
    apart = rows.benefit - means[codes]
    # In a group without any benefit f is steep without end, but nothing moves.
    moved = f[codes] - averaged + np.where(apart == 0, 0.0, apart * np.where(np.isfinite(rise), rise, 0.0)[codes])
    return entropy.index(averaged, mean), by_f * moved + by_mean * (rows.benefit - mean)


def _with_distance(
    rows: _Benefits, codes: IntArray, whole: FloatArray, value: float, slope: FloatArray, confidence: float
) -> Estimate:
    """The index between groups, with the interval that `inequality` describes."""
    everything = np.ones(len(codes), dtype=np.bool_)
    stat = RowStatistic("benefit", "mean", rows.benefit, everything, None, "a benefit")
    spread = with_pooled_spread(moments(stat, codes, len(whole), rows.design))
    if spread is None or not np.isfinite(spread.variance).all():
        return Estimate(value, n=rows.n, reason="the benefits have no spread within the groups, so no interval")
    z = normal_quantile(confidence)
    noise = spread.variance * (student_quantile(z, np.maximum(spread.df, 1e-2)) / z) ** 2
    first = float(np.sum(whole * (1 - whole) * noise))
    second = float(np.sum(whole**2 * noise**2 * (1 - 2 * whole)) + np.sum(whole**2 * noise) ** 2)
    if first <= 0 or second <= 0:
        return Estimate(value, n=rows.n, reason="one group holds all the weight but a trace, so no interval")
    radius = math.sqrt(float(chdtri(first**2 / second, 1 - confidence)) * second / first / (2 * rows.mean**2))
    error, df = rows.error(slope)
    half = float(student_quantile(z, max(df, 1e-2))) * error
    low = min(max(0.0, math.sqrt(value) - radius) ** 2, max(0.0, value - half))
    high = max((math.sqrt(value) + radius) ** 2, value + half)
    if not (low < high < math.inf):
        return Estimate(value, n=rows.n, reason=f"{rows.n} rows are too few for an interval")
    return Estimate(value, low, high, confidence, "distance of the groups' means, χ²", rows.n)


def _within(rows: _Benefits, overall: Estimate, between: float, slope: FloatArray, confidence: float) -> Estimate:
    """What is left of the index within the groups; with few errors it is only known to be at most the whole."""
    assert overall.value is not None
    value = max(0.0, overall.value - between)
    if overall.low is None or overall.high is None:
        return replace(overall, value=value)
    if overall.method.startswith(_WORST_CASE):
        return replace(overall, value=value, low=0.0)
    found = _log_scale(value, *rows.error(slope), rows.n, confidence)
    if found.low is None or found.high is None or not rows.decisions:
        return found
    part = value / overall.value
    low, high = min(found.low, part * overall.low), max(found.high, part * overall.high)
    return replace(found, low=low, high=high, method=f"{found.method}; {overall.method}")

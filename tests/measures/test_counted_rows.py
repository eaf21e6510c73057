"""A row that is stored once with count k is worth exactly k stored rows, to every measure; one unit is worth none."""

from __future__ import annotations

import inspect
from dataclasses import astuple, dataclass

import numpy as np
import pytest

from auditkit import measures
from auditkit.core.design import Design
from auditkit.core.estimate import Estimate
from auditkit.measures.calibration import bin_of
from auditkit.measures.gaps import Gap
from auditkit.measures.influence import effective_units, standard_error
from auditkit.measures.moments import moments
from tests.measures.samples import groups, mean, proportion, rule

LABELS = ("a", "b", "c")


@dataclass(frozen=True)
class Data:
    """Stored rows: codes of three classes, scores with ties, numbers, groups."""

    target: np.ndarray
    prediction: np.ndarray
    score: np.ndarray
    number: np.ndarray
    group: np.ndarray

    @property
    def scores(self) -> np.ndarray:
        """Probabilities of the three classes."""
        return np.column_stack([self.score, (1 - self.score) / 3, (1 - self.score) * 2 / 3])

    def repeated(self, times: np.ndarray) -> Data:
        """Each row stored so many times."""
        return Data(*(np.repeat(values, times, axis=0) for values in astuple(self)))


def drawn(rng: np.random.Generator, rows: int) -> Data:
    target = rng.integers(0, 3, rows)
    prediction = np.where(rng.random(rows) < 0.6, target, rng.integers(0, 3, rows))
    return Data(target, prediction, rng.integers(1, 20, rows) / 20, rng.gamma(1, 1, rows), rng.integers(0, 4, rows))


def rate(d: Data):
    return proportion(d.prediction == 1, d.target > 0)


def loss(d: Data):
    return mean(d.number, d.target < 2)


def benefit(d: Data) -> np.ndarray:
    """Whole and fractional benefits, as for two classes and for more."""
    return d.prediction - (d.target > 0) + 1.0


def parts(found: measures.AdverseImpact | measures.Inequality) -> list:
    """The estimates of an answer that holds several, and the numbers beside them as they are."""
    if isinstance(found, measures.Inequality):
        return [found.overall, found.between, found.within]
    tests = [(g.group, g.share, g.deviations, g.fisher_p, g.shortfall) for g in found.groups]
    return [*(e for g in found.groups for e in (g.rate, g.ratio)), found.reference, *(x for t in tests for x in t)]


MEASURES = {
    "estimate": lambda d, s: [measures.estimate(rate(d), s), measures.estimate(loss(d), s)],
    "by_group": lambda d, s: [e for t in (rate(d), loss(d)) for e in measures.by_group(t, groups(d.group, 4), s)],
    "gap": lambda d, s: [
        measures.gap(rule(t.name, form=form), [t], groups(d.group, 4), s)
        for t in (rate(d), loss(d))
        for form in ("difference", "ratio")
    ],
    "difference": lambda d, s: [measures.difference(t, t, s, s) for t in (rate(d), loss(d))],
    "relative_degradation": lambda d, s: [measures.relative_degradation(t, t, s, s) for t in (rate(d), loss(d))],
    "paired_mean": lambda d, s: [measures.paired_mean(d.number - 1, s)],
    "deletion_test": lambda d, s: [
        measures.deletion_test(
            np.array([0.0, 0.5, 1.0]),
            np.outer(d.number, [1, 0.4, 0]),
            np.outer(d.number, [1, 0.5, 0]) + d.score[:, None],
            s,
        )
    ],
    "f1": lambda d, s: [measures.f1(d.target == 1, d.prediction == 1, s)],
    "balanced_accuracy": lambda d, s: [measures.balanced_accuracy(d.target, d.prediction, LABELS, s)],
    "macro_f1": lambda d, s: [measures.macro_f1(d.target, d.prediction, LABELS, s)],
    "matthews_correlation": lambda d, s: [
        measures.matthews_correlation(d.target, d.prediction, 3, s),
        measures.matthews_correlation(d.target, d.target, 3, s),
        measures.matthews_correlation(d.target, d.target, 60, s),
    ],
    "roc_auc": lambda d, s: [
        measures.roc_auc(d.score, d.target == 1, s),
        measures.roc_auc(d.score + (d.target == 1), d.target == 1, s),
    ],
    "expected_calibration_error": lambda d, s: [
        measures.expected_calibration_error(d.score, d.target == 1, 5, s),
        measures.expected_calibration_error((d.target == 1) * 1.0, d.target == 1, 5, s),
    ],
    "reliability": lambda d, s: [b.observed for b in measures.reliability(d.score, d.target == 1, 5, s)],
    "brier": lambda d, s: [measures.brier(d.score, d.target, s), measures.brier(d.scores, d.target, s)],
    "average_precision": lambda d, s: [measures.average_precision(d.score, d.target == 1, s)],
    "true_positive_rate_at": lambda d, s: [measures.true_positive_rate_at(d.score, d.target == 1, 0.3, s)],
    "error_odds": lambda d, s: [
        measures.error_odds((d.target == 1) & (d.prediction != 1), (d.target != 1) & (d.prediction == 1), s)
    ],
    "macro_rate": lambda d, s: [
        measures.macro_rate("true_positive_rate", d.target, d.prediction, LABELS, s),
        measures.macro_rate("false_positive_rate", d.target, d.prediction, LABELS, s),
    ],
    "quantile": lambda d, s: [measures.quantile(d.number, 0.5, s), measures.quantile(d.score, 0.8, s)],
    "adverse_impact": lambda d, s: parts(
        measures.adverse_impact(proportion(d.prediction == 1, name="selection_rate"), groups(d.group, 4), s)
    ),
    "generalized_entropy": lambda d, s: [measures.generalized_entropy(benefit(d), 2.0, s)],
    "theil": lambda d, s: [measures.theil(benefit(d), s)],
    "coefficient_of_variation": lambda d, s: [measures.coefficient_of_variation(benefit(d), s)],
    "inequality": lambda d, s: parts(measures.inequality(benefit(d), groups(d.group, 4), 2.0, s)),
    "mean_error": lambda d, s: [measures.mean_error(d.number, d.score, s)],
    "mean_absolute_error": lambda d, s: [measures.mean_absolute_error(d.number, d.score, s)],
    "mean_squared_error": lambda d, s: [measures.mean_squared_error(d.number, d.score, s)],
    "root_mean_squared_error": lambda d, s: [measures.root_mean_squared_error(d.number, d.score, s)],
    "r_squared": lambda d, s: [measures.r_squared(d.number, d.number + d.score - 0.5, s)],
}


def close(found: float | str | None, other: float | str | None) -> None:
    assert found == (pytest.approx(other, rel=1e-9, abs=1e-9) if isinstance(other, float) else other)


def same(found: Estimate | Gap | None, other: Estimate | Gap | None) -> None:
    if isinstance(found, Gap):
        assert isinstance(other, Gap)
        same(found.estimate, other.estimate)
        same(found.partial, other.partial)
        assert (found.highest, found.lowest, found.small) == (other.highest, other.lowest, other.small)
        close(found.expected_if_equal, other.expected_if_equal)
    elif found is None or isinstance(found, str | float):
        close(found, other)
    else:
        assert isinstance(found, Estimate)
        assert isinstance(other, Estimate)
        assert (found.n, found.method, found.reason) == (other.n, other.method, other.reason)
        for name in ("value", "low", "high"):
            close(getattr(found, name), getattr(other, name))


def designs(rng: np.random.Generator, rows: int) -> list[tuple[Design, Design]]:
    """Designs of stored rows with counts, and of the same rows repeated."""
    count = rng.integers(1, 6, rows)
    weight = np.where(rng.random(rows) < 0.1, 0.0, rng.exponential(1, rows))
    cluster = rng.integers(0, max(2, rows // 4), rows)
    pairs = []
    for w, c in ((None, None), (weight, None), (None, cluster), (weight, cluster)):
        apart = [None if values is None else np.repeat(values, count) for values in (w, c)]
        pairs.append((Design(w, c, count), Design(*apart)))
    return pairs


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("rows", [2, 9, 150])
def test_a_counted_row_is_worth_its_copies(name, rows):
    compared = 0
    for seed in range(3 if rows == 150 else 8):
        rng = np.random.default_rng([seed, rows])
        data = drawn(rng, rows)
        for counted, apart in designs(rng, rows):
            times = counted.count
            both = (MEASURES[name](data, counted), MEASURES[name](data.repeated(times), apart))
            assert len(both[0]) == len(both[1])
            for found, other in zip(*both, strict=True):
                same(found, other)
                estimate = found.estimate if isinstance(found, Gap) else found
                compared += isinstance(estimate, Estimate) and estimate.interval is not None
    assert compared > 5 or rows < 150


def test_no_measure_that_takes_a_design_is_left_out():
    public = {name: getattr(measures, name) for name in measures.__all__}
    takes = {n for n, f in public.items() if inspect.isfunction(f) and "design" in inspect.signature(f).parameters}
    assert takes - {"confusion"} <= set(MEASURES)


@pytest.mark.parametrize("design", range(4))
def test_what_measures_rest_on_counts_too(design):
    rng = np.random.default_rng(4)
    data = drawn(rng, 60)
    counted, apart = designs(rng, 60)[design]
    twice = data.repeated(counted.count)
    assert measures.confusion(data.target, data.prediction, 3, counted) == pytest.approx(
        measures.confusion(twice.target, twice.prediction, 3, apart)
    )
    assert effective_units(counted, 60) == pytest.approx(effective_units(apart, len(twice.target)))
    influence = data.number - 1
    assert standard_error(influence, counted) == pytest.approx(
        standard_error(np.repeat(influence, counted.count), apart)
    )
    stored, single = (moments(loss(d), d.group, 4, s) for d, s in ((data, counted), (twice, apart)))
    for name in ("n", "value", "variance", "df", "effective", "units", "skewness"):
        assert getattr(stored, name) == pytest.approx(getattr(single, name), nan_ok=True), name


def test_bins_hold_equal_numbers_of_counted_rows():
    rng = np.random.default_rng(5)
    score, count = rng.random(400), rng.integers(1, 9, 400)
    assert np.array_equal(np.repeat(bin_of(score, 10, count), count), bin_of(np.repeat(score, count), 10))
    sizes = np.bincount(bin_of(score, 10, count), weights=count)
    assert len(sizes) == 10
    assert np.ptp(sizes) < 20


ONE_UNIT = {
    "one cluster": Design(cluster=np.zeros(90, dtype=np.int64)),
    "one cluster, weighted": Design(np.linspace(1, 2, 90), np.zeros(90, dtype=np.int64)),
    "one row with nearly all the weight": Design(np.where(np.arange(90) == 40, 1.0, 1e-9)),
    "one cluster with nearly all the weight": Design(np.where(np.arange(90) < 60, 1.0, 1e-9), np.arange(90) // 60),
}
NEEDS_SPREAD = ("balanced_accuracy", "macro_f1", "matthews_correlation", "roc_auc", "expected_calibration_error",
                "paired_mean", "mean_absolute_error", "r_squared", "brier")  # fmt: skip


@pytest.mark.parametrize("name", NEEDS_SPREAD)
@pytest.mark.parametrize("design", ONE_UNIT)
def test_one_unit_has_a_value_no_interval_and_the_reason(name, design):
    data = drawn(np.random.default_rng(6), 90)
    for found in MEASURES[name](data, ONE_UNIT[design]):
        assert found.value is not None
        assert found.interval is None
        assert "independent unit" in found.reason


@pytest.mark.parametrize("name", NEEDS_SPREAD)
def test_two_units_may_have_one(name):
    data = drawn(np.random.default_rng(6), 90)
    found = MEASURES[name](data, Design(cluster=np.arange(90) % 30))[0]
    assert found.interval is not None

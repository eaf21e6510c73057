"""Group metrics with intervals from counts: values against scikit-learn and fairlearn, coverage against the truth."""

from __future__ import annotations

import numpy as np
import pytest
from fairlearn import metrics as fairlearn
from scipy import stats
from sklearn import metrics as sklearn

from auditkit.measures.cells import (
    BALANCED_ACCURACY,
    MACRO_F1,
    MATTHEWS_CORRELATION,
    CellRate,
    accuracy,
    binary_metrics,
    class_metrics,
)
from auditkit.measures.group_bootstrap import bootstrap_groups
from auditkit.measures.intervals import interval_rule, jeffreys, normal_quantile, proportion_limits
from tests.measures.samples import assert_sound

Z = normal_quantile(0.95)


def sample(rows=3000, groups=3, classes=2, seed=0):
    rng = np.random.default_rng(seed)
    group, target = rng.integers(0, groups, rows), rng.integers(0, classes, rows)
    given = np.where(rng.random(rows) < 0.7 + 0.05 * group, target, rng.integers(0, classes, rows))
    return group, target, given


def tables(group, target, given, groups, classes):
    key = (group * classes + target) * classes + given
    return np.bincount(key, minlength=groups * classes**2).reshape(groups, classes, classes)


def test_values_are_scikit_learns_and_fairlearns():
    group, target, given = sample()
    found = {m.name: m for m in bootstrap_groups(tables(group, target, given, 3, 2), binary_metrics(), replicates=200)}
    peers = {
        "selection_rate": fairlearn.selection_rate,
        "true_positive_rate": fairlearn.true_positive_rate,
        "false_positive_rate": fairlearn.false_positive_rate,
        "true_negative_rate": fairlearn.true_negative_rate,
        "false_negative_rate": fairlearn.false_negative_rate,
        "positive_predictive_value": sklearn.precision_score,
        "accuracy": sklearn.accuracy_score,
        "f1": sklearn.f1_score,
        "balanced_accuracy": sklearn.balanced_accuracy_score,
        "matthews_correlation": sklearn.matthews_corrcoef,
    }
    frame = fairlearn.MetricFrame(metrics=peers, y_true=target, y_pred=given, sensitive_features=group)
    for name in peers:
        mine = found[name]
        assert mine.overall.value == pytest.approx(frame.overall[name])
        assert [e.value for e in mine.by_group] == pytest.approx(frame.by_group[name].tolist())
        assert mine.difference.value == pytest.approx(frame.difference()[name])
        assert mine.ratio.value == pytest.approx(frame.ratio()[name])
        for estimate in (mine.overall, *mine.by_group, mine.difference, mine.ratio):
            assert_sound(estimate)
    assert found["false_discovery_rate"].overall.value == pytest.approx(1 - frame.overall["positive_predictive_value"])
    npv = sklearn.precision_score(target, given, pos_label=0)
    assert found["negative_predictive_value"].overall.value == pytest.approx(npv)
    assert found["false_omission_rate"].overall.value == pytest.approx(1 - npv)


def test_multiclass_values_are_scikit_learns():
    group, target, given = sample(classes=4)
    counts = tables(group, target, given, 3, 4)
    chosen = (*class_metrics(2, 4), accuracy(4), MACRO_F1, BALANCED_ACCURACY, MATTHEWS_CORRELATION)
    found = {m.name: m for m in bootstrap_groups(counts, chosen, replicates=200)}
    first = group == 1
    t, g = target[first], given[first]
    expected = {
        "f1": sklearn.f1_score(t, g, labels=[2], average="macro"),
        "true_positive_rate": sklearn.recall_score(t, g, labels=[2], average="macro"),
        "macro_f1": sklearn.f1_score(t, g, average="macro"),
        "balanced_accuracy": sklearn.balanced_accuracy_score(t, g),
        "matthews_correlation": sklearn.matthews_corrcoef(t, g),
        "accuracy": sklearn.accuracy_score(t, g),
    }
    for name, value in expected.items():
        assert found[name].by_group[1].value == pytest.approx(value)


def test_percentile_gaps_miss_the_truth_where_groups_are_equal():
    # Sixty groups of 30 rows that share one rate: resampled gaps lie above the sample's, which lies above the true 0.
    rng, rate = np.random.default_rng(5), class_metrics(1, 2)[0]
    outside = false = 0
    for _ in range(40):
        hits = rng.binomial(30, 0.5, 60)
        counts = np.stack([30 - hits, hits, np.zeros(60, int), np.zeros(60, int)], axis=1).reshape(60, 2, 2)
        found = bootstrap_groups(counts, [rate], replicates=1000, rng=rng)[0]
        low, high = found.percentile_difference
        assert low > 0
        outside += not low <= found.difference.value <= high
        false += found.difference.low > 0
    assert outside >= 20
    assert false <= 4


@pytest.mark.parametrize("name", ["f1", "matthews_correlation"])
@pytest.mark.parametrize("groups", [2, 10])
def test_gaps_of_equal_groups_are_seldom_held_to_be_different(name, groups):
    metric = next(m for m in binary_metrics() if m.name == name)
    rng = np.random.default_rng(6)
    false = 0
    for _ in range(150):
        counts = rng.multinomial(200, [0.5, 0.1, 0.1, 0.3], size=groups).reshape(groups, 2, 2)
        found = bootstrap_groups(counts, [metric], replicates=1000, rng=rng)[0]
        assert_sound(found.difference)
        false += found.difference.low > 0
    assert false <= 14  # 5% of 150, plus 2.6 standard errors


@pytest.mark.slow
@pytest.mark.parametrize("metric", [MATTHEWS_CORRELATION, BALANCED_ACCURACY, MACRO_F1], ids=lambda m: m.name)
@pytest.mark.parametrize("shares", [(45, 5, 5, 45), (80, 10, 5, 5), (90, 2, 3, 5)])
@pytest.mark.parametrize("rows", [100, 300])
def test_statistics_that_are_no_rate_cover(metric, shares, rows):
    p = np.array(shares) / sum(shares)
    truth = float(metric.of(p.reshape(2, 2)))
    rng = np.random.default_rng(7)
    covered = []
    for _ in range(250):
        counts = rng.multinomial(rows, p).reshape(1, 2, 2)
        found = bootstrap_groups(counts, [metric], replicates=1000, rng=rng)[0].by_group[0]
        if found.value is not None:
            covered.append(found.low <= truth <= found.high)
    assert np.mean(covered) >= 0.90  # 92% less 1.2 standard errors; percentiles alone cover 67% at worst
    assert np.mean(covered) <= 0.99


def test_f1_covers_however_few_hits_there_are():
    f1 = class_metrics(1, 2)[-1]
    rng = np.random.default_rng(8)
    for p in ([0.9, 0.02, 0.03, 0.05], [0.3, 0.2, 0.2, 0.3]):
        truth = 2 * p[3] / (2 * p[3] + p[1] + p[2])
        covered = 0
        for _ in range(300):
            counts = rng.multinomial(120, p).reshape(1, 2, 2)
            found = bootstrap_groups(counts, [f1], replicates=500, rng=rng)[0].by_group[0]
            covered += found.low <= truth <= found.high
        assert covered / 300 >= 0.92


def test_rates_take_the_closed_form_where_the_rule_says_so():
    rate = class_metrics(1, 2)[0]

    def method(hits, n):
        counts = np.array([[[n - hits, hits], [0, 0]]])
        return bootstrap_groups(counts, [rate], replicates=400)[0].by_group[0].method

    assert "percentile" in method(20, 60)
    assert method(19, 60) == "Wilson"
    assert method(0, 60) == method(60, 60) == "Wilson"
    assert method(15, 30) == "Clopper-Pearson"


def test_a_denominator_that_may_be_empty_takes_the_closed_form():
    # 40 rows of the class among a million: its rate's denominator is never empty; of two rows it often is.
    counts = np.array([[[1_000_000, 30], [20, 25]], [[1_000_000, 30], [1, 1]]])
    rate = class_metrics(1, 2)[1]
    often, seldom = bootstrap_groups(counts, [rate], replicates=2000)[0].by_group
    assert "percentile" in often.method
    assert seldom.method == "Clopper-Pearson"


def test_a_group_without_a_rate_leaves_no_gap_and_is_named():
    counts = np.array([[[30, 10], [5, 20]], [[30, 10], [0, 0]], [[0, 0], [0, 0]]])
    found = bootstrap_groups(counts, binary_metrics(), ["a", "b", "c"], replicates=200)
    rate = next(m for m in found if m.name == "true_positive_rate")
    assert [e.value for e in rate.by_group][1:] == [None, None]
    assert "b: there are no rows with this label" in rate.by_group[1].reason
    assert rate.difference.value is rate.ratio.value is rate.percentile_difference is None
    assert "b, c" in rate.difference.reason


def test_one_group_has_no_gap():
    found = bootstrap_groups(np.array([[[30, 10], [5, 20]]]), [accuracy(2)], replicates=200)[0]
    assert found.difference.value is None
    assert "two groups" in found.difference.reason


def test_what_is_no_table_is_refused():
    with pytest.raises(ValueError, match="groups, classes"):
        bootstrap_groups(np.ones((2, 3, 2), dtype=int), [accuracy(2)])
    with pytest.raises(ValueError, match="no class 5"):
        class_metrics(5, 3)
    with pytest.raises(ValueError, match="inside"):
        CellRate("x", np.ones((2, 2), dtype=bool), np.eye(2, dtype=bool), "")


# --- the rule of intervals -------------------------------------------------------------------------------------------


def limits_at(n, limits):
    hits = np.arange(n + 1)
    return limits(hits / n, np.full(n + 1, float(n)), Z)


def covers(n, rates, low, high):
    """Exact coverage, by summing the binomial's probabilities, `[rates]`."""
    inside = (low[None] <= rates[:, None] + 1e-12) & (rates[:, None] <= high[None] + 1e-12)
    return np.sum(np.where(inside, stats.binom.pmf(np.arange(n + 1)[None], n, rates[:, None]), 0.0), axis=1)


@pytest.mark.parametrize("n", [20, 41, 100, 1000])
def test_jeffreys_is_the_beta_and_exact_at_the_ends(n):
    low, high = limits_at(n, jeffreys)
    hits = np.arange(2, n - 1)
    np.testing.assert_allclose(low[2:-2], stats.beta.ppf(0.025, hits + 0.5, n - hits + 0.5), rtol=1e-9)
    np.testing.assert_allclose(high[2:-2], stats.beta.ppf(0.975, hits + 0.5, n - hits + 0.5), rtol=1e-9)
    exact = stats.binomtest(0, n).proportion_ci(method="exact")
    assert (low[0], high[0]) == pytest.approx((exact.low, exact.high))
    np.testing.assert_allclose(low, 1 - high[::-1], atol=1e-12)
    assert np.all(low < high)


@pytest.mark.parametrize("n", [30, 41, 100, 300, 1000])
def test_the_rule_covers_what_its_docstring_says(n):
    rates = np.linspace(3 / n, 0.5, 300)
    two = covers(n, rates, *limits_at(n, lambda p, rows, z: proportion_limits(p, rows, z)[0]))
    assert two.min() >= (0.95 if interval_rule(n) == "Clopper-Pearson" else 0.925)
    one_sided = limits_at(n, jeffreys)
    assert covers(n, rates, *one_sided).min() >= 0.91


def test_jeffreys_ends_err_equally_often_and_wilsons_do_not():
    n = 300
    rates = np.linspace(10 / n, 0.1, 300)
    (wilson_low, wilson_high), _ = limits_at(n, proportion_limits)
    (one_low, one_high), name = limits_at(n, lambda p, rows, z: proportion_limits(p, rows, z, sides=1))
    assert name == "Jeffreys"
    zeros, ones = np.zeros(n + 1), np.ones(n + 1)
    lower, upper = (1 - covers(n, rates, one_low, ones)).mean(), (1 - covers(n, rates, zeros, one_high)).mean()
    assert lower == pytest.approx(0.025, abs=0.004)
    assert upper == pytest.approx(0.025, abs=0.004)
    skewed = (1 - covers(n, rates, zeros, wilson_high)).mean(), (1 - covers(n, rates, wilson_low, ones)).mean()
    assert abs(skewed[0] - skewed[1]) > 2 * abs(lower - upper)


@pytest.mark.parametrize("n", [60, 300, 3000])
def test_rates_of_groups_cover_where_percentiles_alone_do_not(n):
    """Exact coverage of the bootstrap of a rate: percentile limits of a binomial are its own quantiles."""
    hits = np.arange(n + 1)
    p = hits / n
    low, high = stats.binom.ppf(0.025, n, p) / n, stats.binom.ppf(0.975, n, p) / n
    rates = np.linspace(3 / n, min(0.5, 60 / n), 200)
    assert covers(n, rates, low, high).min() < 0.85
    few = np.minimum(hits, n - hits) < 20
    (closed_low, closed_high), _ = proportion_limits(p, np.full(n + 1, float(n)), Z)
    mixed = covers(n, rates, np.where(few, closed_low, low), np.where(few, closed_high, high))
    assert mixed.min() >= 0.92

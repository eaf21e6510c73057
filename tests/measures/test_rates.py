from __future__ import annotations

import time

import numpy as np
import pytest
from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from auditkit.core.design import Design
from auditkit.measures.moments import moments
from auditkit.measures.rates import by_group, estimate
from tests.measures.samples import assert_sound, covers, groups, mean, proportion


@pytest.fixture(scope="module")
def adult_like():
    rng = np.random.default_rng(5)
    sex = rng.choice(3, 4000, p=[0.6, 0.35, 0.05])
    y = rng.random(4000) < np.array([0.3, 0.12, 0.2])[sex]
    return y, rng.random(4000) < np.where(y, 0.6, 0.1), sex


def test_rates_of_groups_are_fairlearns(adult_like):
    y, predicted, sex = adult_like
    frame = MetricFrame(
        metrics={"sr": selection_rate, "tpr": true_positive_rate, "fpr": false_positive_rate},
        y_true=y,
        y_pred=predicted,
        sensitive_features=sex,
    )
    by = groups(sex, 3)
    for name, stat in (
        ("sr", proportion(predicted)),
        ("tpr", proportion(predicted, y)),
        ("fpr", proportion(predicted, ~y)),
    ):
        found = by_group(stat, by)
        assert [e.value for e in found] == pytest.approx(list(frame.by_group[name]), abs=1e-15)
        assert [e.n for e in found] == list(np.bincount(sex[stat.counts]))


@pytest.mark.parametrize("n", [*range(9, 41), 50, 80, 150, 400])
def test_coverage_of_a_rate_is_at_least_92_percent(n):
    hits = np.arange(n + 1)
    ends = [estimate(proportion(np.arange(n) < k)) for k in hits]
    p = np.linspace(3 / n, 0.5, 300)
    inside = np.array([[e.low <= q <= e.high for e in ends] for q in p])
    assert (stats.binom.pmf(hits, n, p[:, None]) * inside).sum(axis=1).min() >= 0.92


@pytest.mark.parametrize("n", [1, 2, 3, 10, 100])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_every_rate_of_sampled_rows_has_width(n, share):
    assert_sound(estimate(proportion(np.arange(n) < share * n)))
    assert_sound(estimate(proportion(np.arange(n) < share * n), Design(np.linspace(0.5, 2, n), np.arange(n) // 2)))


def test_no_rows_is_no_value():
    found = estimate(proportion([1, 1], [False, False], name="true_positive_rate"))
    assert (found.value, found.interval, found.n) == (None, None, 0)
    assert found.reason == "true_positive_rate: there are no rows with the label 'yes'"


def test_a_group_without_a_row_that_counts_names_what_is_missing():
    found = by_group(proportion([1, 0, 1], [True, True, False]), groups([0, 0, 1], ["a", "b", "c"]))
    assert found[0].value == 0.5
    assert [e.reason for e in found[1:]] == [f"{g}: there are no rows with the label 'yes'" for g in "bc"]


def test_equal_weights_and_single_row_clusters_change_nothing():
    rng = np.random.default_rng(0)
    for stat in (proportion(rng.random(300) < 0.2), mean(rng.normal(size=300))):
        plain = estimate(stat)
        for weight, cluster in ((np.full(300, 2.5), None), (None, np.arange(300)), (np.ones(300), np.arange(300))):
            found = estimate(stat, Design(weight, cluster))
            assert (found.value, *found.interval) == pytest.approx((plain.value, *plain.interval), rel=1e-9)


def test_whole_weights_give_the_value_of_duplicated_rows():
    rng = np.random.default_rng(1)
    x, times = rng.random(200) < 0.3, rng.integers(1, 5, 200)
    weighted = estimate(proportion(x), Design(times.astype(float)))
    assert weighted.value == pytest.approx(estimate(proportion(np.repeat(x, times))).value, abs=1e-15)
    assert weighted.high - weighted.low > 1.02 * (lambda e: e.high - e.low)(estimate(proportion(np.repeat(x, times))))


@pytest.mark.parametrize("make", [lambda x: proportion(x < 0.3), mean])
def test_rows_duplicated_within_clusters_give_the_width_of_single_ones(make):
    x = np.random.default_rng(2).random(150)
    single = estimate(make(x))
    doubled = estimate(make(np.repeat(x, 4)), Design(cluster=np.repeat(np.arange(150), 4)))
    assert doubled.interval == pytest.approx(single.interval, rel=1e-9)
    ignored = estimate(make(np.repeat(x, 4)))
    assert ignored.high - ignored.low < 0.6 * (single.high - single.low)


def test_rows_without_weight_do_not_count():
    found = estimate(proportion([1, 0, 0, 0]), Design(np.array([1.0, 1.0, 0.0, 0.0])))
    assert (found.value, found.n) == (0.5, 2)
    assert estimate(proportion([1, 0]), Design(np.zeros(2))).value is None


def test_a_mean_takes_student_t():
    x = np.random.default_rng(3).normal(2, 5, 40)
    expected = stats.ttest_1samp(x, 0).confidence_interval(0.9)
    found = estimate(mean(x), confidence=0.9)
    assert (found.value, *found.interval) == pytest.approx((x.mean(), *expected))


@pytest.mark.parametrize("values", [[3.0], [0.1] * 7, [1e9 + 0.1] * 30])
def test_a_mean_without_spread_has_no_interval_and_says_why(values):
    found = estimate(mean(values))
    assert found.value == pytest.approx(values[0])
    assert found.interval is None
    assert "spread" in found.reason


def test_degrees_of_freedom_are_bell_and_mccaffreys():
    rng = np.random.default_rng(4)
    w, x = rng.exponential(1, 25), rng.normal(size=25)
    found = moments(mean(x), None, 1, Design(w))
    h = w / w.sum()
    hat = np.eye(25) - np.outer(np.ones(25), h)
    spread = hat @ hat.T
    a = h**2 / np.diag(spread)
    b = np.sqrt(np.outer(a, a)) * spread
    assert found.df[0] == pytest.approx(np.trace(b) ** 2 / np.trace(b @ b))
    assert found.variance[0] == pytest.approx(np.sum(a * (x - h @ x) ** 2))


@pytest.mark.parametrize(("clusters", "size", "same"), [(20, 5, 0.0), (20, 5, 1.0), (100, 3, 0.5), (200, 8, 0.2)])
def test_coverage_with_clusters(clusters, size, same):
    rng = np.random.default_rng(6)
    cluster = np.repeat(np.arange(clusters), size)
    hits = []
    for _ in range(250):
        shared, own = rng.random(clusters) < 0.3, rng.random(len(cluster)) < 0.3
        x = np.where(rng.random(len(cluster)) < same**0.5, shared[cluster], own)
        hits.append(covers(estimate(proportion(x), Design(cluster=cluster)), 0.3))
    assert np.mean(hits) > 0.92


@pytest.mark.parametrize("sigma", [0.3, 1.0, 1.5])
def test_coverage_with_weights(sigma):
    rng = np.random.default_rng(7)
    hits = []
    for _ in range(300):
        w = np.exp(rng.normal(0, sigma, 200))
        hits.append(covers(estimate(proportion(rng.random(200) < 0.1), Design(w)), 0.1))
    assert np.mean(hits) > 0.92


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.floats(0, 100), st.integers(0, 4)), min_size=1, max_size=40),
    st.booleans(),
    st.booleans(),
)
def test_no_input_breaks_an_estimate(rows, weighted, clustered):
    x, w, c = (np.array(column) for column in zip(*rows, strict=True))
    for stat in (proportion(x), mean(x * 3.5)):
        found = estimate(stat, Design(w if weighted else None, c if clustered else None))
        if found.value is None:
            assert weighted
            assert not w.any()
        elif found.interval is None:
            assert stat.kind == "mean"
            assert found.reason
        else:
            assert_sound(found)


def test_a_million_rows_take_well_under_a_second():
    rng = np.random.default_rng(8)
    stat, by = proportion(rng.random(1_000_000) < 0.2), groups(rng.integers(0, 10, 1_000_000), 10)
    start = time.process_time()
    by_group(stat, by)
    assert time.process_time() - start < 0.5


@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("rows", [40, 300])
def test_a_skewed_loss_is_not_promised_too_low(rows, clustered):
    # The Brier score of good forecasts of a rare event: a gate on `max` passes where the upper end is below the truth.
    rng = np.random.default_rng(5)
    truth = float((0.05 * (1 - 0.05)) * 0.7 + 0.3 * (0.3 * (1 - 0.3)))
    above, below = [], []
    for _ in range(500):
        score = np.where(rng.random(rows) < 0.7, 0.05, 0.3)
        loss = (score - (rng.random(rows) < score)) ** 2
        cluster = np.repeat(np.arange(rows), 2) if clustered else None
        found = estimate(mean(np.repeat(loss, 2) if clustered else loss), Design(cluster=cluster))
        above.append(truth > found.high)
        below.append(truth < found.low)
    assert np.mean(above) <= (0.06 if rows == 40 else 0.04)  # by t alone 0.10 and 0.05
    assert np.mean(below) <= 0.04

"""Average precision, the true-positive rate at a false-positive rate, and the odds of the two errors."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import average_precision_score, roc_curve

from auditkit.core.design import Design
from auditkit.measures.classification import error_odds
from auditkit.measures.ranking import average_precision, true_positive_rate_at
from auditkit.measures.rates import estimate
from tests.measures.samples import assert_sound, covers, proportion


def drawn(rng, n, share, area, ties=False):
    y = rng.random(n) < share
    score = rng.normal(size=n) + norm.ppf(area) * np.sqrt(2) * y
    return np.round(score, 0 if ties else 12), y


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_average_precision_is_scikit_learns(ties, weighted):
    rng = np.random.default_rng(0)
    score, y = drawn(rng, 400, 0.2, 0.8, ties)
    w = rng.random(400) + 0.05 if weighted else None
    found = average_precision(score, y, Design(weight=w))
    assert found.value == pytest.approx(average_precision_score(y, score, sample_weight=w), abs=1e-12)
    assert_sound(found)


@pytest.mark.parametrize("ties", [False, True])
def test_its_standard_error_is_that_of_resampled_rows(ties):
    rng = np.random.default_rng(1)
    score, y = drawn(rng, 600, 0.3, 0.8, ties)
    values = []
    for _ in range(600):
        rows = rng.integers(0, 600, 600)
        values.append(average_precision_score(y[rows], score[rows]))
    found = average_precision(score, y)
    logit = np.log(np.array([found.high, found.low]) / (1 - np.array([found.high, found.low])))
    error = (logit[0] - logit[1]) / (2 * 1.96) * found.value * (1 - found.value)
    assert error == pytest.approx(np.std(values), rel=0.1)


def expected_precision(area, share):
    """The average precision of a binormal score, by integration over the recall."""
    recall = (np.arange(100_000) + 0.5) / 100_000
    threshold = norm.isf(recall, loc=norm.ppf(area) * np.sqrt(2))
    return np.mean(share * recall / (share * recall + (1 - share) * norm.sf(threshold)))


GRID = [(60, 0.3), (300, 0.05), (300, 0.3), (1500, 0.1)]


def test_average_precision_covers():
    rng = np.random.default_rng(2)
    rates = []
    for n, share in GRID:
        for area in (0.7, 0.95, 0.995):
            truth = expected_precision(area, share)
            found = [average_precision(*drawn(rng, n, share, area)) for _ in range(150)]
            for one in found:
                assert_sound(one)
            rates.append(np.mean([covers(one, truth) for one in found]))
    assert min(rates) >= 0.9
    assert np.mean(rates) >= 0.94


def test_average_precision_of_clusters_is_less_certain():
    rng = np.random.default_rng(3)
    score, y = drawn(rng, 150, 0.3, 0.8)
    repeated, cluster = (np.repeat(score, 8), np.repeat(y, 8)), np.repeat(np.arange(150), 8)
    once, clustered = average_precision(score, y), average_precision(*repeated, Design(cluster=cluster))
    assert clustered.value == pytest.approx(once.value, abs=1e-12)
    assert clustered.interval == pytest.approx(once.interval, abs=1e-6)
    assert average_precision(*repeated).high - average_precision(*repeated).low < 0.5 * (once.high - once.low)


def test_positives_of_one_cluster_have_no_spread():
    y = np.arange(90) < 9
    found = average_precision(np.arange(90.0), y, Design(cluster=np.where(y, 0, np.arange(90))))
    assert found.value is not None
    assert found.reason == "all positive rows are one cluster"


@pytest.mark.parametrize("n", [2, 20, 400])
def test_perfect_and_reversed_rankings_keep_width(n):
    y = np.arange(n) < n // 2
    assert average_precision(y.astype(float), y).value == 1.0
    assert_sound(average_precision(y.astype(float), y))
    assert_sound(average_precision(-y.astype(float), y))
    assert average_precision(np.zeros(n), y).value == pytest.approx(y.mean())


def test_the_rate_at_a_false_positive_rate_is_the_point_of_the_roc_curve():
    rng = np.random.default_rng(4)
    for ties in (False, True):
        score, y = drawn(rng, 900, 0.3, 0.85, ties)
        for weight in (None, rng.random(900) + 0.5):
            false, true, _ = roc_curve(y, score, sample_weight=weight, drop_intermediate=False)
            for alpha in (0.05, 0.1, 0.3):
                found = true_positive_rate_at(score, y, alpha, Design(weight=weight))
                assert found.value == pytest.approx(true[false <= alpha].max(), abs=1e-12)
                assert_sound(found)


@pytest.mark.parametrize(("positives", "negatives", "alpha"), [(30, 200, 0.05), (200, 1000, 0.01), (500, 300, 0.1)])
@pytest.mark.parametrize("shift", [0.5, 1.5, 3.0])
def test_the_rate_at_a_false_positive_rate_covers(positives, negatives, alpha, shift):
    rng = np.random.default_rng(5)
    y = np.arange(positives + negatives) < positives
    truth = norm.sf(norm.isf(alpha) - shift)
    found = [true_positive_rate_at(rng.normal(size=len(y)) + shift * y, y, alpha) for _ in range(200)]
    assert np.mean([covers(one, truth) for one in found]) >= 0.93


def test_the_threshold_is_no_less_uncertain_than_it_is():
    """With a million positives the rate at a known threshold is all but known; what is left is the threshold."""
    rng = np.random.default_rng(6)
    negatives = rng.normal(size=400)
    score = np.concatenate([norm.ppf((np.arange(20_000) + 0.5) / 20_000) + 1.5, negatives])
    y = np.arange(len(score)) < 20_000
    found = true_positive_rate_at(score, y, 0.1)
    place = np.sort(negatives)[[400 - 53, 400 - 29]]
    assert found.interval == pytest.approx(norm.cdf(1.5 - place[::-1]), abs=0.03)


def test_too_few_negatives_say_how_many_it_takes():
    score, y = drawn(np.random.default_rng(7), 500, 0.2, 0.8)
    found = true_positive_rate_at(score, y, 0.01)
    assert found.value is None
    assert "at least 1,000 negatives (10 / 0.01)" in found.reason
    assert f"there are {np.sum(~y)}" in found.reason
    clustered = true_positive_rate_at(score, y, 0.1, Design(cluster=np.arange(500) // 10))
    assert "effectively" in clustered.reason
    with pytest.raises(ValueError, match="between 0 and 1"):
        true_positive_rate_at(score, y, 0.0)


@pytest.mark.parametrize("measure", [average_precision, lambda s, y: true_positive_rate_at(s, y, 0.1)])
def test_one_label_alone_has_no_ranking(measure):
    assert "no rows with a positive label" in measure(np.arange(9.0), np.zeros(9, dtype=bool)).reason
    assert "no rows with a negative label" in measure(np.arange(9.0), np.ones(9, dtype=bool)).reason


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("clustered", [False, True])
def test_counted_rows_are_repeated_rows(weighted, clustered):
    rng = np.random.default_rng(8)
    score, y = drawn(rng, 200, 0.3, 0.8, ties=True)
    count = rng.integers(1, 5, 200)
    weight, cluster = (rng.random(200) + 0.2 if weighted else None), (rng.integers(0, 150, 200) if clustered else None)
    repeated = Design(
        None if weight is None else np.repeat(weight, count), None if cluster is None else np.repeat(cluster, count)
    )
    stored, many = Design(weight, cluster, count), (np.repeat(score, count), np.repeat(y, count))
    wrong, other = y & (score < 0.5), ~y & (score > 0.5)
    pairs = [
        (average_precision(score, y, stored), average_precision(*many, repeated)),
        (true_positive_rate_at(score, y, 0.3, stored), true_positive_rate_at(*many, 0.3, repeated)),
        (error_odds(wrong, other, stored), error_odds(np.repeat(wrong, count), np.repeat(other, count), repeated)),
    ]
    for one, two in pairs:
        assert one.n == two.n
        assert (one.value, *one.interval) == pytest.approx((two.value, *two.interval), rel=1e-9)


def test_error_odds_are_the_odds_of_a_share():
    false_negative, false_positive = np.arange(200) < 30, np.arange(200) >= 155
    found = error_odds(false_negative, false_positive)
    assert found.value == pytest.approx(30 / 45)
    assert found.n == 75
    share = estimate(proportion(np.arange(75) < 30))
    assert found.interval == pytest.approx((share.low / (1 - share.low), share.high / (1 - share.high)), rel=1e-12)


def test_error_odds_cover():
    rng = np.random.default_rng(9)
    kinds = rng.choice(3, size=(800, 300), p=[0.05, 0.1, 0.85])
    hits = [covers(error_odds(row == 0, row == 1), 0.5) for row in kinds]
    assert 0.93 <= np.mean(hits) <= 0.985


def test_error_odds_without_a_false_positive_do_not_exist():
    nothing = np.zeros(50, dtype=bool)
    assert error_odds(np.arange(50) < 5, nothing).reason == "there is no false positive to divide by"
    assert "no rows with an error" in error_odds(nothing, nothing).reason
    zero = error_odds(nothing, np.arange(50) < 5)
    assert zero.value == 0.0
    assert_sound(zero)

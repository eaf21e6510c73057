from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from auditkit.core.design import Design
from auditkit.measures.ranking import average_precision, roc_auc
from tests.measures.samples import assert_sound, covers


def scores(rng, positives, negatives, area, ties=False):
    score = np.concatenate([rng.normal(norm.ppf(area) * np.sqrt(2), 1, positives), rng.normal(size=negatives)])
    return np.round(score, 0 if ties else 12), np.arange(positives + negatives) < positives


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_area_is_scikit_learns(ties, weighted):
    rng = np.random.default_rng(0)
    score, y = scores(rng, 80, 300, 0.8, ties)
    w = rng.random(380) if weighted else None
    assert roc_auc(score, y, Design(w)).value == pytest.approx(roc_auc_score(y, score, sample_weight=w), abs=1e-12)


def delong(score, y):
    """Variance by the definition of DeLong et al. (1988), over every pair."""
    pairs = (score[y][:, None] > score[~y]) + 0.5 * (score[y][:, None] == score[~y])
    return pairs.mean(axis=1).var(ddof=1) / y.sum() + pairs.mean(axis=0).var(ddof=1) / (~y).sum()


@pytest.mark.parametrize("ties", [False, True])
def test_the_interval_is_delongs_on_the_logit_scale(ties):
    score, y = scores(np.random.default_rng(1), 70, 130, 0.75, ties)
    found = roc_auc(score, y)
    a, error = found.value, np.sqrt(delong(score, y))
    ends = np.log(a / (1 - a)) + np.array([-1, 1]) * norm.ppf(0.975) * error / (a * (1 - a))
    assert found.interval == pytest.approx(1 / (1 + np.exp(-ends)), abs=1e-9)


def test_the_interval_agrees_with_a_bootstrap_of_rows():
    rng = np.random.default_rng(2)
    score, y = scores(rng, 150, 350, 0.8, ties=True)
    drawn = []
    for _ in range(800):
        rows = rng.integers(0, 500, 500)
        drawn.append(roc_auc_score(y[rows], score[rows]))
    found = roc_auc(score, y)
    assert found.interval == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.012)


@pytest.mark.parametrize(("positives", "negatives"), [(5, 5), (20, 20), (10, 200), (200, 200)])
@pytest.mark.parametrize("area", [0.5, 0.8, 0.95, 0.99])
def test_coverage(positives, negatives, area):
    rng = np.random.default_rng(positives + negatives)
    hits = []
    for _ in range(250):
        found = roc_auc(*scores(rng, positives, negatives, area))
        assert_sound(found)
        hits.append(covers(found, area))
    assert np.mean(hits) >= 0.9


@pytest.mark.parametrize("n", [1, 2, 30])
@pytest.mark.parametrize("sign", [1, -1])
def test_perfect_and_reversed_rankings_keep_width(n, sign):
    y = np.arange(2 * n) < n
    found = roc_auc(sign * y.astype(float), y)
    assert found.value == (1.0 if sign == 1 else 0.0)
    assert_sound(found)
    assert_sound(roc_auc(sign * y.astype(float), y, Design(np.linspace(1, 3, 2 * n), np.arange(2 * n))))


def test_all_scores_alike_is_one_half():
    found = roc_auc(np.zeros(40), np.arange(40) < 15)
    assert found.value == 0.5
    assert_sound(found)


@pytest.mark.parametrize("y", [np.ones(5, dtype=bool), np.zeros(5, dtype=bool), np.zeros(0, dtype=bool)])
def test_one_class_has_no_area(y):
    found = roc_auc(np.arange(len(y), dtype=float), y)
    assert found.value is None
    assert "label" in found.reason


def test_rows_without_a_score_do_not_count():
    score = np.array([0.1, 0.9, np.nan, 0.4, 0.6])
    assert roc_auc(score, np.array([0, 1, 1, 0, 1], dtype=bool)).n == 4


def test_clusters_widen_as_the_rows_that_they_repeat():
    score, y = scores(np.random.default_rng(3), 60, 90, 0.75)
    single = roc_auc(score, y)
    many = roc_auc(np.repeat(score, 6), np.repeat(y, 6), Design(cluster=np.repeat(np.arange(150), 6)))
    assert many.value == pytest.approx(single.value)
    assert many.interval == pytest.approx(single.interval, abs=0.005)  # t on the clusters that carry the variance


def test_positives_that_are_all_one_cluster_leave_no_interval():
    score, y = scores(np.random.default_rng(3), 60, 90, 0.75)
    found = roc_auc(score, y, Design(cluster=np.where(y, 0, np.arange(150))))
    assert found.value == pytest.approx(roc_auc(score, y).value)
    assert found.interval is None
    assert "one cluster" in found.reason


def test_labels_and_scores_in_the_other_order_are_an_error():
    rng = np.random.default_rng(0)
    score, positive = rng.random(50), rng.random(50) < 0.5
    for measure in (roc_auc, average_precision):
        with pytest.raises(ValueError, match="is it the score"):
            measure(positive, score)
        assert measure(score, positive.astype(int)) == measure(score, positive)

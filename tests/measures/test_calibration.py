from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from auditkit.core.design import SIMPLE, Design
from auditkit.measures.calibration import bin_of, brier, expected_calibration_error, reliability
from tests.measures.samples import assert_sound, covers


def plug_in(score, y):
    which = bin_of(score)
    share = np.bincount(which) / len(score)
    return share, np.bincount(which, y) / np.bincount(which) - np.bincount(which, score) / np.bincount(which)


def draws(distort, n, replicates=250, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(replicates):
        score = rng.beta(0.6, 1.2, n)
        y = (rng.random(n) < distort(score)).astype(float)
        yield score, y


@pytest.mark.parametrize("n", [300, 3000])
def test_calibrated_scores_lose_nearly_all_of_the_plug_ins_bias(n):
    found, naive = [], []
    for score, y in draws(lambda s: s, n):
        share, gap = plug_in(score, y)
        found.append(expected_calibration_error(score, y).value)
        naive.append(np.sum(share * np.abs(gap)))
    assert np.mean(found) < 0.2 * np.mean(naive)


def test_before_the_cut_at_zero_it_is_unbiased():
    # One bin is all there is with fewer than 40 rows; averaged over many such samples the cut must be undone.
    rng = np.random.default_rng(1)
    from auditkit.measures import calibration

    sums = []
    for _ in range(4000):
        score = rng.uniform(0.2, 0.8, 200)
        y = (rng.random(200) < score).astype(float)
        sums.append(calibration._debiased(calibration._binned(score, y, bin_of(score, 5), SIMPLE)))
    assert abs(np.mean(sums)) < 3 * np.std(sums) / np.sqrt(len(sums)) + 2e-4


def test_a_large_error_is_told_as_it_is():
    found = [expected_calibration_error(score, y).value for score, y in draws(lambda s: s**2, 20_000, 5)]
    truth = np.mean(
        [np.sum(plug_in(s, s**2)[0] * np.abs(plug_in(s, s**2)[1])) for s, _ in draws(lambda s: s**2, 20_000, 5)]
    )
    assert np.mean(found) == pytest.approx(truth, rel=0.03)


@pytest.mark.parametrize("n", [60, 300, 3000])
@pytest.mark.parametrize(
    "distort",
    [lambda s: s, lambda s: np.minimum(s + 0.03, 1), lambda s: 0.5 + 0.7 * (s - 0.5), lambda s: s**2],
    ids=["calibrated", "shifted", "overconfident", "squared"],
)
def test_coverage(n, distort):
    hits = []
    for score, y in draws(distort, n, 150, seed=n):
        found = expected_calibration_error(score, y)
        assert_sound(found)
        share, gap = plug_in(score, distort(score))
        hits.append(covers(found, float(np.sum(share * np.abs(gap)))))
    assert np.mean(hits) >= 0.93


def test_clusters_count_once():
    values = []
    for score, y in draws(lambda s: s, 300, 60):
        values.append(
            expected_calibration_error(
                np.repeat(score, 5), np.repeat(y, 5), 15, Design(cluster=np.repeat(np.arange(300), 5))
            )
        )
    alone = [expected_calibration_error(np.repeat(s, 5), np.repeat(y, 5)) for s, y in draws(lambda s: s, 300, 60)]
    assert np.mean([e.value for e in values]) < 0.5 * np.mean([e.value for e in alone])
    assert np.mean([covers(e, 0.0) for e in values]) >= 0.93


@pytest.mark.parametrize("n", [2, 5, 400])
def test_perfect_scores_are_calibrated_with_an_interval(n):
    y = (np.arange(n) % 2).astype(float)
    found = expected_calibration_error(y, y)
    assert found.value == 0.0
    assert_sound(found)
    assert_sound(expected_calibration_error(np.full(n, 0.4), y, design=Design(np.linspace(1, 2, n))))


def test_no_rows_no_error():
    assert expected_calibration_error(np.array([np.nan]), np.array([1.0])).value is None
    assert reliability(np.array([np.nan]), np.array([1.0])) == []


def test_the_curve_is_scikit_learns():
    rng = np.random.default_rng(2)
    score = rng.random(3000)
    y = (rng.random(3000) < score).astype(float)
    observed, means = calibration_curve(y, score, n_bins=10, strategy="quantile")
    curve = reliability(score, y, 10)
    assert [b.mean_score for b in curve] == pytest.approx(list(means), abs=2e-3)
    assert [b.observed.value for b in curve] == pytest.approx(list(observed), abs=5e-3)
    assert sum(b.n for b in curve) == 3000
    assert sum(b.share for b in curve) == pytest.approx(1)


def test_equal_scores_share_a_bin():
    score = np.repeat([0.1, 0.9], 500)
    curve = reliability(score, np.arange(1000) % 2)
    assert [b.mean_score for b in curve] == pytest.approx([0.1, 0.9])


def test_brier_is_scikit_learns():
    rng = np.random.default_rng(3)
    score, y, w = rng.random(200), rng.integers(0, 2, 200), rng.random(200)
    assert brier(score, y, Design(w)).value == pytest.approx(brier_score_loss(y, score, sample_weight=w), abs=1e-14)
    two = np.column_stack([1 - score, score])
    assert brier(two, y).value == pytest.approx(2 * brier_score_loss(y, score), abs=1e-14)
    assert_sound(brier(two, y, Design(w, np.arange(200) // 3)))
    assert brier(score, np.full(200, -1)).value is None

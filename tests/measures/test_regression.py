from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from auditkit.core.design import SIMPLE, Design
from auditkit.measures.deletion import area_under, deletion_gain, deletion_test
from auditkit.measures.regression import (
    mean_absolute_error,
    mean_error,
    mean_squared_error,
    r_squared,
    root_mean_squared_error,
)
from tests.measures.samples import assert_sound, covers

PEERS = [
    (mean_absolute_error, metrics.mean_absolute_error),
    (mean_squared_error, metrics.mean_squared_error),
    (root_mean_squared_error, metrics.root_mean_squared_error),
    (r_squared, metrics.r2_score),
]


def line(rng, n):
    y = rng.normal(size=n)
    return y, y + rng.normal(0, 0.5, n)


@pytest.mark.parametrize(("ours", "theirs"), PEERS)
@pytest.mark.parametrize("weighted", [False, True])
def test_values_are_scikit_learns(ours, theirs, weighted):
    rng = np.random.default_rng(0)
    y, p = line(rng, 300)
    w = rng.random(300) if weighted else None
    found = ours(y, p, Design(w))
    assert found.value == pytest.approx(theirs(y, p, sample_weight=w), rel=1e-12)
    assert_sound(found)


TRUTHS = [
    (mean_error, 0.0),
    (mean_absolute_error, 0.5 * np.sqrt(2 / np.pi)),
    (root_mean_squared_error, 0.5),
    (r_squared, 0.75),
]


@pytest.mark.parametrize(("measure", "truth"), TRUTHS)
@pytest.mark.parametrize("clustered", [False, True])
def test_coverage(measure, truth, clustered):
    rng = np.random.default_rng(1)
    hits = []
    for _ in range(300):
        y, p = line(rng, 120)
        c = np.repeat(np.arange(120), 3) if clustered else None
        found = measure(np.repeat(y, 3), np.repeat(p, 3), Design(cluster=c)) if clustered else measure(y, p)
        hits.append(covers(found, truth))
    assert np.mean(hits) >= 0.915


def test_missing_values_do_not_count():
    y, p = np.array([1.0, 2, np.nan, 4]), np.array([1.5, np.nan, 3, 4])
    assert mean_error(y, p).n == r_squared(y, p).n == 2


def test_what_does_not_exist_says_why():
    assert "no spread" in r_squared(np.ones(5), np.arange(5.0)).reason
    assert r_squared(np.array([1.0]), np.array([1.0])).value is None
    exact = r_squared(np.arange(5.0), np.arange(5.0))
    assert (exact.value, exact.interval) == (1.0, None)
    assert root_mean_squared_error(np.array([]), np.array([])).value is None
    assert root_mean_squared_error(np.array([1.0]), np.array([3.0])).interval is None


def test_area_is_the_mean_response_along_the_curve():
    share = np.array([0.0, 0.25, 1.0])
    assert area_under(share, np.array([[1.0, 1, 1], [1, 0.5, 0.5]])) == pytest.approx([1.0, 0.5625])
    with pytest.raises(ValueError, match="increase"):
        area_under(np.array([0.0, 0.0]), np.zeros((1, 2)))
    with pytest.raises(ValueError, match=r"\[n, 3\]"):
        area_under(share, np.zeros((2, 2)))


def test_deletion_tells_a_planted_order_from_a_random_one():
    rng = np.random.default_rng(2)
    weights = np.array([3.0, 1, 0.3, 0.1, 0, 0])
    share = np.arange(7) / 6

    def curves(orders):
        removed = np.array([np.concatenate([[0], np.cumsum(weights[order])]) for order in orders])
        return weights.sum() - removed + rng.normal(0, 0.05, removed.shape)

    at_random = curves([rng.permutation(6) for _ in range(80)])
    good = deletion_test(share, curves([np.arange(6)] * 80), at_random)
    noise = deletion_test(share, curves([rng.permutation(6) for _ in range(80)]), at_random)
    assert good.low > 0.5
    assert covers(noise, 0.0)
    with pytest.raises(ValueError, match="one shape"):
        deletion_gain(share, at_random, at_random[:1])


MEASURES = (mean_error, mean_absolute_error, mean_squared_error, root_mean_squared_error, r_squared)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("size", [1e90, 1e160, 1e200, 1.7e308])
@pytest.mark.parametrize("design", [SIMPLE, Design(np.linspace(1, 2, 50)), Design(cluster=np.arange(50) // 2)])
def test_numbers_too_large_to_be_squared_never_break_and_are_never_left_out(measure, size, design):
    rng = np.random.default_rng(0)
    y = rng.normal(size=50)
    for target, prediction in ((y, np.where(np.arange(50) == 7, size, y)), (np.where(y > 0, size, -size), y)):
        found = measure(target, prediction, design)
        if found.value is None or found.interval is None:
            assert found.reason
        if measure in (mean_squared_error, root_mean_squared_error) and size > 1e154:
            assert found.value is None
            assert "too large" in found.reason
        elif found.value is not None and measure in (mean_absolute_error, mean_squared_error, root_mean_squared_error):
            assert found.value > size / 200, "the row of the largest error was left out"


def test_a_mean_whose_variance_is_too_large_has_a_value_and_no_interval():
    y = np.linspace(0, 1, 50)
    found = mean_absolute_error(y, np.where(np.arange(50) == 7, 1e200, y))
    assert found.value == pytest.approx(2e198)
    assert found.interval is None
    assert "too large" in found.reason

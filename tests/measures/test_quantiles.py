from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, norm, quantile_test

from auditkit.core.design import Design
from auditkit.measures.quantiles import quantile
from tests.measures.samples import assert_sound, covers


@pytest.mark.parametrize("q", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("n", [40, 301])
def test_the_value_is_numpys_and_the_interval_scipys(q, n):
    values = np.random.default_rng(n).lognormal(size=n)
    found = quantile(values, q)
    assert found.value == pytest.approx(np.quantile(values, q), abs=1e-12)
    theirs = quantile_test(values, p=q).confidence_interval(0.95)
    assert found.interval == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@pytest.mark.parametrize("n", [40, 200])
def test_the_exact_coverage_is_what_was_asked_for(n):
    """Summed over the binomial: the interval [X_(l), X_(u)] covers where l ≤ B < u rows lie below the quantile."""
    for q in (0.25, 0.5, 0.9):
        found = quantile(np.arange(1.0, n + 1), q)
        covered = binom.cdf(found.high - 1, n, q) - binom.cdf(found.low - 1, n, q)
        assert 0.95 <= covered < 0.99


def test_weights_are_numpys_inverted_distribution():
    rng = np.random.default_rng(1)
    values, weight = rng.normal(size=200), rng.random(200) + 0.1
    for q in (0.2, 0.5, 0.75):
        theirs = np.quantile(values, q, weights=weight, method="inverted_cdf")
        assert quantile(values, q, Design(weight=weight)).value == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("kind", ["weights", "clusters"])
def test_woodruffs_interval_covers(kind):
    rng = np.random.default_rng(2)
    hits = []
    for _ in range(400):
        if kind == "weights":
            values = rng.normal(size=150)
            design = Design(weight=rng.lognormal(0, 0.8, size=150))
        else:
            values = np.repeat(rng.normal(size=60), 4) * np.sqrt(0.6) + rng.normal(size=240) * np.sqrt(0.4)
            design = Design(cluster=np.repeat(np.arange(60), 4))
        found = quantile(values, 0.75, design)
        if found.interval is None:  # one weight holds so much that few effective rows are left
            assert "too few" in str(found.reason)
            continue
        assert_sound(found)
        hits.append(covers(found, norm.ppf(0.75)))
    assert len(hits) >= 398
    assert 0.925 <= np.mean(hits) <= 0.99


def test_ignored_clusters_would_not_cover():
    rng = np.random.default_rng(3)
    hits = []
    for _ in range(300):
        values = np.repeat(rng.normal(size=40), 10)
        hits.append(covers(quantile(values + 1e-6 * rng.normal(size=400), 0.5), 0.0))
    assert np.mean(hits) < 0.7


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("clustered", [False, True])
def test_counted_rows_are_repeated_rows(weighted, clustered):
    rng = np.random.default_rng(4)
    values, count = np.round(rng.normal(size=60), 1), rng.integers(1, 5, 60)
    weight = rng.random(60) + 0.2 if weighted else None
    cluster = rng.integers(0, 25, 60) if clustered else None
    stored = quantile(values, 0.4, Design(weight, cluster, count))
    repeated = Design(
        None if weight is None else np.repeat(weight, count), None if cluster is None else np.repeat(cluster, count)
    )
    theirs = quantile(np.repeat(values, count), 0.4, repeated)
    assert (stored.n, stored.method) == (theirs.n, theirs.method)
    assert (stored.value, *stored.interval) == pytest.approx((theirs.value, *theirs.interval), abs=1e-12)


def test_many_equal_values_keep_width():
    values = np.concatenate([np.zeros(80), np.arange(1.0, 21)])
    found = quantile(values, 0.5)
    assert_sound(found)
    assert found.interval == (0.0, 1.0)
    assert quantile(-values, 0.5).interval == (-1.0, 0.0)


@pytest.mark.parametrize(
    ("values", "q", "why"),
    [
        ([], 0.5, "no rows"),
        ([np.nan, np.inf], 0.5, "no rows"),
        ([3.0], 0.5, "one independent unit"),
        ([3.0] * 50, 0.5, "one value"),
        (list(range(30)), 0.9, "it takes 36"),
        (list(range(30)), 0.1, "it takes 36"),
    ],
)
def test_what_has_no_interval_says_why(values, q, why):
    found = quantile(np.array(values, dtype=float), q)
    assert found.interval is None
    assert why in found.reason


def test_the_rows_asked_for_are_enough():
    assert quantile(np.arange(36.0), 0.9).interval is not None
    assert quantile(np.arange(35.0), 0.9).interval is None


@pytest.mark.parametrize("q", [0.0, 1.0, np.nan])
def test_a_share_outside_is_refused(q):
    with pytest.raises(ValueError, match="between 0 and 1"):
        quantile(np.arange(30.0), q)

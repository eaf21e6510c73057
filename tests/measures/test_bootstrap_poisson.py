"""The Poisson bootstrap of clusters: its weights, its cuts, and its errors against the linearised variance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from auditkit.core.design import Design
from auditkit.core.task import RowStatistic
from auditkit.data.hashing import mixed
from auditkit.measures.cells import MATTHEWS_CORRELATION
from auditkit.measures.moments import moments
from auditkit.measures.poisson import FEWEST_CLUSTERS, PoissonBootstrap, indicators, weights


def ratio(s):
    return s[:, 0] / s[:, 1]


def clustered(clusters, rng, spread=0.2):
    """Rows of clusters of unlike size, whose rates differ; cluster, hit and weight of each."""
    size = rng.integers(1, 12, clusters)
    rate = np.clip(rng.normal(0.4, spread, clusters), 0, 1)
    cluster = np.repeat(np.arange(clusters), size)
    return cluster, (rng.random(len(cluster)) < rate[cluster]).astype(float), rng.lognormal(0, 0.5, len(cluster))


def test_weights_are_poisson_and_independent():
    drawn = weights(mixed(np.arange(2000, dtype=np.uint64)), 501)
    assert drawn.shape == (501, 2000)
    seen = np.bincount(drawn.ravel(), minlength=8)
    expected = stats.poisson.pmf(np.arange(7), 1) * drawn.size
    tail = drawn.size - expected.sum()
    assert stats.chisquare([*seen[:7], seen[7:].sum()], [*expected, tail]).pvalue > 1e-4
    by_replicate = np.corrcoef(drawn[:60].astype(float))
    by_cluster = np.corrcoef(drawn.T[:60].astype(float))
    for found, n in ((by_replicate, 2000), (by_cluster, 501)):
        off = found[np.triu_indices(60, 1)]
        assert abs(off.mean()) < 4 / np.sqrt(n * len(off))
        assert np.std(off) == pytest.approx(1 / np.sqrt(n), rel=0.1)


def test_another_seed_gives_other_weights():
    hashes = mixed(np.arange(1000, dtype=np.uint64))
    first, second = weights(hashes, 10, 0).astype(float), weights(hashes, 10, 1).astype(float)
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.05
    assert np.array_equal(weights(hashes, 10)[:7], weights(hashes, 7))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=200, max_size=200), st.booleans(), st.randoms(use_true_random=False))
def test_any_cut_and_any_order_gives_the_same_state(chunk_of, texts, shuffler):
    rng = np.random.default_rng(1)
    number = rng.integers(0, 30, 200)
    cluster = np.array([f"household {c}" for c in number]) if texts else number
    values = np.stack([rng.normal(0, 1000, 200), rng.lognormal(0, 2, 200)], axis=1)
    whole = PoissonBootstrap.of(cluster, values, 50)
    chunks = [np.flatnonzero(np.array(chunk_of) == c) for c in range(5)]
    parts = [PoissonBootstrap.of(cluster[rows], values[rows], 50) for rows in chunks if len(rows)]
    shuffler.shuffle(parts)
    total = parts[0]
    for part in parts[1:]:
        total = part + total
    assert total.digest() == whole.digest()
    assert total.clusters == whole.clusters == len(np.unique(number))
    assert total.estimate(ratio, 0.9) == whole.estimate(ratio, 0.9)


def test_sums_are_exact_to_the_unit():
    rng = np.random.default_rng(2)
    values = rng.normal(0, 100, (5000, 3))
    state = PoissonBootstrap.of(np.arange(5000), values, 20)
    np.testing.assert_allclose(state.sums(), values.sum(axis=0), atol=5000 * 2.0**-33)
    drawn = weights(mixed(np.arange(5000, dtype=np.uint64)), 20).astype(float)
    np.testing.assert_allclose(state.replicates(), drawn @ values, atol=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_error_is_that_of_the_linearised_variance(weighted):
    rng = np.random.default_rng(3)
    cluster, hit, weight = clustered(600, rng)
    w = weight if weighted else np.ones(len(hit))
    state = PoissonBootstrap.of(cluster, np.stack([w * hit, w], axis=1), 4000)
    stat = RowStatistic("rate", "proportion", hit, np.ones(len(hit), dtype=bool), None, "a row")
    exact = moments(stat, None, 1, Design(weight=weight if weighted else None, cluster=cluster))
    assert ratio(state.sums()[None])[0] == pytest.approx(exact.value[0], abs=1e-8)
    assert state.standard_error(ratio) == pytest.approx(np.sqrt(exact.variance[0]), rel=0.05)
    # Rows taken as independent would be told apart from it.
    alone = moments(stat, None, 1, Design(weight=weight if weighted else None))
    assert abs(state.standard_error(ratio) / np.sqrt(alone.variance[0]) - 1) > 0.1


def test_counts_give_any_statistic_of_a_table():
    rng = np.random.default_rng(4)
    target = rng.integers(0, 2, 3000)
    cell = target * 2 + np.where(rng.random(3000) < 0.8, target, 1 - target)
    state = PoissonBootstrap.of(np.arange(3000), indicators(cell, 4), 3000)

    def matthews(s):
        return MATTHEWS_CORRELATION.of(s.reshape(-1, 2, 2))

    found = state.estimate(matthews)
    drawn = matthews(rng.multinomial(3000, np.bincount(cell, minlength=4) / 3000, size=5000).astype(float))
    assert found.value == pytest.approx(matthews(np.bincount(cell, minlength=4)[None].astype(float))[0])
    assert found.interval == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=0.004)
    assert state.standard_error(matthews) == pytest.approx(drawn.std(), rel=0.05)


@pytest.mark.parametrize("clusters", [FEWEST_CLUSTERS, 200])
def test_percentiles_cover_from_the_fewest_clusters_on(clusters):
    rng = np.random.default_rng(5)
    # The rate that clusters of such sizes have on average, by one large sample.
    _, hits, _ = clustered(400_000, np.random.default_rng(6))
    truth = hits.mean()
    covered = 0
    for _ in range(400):
        cluster, hit, _ = clustered(clusters, rng)
        seed = int(rng.integers(2**31))
        found = PoissonBootstrap.of(cluster, np.stack([hit, np.ones(len(hit))], axis=1), 400, seed).estimate(ratio)
        covered += found.low <= truth <= found.high
    assert 0.91 <= covered / 400 <= 0.985


def test_few_clusters_have_no_interval():
    values = np.array([[1.0, 1.0], [0.0, 1.0]] * 30)
    found = PoissonBootstrap.of(np.arange(60) // 4, values).estimate(ratio)
    assert found.value == 0.5
    assert "15 clusters are too few" in found.reason
    enough = PoissonBootstrap.of(np.arange(60), values)
    assert enough.estimate(ratio).interval is not None
    assert "changes" in enough.estimate(lambda s: s[:, 1] / s[:, 1]).reason
    assert enough.estimate(lambda s: s[:, 0] / (s[:, 0] * 0)).value is None
    rare = PoissonBootstrap.of(np.arange(60), indicators(np.array([0, *([1] * 59)]), 2))
    assert "% of the resamples" in rare.estimate(lambda s: s[:, 1] / s[:, 0]).reason


def test_clusters_are_counted_to_three_percent():
    for n in (1000, 30_000):
        state = PoissonBootstrap.of(np.arange(n) * 7919, np.ones((n, 1)), 1)
        assert state.clusters == n if n < 1024 else state.clusters == pytest.approx(n, rel=0.1)


def test_what_can_not_be_resampled_is_refused():
    one = np.zeros(2, dtype=int)
    for values in ([[np.nan], [1.0]], [[1e9], [1.0]]):
        with pytest.raises(ValueError, match="larger unit"):
            PoissonBootstrap.of(one, np.array(values))
    with pytest.raises(ValueError, match="one cluster a row"):
        PoissonBootstrap.of(one, np.ones(2))
    state = PoissonBootstrap.of(one, np.ones((2, 1)), 10)
    with pytest.raises(ValueError, match="seeds"):
        state + PoissonBootstrap.of(one, np.ones((2, 1)), 10, seed=1)

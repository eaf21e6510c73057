"""Resamples drawn from counts against resampled rows: the same distribution, and the wrong pairing is told apart."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from auditkit.measures.cells import MATTHEWS_CORRELATION, accuracy, class_metrics
from auditkit.measures.resample import bootstrap_statistic, draw, draw_shares, tails

#: Two groups of unlike size and rates, `[G, C, C]`.
COUNTS = np.array([[[30, 9], [6, 15]], [[40, 12], [5, 63]]])
REPLICATES = 4000
#: Twenty comparisons at this level are all right by chance 98% of the time; a wrong pairing is off by far more.
LEVEL = 1e-3


def rows_of(counts):
    """Group and cell of each row behind the counts."""
    group, cell = np.nonzero(counts.reshape(len(counts), -1))
    times = counts.reshape(len(counts), -1)[group, cell]
    return np.repeat(group, times), np.repeat(cell, times)


def row_bootstrap(counts, *, conditional, replicates=REPLICATES, seed=1):
    """Counts `[R, G, K]` of rows drawn with replacement, one row at a time: within each group, or from all rows."""
    rng = np.random.default_rng(seed)
    group, cell = rows_of(counts)
    shape = (len(counts), counts[0].size)
    key = group * shape[1] + cell
    found = np.empty((replicates, *shape))
    for r in range(replicates):
        if conditional:
            members = [np.flatnonzero(group == g) for g in range(shape[0])]
            rows = np.concatenate([rng.choice(m, len(m)) for m in members])
        else:
            rows = rng.integers(0, len(key), len(key))
        found[r] = np.bincount(key[rows], minlength=shape[0] * shape[1]).reshape(shape)
    return found


def from_counts(counts, *, conditional, seed=2):
    drawn = draw(counts.reshape(len(counts), -1), REPLICATES, conditional=conditional, rng=np.random.default_rng(seed))
    return np.moveaxis(drawn, -1, 0)


RATES = {metric.name: metric for metric in (*class_metrics(1, 2), accuracy(2), MATTHEWS_CORRELATION)}


def quantities(drawn):
    """Rates, gaps, F1, and numbers that involve the groups' shares, of counts `[R, G, 4]`."""
    tables = drawn.reshape(len(drawn), -1, 2, 2)
    found = {name: RATES[name].of(tables[:, 0]) for name in ("selection_rate", "true_positive_rate", "f1")}
    for name in ("false_positive_rate", "f1", "matthews_correlation"):
        values = RATES[name].of(tables)
        found[f"{name} gap"] = values.max(axis=1) - values.min(axis=1)
    sizes = tables.sum(axis=(2, 3))
    found["share of the first group"] = sizes[:, 0] / sizes.sum(axis=1)
    found["overall selection rate"] = RATES["selection_rate"].of(tables.sum(axis=1))
    found["selected from the first group"] = tables[:, 0, :, 1].sum(axis=1) / tables[:, :, :, 1].sum(axis=(1, 2))
    return found


def jittered_ks(a, b):
    """Kolmogorov and Smirnov's p for values on a grid: spread a little, the same for both."""
    rng = np.random.default_rng(9)
    return stats.ks_2samp(a + rng.uniform(0, 1e-9, len(a)), b + rng.uniform(0, 1e-9, len(b))).pvalue


@pytest.mark.parametrize("conditional", [True, False])
def test_counts_and_rows_give_the_same_distribution(conditional):
    mine = quantities(from_counts(COUNTS, conditional=conditional))
    rows = quantities(row_bootstrap(COUNTS, conditional=conditional))
    for name, values in mine.items():
        if conditional and name == "share of the first group":
            assert np.ptp(values) == np.ptp(rows[name]) == 0
        else:
            assert jittered_ks(values, rows[name]) > LEVEL, name


@pytest.mark.parametrize("conditional", [True, False])
def test_the_wrong_pairing_is_told_apart(conditional):
    mine = quantities(from_counts(COUNTS, conditional=conditional))
    rows = quantities(row_bootstrap(COUNTS, conditional=not conditional))
    for name in ("share of the first group", "selected from the first group"):
        assert jittered_ks(mine[name], rows[name]) < 1e-9, name


@pytest.mark.parametrize("most", [40, 12])  # as binomials, and row by row
@pytest.mark.parametrize("conditional", [True, False])
def test_multiclass_cells_have_the_moments_of_the_multinomial(conditional, most):
    rng = np.random.default_rng(4)
    counts = rng.integers(0, most, (3, 25))
    counts[1, 3:9] = 0
    drawn = draw(counts, 40_000, conditional=conditional, rng=rng)
    n = counts.sum(axis=1, keepdims=True) if conditional else counts.sum()
    p = counts / n
    error = np.sqrt(n * p * (1 - p) / 40_000)
    assert np.all(np.abs(drawn.mean(axis=-1) - counts) <= 4.5 * error)
    np.testing.assert_allclose(drawn.var(axis=-1), n * p * (1 - p), rtol=0.05, atol=1e-12)
    assert np.all(drawn.sum(axis=1) == n) if conditional else np.all(drawn.sum(axis=(0, 1)) == n)
    covariance = np.cov(drawn[0, 0], drawn[0, 1])[0, 1]
    size = float(n[0, 0]) if conditional else float(n)
    assert covariance == pytest.approx(-size * p[0, 0] * p[0, 1], abs=5 * np.sqrt(size**2 * p[0, 0] * p[0, 1] / 40_000))


def test_groups_are_drawn_independently():
    drawn = draw(np.array([[50, 50], [50, 50]]), 20_000)
    assert abs(np.corrcoef(drawn[0, 0], drawn[1, 0])[0, 1]) < 0.03


def test_a_group_without_rows_stays_empty_and_the_default_is_repeatable():
    counts = np.array([[0, 0], [3, 4]])
    for conditional in (True, False):
        drawn = draw(counts, 500, conditional=conditional)
        assert np.all(drawn[0] == 0)
        assert np.array_equal(drawn, draw(counts, 500, conditional=conditional))


@pytest.mark.parametrize(("counts", "replicates"), [(np.array([1, 2]), 10), (np.array([[1, -2]]), 10), (COUNTS[0], 0)])
def test_what_can_not_be_drawn_from_is_refused(counts, replicates):
    with pytest.raises(ValueError, match="counts"):
        draw(counts, replicates)


def test_shares_have_the_moments_of_the_dirichlet():
    counts = np.array([0, 3, 12, 40])
    drawn = draw_shares(counts, 40_000)
    expected = stats.dirichlet(counts + 0.5)
    np.testing.assert_allclose(drawn.mean(axis=1), expected.mean(), atol=0.002)
    np.testing.assert_allclose(drawn.var(axis=1), expected.var(), rtol=0.05)
    np.testing.assert_allclose(drawn.sum(axis=0), 1.0)


def test_tails_are_numpys_quantiles_of_what_is_defined():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(4, 1000))
    values[1, ::3] = np.nan
    values[2] = np.nan
    low, high, undefined = tails(values, 0.9)
    for i in (0, 1, 3):
        np.testing.assert_allclose((low[i], high[i]), np.nanquantile(values[i], [0.05, 0.95]))
    assert np.isnan(low[2])
    assert undefined.tolist() == [0.0, pytest.approx(0.334), 1.0, 0.0]


def test_a_statistic_with_shares_needs_the_unconditional_draw():
    # The share of group 0 among n rows: its standard error is √(p(1−p)/n) over all rows, and 0 with sizes fixed.
    def share(c):
        return c[:, 0].sum(axis=1) / c.sum(axis=(1, 2))

    cells = COUNTS.reshape(2, 4)
    free = bootstrap_statistic(cells, share, conditional=False)
    n, p = cells.sum(), cells[0].sum() / cells.sum()
    assert (free.high - free.low) / 2 == pytest.approx(1.96 * np.sqrt(p * (1 - p) / n), rel=0.04)
    fixed = bootstrap_statistic(cells, share, conditional=True)
    assert fixed.interval is None
    assert "changes the value" in fixed.reason


def test_a_statistic_that_may_not_exist_has_no_interval():
    def rate(c):
        with np.errstate(invalid="ignore"):
            return c[:, 0, 0] / (c[:, 0, 0] + c[:, 0, 1])

    found = bootstrap_statistic(np.array([[1, 1, 40]]), rate, conditional=True)
    assert found.value == 0.5
    assert "% of the resamples" in found.reason
    assert bootstrap_statistic(np.array([[0, 0, 40]]), rate, conditional=True).value is None

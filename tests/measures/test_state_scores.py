"""Mergeable states of scores, quantiles and errors: the answers of the rows within the stated error."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sklearn

from auditkit.core.outcomes import Groups
from auditkit.measures import regression
from auditkit.measures.calibration import brier, expected_calibration_error
from auditkit.measures.classification import row_log_loss
from auditkit.measures.difference import paired_mean
from auditkit.measures.error_moments import ErrorMoments
from auditkit.measures.levels import coarser, edges_of, key_of, value_of
from auditkit.measures.quantiles import quantile
from auditkit.measures.ranking import roc_auc
from auditkit.measures.sketch import QuantileSketch, ScoreTally
from tests.measures.samples import binary

# --- scores ----------------------------------------------------------------------------------------------------------


def scored(n=6000, seed=4):
    groups, target, _, rng = binary(n, seed)
    score = 1 / (1 + np.exp(-(3 * target - 1.5 + rng.normal(0, 1.5, n)) * 2))
    return groups, target == 1, score


def direct_scores(positive, score):
    y = positive.astype(np.int64)
    return {
        "roc_auc": roc_auc(score, positive),
        "log_loss": paired_mean(row_log_loss(np.stack([1 - score, score], axis=1), y)),
        "brier": brier(score, y),
        "expected_calibration_error": expected_calibration_error(score, positive),
    }


@pytest.mark.parametrize("limit", [100_000, 10])
@pytest.mark.parametrize("bits", [4, 10])
def test_answers_from_scores_are_those_of_the_rows_within_the_stated_error(limit, bits):
    groups, positive, score = scored()
    score[:2] = [0.0, 1.0]
    state = ScoreTally.of(groups, positive, score, bits=bits, limit=limit)
    assert state.exact == (limit > 10)
    inside = groups.codes == 1
    for name, direct in direct_scores(positive[inside], score[inside]).items():
        found = getattr(state, name)("y")
        # Equal-mass bins end elsewhere where scores share a cell, which is not part of the stated error.
        allowed = 1e-9 + found.error + (2e-3 if name.startswith("expected") and not state.exact else 0)
        assert abs(found.estimate.value - direct.value) <= allowed, name
        assert found.estimate.n == direct.n
        if state.exact:
            assert found.error == 0
            assert found.estimate.interval == pytest.approx(direct.interval, abs=1e-9)
        else:
            assert 0 < found.error <= 2.0 ** -(bits - 1)
            assert found.estimate.low <= direct.low + allowed
            assert found.estimate.high >= direct.high - allowed
    assert sklearn.roc_auc_score(positive[inside], score[inside]) == pytest.approx(
        direct_scores(positive[inside], score[inside])["roc_auc"].value
    )


def test_the_stated_error_of_the_area_is_needed():
    # Two bits: the cells are so wide that the answer is off by a good part of what is stated.
    groups, positive, score = scored()
    inside = groups.codes == 0
    found = ScoreTally.of(groups, positive, score, bits=2, limit=0).roc_auc("x")
    off = abs(found.estimate.value - roc_auc(score[inside], positive[inside]).value)
    assert 0 < off <= found.error < 0.05


@pytest.mark.slow
def test_resampled_areas_are_those_of_resampled_rows():
    groups, positive, score = scored(900)
    score = np.round(score, 2)
    inside = groups.codes == 1
    y, s = positive[inside], score[inside]
    found = ScoreTally.of(groups, positive, score).roc_auc_replicates("y", 2000)
    rng = np.random.default_rng(5)
    rows = [rng.integers(0, len(s), len(s)) for _ in range(2000)]
    direct = [sklearn.roc_auc_score(y[r], s[r]) for r in rows]
    assert stats.ks_2samp(found, direct).pvalue > 1e-3
    # A fifth of a standard error apart, they would be told apart.
    assert stats.ks_2samp(found, np.array(direct) + 0.2 * np.std(direct)).pvalue < 1e-3
    assert np.isnan(ScoreTally.of(groups, positive & False, score).roc_auc_replicates("y", 5)).all()
    assert np.isnan(ScoreTally.of(groups, positive, score).roc_auc_replicates("nobody", 5)).all()


def test_scores_near_the_ends_stay_apart():
    score = np.array([1e-300, 1e-12, 1e-6, 0.5, 1 - 1e-6, 1 - 1e-12, 1.0, 0.0])
    groups = Groups("group", ("x",), np.zeros(8, dtype=np.int64))
    state = ScoreTally.of(groups, np.zeros(8, dtype=bool), score, limit=0)
    kept = np.sort(state.rows("x")[0])
    assert len(kept) == 8
    np.testing.assert_allclose(kept[:4], np.sort(score)[:4], rtol=2**-11)
    np.testing.assert_allclose(1 - kept[4:7], 1 - np.sort(score)[4:7], rtol=2**-11, atol=2**-53)


def test_scores_that_are_none_are_refused():
    groups = Groups("group", ("x",), np.zeros(2, dtype=np.int64))
    with pytest.raises(ValueError, match="between 0 and 1"):
        ScoreTally.of(groups, np.array([True, False]), np.array([0.5, 1.2]))
    unscored = ScoreTally.of(groups, np.array([True, False]), np.array([np.nan, 0.2]))
    assert "positive" in unscored.roc_auc("x").estimate.reason
    with pytest.raises(ValueError, match="other cells"):
        unscored + ScoreTally.of(groups, np.array([True, False]), np.array([0.1, 0.2]), bits=5)


# --- quantiles and moments -------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20), st.integers(1, 51))
def test_cells_hold_their_numbers_in_order(values, bits):
    array = np.sort(np.array(values))
    key = coarser(key_of(array), bits)
    assert np.all(np.diff(key) >= 0)
    low, high = edges_of(key, bits)
    assert np.all((low <= array) & (array <= high))
    middle = value_of(key, bits)
    normal = np.abs(array) > 1e-290
    assert np.all(np.abs(middle - array)[normal] <= 2.0 ** -(bits + 1) * np.abs(array)[normal])
    assert np.array_equal(value_of(key_of(array), 52), array)


@pytest.mark.parametrize("q", [0.05, 0.5, 0.9])
@pytest.mark.parametrize("limit", [100_000, 10])
def test_quantiles_are_those_of_the_rows_within_the_stated_error(q, limit):
    groups, _, _, rng = binary()
    values = rng.standard_t(3, len(groups.codes)) * 50 + 5
    state = QuantileSketch.of(groups, values, limit=limit)
    mine = values[groups.codes == 2]
    found, direct = state.quantile(q, "z"), quantile(mine, q)
    assert direct.value == pytest.approx(np.quantile(mine, q))
    assert abs(found.estimate.value - direct.value) <= found.error + 1e-12
    assert found.error <= 2.0**-10 * max(1.0, abs(direct.value))
    if limit > 10:
        assert found.error == 0
        assert found.estimate == direct
    else:
        assert found.error > 0
        assert found.estimate.low <= direct.low
        assert found.estimate.high >= direct.high


@pytest.mark.parametrize("shift", [2, -1])  # no error is negative, or some are
@pytest.mark.parametrize("rows", [40, 4000])
def test_moments_of_errors_answer_as_the_rows_do(rows, shift):
    groups, _, _, rng = binary(rows)
    target = rng.normal(1e4, 30, len(groups.codes))
    prediction = target + shift + rng.standard_exponential(len(target)) ** 2
    assert all((prediction < target)[groups.codes == g].any() == (shift < 0) for g in range(3))
    state = ErrorMoments.of(groups, prediction - target)
    for name in ("mean_error", "mean_absolute_error", "mean_squared_error", "root_mean_squared_error"):
        for g, found in enumerate(getattr(state, name)()):
            inside = groups.codes == g
            direct = getattr(regression, name)(target[inside], prediction[inside])
            assert found.value == pytest.approx(direct.value, rel=1e-12)
            assert found.interval == pytest.approx(direct.interval, rel=1e-9)
            assert (found.n, found.method) == (direct.n, direct.method)


def test_moments_far_from_zero_lose_no_digits():
    # A mean of a thousand standard deviations: sums of squares in plain floats would leave six digits.
    error = 1000 + np.random.default_rng(5).normal(size=5000)
    groups = Groups("group", ("x",), np.zeros(5000, dtype=np.int64))
    found = ErrorMoments.of(groups, error).mean_error()[0]
    direct = regression.mean_error(np.zeros(5000), error)
    assert found.high - found.low == pytest.approx(direct.high - direct.low, rel=1e-8)


def test_errors_without_spread_have_no_interval():
    groups = Groups("group", ("x", "y", "z"), np.array([0, 0, 0, 1]))
    found = ErrorMoments.of(groups, np.array([0.1, 0.1, 0.1, 2.0])).mean_squared_error()
    assert [e.value for e in found] == [pytest.approx(0.01), 4.0, None]
    assert [e.interval for e in found] == [None] * 3
    assert "equal" in found[0].reason
    assert "one row" in found[1].reason
    assert "no rows" in found[2].reason
    with pytest.raises(ValueError, match="larger unit"):
        ErrorMoments.of(groups, np.array([0.1, 0.1, 1e60, 2.0]))

"""Preprocessing against scikit-learn, and exact through JSON."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from auditkit.core.errors import InputRefusedError, PlanError
from auditkit.core.types import InputKind
from auditkit.data.dataset import Input
from auditkit.models.preprocessing import MISSING_CODE, UNKNOWN_CODE, Moments, Preprocessing, PreprocessingFit

NUMERIC, CATEGORICAL = InputKind.NUMERIC, InputKind.CATEGORICAL


def objects(*values):
    return np.array(values, dtype=object)


def fitted(batches, inputs, **more) -> Preprocessing:
    fit = PreprocessingFit(inputs)
    for batch in batches:
        fit.add(batch)
    return fit.finish(**more)


def test_standardises_like_scikit_learn_whatever_the_chunks():
    x = np.random.default_rng(0).normal(1e6, 3.0, (1000, 2))
    parts = [{"a": x[s, 0], "b": x[s, 1]} for s in (slice(0, 7), slice(7, 8), slice(8, 1000))]
    fit = fitted(parts, [Input("a", NUMERIC), Input("b", NUMERIC)])
    expected = StandardScaler().fit_transform(x)
    np.testing.assert_allclose(fit.encode({"a": x[:, 0], "b": x[:, 1]}).numeric, expected, atol=2e-6)


@given(st.lists(st.lists(st.floats(-1e6, 1e6), max_size=20), max_size=6))
@settings(max_examples=50, deadline=None)
def test_merged_moments_equal_those_of_all_values(parts):
    merged = Moments()
    for part in parts:
        merged.add(np.array(part, dtype=np.float64))
    everything = np.array([v for part in parts for v in part])
    assert merged.count == len(everything)
    if len(everything):
        assert merged.mean == pytest.approx(everything.mean(), abs=1e-6)
        assert merged.squares == pytest.approx(((everything - everything.mean()) ** 2).sum(), rel=1e-9, abs=1e-3)


def test_missing_and_infinite_numbers_become_the_mean_and_an_indicator():
    values = np.array([1.0, np.nan, 3.0, np.inf])
    fit = fitted([{"a": values, "b": np.ones(4)}], [Input("a", NUMERIC), Input("b", NUMERIC)])
    encoded = fit.encode({"a": values, "b": np.array([1.0, 2.0, np.nan, 1.0])}).numeric
    assert fit.numeric_owners == ("a", "b", "a")
    np.testing.assert_array_equal(encoded[:, 0], [-1, 0, 1, 0])
    np.testing.assert_array_equal(encoded[:, 1], [0, 1, 0, 0])
    np.testing.assert_array_equal(encoded[:, 2], [0, 1, 0, 1])
    np.testing.assert_array_equal(fit.numeric_means(), np.float32([0, 0, 0.5]))


def test_categories_missing_unknown_and_rare():
    column = objects("x", "y", "x", None, "z", "y", "x")
    fit = fitted([{"c": column[:3]}, {"c": column[3:]}], [Input("c", CATEGORICAL)], max_vocabulary=2)
    assert fit.categorical[0].vocabulary == ("x", "y")
    assert fit.categorical[0].counts == (1, 1, 3, 2)
    codes = fit.encode({"c": objects("y", None, "new", "z", "x")}).codes[:, 0]
    assert codes.tolist() == [3, MISSING_CODE, UNKNOWN_CODE, UNKNOWN_CODE, 2]


@given(st.floats(allow_nan=False, allow_infinity=False, width=64), st.floats(1e-300, 1e300))
@settings(max_examples=100, deadline=None)
def test_numbers_keep_their_bits_through_json(mean, scale):
    column = {"name": "a", "mean": mean, "scale": scale, "missing": 0.1, "indicator": True}
    one = Preprocessing.model_validate({"order": ["a"], "numeric": [column], "categorical": []})
    assert Preprocessing.model_validate_json(one.model_dump_json()) == one


def test_an_absent_input_is_named():
    fit = fitted([{"a": np.ones(2)}], [Input("a", NUMERIC)])
    with pytest.raises(PlanError, match="'a', which is not among"):
        fit.encode({"b": np.ones(2)})


def test_numbers_too_large_to_standardise_are_refused():
    with pytest.raises(InputRefusedError, match=r"column .a.*too large"):
        fitted([{"a": np.array([1e200, -1e200])}], [Input("a", NUMERIC)])


def test_a_constant_and_an_empty_column_do_no_harm():
    fit = fitted([{"a": np.full(5, 0.1), "b": np.full(5, np.nan)}], [Input("a", NUMERIC), Input("b", NUMERIC)])
    assert np.isfinite(fit.encode({"a": np.full(2, 0.1), "b": np.full(2, np.nan)}).numeric).all()
    assert [column.scale for column in fit.numeric] == [1.0, 1.0]

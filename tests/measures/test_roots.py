"""Zeros of functions, against scipy's."""

from __future__ import annotations

import math

import pytest
from scipy.optimize import brentq

from auditkit.measures.roots import root


@pytest.mark.parametrize("shift", [-0.9, -1e-9, 0.0, 0.3, 0.999])
def test_zeros_are_those_that_scipy_finds(shift: float) -> None:
    for function in (lambda x: x**3 + x - shift, lambda x: math.tanh(x) - shift, lambda x: shift - x):
        assert root(function, -2.0, 5.0) == pytest.approx(brentq(function, -2.0, 5.0, xtol=1e-12), abs=1e-11)
    assert root(lambda x: x, 0.0, 1.0) == 0.0
    assert root(lambda x: x - 1.0, 0.0, 1.0) == 1.0


def test_without_a_change_of_sign_there_is_none() -> None:
    with pytest.raises(ValueError, match="same sign"):
        root(lambda x: x**2 + 1, -1.0, 1.0)


def test_large_numbers_end_where_floats_do() -> None:
    assert root(lambda x: x - 1e20 / 3, 0.0, 1e20) == pytest.approx(1e20 / 3, rel=1e-15)

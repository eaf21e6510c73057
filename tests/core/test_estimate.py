from __future__ import annotations

import math

import pytest

from auditkit.core.estimate import Estimate


@pytest.mark.parametrize(
    ("low", "high", "held"),
    [(0.3 + 1e-17, 0.4, (0.3, 0.4)), (0.3 + 1e-12, 0.4, (0.3, 0.4)), (0.2, 0.3 - 1e-12, (0.2, 0.3))],
)
def test_round_off_does_not_push_a_value_out_of_its_interval(low, high, held):
    assert Estimate(0.3, low, high).interval == held


@pytest.mark.parametrize(
    "wrong",
    [
        {"value": math.nan},
        {"value": math.inf},
        {"value": 0.5, "low": -math.inf, "high": 1.0},
        {"value": 0.5, "low": 0.4},
        {"value": 0.5, "high": 0.6},
        {"value": None},
    ],
)
def test_what_is_no_number_or_half_an_interval_is_refused(wrong):
    with pytest.raises(ValueError, match="Estimate"):
        Estimate(**wrong)


def test_a_quantity_that_does_not_exist_says_why():
    nothing = Estimate.undefined("there are no rows", 3)
    assert (nothing.value, nothing.interval, nothing.reason, nothing.n) == (None, None, "there are no rows", 3)
    assert Estimate.exact(2.0, 5).interval is None
    assert not Estimate.exact(2.0, 5).sampled

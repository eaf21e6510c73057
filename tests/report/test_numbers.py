import math
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from auditkit.core.messages import fixed, percent, points
from auditkit.core.messages import number as written
from auditkit.report.numbers import bound, duration, estimate, number
from auditkit.report.scales import Linear, nice_domain, ticks

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("value", "interval", "bounds", "shown"),
    [
        (0.10399999, (0.0812, 0.1271), (), ("0.104", "[0.081, 0.127]")),
        (0.1004, (0.1002, 0.12), (0.1,), ("0.1004", "[0.1002, 0.1200]")),
        (-0.0213, (-0.05, 0.01), (), ("−0.021", "[−0.050, 0.010]")),
        (12345.6, (12000.0, 13000.0), (), ("12,346", "[12,000, 13,000]")),
        (0.00001234, (0.00001, 0.00002), (), ("0.000012", "[0.000010, 0.000020]")),
        (48130.0, None, (), ("48,130", "")),
        (0.0, None, (), ("0", "")),
        (-0.00001, (-0.2, 0.2), (), ("0.000", "[−0.200, 0.200]")),
    ],
)
def test_estimate(value, interval, bounds, shown) -> None:
    assert estimate(value, interval, bounds) == shown


@pytest.mark.parametrize("value", [0.7425, 0.7225, 0.0005, 0.3255, 0.5, 0.12449999, 0.9995, -0.0405])
def test_one_number_is_rounded_alike_everywhere(value: float) -> None:
    """Halves away from zero on the decimal that was written; the binary number rounds some up and some down."""
    exact = (Decimal(str(value)) * 1000).to_integral_value(ROUND_HALF_UP)
    in_report = Decimal(estimate(value, (value, value + 0.01))[0].replace("−", "-")) * 1000
    in_text = Decimal(points(value)) * 10
    in_words = Decimal(fixed(value, 3)) * 1000
    assert {in_report, in_text, in_words} == {exact}
    if abs(value) >= 0.1:
        assert Decimal(written(value)) * 1000 == exact
        assert Decimal(percent(value).rstrip("%")) * 10 == exact


def test_what_arithmetic_leaves_of_zero_is_zero() -> None:
    assert estimate(-4.8e-14, (-0.31, 0.3)) == ("0.000", "[−0.310, 0.300]")
    assert written(-4.8e-14) == "0"
    assert percent(-1e-15) == "0.0%"
    assert fixed(-0.0004, 3) == "0.000"


@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(-5, 5))
def test_a_shown_number_never_moves_onto_a_bound_it_does_not_equal(value: float, low: float, limit: float) -> None:
    assume(abs(value - limit) >= 1e-5)
    low, high = min(low, value), max(low, value)
    shown, _ = estimate(value, (low, high), (limit,))
    parsed = float(shown.replace("−", "-").replace(",", ""))
    assert (parsed < limit) == (value < limit) or math.isclose(parsed, value, abs_tol=1e-12)
    assert abs(parsed - value) <= 0.0006


@pytest.mark.parametrize(("value", "shown"), [(0.1, "0.10"), (0.05, "0.05"), (0.125, "0.125"), (1.0, "1.00"),
                                              (250.0, "250"), (-0.2, "−0.20")])  # fmt: skip
def test_bound(value: float, shown: str) -> None:
    assert bound(value) == shown


@given(FINITE)
def test_any_number_can_be_shown(value: float) -> None:
    assert number(value)
    assert bound(value)
    assert all(estimate(value, (value, value)))


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.84, "0.8 s"), (42.2, "42 s"), (192, "3 min 12 s"), (7500, "2 h 5 min"), (59.9, "1 min 0 s")],
)
def test_duration(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


@given(st.lists(st.floats(-1e300, 1e300), max_size=6))
def test_a_domain_holds_its_values_and_a_scale_stays_within(values: list[float]) -> None:
    low, high = nice_domain(values)
    assert low < high
    assert all(low <= v <= high for v in values)
    scale = Linear(low, high, 10.0, 90.0)
    assert all(10 <= scale(v) <= 90 for v in values)
    assert all(math.isfinite(t) for t in ticks(low, high))


def test_domains_of_shares_stay_shares() -> None:
    assert nice_domain([0.02, 0.98]) == (0.0, 1.0)
    assert nice_domain([0.3, 5.0])[0] == 0.0


def test_ticks_are_round() -> None:
    assert ticks(0.0, 1.0) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])

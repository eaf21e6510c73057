"""The false discovery control against Benjamini and Hochberg's procedure on p-values."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from auditkit.checks.discovery import confirm


@given(st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=30))
def test_it_keeps_what_benjamini_and_hochberg_keep(p: list[float]) -> None:
    adjusted = false_discovery_control(p)
    if np.abs(adjusted - 0.05).min() < 1e-9:
        return
    # A two-sided interval of confidence c lies beyond the tolerance where the p-value is below 1 − c.
    claims = [lambda confidence, value=value: value < 1 - confidence for value in p]
    assert confirm(claims, 0.95) == [bool(a < 0.05) for a in adjusted]


def test_no_claims_no_warnings() -> None:
    assert confirm([], 0.95) == []

"""One row that holds nearly all the weight: the rest can't make its single answer certain."""

from __future__ import annotations

import numpy as np
import pytest

from auditkit.core.design import Design
from auditkit.core.task import RowStatistic
from auditkit.core.types import Better
from auditkit.measures.rates import estimate


@pytest.mark.parametrize("rest", [1e-3, 1e-5, 1e-6, 1e-7, 1e-9])
@pytest.mark.parametrize("kind", ["proportion", "mean"])
def test_a_dominating_weight_leaves_one_row_of_evidence(rest: float, kind: str) -> None:
    """At a true rate of one half no lower limit may lie above 0.6 more often than the confidence allows."""
    rng = np.random.default_rng(0)
    weight = np.ones(400)
    weight[0] = 400 / rest
    wrong = 0
    for _ in range(100):
        hit = (rng.random(400) < 0.5).astype(np.float64)
        statistic = RowStatistic("accuracy", kind, hit, np.ones(400, dtype=np.bool_), Better.HIGHER, "any")  # type: ignore[arg-type]
        found = estimate(statistic, Design(weight))
        wrong += found.low is not None and (found.low > 0.6 or (found.high or 0.0) < 0.4)
    assert wrong <= 5

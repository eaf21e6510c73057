"""Macro F1 with a rare class: the interval holds what that class might have been, not only what its rows were."""

from __future__ import annotations

import numpy as np
import pytest

from auditkit.measures.classification import macro_f1


def _truth(shares: np.ndarray, right: np.ndarray) -> float:
    """Macro F1 of a model that is right at the rates `right` and errs evenly among the other classes."""
    size = len(shares)
    table = np.array(
        [[shares[t] * (right[t] if p == t else (1 - right[t]) / (size - 1)) for p in range(size)] for t in range(size)]
    )
    return float(np.mean(2 * np.diag(table) / (table.sum(axis=0) + table.sum(axis=1))))


@pytest.mark.parametrize(("rows", "recall"), [(6, 0.85), (8, 0.9), (20, 0.96)])
def test_coverage(rows: int, recall: float) -> None:
    rng = np.random.default_rng(rows)
    shares = np.array([500.0, 500.0, rows])
    shares /= shares.sum()
    right = np.array([0.97, 0.97, recall])
    truth, covered, draws = _truth(shares, right), 0, 150
    for _ in range(draws):
        target = rng.choice(3, size=1000 + rows, p=shares)
        wrong = rng.random(len(target)) >= right[target]
        prediction = np.where(wrong, (target + rng.integers(1, 3, len(target))) % 3, target)
        found = macro_f1(target, prediction, ("a", "b", "c"))
        covered += found.value is None or (found.low is not None and found.low <= truth <= (found.high or 0.0))
    assert covered >= 0.93 * draws

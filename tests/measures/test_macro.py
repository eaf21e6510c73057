"""Averages over classes: scikit-learn's values, and coverage by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from auditkit.core.design import Design
from auditkit.measures.classification import balanced_accuracy
from auditkit.measures.macro import macro_f1_of_group, macro_rate

LABELS = ("a", "b", "c", "d")
SHARES = np.array([0.4, 0.3, 0.2, 0.1])


def draw(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Four classes of unequal size, the last the hardest."""
    rng = np.random.default_rng(seed)
    y = rng.choice(4, rows, p=SHARES)
    right = rng.random(rows) < np.array([0.9, 0.8, 0.7, 0.5])[y]
    return y, np.where(right, y, rng.integers(0, 4, rows))


def truth() -> dict[str, float]:
    """The same of the population: the confusion shares in closed form."""
    hit = np.array([0.9, 0.8, 0.7, 0.5])
    cells = SHARES[:, None] * ((1 - hit)[:, None] / 4 + np.diag(hit))
    right, rows, columns = np.diag(cells), cells.sum(axis=1), cells.sum(axis=0)
    return {
        "true_positive_rate": float(np.mean(right / rows)),
        "false_negative_rate": float(np.mean(1 - right / rows)),
        "false_positive_rate": float(np.mean((columns - right) / (1 - rows))),
        "positive_predictive_value": float(np.mean(right / columns)),
        "f1": float(np.mean(2 * right / (rows + columns))),
    }


def test_values_are_scikit_learns() -> None:
    y, p = draw(900, 1)
    expected = {
        "true_positive_rate": metrics.recall_score(y, p, average="macro"),
        "false_negative_rate": 1 - metrics.recall_score(y, p, average="macro"),
        "positive_predictive_value": metrics.precision_score(y, p, average="macro"),
        "false_positive_rate": np.mean([np.mean(p[y != k] == k) for k in range(4)]),
    }
    for rate, value in expected.items():
        assert macro_rate(rate, y, p, LABELS).value == pytest.approx(value, abs=1e-12)
    assert macro_f1_of_group(y, p, LABELS).value == pytest.approx(metrics.f1_score(y, p, average="macro"), abs=1e-12)


def test_the_macro_recall_is_the_balanced_accuracy() -> None:
    y, p = draw(900, 1)
    assert macro_rate("true_positive_rate", y, p, LABELS).interval == pytest.approx(
        balanced_accuracy(y, p, LABELS).interval
    )


@pytest.mark.parametrize("rows", [150, 1000])
def test_intervals_cover(rows: int) -> None:
    covered = dict.fromkeys(truth(), 0)
    for seed in range(400):
        y, p = draw(rows, seed)
        found = {name: macro_rate(name, y, p, LABELS) for name in covered if name != "f1"}
        found["f1"] = macro_f1_of_group(y, p, LABELS)
        for name, one in found.items():
            assert one.low is not None
            assert one.high is not None
            covered[name] += one.low <= truth()[name] <= one.high
    assert min(covered.values()) >= 0.92 * 400, covered


@pytest.mark.parametrize("rate", ["true_positive_rate", "false_positive_rate", "positive_predictive_value", "f1"])
def test_weights_of_one_are_no_weights_and_counts_are_rows(rate: str) -> None:
    y, p = draw(600, 2)

    def of(*arguments: np.ndarray, design: Design) -> tuple[float | None, ...]:
        one = (
            macro_f1_of_group(*arguments, LABELS, design)
            if rate == "f1"
            else macro_rate(rate, *arguments, LABELS, design)
        )
        return one.value, one.low, one.high, one.n

    plain = of(y, p, design=Design())
    cells, count = np.unique(np.stack([y, p]), axis=1, return_counts=True)
    assert of(*cells, design=Design(count=count)) == pytest.approx(plain, abs=1e-9)
    weighted = of(y, p, design=Design(weight=np.ones(600)))
    assert weighted == pytest.approx(plain, abs=2e-3)
    copies = of(*(np.repeat(v, 4) for v in (y, p)), design=Design(cluster=np.repeat(np.arange(600), 4)))
    assert copies[0] == pytest.approx(plain[0])
    assert copies[2] - copies[1] >= 0.98 * (plain[2] - plain[1])


def test_a_class_that_is_not_there_leaves_no_value() -> None:
    y, p = draw(600, 2)
    lost = macro_rate("true_positive_rate", np.where(y == 3, -1, y), p, LABELS)
    assert lost.value is None
    assert "'d'" in (lost.reason or "")
    nowhere = macro_f1_of_group(np.where(y == 3, 0, y), np.where(p == 3, 0, p), LABELS)
    assert nowhere.value is None
    assert "'d'" in (nowhere.reason or "")

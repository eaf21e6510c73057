"""What can be measured of a confusion table alone: rates of its cells, and statistics that are no ratio of sums.

A table has shape `[..., C, C]`: rows are true labels, columns are predictions, and leading axes (groups, replicates)
are carried along. It may hold counts or sums of weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from auditkit.core.types import BoolArray, FloatArray


def f1_of_jaccard(j: FloatArray) -> FloatArray:
    """F1 = 2J / (1 + J), J = TP / (TP + FP + FN) in 0..1: it rises with J, so limits of J become limits of F1."""
    return np.asarray(2 * j / (1 + j), dtype=np.float64)


@dataclass(frozen=True)
class CellRate:
    """A proportion of the cells, or a rising function of one.

    value = curve(Σ cells in `hits` / Σ cells in `counts`); both bool `[C, C]`, `hits` inside `counts`. `curve` maps
    0..1 to 0..1 and never falls; None: the proportion itself. `empty` completes "there are no rows with …".
    """

    name: str
    hits: BoolArray
    counts: BoolArray
    empty: str
    curve: Callable[[FloatArray], FloatArray] | None = None

    def __post_init__(self) -> None:
        if self.hits.shape != self.counts.shape or self.hits.ndim != 2 or np.any(self.hits & ~self.counts):
            raise ValueError(f"{self.name}: `hits` must be [C, C] and lie inside `counts`")

    def of(self, table: FloatArray) -> FloatArray:
        """The rate of each table `[..., C, C]`, `[...]`; NaN where its denominator is 0."""
        hits, whole = table[..., self.hits].sum(axis=-1), table[..., self.counts].sum(axis=-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.curved(np.asarray(hits / whole, dtype=np.float64))

    def curved(self, proportion: FloatArray) -> FloatArray:
        """The value that belongs to a proportion."""
        return proportion if self.curve is None else self.curve(proportion)


@dataclass(frozen=True)
class CellStatistic:
    """A statistic of the whole table that is no ratio of sums.

    `function` maps tables `[..., C, C]` to values `[...]`, NaN where undefined. `low` and `high`: its range.
    """

    name: str
    function: Callable[[FloatArray], FloatArray]
    low: float = -np.inf
    high: float = np.inf

    def of(self, table: FloatArray) -> FloatArray:
        """The statistic of each table, `[...]`."""
        return self.function(table)


CellMetric = CellRate | CellStatistic


def class_metrics(k: int, classes: int) -> tuple[CellRate, ...]:
    """One class against the rest: the rates of class `k` (0..C−1) of `classes`.

    selection_rate, true_positive_rate, false_positive_rate, true_negative_rate, false_negative_rate,
    positive_predictive_value, negative_predictive_value, false_discovery_rate, false_omission_rate, and f1. Raises
    `ValueError` for a class that is not there.
    """
    if not 0 <= k < classes:
        raise ValueError(f"there is no class {k} among {classes}")
    label = np.zeros((classes, classes), dtype=np.bool_)
    label[k] = True
    chosen = label.T
    every = np.ones_like(label)
    texts = ("this label", "another label", "this prediction", "another prediction", "a label and a prediction")
    return (
        CellRate("selection_rate", chosen, every, texts[4]),
        CellRate("true_positive_rate", label & chosen, label, texts[0]),
        CellRate("false_positive_rate", ~label & chosen, ~label, texts[1]),
        CellRate("true_negative_rate", ~label & ~chosen, ~label, texts[1]),
        CellRate("false_negative_rate", label & ~chosen, label, texts[0]),
        CellRate("positive_predictive_value", label & chosen, chosen, texts[2]),
        CellRate("negative_predictive_value", ~label & ~chosen, ~chosen, texts[3]),
        CellRate("false_discovery_rate", ~label & chosen, chosen, texts[2]),
        CellRate("false_omission_rate", label & ~chosen, ~chosen, texts[3]),
        CellRate("f1", label & chosen, label | chosen, "the class as label or as prediction", f1_of_jaccard),
    )


def accuracy(classes: int) -> CellRate:
    """The share of rows whose prediction is their label."""
    right = np.eye(classes, dtype=np.bool_)
    return CellRate("accuracy", right, np.ones_like(right), "a label and a prediction")


def binary_metrics(positive: int = 1) -> tuple[CellMetric, ...]:
    """Every metric of a binary table: those of `class_metrics` for the class `positive`, and accuracy, balanced
    accuracy, Matthews correlation."""
    return (*class_metrics(positive, 2), accuracy(2), BALANCED_ACCURACY, MATTHEWS_CORRELATION)


def _balanced_accuracy(table: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.mean(np.einsum("...kk->...k", table) / table.sum(axis=-1), axis=-1), dtype=np.float64)


def _macro_f1(table: FloatArray) -> FloatArray:
    both = table.sum(axis=-1) + table.sum(axis=-2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.mean(2 * np.einsum("...kk->...k", table) / both, axis=-1), dtype=np.float64)


def _matthews(table: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore", divide="ignore"):
        p = table / table.sum(axis=(-2, -1), keepdims=True)
        rows, columns = p.sum(axis=-1), p.sum(axis=-2)
        together = np.einsum("...kk->...", p) - np.sum(rows * columns, axis=-1)
        product = (1 - np.sum(rows**2, axis=-1)) * (1 - np.sum(columns**2, axis=-1))
        return np.where(product > 1e-15, together / np.sqrt(np.maximum(product, 0)), np.nan)


#: Mean over the classes of the share of each that is found; undefined where a class has no row.
BALANCED_ACCURACY = CellStatistic("balanced_accuracy", _balanced_accuracy, 0.0, 1.0)
#: Mean over the classes of F1; undefined where a class is neither true nor predicted.
MACRO_F1 = CellStatistic("macro_f1", _macro_f1, 0.0, 1.0)
#: Matthews' correlation, for any number of classes (Gorodkin 2004); undefined where labels or predictions are of one.
MATTHEWS_CORRELATION = CellStatistic("matthews_correlation", _matthews, -1.0, 1.0)

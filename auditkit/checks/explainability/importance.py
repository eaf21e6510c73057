"""Importances of inputs, read from the tables that probes left: attributions, and losses after a permutation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from auditkit.checks.reading import (
    changed_outcomes,
    differences,
    floats,
    headline,
    integers,
    labels,
    loss_statistic,
)
from auditkit.core.estimate import Estimate
from auditkit.core.evidence import Evidence
from auditkit.core.outcomes import Outcomes, places
from auditkit.core.task import RowStatistic
from auditkit.core.types import Better, FloatArray, IntArray
from auditkit.measures.difference import paired_mean


@dataclass(frozen=True)
class Importance:
    """How much one input matters: `size` (never negative in truth), and for attributions its signed mean."""

    feature: str
    size: Estimate
    signed: Estimate | None = None


@dataclass(frozen=True)
class Attributed:
    """What the attributions of one split say. `errors` is float64 `[k]`: |delta| / Σ|attribution| of each row."""

    importances: tuple[Importance, ...]
    errors: FloatArray
    completeness: Estimate
    method: str
    baseline: str


def attributed(table: pa.Table, outcomes: Outcomes, confidence: float) -> Attributed:
    """Mean |attribution| and mean attribution of each input over the explained rows, and the completeness error."""
    rows, at = np.unique(integers(table, "row"), return_inverse=True)
    feature, names = labels(table.column("feature"))
    value = np.full((len(rows), len(names)), np.nan)
    value[at, feature] = floats(table, "value")
    delta = np.full(len(rows), np.nan)
    delta[at] = floats(table, "delta")
    # Every explained row is one of the split: a table has its own rows.
    explained = outcomes.where(places(rows, outcomes.row))

    def mean(values: FloatArray) -> Estimate:
        return paired_mean(values, explained.design, confidence)

    importances = tuple(Importance(n, mean(np.abs(value[:, i])), mean(value[:, i])) for i, n in enumerate(names))
    errors = _completeness_errors(value, delta)
    method, baseline = (str(table.column(column)[0].as_py()) for column in ("method", "baseline"))
    return Attributed(_sorted(importances), errors, mean(errors), method, baseline)


def _completeness_errors(value: FloatArray, delta: FloatArray) -> FloatArray:
    """|delta| / Σ|attribution| of each row, `[k]`; 0 where nothing is attributed and nothing is missing, NaN where
    nothing is attributed although the output changed."""
    whole = np.nansum(np.abs(value), axis=1)
    size = np.abs(delta)
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = size / whole
    return np.where(whole > 0, relative, np.where(size == 0, 0.0, np.nan))


@dataclass(frozen=True)
class Permuted:
    """What permutations of one split say; `unit` names what gets worse: the loss, or the headline metric."""

    importances: tuple[Importance, ...]
    unit: str
    more_is_worse: bool


def permuted(evidence: Evidence, table: pa.Table, outcomes: Outcomes) -> Permuted | str:
    """How much worse each row fares when one input is another row's, on average; paired with its frozen prediction.

    Worse is a larger loss; where the model gives labels only, a worse headline metric. A sentence says why there is
    nothing to say.
    """
    at = places(integers(table, "row"), outcomes.row)
    table, at = table.filter(pa.array(at >= 0)), at[at >= 0]
    like = outcomes.where(at)
    changed = changed_outcomes(evidence.task, table, like)
    if isinstance(changed, str):
        return changed
    worse, statistic = _harm(evidence, like, changed)
    feature, names = labels(table.column("feature"))
    importances = []
    for index, name in enumerate(names):
        chosen = feature == index
        rows, mean = _mean_by_row(at[chosen], worse[chosen])
        part = outcomes.where(rows)
        importances.append(Importance(name, paired_mean(mean, part.design, evidence.confidence)))
    return Permuted(_sorted(tuple(importances)), statistic.name, statistic.better is Better.LOWER)


def _harm(evidence: Evidence, before: Outcomes, after: Outcomes) -> tuple[FloatArray, RowStatistic]:
    """How much worse each changed row fares, `[m]`, NaN where that is not known, and by which statistic."""
    pair = [loss_statistic(evidence.task, side) for side in (before, after)]
    if not (pair[0].counts & pair[1].counts).any():
        pair = [headline(evidence.task, side) for side in (before, after)]
    sign = 1.0 if pair[0].better is Better.LOWER else -1.0
    return sign * differences(pair[1], pair[0]), pair[0]


def _mean_by_row(at: IntArray, values: FloatArray) -> tuple[IntArray, FloatArray]:
    """The mean over the repeats of each row: the rows, and their means (NaN where one repeat is)."""
    rows, of = np.unique(at, return_inverse=True)
    return rows, np.bincount(of, weights=values, minlength=len(rows)) / np.bincount(of, minlength=len(rows))


def _sorted(importances: tuple[Importance, ...]) -> tuple[Importance, ...]:
    """Most important first; those without a value last, ties by name."""
    return tuple(sorted(importances, key=lambda i: (i.size.value is None, -(i.size.value or 0.0), i.feature)))

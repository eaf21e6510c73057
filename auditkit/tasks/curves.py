"""Calibration of scores as a task reports it: metrics, the reliability figure, and its table."""

from __future__ import annotations

from collections.abc import Sequence

from auditkit.core.estimate import Estimate
from auditkit.core.figure import Axis, Figure, Point, Series, Table
from auditkit.core.messages import percent
from auditkit.core.outcomes import Outcomes
from auditkit.core.task import Calibration, Metric, Offer
from auditkit.core.types import Better, FloatArray
from auditkit.measures.calibration import ReliabilityBin, expected_calibration_error, reliability

OFFERS = (
    Offer("expected_calibration_error", better=Better.LOWER, low=0.0, high=1.0),
    Offer("brier", better=Better.LOWER, low=0.0, high=2.0),
)


def calibration_of(
    score: FloatArray, correct: FloatArray, brier: Estimate, outcomes: Outcomes, what: str, confidence: float, bins: int
) -> Calibration:
    """Calibration of `score` (`[n]`, NaN where unknown) against `correct` (`[n]`, 0, 1 or NaN); `what` is the event."""
    error = expected_calibration_error(score, correct, bins, outcomes.design, confidence)
    curve = reliability(score, correct, bins, outcomes.design, confidence)
    metrics = (
        Metric("expected_calibration_error", error, Better.LOWER),
        Metric("brier", brier, Better.LOWER),
    )
    if not curve:
        return Calibration(metrics, None, None)
    return Calibration(metrics, _figure(curve, what, outcomes.split), _table(curve, what))


def _figure(curve: Sequence[ReliabilityBin], what: str, split: str) -> Figure:
    points = tuple(
        Point(x=b.mean_score, y=b.observed.value, low=b.observed.low, high=b.observed.high, n=b.n) for b in curve
    )
    worst = max(curve, key=lambda b: abs((b.observed.value or 0.0) - b.mean_score))
    alt = (
        f"Reliability of the scores in {len(curve)} ranges. Furthest from the diagonal: where the mean score is "
        f"{percent(worst.mean_score)}, {what} holds in {percent(worst.observed.value or 0.0)} of {worst.n} rows."
    )
    return Figure(
        kind="reliability",
        title=f"How often {what} holds, by score ({split})",
        alt=alt,
        x=Axis(label="mean score", low=0.0, high=1.0),
        y=Axis(label=f"share of rows where {what} holds", low=0.0, high=1.0),
        series=(Series(name="observed", points=points),),
    )


def _table(curve: Sequence[ReliabilityBin], what: str) -> Table:
    return Table(
        title=f"Reliability: {what}",
        columns=("rows", "mean score", "observed", "low", "high"),
        rows=tuple((b.n, b.mean_score, b.observed.value, b.observed.low, b.observed.high) for b in curve),
    )

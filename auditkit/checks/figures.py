"""Figures that several checks fill in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from auditkit.checks.texts import alt_of
from auditkit.core.estimate import Estimate
from auditkit.core.figure import Axis, Figure, Point, Series

#: A row of an interval plot: its label and its estimate.
Row = tuple[str, Estimate]


def intervals(
    title: str,
    axis: str,
    series: Mapping[str, Sequence[Row]],
    *,
    share: bool,
    reference: float | None = None,
    reference_label: str | None = None,
) -> tuple[Figure, ...]:
    """One interval plot, or none where no estimate has a value. Rows without a value are left out of the drawing."""
    drawn, said = [], []
    for name, rows in series.items():
        shown = [(label, e) for label, e in rows if e.value is not None]
        points = tuple(Point(label=label, x=e.value, low=e.low, high=e.high, n=e.n) for label, e in shown)
        if points:
            drawn.append(Series(name=name, points=points))
            said.append(alt_of(name, [label for label, _ in shown], [e for _, e in shown], share=share))
    if not drawn:
        return ()
    figure = Figure(
        kind="intervals",
        title=title,
        alt=f"{title}. {' '.join(said)}",
        x=Axis(label=axis, low=0 if share else None, high=1 if share else None),
        y=Axis(label=""),
        series=tuple(drawn),
        reference=reference,
        reference_label=reference_label,
    )
    return (figure,)

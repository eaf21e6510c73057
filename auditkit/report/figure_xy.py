"""Layout of figures on two numeric axes: lines with bands, and reliability curves."""

from __future__ import annotations

import math
from dataclasses import dataclass

from auditkit.core.figure import Figure, Point, Series
from auditkit.report.scales import Linear

#: More points than this are drawn as a line alone.
MOST_MARKERS = 20


@dataclass(frozen=True)
class Dot:
    """One point, with its interval as a vertical line where it has one; `radius` grows with the rows behind it."""

    x: float
    y: float
    low: float | None
    high: float | None
    radius: float


@dataclass(frozen=True)
class Curve:
    """One series: `line` and `band` are SVG point lists, one for each run without a gap."""

    style: int
    lines: tuple[str, ...]
    bands: tuple[str, ...]
    dots: tuple[Dot, ...]


def lay_curves(figure: Figure, across: Linear, up: Linear, styles: int, most: int) -> tuple[Curve, ...]:
    """Every series as a curve, in order, at most `most` of them."""
    largest = max((p.n or 0 for s in figure.series for p in s.points), default=0)
    whiskers = figure.kind == "reliability"
    return tuple(
        _curve(series, i % styles, across, up, whiskers, largest) for i, series in enumerate(figure.series[:most])
    )


def _curve(series: Series, style: int, across: Linear, up: Linear, whiskers: bool, largest: int) -> Curve:
    runs = _runs(series.points)
    with_dots = whiskers or len(series.points) <= MOST_MARKERS
    dots = [_dot(p, across, up, whiskers, largest) for run in runs for p in run] if with_dots else []
    lines = [_points([(p.x, p.y) for p in run], across, up) for run in runs if len(run) > 1]
    bands = [] if whiskers else [_band(run, across, up) for run in runs if len(run) > 1]
    return Curve(style, tuple(lines), tuple(b for b in bands if b), tuple(dots))


def _runs(points: tuple[Point, ...]) -> list[list[Point]]:
    """Stretches of points that have both coordinates; a gap breaks the line."""
    runs: list[list[Point]] = [[]]
    for point in points:
        if point.x is None or point.y is None:
            runs.append([])
        else:
            runs[-1].append(point)
    return [run for run in runs if run]


def _points(pairs: list[tuple[float | None, float | None]], across: Linear, up: Linear) -> str:
    return " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in pairs if x is not None and y is not None)


def _band(run: list[Point], across: Linear, up: Linear) -> str:
    if any(p.low is None or p.high is None for p in run):
        return ""
    return _points([(p.x, p.high) for p in run] + [(p.x, p.low) for p in reversed(run)], across, up)


def _dot(point: Point, across: Linear, up: Linear, whiskers: bool, largest: int) -> Dot:
    share = math.sqrt((point.n or 0) / largest) if largest and whiskers else 0.25
    low, high = (point.low, point.high) if whiskers else (None, None)
    return Dot(
        x=round(across(point.x or 0.0), 1),
        y=round(up(point.y or 0.0), 1),
        low=None if low is None else round(up(low), 1),
        high=None if high is None else round(up(high), 1),
        radius=round(2.5 + 3.5 * share, 1),
    )

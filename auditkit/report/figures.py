"""From a `Figure` (data) to a `Drawing` (places): everything that the SVG macros need, computed; no markup."""

from __future__ import annotations

from dataclasses import dataclass

from auditkit.core.figure import Figure
from auditkit.report.caps import LEVELS, Caps
from auditkit.report.figure_rows import Row, lay_rows
from auditkit.report.figure_table import ShownTable, data_table
from auditkit.report.figure_xy import Curve, lay_curves
from auditkit.report.messages import text
from auditkit.report.scales import Linear, nice_domain, tick_label, ticks
from auditkit.report.text import line

WIDTH = 400
LEFT = 52
RIGHT = 14
TOP = 10
LEGEND_ROW = 20
FOOT = 46
PLOT_HEIGHT = 230
#: Series are told apart by colour, shape and dash; past six they repeat.
STYLES = 6
MOST_SERIES = 12


@dataclass(frozen=True)
class Tick:
    """A place on an axis and its label."""

    at: float
    label: str


@dataclass(frozen=True)
class Legend:
    """One entry of the legend."""

    name: str
    style: int
    y: float


@dataclass(frozen=True)
class Reference:
    """The line that values are compared with."""

    at: float
    label: str
    vertical: bool
    anchor: str


@dataclass(frozen=True)
class Drawing:
    """A figure laid out in a box of `width` × `height`; `left`..`right`, `top`..`bottom` is the plot itself."""

    kind: str
    title: str
    alt: str
    width: int
    height: float
    left: float
    right: float
    top: float
    bottom: float
    x_label: str
    y_label: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    legend: tuple[Legend, ...]
    reference: Reference | None
    rows: tuple[Row, ...]
    curves: tuple[Curve, ...]
    table: ShownTable
    note: str


def draw(figure: Figure, caps: Caps = LEVELS[0]) -> Drawing:
    """Lay a figure out. Points without a value are not drawn; the data table says why they are missing."""
    return _draw_rows(figure, caps) if figure.kind in ("intervals", "bars") else _draw_curves(figure, caps)


def _legend(figure: Figure) -> tuple[tuple[Legend, ...], float]:
    """The legend, and where the plot below it begins. A single series needs no legend."""
    names = [line(s.name, 56) for s in figure.series[:MOST_SERIES]]
    if len(names) < 2:
        return (), TOP + 6.0
    entries = tuple(Legend(name, i % STYLES, TOP + 8 + i * LEGEND_ROW) for i, name in enumerate(names))
    return entries, TOP + len(names) * LEGEND_ROW + 6.0


def _ticks(scale: Linear, count: int) -> tuple[Tick, ...]:
    values = ticks(scale.low, scale.high, count)
    step = values[1] - values[0] if len(values) > 1 else 0.0
    return tuple(Tick(round(scale(v), 1), tick_label(v, step)) for v in values)


def _draw_rows(figure: Figure, caps: Caps) -> Drawing:
    bars = figure.kind == "bars"
    axis = figure.y if bars else figure.x
    values = [v for s in figure.series for p in s.points for v in (p.y if bars else p.x, p.low, p.high)]
    known = [v for v in values if v is not None] + ([] if figure.reference is None else [figure.reference])
    low, high = nice_domain([*known, 0.0] if bars else known, axis.low, axis.high)
    scale = Linear(low, high, 14.0, WIDTH - RIGHT)
    legend, top = _legend(figure)
    top += 14 if figure.reference is not None else 0
    rows, bottom, left_out = lay_rows(figure, scale, top, STYLES, caps.drawn)
    reference = None
    if figure.reference is not None:
        at = round(scale(figure.reference), 1)
        anchor = "start" if at < WIDTH * 0.3 else "end" if at > WIDTH * 0.7 else "middle"
        reference = Reference(at, _reference_label(figure), vertical=True, anchor=anchor)
    total = len(rows) + left_out
    return Drawing(
        kind=figure.kind,
        title=line(figure.title, 300),
        alt=line(figure.alt, 900),
        width=WIDTH,
        height=bottom + FOOT,
        left=14.0,
        right=WIDTH - RIGHT,
        top=top,
        bottom=bottom,
        x_label=line(axis.label, 80),
        y_label="",
        x_ticks=_ticks(scale, 6),
        y_ticks=(),
        legend=legend,
        reference=reference,
        rows=rows,
        curves=(),
        table=data_table(figure, caps.data),
        note=text("more.points", shown=len(rows), total=total) if left_out else "",
    )


def _draw_curves(figure: Figure, caps: Caps) -> Drawing:
    square = figure.kind == "reliability"
    points = [p for s in figure.series[:MOST_SERIES] for p in s.points if p.x is not None and p.y is not None]
    ys = [v for p in points for v in (p.y, p.low, p.high) if v is not None]
    if figure.reference is not None:
        ys.append(figure.reference)
    xs = [p.x for p in points if p.x is not None]
    legend, top = _legend(figure)
    top += 4
    bottom = top + (WIDTH - LEFT - RIGHT if square else PLOT_HEIGHT)
    x_low, x_high = (0.0, 1.0) if square else _tight(xs, figure.x.low, figure.x.high)
    y_low, y_high = (0.0, 1.0) if square else nice_domain(ys, figure.y.low, figure.y.high)
    across = Linear(x_low, x_high, LEFT, WIDTH - RIGHT)
    up = Linear(y_low, y_high, bottom, top)
    reference = None
    if figure.reference is not None:
        reference = Reference(round(up(figure.reference), 1), _reference_label(figure), vertical=False, anchor="end")
    return Drawing(
        kind=figure.kind,
        title=line(figure.title, 300),
        alt=line(figure.alt, 900),
        width=WIDTH,
        height=bottom + FOOT,
        left=LEFT,
        right=WIDTH - RIGHT,
        top=top,
        bottom=bottom,
        x_label=line(figure.x.label, 80),
        y_label=line(figure.y.label, 60),
        x_ticks=_ticks(across, 6),
        y_ticks=_ticks(up, 6),
        legend=legend,
        reference=reference,
        rows=(),
        curves=lay_curves(figure, across, up, STYLES, MOST_SERIES),
        table=data_table(figure, caps.data),
        note=text("more.series", shown=MOST_SERIES, total=len(figure.series))
        if len(figure.series) > MOST_SERIES
        else "",
    )


def _tight(values: list[float], low: float | None, high: float | None) -> tuple[float, float]:
    """Limits that a curve fills from edge to edge (epochs 1 to 20 need no room beside them)."""
    first = min(values, default=0.0) if low is None else low
    last = max(values, default=1.0) if high is None else high
    return (first, last) if first < last else nice_domain(values, low, high)


def _reference_label(figure: Figure) -> str:
    return line(figure.reference_label or "", 48)

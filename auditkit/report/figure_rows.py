"""Layout of figures with one row a label: intervals as dots on lines, and bars."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from auditkit.core.figure import Figure, Point
from auditkit.report.messages import text
from auditkit.report.numbers import count, estimate
from auditkit.report.scales import Linear
from auditkit.report.text import line

ROW_LABEL = 17.0
MARK_HEIGHT = 15.0
ROW_GAP = 7.0
#: Width of a label, in characters, that fits beside its value; where one is wider, all values stand below the labels.
BESIDE_VALUE = 22
LABEL_WIDTH = 44


@dataclass(frozen=True)
class Mark:
    """One estimate in a row: a dot at `x` on a line `low`..`high`, or a bar from `zero` to `x`."""

    y: float
    x: float
    zero: float
    low: float | None
    high: float | None
    style: int


@dataclass(frozen=True)
class Row:
    """One label with its marks; `value` says the number in words where there is a single series."""

    label: str
    y: float
    value: str
    value_y: float
    marks: tuple[Mark, ...]


def lay_rows(figure: Figure, scale: Linear, top: float, styles: int, most: int) -> tuple[tuple[Row, ...], float, int]:
    """The rows, where they end, and how many labels were left out because there are too many."""
    bars = figure.kind == "bars"
    labels = list(dict.fromkeys(p.label or "" for s in figure.series for p in s.points))
    rows, y = [], top
    stacked = len(figure.series) == 1 and any(_width(_short(label)) > BESIDE_VALUE for label in labels)
    head = ROW_LABEL * 2 if stacked else ROW_LABEL
    for label in labels[:most]:
        found = [(i, p) for i, s in enumerate(figure.series) for p in s.points if (p.label or "") == label]
        marks, place = [], y + head
        for index, point in found:
            value = point.y if bars else point.x
            if value is not None:
                marks.append(_mark(point, value, scale, place + MARK_HEIGHT / 2, index % styles))
                place += MARK_HEIGHT
        rows.append(Row(_short(label), y + 12, _value(found, bars), y + head - 5, tuple(marks)))
        y = max(place, y + head) + ROW_GAP
    return tuple(rows), y, max(0, len(labels) - most)


def _mark(point: Point, value: float, scale: Linear, y: float, style: int) -> Mark:
    has_interval = point.low is not None and point.high is not None
    return Mark(
        y=round(y, 1),
        x=round(scale(value), 1),
        zero=round(scale(0.0), 1),
        low=round(scale(point.low), 1) if has_interval and point.low is not None else None,
        high=round(scale(point.high), 1) if has_interval and point.high is not None else None,
        style=style,
    )


def _short(label: str) -> str:
    shown = line(label) or text("group.empty")
    if _width(shown) <= LABEL_WIDTH:
        return shown
    while _width(shown) > LABEL_WIDTH - 1:
        shown = shown[:-1]
    return f"{shown}…"


def _width(label: str) -> int:
    """Characters, those of East Asian scripts counted twice."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in label)


def _value(found: list[tuple[int, Point]], bars: bool) -> str:
    if len(found) != 1:
        return ""
    point = found[0][1]
    value = point.y if bars else point.x
    if value is None:
        return text("small.shown")
    interval = None if point.low is None or point.high is None else (point.low, point.high)
    said = " ".join(part for part in estimate(value, interval) if part)
    return said if point.n is None else f"{said}  {text('figure.n', n=count(point.n))}"

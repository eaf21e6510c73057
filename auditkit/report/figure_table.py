"""Tables as they are shown: cells as text, and the data table that stands behind every figure."""

from __future__ import annotations

from dataclasses import dataclass

from auditkit.core.figure import Axis, Cell, Figure, Point, Table
from auditkit.report.messages import cut, text
from auditkit.report.numbers import count, estimate, fixed, number
from auditkit.report.text import LABEL, line


@dataclass(frozen=True)
class ShownTable:
    """A table as text. `numeric` says which columns are right-aligned; `note` that rows were left out."""

    title: str
    columns: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str


def cell_text(cell: Cell) -> str:
    """One cell: numbers in readable digits, `not defined` where there is nothing."""
    if cell is None:
        return text("value.undefined")
    if isinstance(cell, bool):
        return text("cell.true" if cell else "cell.false")
    if isinstance(cell, int):
        return count(cell)
    return number(cell) if isinstance(cell, float) else line(cell, 2 * LABEL)


def shown_table(table: Table, most: int) -> ShownTable:
    """A check's table as text, at most `most` rows of it."""
    rows = table.rows[:most]
    # What was left out or is not defined does not make a column of numbers one of words.
    columns = [[row[i] for row in rows if row[i] not in (None, text("small.shown"))] for i in range(len(table.columns))]
    numeric = tuple(bool(cells) and all(map(_is_number, cells)) for cells in columns)
    return ShownTable(
        title=line(table.title, 300),
        columns=tuple(line(name) for name in table.columns),
        numeric=numeric,
        rows=tuple(tuple(cell_text(cell) for cell in row) for row in rows),
        note=cut("more.rows", len(rows), len(table.rows)),
    )


def _is_number(cell: Cell) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def data_table(figure: Figure, most: int) -> ShownTable:
    """The numbers of a figure, at most `most` points. Columns that no point fills are left out."""
    by_label = figure.kind in ("intervals", "bars")
    value_axis = figure.x if figure.kind == "intervals" else figure.y
    points = [(series.name, point) for series in figure.series for point in series.points]
    shown = points[:most]
    columns: list[tuple[str, bool, list[str]]] = []
    if len(figure.series) > 1:
        columns.append((text("column.series"), False, [line(name) for name, _ in shown]))
    if by_label:
        columns.append((text("column.label"), False, [line(p.label or "") or text("group.empty") for _, p in shown]))
    else:
        places = _places([p.x for _, p in shown])
        columns.append((_axis(figure.x, "x"), True, places))
    measured = [_measured(p, p.x if figure.kind == "intervals" else p.y) for _, p in shown]
    columns.append((_axis(value_axis, text("column.value")), True, [value for value, _ in measured]))
    if any(p.low is not None for _, p in shown):
        columns.append((text("column.interval"), True, [interval for _, interval in measured]))
    if any(p.n is not None for _, p in shown):
        columns.append((text("column.n"), True, ["" if p.n is None else count(p.n) for _, p in shown]))
    names, numeric, cells = zip(*columns, strict=True)
    rows = tuple(zip(*cells, strict=True))
    return ShownTable(line(figure.title, 300), names, numeric, rows, cut("more.rows", len(shown), len(points)))


def _places(values: list[float | None]) -> list[str]:
    """Places on an axis: epochs and other whole numbers without decimals."""
    whole = all(v is None or v.is_integer() for v in values)
    said = (lambda v: fixed(v, 0)) if whole else number
    return [text("value.undefined") if v is None else said(v) for v in values]


def _axis(axis: Axis, otherwise: str) -> str:
    return line(axis.label, 80) or otherwise


def _measured(point: Point, value: float | None) -> tuple[str, str]:
    if value is None:
        return text("small.shown"), ""
    return estimate(value, None if point.low is None or point.high is None else (point.low, point.high))

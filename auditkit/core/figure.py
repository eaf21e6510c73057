"""Figures and tables as data. A check fills them in; only the report knows how to draw."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Cell = str | int | Annotated[float, Field(allow_inf_nan=False)] | bool | None
Number = Annotated[float, Field(allow_inf_nan=False)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Table(_Frozen):
    """A table with a caption; every row has one cell for each column."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @model_validator(mode="after")
    def _is_rectangular(self) -> Table:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError("every row needs one cell for each column")
        return self


class Axis(_Frozen):
    """One axis: its label, and its limits where they are fixed (a probability runs from 0 to 1)."""

    label: str
    low: Number | None = None
    high: Number | None = None


class Point(_Frozen):
    """A point or bar. `label` names it on a categorical axis; `low`..`high` is the interval of `y` (or of `x` in
    an interval plot); `n` counts the rows behind it."""

    x: Number | None = None
    y: Number | None = None
    low: Number | None = None
    high: Number | None = None
    label: str | None = None
    n: int | None = None


class Series(_Frozen):
    """A named run of points."""

    name: str
    points: tuple[Point, ...]


class Figure(_Frozen):
    """What to draw, not how.

    `intervals`: one row a point (label, x, low, high); `reference` is a vertical line (a bound, an overall value).
    `reliability`: x = mean score, y = observed rate with low..high, n = rows of the bin; the diagonal is ideal.
    `lines`: x against y, low..high as a band where given; several series (loss curves, deletion curves).
    `bars`: one bar a point (label, y, low, high).
    """

    kind: Literal["intervals", "reliability", "lines", "bars"]
    title: str
    alt: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    reference: Number | None = None
    reference_label: str | None = None

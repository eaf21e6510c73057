"""Leave out what rests on a handful of rows, before anything is drawn or written for people.

Statistical disclosure control by a minimum cell size (Hundepool et al., Statistical Disclosure Control, 2012, ch. 5):
a rate of two rows tells the reader about two people. `audit.json` keeps every number; it is evidence, not a report.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from auditkit.core.audit import Audit
from auditkit.core.figure import Cell, Figure, Point, Table
from auditkit.core.finding import Finding
from auditkit.report.labels import finding_label
from auditkit.report.messages import text

DEFAULT_MIN_CELL = 5
#: The `method` of a finding whose number was left out.
SUPPRESSED = "suppressed"
_COUNT_COLUMNS = frozenset({"n", "rows", "count", "size", "support"})
_COUNTED = re.compile(r"(?<![\w.,])(\d+)(?= (?:\w+ )?rows?\b)")

Small = frozenset[tuple[str | None, str]]


def min_cell(audit: Audit) -> int:
    """The minimum cell size that the plan asks for."""
    report = audit.plan.get("report")
    asked = report.get("min_cell") if isinstance(report, dict) else None
    return asked if isinstance(asked, int) and not isinstance(asked, bool) and asked >= 1 else DEFAULT_MIN_CELL


def protect(audit: Audit) -> Audit:
    """The audit without values, counts and texts that rest on 1 to `min_cell` − 1 rows of a group or a bin."""
    least = min_cell(audit)
    small = frozenset(
        (f.scope.attribute, group)
        for f in audit.findings
        if f.scope.attribute and f.scope.compared is None and _is_small(f.n, least)
        for group in f.scope.groups or ()
    )
    findings = tuple(_protect_finding(f, least, small) for f in audit.findings)
    return audit.model_copy(update={"findings": findings})


def _is_small(n: Cell, least: int) -> bool:
    return isinstance(n, int | float) and not isinstance(n, bool) and 0 < n < least


def _protect_finding(finding: Finding, least: int, small: Small) -> Finding:
    scope = finding.scope
    figures = tuple(_protect_figure(f, least, small, scope.attribute) for f in finding.figures)
    tables = tuple(_protect_table(t, least, small, scope.attribute) for t in finding.tables)
    involved = [group for group in scope.groups or () if (scope.attribute, group) in small]
    about_people = scope.attribute is not None or scope.slice is not None
    own = about_people and scope.compared is None and _is_small(finding.n, least)
    gap = scope.compared is not None and bool(involved)
    update: dict[str, object] = {"figures": figures, "tables": tables}
    if own or gap:
        why = text("small.gap" if gap else "small.finding", min_cell=least)
        update |= {"value": None, "interval": None, "n": finding.n if gap else None, "method": SUPPRESSED}
        update |= {"explanation": "", "reason": why, "title": finding_label(finding)}
    elif about_people:
        mask = _masker(least)
        update |= {name: mask(getattr(finding, name)) for name in ("title", "explanation", "reason", "remedy")}
    return finding.model_copy(update=update)


def _masker(least: int) -> Callable[[str | None], str | None]:
    """Replace `3 rows` in prose, where 3 is below `least`."""

    def masked(match: re.Match[str]) -> str:
        return f"fewer than {least}" if 0 < int(match[1]) < least else match[1]

    return lambda prose: None if prose is None else _COUNTED.sub(masked, prose)


def _protect_figure(figure: Figure, least: int, small: Small, attribute: str | None) -> Figure:
    def hidden(point: Point) -> bool:
        return _is_small(point.n, least) or (point.label is not None and (attribute, point.label) in small)

    def protect_point(point: Point) -> Point:
        blank = {"y": None, "low": None, "high": None, "n": None}
        # On a categorical axis x is the value; on a numeric one it places the point (a bin's mean score).
        return point.model_copy(update={**blank, "x": None}) if hidden(point) else point

    series = tuple(s.model_copy(update={"points": tuple(map(protect_point, s.points))}) for s in figure.series)
    if series == figure.series:
        return figure
    # The alternative text may say the values in words; what is left out of the drawing must not stand there.
    return figure.model_copy(update={"series": series, "alt": figure.title})


def _protect_table(table: Table, least: int, small: Small, attribute: str | None) -> Table:
    counts = [i for i, name in enumerate(table.columns) if name.strip().lower() in _COUNT_COLUMNS]

    def protect_row(row: tuple[Cell, ...]) -> tuple[Cell, ...]:
        named = any(isinstance(cell, str) and (attribute, cell) in small for cell in row)
        if not named and not any(_is_small(row[i], least) for i in counts):
            return row
        short = text("small.value", min_cell=least)
        return tuple(short if i in counts else cell if isinstance(cell, str) else None for i, cell in enumerate(row))

    return table.model_copy(update={"rows": tuple(protect_row(row) for row in table.rows)})

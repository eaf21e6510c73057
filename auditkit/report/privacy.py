"""Leave out what rests on a handful of rows, before anything is drawn or written for people.

Statistical disclosure control by a minimum cell size (Hundepool et al., Statistical Disclosure Control, 2012, ch. 5):
a rate of two rows tells the reader about two people. `audit.json` keeps every number; it is evidence, not a report.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from auditkit.core.audit import Audit
from auditkit.core.figure import Cell, Figure, Point, Table
from auditkit.core.finding import Finding, Scope
from auditkit.report.labels import finding_label
from auditkit.report.messages import text

DEFAULT_MIN_CELL = 5
#: The `method` of a finding whose number was left out.
SUPPRESSED = "suppressed"
_COUNT_COLUMNS = frozenset({"n", "rows", "count", "size", "support"})
_COUNTED = re.compile(r"(?<![\w.,])(\d+)(?= (?:\w+ )?rows?\b)")
_PROSE = ("title", "explanation", "reason", "remedy", "affected")
#: The rates that stand behind gaps whose names don't tell.
_BEHIND = {
    "demographic_parity": ("selection_rate",),
    "equal_opportunity": ("true_positive_rate",),
    "equalized_odds": ("true_positive_rate", "false_positive_rate"),
}


@dataclass(frozen=True)
class _Small:
    """What is small: `groups` in every one of their rates, `cells` in one rate; keyed by split and attribute."""

    least: int
    groups: frozenset[tuple[str | None, str | None, str]]
    cells: frozenset[tuple[str | None, str | None, str, str]]

    def holds(self, scope: Scope, group: str) -> bool:
        return (scope.split, scope.attribute, group) in self.groups

    def any_group(self, scope: Scope) -> bool:
        """Whether the attribute has a small group at all."""
        return any((split, attribute) == (scope.split, scope.attribute) for split, attribute, _ in self.groups)

    def behind(self, scope: Scope, group: str, metric: str) -> bool:
        """Whether a rate that the gap `metric` is made of is small for this group."""
        stem = metric.removesuffix("_difference").removesuffix("_ratio")
        rates = _BEHIND.get(stem, (stem,))
        return self.holds(scope, group) or any((scope.split, scope.attribute, group, r) in self.cells for r in rates)

    def counts(self, n: Cell) -> bool:
        """Whether `n` is a count of 1 to `least` − 1. Nobody stands behind 0."""
        return isinstance(n, int | float) and not isinstance(n, bool) and 0 < n < self.least


def min_cell(audit: Audit) -> int:
    """The minimum cell size that the plan asks for."""
    report = audit.plan.get("report")
    asked = report.get("min_cell") if isinstance(report, dict) else None
    return asked if isinstance(asked, int) and not isinstance(asked, bool) and asked >= 1 else DEFAULT_MIN_CELL


def protect(audit: Audit) -> Audit:
    """The audit without values, counts and texts that rest on 1 to `min_cell` − 1 rows of a group or a bin."""
    small = _find_small(audit.findings, min_cell(audit))
    return audit.model_copy(update={"findings": tuple(_protect_finding(f, small) for f in audit.findings)})


def _find_small(findings: Iterable[Finding], least: int) -> _Small:
    sizes: dict[tuple[str | None, str | None, str], dict[str, int]] = {}
    for f in findings:
        if f.scope.attribute and f.scope.compared is None and f.n is not None and len(f.scope.groups or ()) == 1:
            key = (f.scope.split, f.scope.attribute, (f.scope.groups or ("",))[0])
            sizes.setdefault(key, {})[f.metric] = f.n
    groups = frozenset(key for key, rates in sizes.items() if 0 < max(rates.values()) < least)
    cells = frozenset((*key, metric) for key, rates in sizes.items() for metric, n in rates.items() if 0 < n < least)
    return _Small(least, groups, cells)


def _protect_finding(finding: Finding, small: _Small) -> Finding:
    scope = finding.scope
    update: dict[str, object] = {
        "figures": tuple(_protect_figure(f, scope, small) for f in finding.figures),
        "tables": tuple(_protect_table(t, scope, small) for t in finding.tables),
    }
    about_people = scope.attribute is not None or scope.slice is not None
    own = scope.compared is None and _own_is_small(finding, small)
    gap = scope.compared is not None and _gap_is_small(finding, small)
    if own or gap:
        why = text("small.gap" if gap else "small.finding", min_cell=small.least)
        update |= {"value": None, "interval": None, "n": finding.n if gap else None, "method": SUPPRESSED}
        update |= {"explanation": "", "reason": why, "title": finding_label(finding), "affected": None}
        # Which group of a gap is highest and which lowest tells of the small one too.
        update |= {"scope": scope.model_copy(update={"groups": None})} if gap else {}
    elif about_people:
        update |= _masked_prose(finding, small)
    return finding.model_copy(update=update)


def _own_is_small(finding: Finding, small: _Small) -> bool:
    """A group's rate that rests on few rows. In a small group even an empty denominator tells: all have one label."""
    scope = finding.scope
    about_people = scope.attribute is not None or scope.slice is not None
    groups = scope.groups or ()
    return about_people and (small.counts(finding.n) or any(small.holds(scope, group) for group in groups))


def _gap_is_small(finding: Finding, small: _Small) -> bool:
    """A gap from or to a small group; or one that does not exist, because the reason may tell of a small group."""
    scope = finding.scope
    if any(small.behind(scope, group, finding.metric) for group in scope.groups or ()):
        return True
    return finding.value is None and small.any_group(scope)


def _masked_prose(finding: Finding, small: _Small) -> Mapping[str, str]:
    """Every text of the finding, with `3 rows` and `Other: 3` (a small group and its number) made vague."""
    scope, least = finding.scope, f"fewer than {small.least}"
    names = sorted((g for s, a, g in small.groups if (s, a) == (scope.split, scope.attribute)), key=len, reverse=True)
    after_name = re.compile(rf"((?:{'|'.join(map(re.escape, names))})['\"”’]?(?: has| with)?[:,]? \(?)\d[\d.,]*%?")

    def mask(prose: str) -> str:
        vague = _COUNTED.sub(lambda m: least if small.counts(int(m[1])) else m[1], prose)
        return after_name.sub(rf"\g<1>{least}", vague) if names else vague

    return {name: mask(prose) for name in _PROSE if (prose := getattr(finding, name))}


def _protect_figure(figure: Figure, scope: Scope, small: _Small) -> Figure:
    def shown(point: Point) -> Point:
        if not small.counts(point.n) and not (point.label is not None and small.holds(scope, point.label)):
            return point
        return point.model_copy(update={"x": None, "y": None, "low": None, "high": None, "n": None})

    series = tuple(s.model_copy(update={"points": tuple(map(shown, s.points))}) for s in figure.series)
    if series == figure.series:
        return figure
    # The alternative text may say the values in words; what is left out of the drawing must not stand there.
    return figure.model_copy(update={"series": series, "alt": figure.title})


def _protect_table(table: Table, scope: Scope, small: _Small) -> Table:
    counts = [i for i, name in enumerate(table.columns) if name.strip().lower() in _COUNT_COLUMNS]
    short, hidden = text("small.value", min_cell=small.least), text("small.shown")

    def shown(row: tuple[Cell, ...]) -> tuple[Cell, ...]:
        named = any(isinstance(cell, str) and small.holds(scope, cell) for cell in row)
        if not named and not any(small.counts(row[i]) for i in counts):
            return row
        # The first cell names the row; any other may name the small group as the highest or the lowest.
        return tuple(cell if i == 0 else short if i in counts else hidden for i, cell in enumerate(row))

    return table.model_copy(update={"rows": tuple(shown(row) for row in table.rows)})

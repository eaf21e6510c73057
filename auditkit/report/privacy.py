"""Leave out what rests on a handful of rows, before anything is drawn or written for people.

What is too small is decided in `small.py`. `audit.json` keeps every number; it is evidence, not a report.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from auditkit.core.audit import Audit
from auditkit.core.figure import Cell, Figure, Point, Series, Table
from auditkit.core.finding import Finding, Scope
from auditkit.core.types import INTERSECTION
from auditkit.report.labels import finding_label
from auditkit.report.messages import text
from auditkit.report.small import ERROR_ODDS, LABEL_FREE, Group, Small, find_small, rates_behind

DEFAULT_MIN_CELL = 5
#: The `method` of a finding whose number was left out: because few rows stand behind it, or because it would tell one
#: behind which few stand.
SUPPRESSED, WITHHELD = "suppressed", "withheld"
#: Tables that say again, without intervals, what the report builds from the findings: by check, how their titles begin.
_REBUILT = {"bias.groups": ("Groups of ", "Gaps by ")}
_COUNT_COLUMNS = frozenset({"n", "rows", "count", "size", "support", "with a label"})
_COUNTED = re.compile(r"(?<![\w.,])(\d+)(?= (?:\w+ )?rows?\b)")
_PROSE = ("title", "explanation", "reason", "remedy", "affected")


def min_cell(audit: Audit) -> int:
    """The minimum cell size that the plan asks for."""
    report = audit.plan.get("report")
    asked = report.get("min_cell") if isinstance(report, dict) else None
    return asked if isinstance(asked, int) and not isinstance(asked, bool) and asked >= 1 else DEFAULT_MIN_CELL


def is_hidden(finding: Finding) -> bool:
    """Whether the number of a protected finding was left out."""
    return finding.method in (SUPPRESSED, WITHHELD)


def protect(audit: Audit) -> Audit:
    """The audit without values, counts and texts that rest on 1 to `min_cell` − 1 rows of a group, a slice or a bin,
    and without those from which they could be worked out inside a group."""
    small = find_small(audit.findings, min_cell(audit))
    return audit.model_copy(update={"findings": tuple(_protect_finding(f, small) for f in audit.findings)})


def _protect_finding(finding: Finding, small: Small) -> Finding:
    scope, rebuilt = finding.scope, _REBUILT.get(finding.check, ())
    tables = [table for table in finding.tables if not table.title.startswith(rebuilt)]
    update: dict[str, object] = {
        "figures": tuple(_protect_figure(f, finding, small) for f in finding.figures),
        "tables": tuple(_protect_table(t, _about(scope, t.title, small), small) for t in tables),
    }
    gap = scope.compared is not None
    hidden = _gap_is_small(finding, small) if gap else _own_is_small(finding, small)
    if hidden:
        method, why = hidden
        update |= {"value": None, "interval": None, "n": finding.n if gap else None, "method": method}
        update |= {"explanation": "", "reason": text(why, min_cell=small.least), "affected": None}
        update |= {"title": finding_label(finding)}
        # Which group of a gap is highest and which lowest tells of the small one too.
        update |= {"scope": scope.model_copy(update={"groups": None})} if gap else {}
    elif scope.attribute is not None or scope.slice is not None:
        update |= _masked_prose(finding, small)
    return finding.model_copy(update=update)


def _own_is_small(finding: Finding, small: Small) -> tuple[str, str] | None:
    """How and why the rate of a group or a slice is left out, None where it is shown."""
    scope = finding.scope
    if scope.attribute is None and scope.slice is None:
        return None
    groups = scope.groups or ()
    if small.counts(finding.n):
        return SUPPRESSED, "small.finding"
    if any(small.holds(scope, group) for group in groups):
        # Few rows with an empty denominator: all of them have the other label, so not even the reason can be told.
        return SUPPRESSED, "small.vague"
    if any(small.would_tell(scope, group, finding.metric) for group in groups):
        return WITHHELD, "small.sibling"
    return _reference_is_small(finding, small)


def _reference_is_small(finding: Finding, small: Small) -> tuple[str, str] | None:
    """The same of what a relative gate holds it against: with the finding's own number it tells that of the group."""
    reference = None if finding.gate is None else finding.gate.relative_to
    if reference is None or reference.all_rows or reference.group is None:
        return None
    named = {"split": reference.split} if reference.split is not None else {}
    columns = {"attribute": INTERSECTION.join(reference.by)} if reference.by else {}
    classes = {"class_": reference.class_} if reference.class_ is not None else {}
    scope = finding.scope.model_copy(update=named | columns | classes)
    if small.holds(scope, reference.group) or small.rests_on_few(scope, reference.group, finding.metric):
        return SUPPRESSED, "small.finding"
    told = small.would_tell(scope, reference.group, finding.metric)
    return (WITHHELD, "small.sibling") if told else None


def _gap_is_small(finding: Finding, small: Small) -> tuple[str, str] | None:
    """The same of a gap: from or to a small group; or one without a value, as the reason may tell of a small group."""
    scope, groups, rates = finding.scope, finding.scope.groups or (), rates_behind(finding.metric)
    if any(small.holds(scope, group) for group in groups):
        return SUPPRESSED, "small.gap"
    few_errors = ERROR_ODDS in rates and not finding.sufficient  # how many stand behind it is known of the gap alone
    if few_errors or any(small.rests_on_few(scope, group, rate) for group in groups for rate in rates):
        return SUPPRESSED, "small.gap.rate"
    if any(small.would_tell(scope, group, rate) for group in groups for rate in rates):
        return WITHHELD, "small.gap.sibling"
    return (WITHHELD, "small.vague") if finding.value is None and small.touches(scope) else None


def _masked_prose(finding: Finding, small: Small) -> Mapping[str, str]:
    """Every text of the finding, with `3 rows`, `Other: 3` (a small group and its number) and `Other 95.0%` (a group
    whose rates are not shown) made vague."""
    scope, least = finding.scope, f"fewer than {small.least}"
    of_small = _after(small.groups, (scope.split, scope.attribute), r"\d[\d.,]*%?")
    of_withheld = _after(small.labels, (scope.split, scope.attribute), r"\d[\d.,]*%")

    def mask(prose: str) -> str:
        vague = _COUNTED.sub(lambda m: least if small.counts(int(m[1])) else m[1], prose)
        vague = of_small.sub(rf"\g<1>{least}", vague) if of_small else vague
        return of_withheld.sub(rf"\g<1>{text('small.shown')}", vague) if of_withheld else vague

    return {name: mask(prose) for name in _PROSE if (prose := getattr(finding, name))}


@lru_cache(maxsize=64)  # thousands of groups have as many findings, and all of them the same pattern
def _after(groups: frozenset[Group], at: tuple[str | None, str | None], numeral: str) -> re.Pattern[str] | None:
    """A pattern for a number behind the name of one of these groups, None where none of them is of that split and
    attribute (`at`)."""
    names = sorted((g for s, a, g in groups if (s, a) == at), key=len, reverse=True)
    either = "|".join(map(re.escape, names))
    return re.compile(rf"((?:{either})['\"”’]?(?: has| with)?[:,]? \(?){numeral}") if names else None


def _about(scope: Scope, title: str, small: Small) -> Scope:
    """The scope with the attribute that a title names (`Reliability by sex on test`) where the scope names none."""
    named = [a for a in small.attributes(scope.split) if f" by {a} " in f"{title} "]
    return scope if scope.attribute or not named else scope.model_copy(update={"attribute": max(named, key=len)})


def _protect_figure(figure: Figure, finding: Finding, small: Small) -> Figure:
    """The figure without small points. A series may be a group (`Female`), and a point's label may be one."""
    scope = _about(finding.scope, figure.title, small)

    def hidden(series: Series, point: Point) -> bool:
        if small.counts(point.n):
            return True
        free = finding.metric in LABEL_FREE or series.name.lower().replace(" ", "_") in LABEL_FREE
        metric = "selection_rate" if free else finding.metric
        names = (series.name, point.label or "")
        return any(small.holds(scope, name) or small.would_tell(scope, name, metric) for name in names)

    def shown(series: Series) -> Series:
        empty = {"x": None, "y": None, "low": None, "high": None, "n": None}
        points = (p.model_copy(update=empty) if hidden(series, p) else p for p in series.points)
        return series.model_copy(update={"points": tuple(points)})

    drawn = tuple(map(shown, figure.series))
    if drawn == figure.series:
        return figure
    # The alternative text may say the values in words; what is left out of the drawing must not stand there.
    return figure.model_copy(update={"series": drawn, "alt": figure.title})


def _protect_table(table: Table, scope: Scope, small: Small) -> Table:
    counts = [i for i, name in enumerate(table.columns) if name.strip().lower() in _COUNT_COLUMNS]
    short, hidden = text("small.value", min_cell=small.least), text("small.shown")

    def shown(row: tuple[Cell, ...]) -> tuple[Cell, ...]:
        names = [cell for cell in row if isinstance(cell, str)]
        few = any(small.holds(scope, name) for name in names) or any(small.counts(row[i]) for i in counts)
        if not few and not any(small.would_tell(scope, name, "") for name in names):
            return row
        # The first cell names the row; any other may name the small group as the highest or the lowest.
        return tuple(cell if i == 0 else short if few and i in counts else hidden for i, cell in enumerate(row))

    return table.model_copy(update={"rows": tuple(shown(row) for row in table.rows)})

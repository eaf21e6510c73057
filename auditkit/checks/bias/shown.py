"""What `bias.groups` shows beside its numbers: a table of the groups, a table of the gaps, and a few figures."""

from __future__ import annotations

from collections.abc import Sequence

from auditkit.checks.bias.comparison import Comparison
from auditkit.checks.bias.reach import reach
from auditkit.checks.figures import intervals
from auditkit.checks.reading import is_share
from auditkit.checks.texts import name_of, sentence
from auditkit.core.estimate import Estimate
from auditkit.core.figure import Cell, Figure, Table
from auditkit.core.task import GapRule

#: More groups than this are not drawn; the table holds all of them.
_MOST_DRAWN = 30
_MOST_SAID = 12
_DRAWN = ("demographic_parity_difference", "equalized_odds_difference")


def is_drawn(rule: GapRule, headline: str) -> bool:
    """Whether the gap of this rule comes with a figure; one for each would bury the report."""
    return rule.class_ is None and rule.name in (*_DRAWN, f"{headline}_difference")


def group_figure(comparison: Comparison, rule: GapRule) -> tuple[Figure, ...]:
    """The statistics behind a gap in each group, a series a statistic."""
    groups = comparison.groups
    if len(groups.labels) > _MOST_DRAWN:
        return ()
    series = {
        sentence(name_of(statistic.name)): list(zip(groups.labels, values, strict=True))
        for statistic, values in zip(comparison.statistics, comparison.estimates, strict=False)
        if statistic.name in rule.statistics and statistic.class_ == rule.class_
    }
    names = " and ".join(name_of(name) for name in rule.statistics)
    title = f"{sentence(names)} by {groups.attribute} on {comparison.split}"
    return intervals(title, names, series, share=all(is_share(s) for s in comparison.of(rule)))


def group_tables(comparison: Comparison) -> tuple[Table, ...]:
    """The groups with their statistics, and the gaps between them; nothing where the attribute names rows."""
    if comparison.names_rows:
        return ()
    return (_rates(comparison), _gaps(comparison))


def _rates(comparison: Comparison) -> Table:
    groups = comparison.groups
    shown = [
        (statistic, values)
        for statistic, values in zip(comparison.statistics, comparison.estimates, strict=True)
        if statistic.class_ is None
    ]
    labelled = groups.where(comparison.outcomes.labelled).sizes()
    # Groups without findings of their own have their intervals here.
    whole = len(comparison.told) < len(groups.labels)
    rows: list[tuple[Cell, ...]] = [
        (label, int(rows), int(labelled[at]), *(cell for _, values in shown for cell in _cells(values[at], whole)))
        for at, (label, rows) in enumerate(zip(groups.labels, groups.sizes(), strict=True))
    ]
    names = [name_of(statistic.name) for statistic, _ in shown]
    more = [name for one in names for name in (one, f"{one}, low", f"{one}, high", f"{one}, rows")] if whole else names
    columns = ("group", "rows", "with a label", *more)
    return Table(title=f"Groups of {groups.attribute} on {comparison.split}", columns=columns, rows=tuple(rows))


def _cells(one: Estimate, whole: bool) -> tuple[Cell, ...]:
    return (one.value, one.low, one.high, one.n) if whole else (one.value,)


def _gaps(comparison: Comparison) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for rule, gap in zip(comparison.rules, comparison.gaps, strict=True):
        if gap is not None:
            value = gap.estimate
            seen = reach(comparison, rule, gap)
            smallest = None if seen is None else seen.detectable
            ends = (value.low, value.high, gap.highest, gap.lowest, gap.expected_if_equal, smallest)
            rows.append((name_of(rule.name, rule.class_), value.value, *ends))
    columns = ("gap", "value", "low", "high", "highest", "lowest", "if all were equal", "smallest that would show")
    return Table(title=f"Gaps by {comparison.attribute} on {comparison.split}", columns=columns, rows=tuple(rows))


def said_sizes(labels: Sequence[str], sizes: Sequence[int]) -> str:
    """Group sizes for a sentence: "'Female' 5,421, 'Male' 10,860"."""
    said = [f"'{label}' {rows:,}" for label, rows in zip(labels, sizes, strict=True)]
    more = [f"and {len(said) - _MOST_SAID} more groups"] if len(said) > _MOST_SAID else []
    return ", ".join([*said[:_MOST_SAID], *more]) or "none"

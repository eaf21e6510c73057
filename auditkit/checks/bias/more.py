"""Tables of `bias.groups` beside its findings: further measures and gaps, worst groups, ranks, adverse impact."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from auditkit.checks.bias.asking import gap_is_told, value_is_told
from auditkit.checks.bias.comparison import MOST_MEASURED, Comparison
from auditkit.checks.texts import name_of
from auditkit.core.estimate import Estimate
from auditkit.core.figure import Cell, Table
from auditkit.core.task import GroupMeasure, RowStatistic
from auditkit.core.types import Better
from auditkit.measures.between import Worst, ranks, worst_of
from auditkit.measures.impact import AdverseImpact

SELECTION = "selection_rate"
_ENDS = ("value", "low", "high")


def metrics_of(comparison: Comparison) -> Iterator[tuple[RowStatistic | GroupMeasure, tuple[Estimate, ...]]]:
    """Every metric by group, with its values."""
    yield from zip(comparison.statistics, comparison.estimates, strict=False)
    yield from zip(comparison.measures, comparison.measured, strict=False)


def worst(comparison: Comparison, metric: RowStatistic | GroupMeasure, better: Better) -> Worst:
    """The worst group's value of a metric."""
    return worst_of(
        comparison.groups.labels,
        partial(comparison.estimates_of, metric),
        better,
        confidence=comparison.confidence,
        min_group=comparison.min_group,
        absent=comparison.absent,
    )


def more_tables(comparison: Comparison, headline: str, impact: AdverseImpact | None) -> tuple[Table, ...]:
    """What has no finding of its own; nothing where the attribute names rows."""
    if comparison.names_rows:
        return ()
    tables = (
        _further_values(comparison),
        _further_gaps(comparison),
        _worst_groups(comparison),
        _ranks(comparison, headline),
        None if impact is None else _impact(comparison, impact),
    )
    return tuple(table for table in tables if table is not None and table.rows)


def _ends(one: Estimate) -> tuple[Cell, ...]:
    return (one.value, one.low, one.high)


def _where(comparison: Comparison) -> str:
    return f"by {comparison.attribute} on {comparison.split}"


def _further_values(comparison: Comparison) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (group, name_of(metric.name, metric.class_), *_ends(one), one.n)
        for metric, values in metrics_of(comparison)
        if not value_is_told(metric, comparison.asked)
        for group, one in zip(comparison.groups.labels, values, strict=True)
    ]
    columns = ("group", "metric", *_ENDS, "rows")
    return Table(title=f"Further metrics {_where(comparison)}", columns=columns, rows=tuple(rows))


def _further_gaps(comparison: Comparison) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (name_of(rule.name, rule.class_), *_ends(gap.estimate), gap.highest, gap.lowest)
        for rule, gap in zip(comparison.rules, comparison.gaps, strict=True)
        if gap is not None and not gap_is_told(rule, comparison.measure_of(rule), comparison.asked)
    ]
    columns = ("gap", *_ENDS, "highest", "lowest")
    return Table(title=f"Further gaps {_where(comparison)}", columns=columns, rows=tuple(rows))


def _worst_groups(comparison: Comparison) -> Table:
    """Of the rates and means over all classes that have a good direction."""
    rows: list[tuple[Cell, ...]] = []
    for statistic in comparison.statistics:
        if statistic.better is not None and statistic.class_ is None:
            found = worst(comparison, statistic, statistic.better)
            known = found.estimate if found.partial is None else found.partial
            rows.append((name_of(statistic.name), found.group, *_ends(known)))
    columns = ("metric", "worst group", *_ENDS)
    return Table(title=f"Worst groups {_where(comparison)}", columns=columns, rows=tuple(rows))


def _ranks(comparison: Comparison, headline: str) -> Table | None:
    """The place of each group by the headline metric (1 is best) and by how often it is selected (1 is most often)."""
    chosen = [s for s in comparison.statistics if s.class_ is None and s.name in (headline, SELECTION)]
    if not 3 <= len(comparison.groups.labels) <= MOST_MEASURED:
        return (
            None  # of two groups the gap says all; ranks of thousands compare millions of pairs, and nobody reads them
        )
    columns: list[str] = ["group"]
    cells: list[list[Cell]] = [[label] for label in comparison.groups.labels]
    for statistic in chosen:
        found = ranks(
            comparison.groups.labels,
            partial(comparison.estimates_of, statistic),
            statistic.better,
            confidence=comparison.confidence,
        )
        name = name_of(statistic.name)
        columns += [name, f"rank by {name}", "best rank it may have", "worst rank it may have"]
        for row, one in zip(cells, found, strict=True):
            row += [one.value, one.rank, one.low, one.high]
    return Table(title=f"Ranks {_where(comparison)}", columns=tuple(columns), rows=tuple(map(tuple, cells)))


def _impact(comparison: Comparison, impact: AdverseImpact) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (
            one.group,
            one.rate.n,
            one.rate.value,
            *_ends(one.ratio),
            one.below_four_fifths,
            one.deviations,
            one.fisher_p,
            one.shortfall,
        )
        for one in impact.groups
    ]
    columns = (
        "group", "rows", "selection rate", "ratio to the reference", "low", "high", "below four fifths",
        "standard deviations", "Fisher's p", "selections short of equal rates",
    )  # fmt: skip
    title = f"Adverse impact {_where(comparison)}, against '{impact.reference}'"
    return Table(title=title, columns=columns, rows=tuple(rows))

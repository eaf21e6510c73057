"""The texts of `bias.intersections`, and the tables that it shows beside its numbers."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np

from auditkit.checks.bias.search import Place
from auditkit.checks.bias.subgroups import Combination
from auditkit.checks.figures import intervals
from auditkit.checks.reading import is_share
from auditkit.checks.texts import count, name_of, sentence
from auditkit.core.estimate import Estimate
from auditkit.core.figure import Cell, Figure, Table
from auditkit.measures.intervals import normal_quantile, split_confidence

#: So many rows of each table at most; its title says how many more there are.
_MOST_ROWS = 60
#: So many subgroups of each rate stand in the table of differences, besides those that are certain.
_FURTHEST = 3
_MOST_DRAWN = 20

MESSAGES: dict[str, str] = {
    "gap": "{metric} by {attribute} on {split}: {value}, highest '{highest}', lowest '{lowest}'",
    "rest.below": "{metric} by {attribute} on {split}: '{group}' is {value} below all other rows",
    "rest.above": "{metric} by {attribute} on {split}: '{group}' is {value} above all other rows",
    "rest.None": "{metric} by {attribute} on {split}: '{group}' is {value} away from all other rows",
    "worst.below": "Lowest {metric} by {attribute} on {split}: {value}, '{group}'",
    "worst.above": "Highest {metric} by {attribute} on {split}: {value}, '{group}'",
    "undefined": "{metric} by {attribute} on {split}: not defined",
    "gap_why": "The largest minus the smallest over the {supported} of {all} subgroups that enough rows stand behind.",
    "rest_why": "The subgroup that stands furthest on the worse side of the rows outside it, of {supported} that were "
    "compared; the interval holds for all of them together.",
    "rest_why.None": "The subgroup that stands furthest from the rows outside it, of {supported} that were compared; "
    "the interval holds for all of them together.",
    "worst_why": "Of the {supported} subgroups that enough rows stand behind, the one that fares worst; the interval "
    "holds for the true worst of them, whichever it is.",
    "source": "the tolerance that auditkit takes for every gap between shares",
    "source_ratio": "after the four-fifths rule of US employment guidance, 29 CFR 1607.4(D)",
    "declared": "the tolerance of the plan",
    "no_others": "too few other rows",
    "beyond": "Beyond {bound}, {source}, with certainty: {groups}. Chance doesn't explain that, even among all "
    "{claims} comparisons of this search.",
    "one": "'{group}' ({value} of {rows}, {rest} of all others)",
    "one_mean": "'{group}' ({value} over {rows}, {rest} over all others)",
    "more": "and {count} more",
    "alone": "'{group}' fares worse than the other rows of {parts}: none of that explains it alone.",
    "explained": "Of '{group}', {parts} outside this subgroup shows about as much already.",
    "part": "{attribute} '{label}' ({value})",
    "capped": "It is not warned of by itself, as {most} others stand further out.",
    "unsupported": "{attribute} on {split}: {supported} of {all} can be judged",
    "unsupported_why": "A subgroup is judged by a rate where at least {least} rows are in its denominator.",
    "below": "Fewer than that have {few}, {rows} in all.",
    "absent": "There is no row here of {absent} that another split or the plan has.",
    "few": "{few} of {all} {has} fewer than {least} rows with {what}",
    "none": "no two subgroups of {attribute} have at least {least} rows with {what}",
    "no_rest": "no subgroup of {attribute} has at least {least} rows with {what}, and as many outside it",
    "cells": "{attribute} could have {subgroups} subgroups, more than the {most} that are looked at",
    "idlike": "{attribute} has {subgroups} subgroups for {rows}: it names rows rather than groups",
    "no_spread": "{metric} has no spread within the subgroups, so no interval",
    "searched": "Search on {split}: {subgroups} of {combinations}, {claims} comparisons, {found} beyond the tolerance",
    "searched_why": "{which}, and nothing else: groups that no such column names are not looked at. "
    "One false discovery control stands over all comparisons of the "
    "search.",
    "pairs": "These are all pairs of the columns in data.sensitive",
    "triples": "These are all pairs and triples of the columns in data.sensitive",
    "named": "and the combinations that gates name",
    "left_out": "{count} more combinations are left out, as more than {most} would be looked at: raise "
    "max_combinations, or name fewer columns.",
    "many_labels": "With {count} labels the rates of single labels are not compared.",
    "remedy": "Look at the rows of this subgroup: base rates, labels and missing inputs. More of them in training, "
    "another threshold, or not using the model for them are remedies; one that helps each attribute by itself may not "
    "help here.",
    "affected": "{attribute} {groups}: {rows} of {split}",
    "no_columns": "subgroups need at least two sensitive columns; name more in data.sensitive",
}


def tables(one: Combination, certain: Collection[Place], at: int, least: int, confidence: float) -> tuple[Table, ...]:
    """The subgroups with their rates, how far they are from the rest, and those with too few rows."""
    if one.groups is None or one.why is not None:
        return ()
    differences, named = _differences(one, certain, at, confidence)
    made = (_rates(one, least, named), _by_label(one, named), differences, _few(one, least))
    return tuple(table for table in made if table.rows)


def _titled(title: str, rows: Sequence[tuple[Cell, ...]], columns: tuple[str, ...], most: int = _MOST_ROWS) -> Table:
    more = f" ({most:,} of {len(rows):,} rows)" if len(rows) > most else ""
    return Table(title=title + more, columns=columns, rows=tuple(rows[:most]))


def _rates(one: Combination, least: int, named: Sequence[int]) -> Table:
    """One row a subgroup of enough rows: each rate that enough rows stand behind, and how many those are. Subgroups
    that another text or table names stand first: whether they may be shown is read off their rows here."""
    assert one.groups is not None
    sizes = one.groups.sizes()
    first = np.isin(np.arange(len(sizes)), named)
    order = np.lexsort((-sizes, ~first))
    shown = [c for c in one.compared if c.statistic.class_ is None]
    columns = [name for c in shown for name in (name_of(c.statistic.name), f"{name_of(c.statistic.name)}, rows")]
    rows: list[tuple[Cell, ...]] = []
    for g in order[sizes[order] >= least]:
        cells: list[Cell] = []
        for c in shown:
            known = c.found.own.n[g] >= least and c.found.own.defined[g]
            cells += [float(c.found.own.value[g]) if known else None, int(c.found.own.n[g])]
        rows.append((one.groups.labels[g], int(sizes[g]), *cells))
    title, columns_of = f"Subgroups of {one.attribute} on {one.split}", ("group", "rows", *columns)
    return _titled(title, rows, columns_of, most=max(_MOST_ROWS, len(named)))


def _by_label(one: Combination, named: Sequence[int]) -> Table:
    """Rows with each label in the subgroups that are named, where the rates of single labels are compared."""
    assert one.groups is not None
    rows: list[tuple[Cell, ...]] = [
        (one.groups.labels[g], c.statistic.class_, int(c.found.own.n[g]))
        for g in named
        for c in one.compared
        if c.statistic.class_ is not None and c.statistic.name == "true_positive_rate"
    ]
    title = f"Rows of subgroups of {one.attribute} by label on {one.split}"
    return _titled(title, rows, ("group", "label", "rows"), most=len(rows))


def _differences(
    one: Combination, certain: Collection[Place], at: int, confidence: float
) -> tuple[Table, tuple[int, ...]]:
    """Of each rate the subgroups that are furthest from the rest, and all that certainly are beyond the tolerance;
    beside the table all subgroups that are named, those of a gap or a worst rate too."""
    assert one.groups is not None
    rows: list[tuple[Cell, ...]] = []
    named: list[int] = []
    for r, c in enumerate(one.compared):
        distance = c.distance()
        order = c.at[np.argsort(-distance[c.at], kind="stable")]
        sure = {g for (o, s, g) in certain if (o, s) == (at, r)}
        listed = [int(g) for i, g in enumerate(order) if i < _FURTHEST or int(g) in sure]
        if not listed:
            continue
        values = c.found.own.value[c.at]
        named += [int(c.at[np.argmax(values)]), int(c.at[np.argmin(values)]), *listed]
        named += [int(g) for g in order[:_MOST_DRAWN]] if sure else []
        low, high = c.found.take(np.array(listed)).limits(normal_quantile(split_confidence(confidence, len(c.at))))
        for i, g in enumerate(listed):
            own, rest = float(c.found.own.value[g]), float(c.found.rest.value[g])
            ends = tuple(v if math.isfinite(v) else None for v in (own - rest, float(low[i]), float(high[i])))
            name = name_of(c.statistic.name, c.statistic.class_)
            rows.append((one.groups.labels[g], name, int(c.found.own.n[g]), own, rest, *ends, g in sure))
    rows.sort(key=lambda row: not row[-1])
    columns = ("group", "rate", "rows", "inside", "all other rows", "difference", "low", "high", "warned of")
    title = f"Subgroups of {one.attribute} furthest from all other rows, on {one.split}"
    return _titled(title, rows, columns), tuple(dict.fromkeys(named))


def _few(one: Combination, least: int) -> Table:
    assert one.groups is not None
    sizes = one.groups.sizes()
    few = np.flatnonzero(sizes < least)
    rows: list[tuple[Cell, ...]] = [
        (one.groups.labels[g], int(sizes[g])) for g in few[np.argsort(-sizes[few], kind="stable")]
    ]
    title = f"Subgroups of {one.attribute} with fewer than {count(least)} on {one.split}"
    return _titled(title, rows, ("group", "rows"))


def figure(one: Combination, rate: int, confidence: float, overall: Estimate) -> tuple[Figure, ...]:
    """The rate inside each supported subgroup, the worst first, beside that of all rows."""
    compared, groups = one.compared[rate], one.groups
    assert groups is not None
    order = compared.at[np.argsort(-compared.distance()[compared.at], kind="stable")][:_MOST_DRAWN]
    own = compared.found.own
    low, high = compared.found.take(order).within(normal_quantile(split_confidence(confidence, len(compared.at))))
    drawn = [
        (groups.labels[g], Estimate(float(own.value[g]), float(low[i]), float(high[i]), n=int(own.n[g])))
        for i, g in enumerate(order)
    ]
    name = name_of(compared.statistic.name, compared.statistic.class_)
    which = f", the {len(order)} worst of {len(compared.at)}" if len(order) < len(compared.at) else ""
    title = f"{sentence(name)} by {one.attribute} on {one.split}{which}"
    share = is_share(compared.statistic)
    return intervals(
        title, name, {sentence(name): drawn}, share=share, reference=overall.value, reference_label="all rows"
    )

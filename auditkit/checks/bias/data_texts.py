"""The texts of `bias.data`, and the tables that it shows beside its numbers."""

from __future__ import annotations

from auditkit.checks.bias.composition import LABEL, MEAN, Composition
from auditkit.checks.bias.representation import AgainstPopulation
from auditkit.checks.figures import intervals
from auditkit.core.estimate import Estimate
from auditkit.core.figure import Cell, Figure, Table

#: So many combinations of group and label at most; the title says how many more there are.
_MOST_ROWS = 100
_MOST_DRAWN = 30

MESSAGES: dict[str, str] = {
    "group": "{metric} of {attribute} '{group}' on {split}: {value}",
    "group_share_why": "The share of the rows of {split} that are of this group.",
    "representation_ratio_why": "The group's share of these rows over its share of the population, {population}: "
    "below 1 there is less of it here than there.",
    "label_rate_why": "The share of the group's rows that have {label}, as the data says: no model is asked.",
    "mean_target_why": "The mean of the target over the group's rows: no model is asked.",
    "unlabelled_rate_why": "The share of the group's rows whose true label is not known.",
    "empty": "there is no row of '{group}' in {split}",
    "no_share": "the population that the plan gives has no share of '{group}'",
    "undefined": "{metric} by {attribute} on {split}: not defined",
    "missing": "Missing {attribute} on {split}: {value} of the rows",
    "missing_why": "Rows with a missing value are a group of their own everywhere; what is missing here may not be "
    "missing by chance.",
    "smallest": "Smallest group of {attribute} on {split}: '{group}' with {value} of the rows",
    "smallest_why": "Of all groups that must be there; the interval holds for the smallest of them, whichever it is.",
    "lowest": "{attribute} on {split} against the population: '{group}' has {value} of its share there",
    "lowest_why": "The group that is most under-represented: its share of the rows over its share of the population. "
    "The interval holds for the lowest of all groups.",
    "furthest": "{attribute} on {split} against the population: '{group}' is {value} off",
    "furthest_why": "The largest difference between a group's share of the rows and its share of the population.",
    "fit": "Goodness of fit: G² = {statistic} with {freedom} degrees of freedom over {rows}, p {p}.",
    "left_out": "{rows} of groups that the population does not name are left out.",
    "no_population": "the plan gives no population for {attributes}; add the shares to data.population to compare them",
    "no_population_title": "Representation against a population: not tested",
    "no_match": "no row of {split} has a group of {attribute} that the population names",
    "change": "{attribute}: share of '{group}' on {split} {value} away from that on train",
    "change_why": "The largest difference between a group's share here and among the training rows; the interval holds "
    "for all groups together.",
    "gap": "{metric} by {attribute} on {split}: {value}, highest '{highest}', lowest '{lowest}'",
    "gap_why": "{what} over the groups, as the data has them: what a model learns from, and is measured by.",
    "difference_of": "The largest minus the smallest {name}",
    "ratio_of": "The smallest over the largest {name}",
    "partial": "Over the groups for which it is defined it is {value}.",
    "small": "Fewer than {least} rows stand behind {groups}: too few to carry a verdict.",
    "association": "Labels go with {attribute} on {split}: Cramér's V {value}",
    "association_why": "0 where labels do not depend on the group, 1 where the group tells the label; after correction "
    "for what chance alone would show.",
    "cells": "{attribute} by label on {split}: {found} of {all} combinations {has} fewer than {least} rows",
    "cells_why": "What a model learns of a group with a label that few rows have rests on those few, and no rate of it "
    "can be judged.",
    "fewest": "Fewest: {cells}.",
    "cell": "'{group}' with '{label}' {rows}",
    "numbers": "the target is a number, so there are no labels to count",
    "idlike": "{attribute} has {groups} groups for {rows}: it names rows rather than groups",
    "no_rows": "there are no rows that count in {split}",
    "many_labels": "With {count} labels, more than {most}, the rates of single labels are not compared.",
    "beyond": "Its whole interval is beyond {bound}, {source}; chance doesn't explain it, even among all that this "
    "check judges.",
    "four_fifths": "the four-fifths rule of US employment guidance, 29 CFR 1607.4(D), here for the labels themselves",
    "under": "after the four-fifths rule of US employment guidance, 29 CFR 1607.4(D)",
    "points": "the tolerance that auditkit takes for every gap between shares",
    "cohen": "half a standard deviation of the target, which Cohen (1988, section 2.2) calls a medium effect",
    "declared": "the tolerance of the plan",
    "remedy_label": "Ask how the labels came about: what was decided in the past is learnt as if it were true. Have "
    "labels checked by people of each group, or take a target that does not carry the decision.",
    "remedy_rows": "Collect more rows of the groups that are missing, or weight rows (data.weight) so that each group "
    "counts as in the population.",
    "remedy_change": "Find out why the two splits hold other shares of the groups: figures on one may not hold on the "
    "other.",
    "remedy_unlabelled": "Find out why labels are missing more often for some: every rate that needs a label speaks "
    "only for the rows that have one.",
    "affected": "{attribute} '{group}' on {split}",
    "no_columns": "the plan names no sensitive columns; add them to data.sensitive",
}


def table_of_groups(one: Composition, found: AgainstPopulation | None) -> tuple[Table, ...]:
    """One row a group: rows, share, that of the population, and its labels; then rows by group and label."""
    groups, shares = one.groups, one.shares()
    sizes = groups.sizes()
    labelled = groups.where(one.outcomes.labelled).sizes()
    plain = [(s, one.of_group(s)) for s in one.labels if s.class_ is None]
    population = one.population if found is not None else {}
    columns = ["group", "rows", "share of the rows", *(["share of the population"] if population else [])]
    columns += [
        "with a label",
        *("share with the favourable label" if s.name == LABEL else "mean target" for s, _ in plain),
    ]
    rows: list[tuple[Cell, ...]] = []
    for at, label in enumerate(groups.labels):
        known: list[Cell] = [population.get(label)] if population else []
        cells = (int(sizes[at]), float(shares.value[at]), *known, int(labelled[at]))
        rows.append((label, *cells, *(estimates[at].value for _, estimates in plain)))
    absent = [label for label in population if label not in groups.labels]
    for label in absent:
        rows.append((label, 0, 0.0, population[label], 0, *(None for _ in plain)))
    title = f"Groups of {one.attribute} on {one.split}"
    made = [Table(title=title, columns=tuple(columns), rows=tuple(rows))]  # all: there may be no findings on them
    cells_of: list[tuple[Cell, ...]] = [(group, label, rows_) for group, label, rows_ in one.cells()]
    if cells_of:
        made.append(_capped(f"Rows of {one.attribute} by label on {one.split}", ("group", "label", "rows"), cells_of))
    return tuple(made)


def _capped(title: str, columns: tuple[str, ...], rows: list[tuple[Cell, ...]]) -> Table:
    more = f" ({_MOST_ROWS} of {len(rows):,} rows)" if len(rows) > _MOST_ROWS else ""
    return Table(title=title + more, columns=columns, rows=tuple(rows[:_MOST_ROWS]))


def label_figure(one: Composition, estimates: tuple[Estimate, ...], name: str) -> tuple[Figure, ...]:
    """The label rate (or the mean target) of each group."""
    if len(one.groups.labels) > _MOST_DRAWN:
        return ()
    title = f"{name} by {one.attribute} on {one.split}"
    rows = list(zip(one.groups.labels, estimates, strict=True))
    return intervals(title, name, {name: rows}, share=one.labels[0].name != MEAN)

"""A reference population's shares against the groups that the data has."""

from __future__ import annotations

from collections.abc import Iterator

from auditkit.core.errors import Problem, nearest
from auditkit.core.types import MISSING_GROUP
from auditkit.data.spec import DataSpec
from auditkit.data.survey import Survey


def population_problems(spec: DataSpec, survey: Survey) -> Iterator[Problem]:
    """Groups of `data.population` that must be misspelt: no row has them, and one that rows do have is close, or the
    groups are bands, whose names are known."""
    for column, shares in spec.population.items():
        known = survey.groups.get(column, ())
        bands = survey.bands.get(column)
        names = known if bands is None else bands.names
        unnamed = [label for label in names if label not in shares and label != MISSING_GROUP]
        for label in shares:
            if label in (*known, *names):
                continue
            hint = nearest(label, unnamed) or (_same_but_case(label, unnamed))
            if hint or bands is not None:
                listed = "" if bands is None else f": {', '.join(map(repr, names))}"
                what = "row has the group" if bands is None else f"band of {column!r} is called"
                yield Problem(f"data.population.{column}", f"no {what} {label!r}{listed}{hint}")


def population_notes(spec: DataSpec, survey: Survey) -> Iterator[str]:
    """Groups of the population without a row, and groups of the rows without a share."""
    for column, shares in spec.population.items():
        known = survey.groups[column]
        absent = [label for label in shares if label not in known]
        if absent:
            yield f"data.population.{column}: no row of any split has the group {_listed(absent)}"
        without = [label for label in known if label not in shares and label != MISSING_GROUP]
        if without:
            yield f"data.population.{column} gives no share for {_listed(without)}"


def _same_but_case(label: str, names: list[str]) -> str:
    same = next((name for name in names if name.strip().casefold() == label.strip().casefold()), None)
    return "" if same is None else f"; did you mean {same!r}?"


def _listed(labels: list[str]) -> str:
    more = f" and {len(labels) - 10} more" if len(labels) > 10 else ""
    return ", ".join(map(repr, labels[:10])) + more

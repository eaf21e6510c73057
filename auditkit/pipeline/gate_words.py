"""What `METRIC@COLUMNS` of `auditkit gate` means, and what to say where it means nothing there."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from auditkit.checks.registry import CHECKS
from auditkit.core.errors import nearest
from auditkit.core.types import INTERSECTION
from auditkit.pipeline.task import every_task

#: Stands for × as well, which few keyboards have.
_STAR = "*"
#: What else people put between two columns: a comma, a letter x, an ampersand, ...
_BETWEEN = r"(?:\s*(?:[xX_]|[^\w\s]{1,2})\s*|\s+)"


def columns_of(by: str, known: Collection[str]) -> tuple[str, ...]:
    """The columns of `sex×race`, or of `sex*race` where none of the `known` columns has a * in its name."""
    if not any(_STAR in column for column in known):
        by = INTERSECTION.join(part.strip() for part in by.split(_STAR))
    return tuple(by.split(INTERSECTION))


def crossed(by: str, known: Collection[str]) -> str | None:
    """How to write `sex,race` and `sexxrace`; None where it is no two or three `known` columns put together."""
    if by in known or len(known) < 2:
        return None
    one = "(" + "|".join(map(re.escape, sorted(known, key=len, reverse=True))) + ")"
    found = re.fullmatch(rf"{one}{_BETWEEN}{one}(?:{_BETWEEN}{one})?", by)
    return None if found is None else f"write {INTERSECTION.join(part for part in found.groups() if part)}"


def unknown_metric(metric: str, run: Sequence[str], offered: Collection[str]) -> str:
    """Why a gate can't name `metric`: a check that is not among those that `run` has it, or none has."""
    for name in CHECKS.names():
        if name not in run and metric in {o.metric for task in every_task() for o in CHECKS.get(name)().offers(task)}:
            return (
                f"{metric!r} is a metric of {name}, which `auditkit gate` does not run: "
                "gate it in a plan, with `auditkit run`"
            )
    return f"no metric {metric!r}{nearest(metric, sorted(offered))}"

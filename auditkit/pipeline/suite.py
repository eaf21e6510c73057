"""Which checks a plan runs, and whether its gates can be judged by them: asked before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from pydantic import ValidationError

from auditkit.checks.registry import CHECKS, FAMILIES
from auditkit.core.check import Check
from auditkit.core.errors import PlanError, Problem, nearest
from auditkit.core.evidence import Asked
from auditkit.core.task import Offer, Task
from auditkit.data.spec import DataSpec
from auditkit.pipeline.bounds import bound_problems, reference_problems
from auditkit.pipeline.plan import GateSpec
from auditkit.pipeline.reasons import DEFAULT_SPLIT

#: A gate and its place in the plan's list.
NumberedGate: TypeAlias = tuple[int, GateSpec]


def select_checks(settings: Mapping[str, Any]) -> tuple[list[Check], list[Problem]]:
    """The checks that the plan runs, with their options, and every problem of the `checks:` section.

    The default suite runs unless a check or a whole family is `off`; naming a check (`on`, or options) adds it.
    """
    problems = [problem for name, setting in settings.items() for problem in _name_problems(name, setting)]
    chosen: list[Check] = []
    for name in CHECKS.names():
        kind = CHECKS.get(name)
        setting = settings.get(name, settings.get(name.partition(".")[0], "on" if kind.default else "off"))
        if setting == "off":
            continue
        try:
            chosen.append(kind.model_validate(setting if isinstance(setting, dict) and name in settings else {}))
        except ValidationError as error:
            problems += _option_problems(name, kind, error)
            chosen.append(kind())  # its gates are looked at all the same: the check is not off
    return chosen, problems


def _name_problems(name: str, setting: Any) -> list[Problem]:
    where = f"checks.{name}"
    if name in CHECKS.names():
        return []
    if name in FAMILIES:
        if isinstance(setting, dict):
            return [Problem(where, "is a family; options belong to one of its checks")]
        has_checks = any(check.startswith(f"{name}.") for check in CHECKS.names())
        if setting == "on" and not has_checks:
            return [Problem(where, "this version has no check of that family")]
        return []
    return [Problem(where, f"no such check or family{nearest(name, [*CHECKS.names(), *FAMILIES])}")]


def _option_problems(name: str, kind: type[Check], error: ValidationError) -> list[Problem]:
    problems = []
    for item in error.errors(include_url=False):
        option = ".".join(str(part) for part in item["loc"])
        where = f"checks.{name}.{option}" if option else f"checks.{name}"
        if item["type"] == "extra_forbidden":
            problems.append(Problem(where, f"unknown option{nearest(option, kind.model_fields)}"))
        else:
            problems.append(Problem(where, f"{item['msg'][:1].lower()}{item['msg'][1:]}, found {item['input']!r}"))
    return problems


def gate_problems(
    gates: Sequence[NumberedGate], checks: Sequence[Check], task: Task, splits: Sequence[str], data: DataSpec
) -> list[Problem]:
    """Every gate that could never select a finding: a misspelt metric, an unknown column, a check that is off."""
    running = {check.id: check for check in checks}
    offered = {check.id: tuple(check.offers(task)) for check in checks}
    seen: dict[str, int] = {}
    problems = []
    for index, gate in gates:
        where = f"gates[{index}]"
        first = seen.setdefault(gate.model_dump_json(), index)
        if first < index:
            problems.append(Problem(where, f"is the same as gates[{first}]"))
        if gate.check not in running:
            problems.append(Problem(f"{where}.check", _absent_check(gate.check)))
            continue
        offers = [offer for offer in offered[gate.check] if offer.metric == gate.metric]
        if not offers:
            names = sorted({offer.metric for offer in offered[gate.check]})
            hint = nearest(gate.metric, names) or f"; it measures {', '.join(names[:12])}" + (
                ", ..." if len(names) > 12 else ""
            )
            problems.append(
                Problem(f"{where}.metric", f"{gate.check} has no metric {gate.metric!r} for {task.kind.value}{hint}")
            )
        else:
            problems += bound_problems(gate, offers, where)
            problems += _selector_problems(gate, offers, task, where, splits, data)
            if gate.relative_to is not None:
                problems += reference_problems(gate, offers, running, task, where, splits, data)
    return problems


def limits_of(checks: Sequence[Check], task: Task) -> dict[tuple[str, str], tuple[float | None, float | None]]:
    """What each metric that can be gated can never be below or above, by (check, metric)."""
    return {(check.id, offer.metric): (offer.low, offer.high) for check in checks for offer in check.offers(task)}


def _absent_check(name: str) -> str:
    if name in CHECKS.names():
        return f"the check {name!r} is off, so this gate could never be judged"
    return f"no check {name!r}{nearest(name, CHECKS.names())}"


def _selector_problems(
    gate: GateSpec, offers: Sequence[Offer], task: Task, where: str, splits: Sequence[str], data: DataSpec
) -> list[Problem]:
    problems = []
    split = gate.split or DEFAULT_SPLIT
    if split not in splits:
        problems.append(Problem(f"{where}.split", f"the data has no split {split!r}{nearest(split, splits)}"))
    if gate.by is not None:
        problems += _by_problems(gate, offers, where, data)
    elif all(offer.by for offer in offers) and not data.sensitive:
        problems.append(Problem(f"{where}.metric", "needs groups, and `data.sensitive` names no column"))
    if gate.group is not None:
        if not any(offer.group for offer in offers):
            problems.append(Problem(f"{where}.group", f"{gate.metric!r} is not a metric of a single group"))
        problems += _declared_group_problems(gate, where, data)
    if gate.class_ is not None:
        if not any(offer.class_ for offer in offers):
            problems.append(Problem(f"{where}.class", f"{gate.metric!r} is not a metric of a single class"))
        elif gate.class_ not in task.classes:
            problems.append(
                Problem(f"{where}.class", f"the model has no class {gate.class_!r}{nearest(gate.class_, task.classes)}")
            )
    if gate.slice is not None:
        problems.append(Problem(f"{where}.slice", f"{gate.check} measures no slices"))
    return problems


def _by_problems(gate: GateSpec, offers: Sequence[Offer], where: str, data: DataSpec) -> list[Problem]:
    assert gate.by is not None
    if not gate.by:
        overall = any(not offer.by for offer in offers)
        return [] if overall else [Problem(f"{where}.by", f"{gate.metric!r} is measured by group only")]
    if not any(offer.by for offer in offers):
        return [Problem(f"{where}.by", f"{gate.metric!r} is not measured by group")]
    known = data.sensitive
    problems = [
        Problem(f"{where}.by", f"{column!r} is not in `data.sensitive`{nearest(column, known)}")
        for column in gate.by
        if column not in known
    ]
    if len(set(gate.by)) < len(gate.by):
        problems.append(Problem(f"{where}.by", "must name different columns"))
    return problems


def _declared_group_problems(gate: GateSpec, where: str, data: DataSpec) -> list[Problem]:
    if gate.by is None or len(gate.by) != 1 or gate.by[0] not in data.groups:
        return []
    declared = data.groups[gate.by[0]]
    if gate.group in declared:
        return []
    return [
        Problem(
            f"{where}.group",
            f"`data.groups.{gate.by[0]}` declares no {gate.group!r}{nearest(str(gate.group), declared)}",
        )
    ]


def intersections_of(gates: Sequence[GateSpec], data: DataSpec) -> tuple[tuple[str, ...], ...]:
    """The intersections that gates name, each in the order in which `data.sensitive` lists its columns."""
    order = {name: position for position, name in enumerate(data.sensitive)}
    named = {tuple(sorted(gate.by, key=lambda c: order.get(c, 0))) for gate in gates if gate.by and len(gate.by) > 1}
    return tuple(sorted(named))


def asked_by(gates: Sequence[GateSpec]) -> tuple[Asked, ...]:
    """What the gates ask for, each once: what they judge, and what they hold it against."""
    found = [Asked(g.check, g.metric, g.split or DEFAULT_SPLIT, g.by, g.class_) for g in gates]
    for gate, own in zip(gates, tuple(found), strict=True):
        held = gate.relative_to
        if held is not None:
            by = own.by if held.by is None else held.by
            found.append(Asked(own.check, own.metric, held.split or own.split, by, held.class_ or own.class_))
    return tuple(dict.fromkeys(found))


def require(problems: Sequence[Problem], source: str) -> None:
    """Raise `PlanError` if there is any problem."""
    if problems:
        raise PlanError(list(problems), source)

"""What is wrong with a gate's bounds and with what they are relative to, asked before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from auditkit.core.check import Check
from auditkit.core.errors import Problem, nearest
from auditkit.core.finding import BASELINES
from auditkit.core.messages import number
from auditkit.core.task import Offer, Task
from auditkit.data.spec import DataSpec
from auditkit.pipeline.plan import GateSpec
from auditkit.pipeline.reasons import DEFAULT_SPLIT
from auditkit.pipeline.relative import OVERALL, overall_name


def bound_problems(gate: GateSpec, offers: Sequence[Offer], where: str) -> list[Problem]:
    """Bounds that no value can break: `max: 10`, meant as 10%, would pass whatever comes.

    A bound beyond what the metric can be is a mistake. One that stands on the end of it (`max: 1` of a share) is none
    beside a bound that can fail, and leaves the gate without a meaning where it is alone.
    """
    low, high = _range(gate, offers)
    found = []
    useless = {
        "max": gate.max is not None and high is not None and gate.max >= high,
        "min": gate.min is not None and low is not None and gate.min <= low,
    }
    works = (gate.max is not None and not useless["max"]) or (gate.min is not None and not useless["min"])
    what = gate.metric if gate.relative_to is None else f"{gate.metric} {_form(gate)} its reference"
    if useless["max"] and gate.max is not None and high is not None and (gate.max > high or not works):
        share = 1 < gate.max <= 100 and high == 1
        hint = f"; write {gate.max / 100:g} for {gate.max:g}%" if share else ""
        found.append(Problem(f"{where}.max", f"{what} is never above {number(high)}, so this could never fail{hint}"))
    if useless["min"] and gate.min is not None and low is not None and (gate.min < low or not works):
        found.append(Problem(f"{where}.min", f"{what} is never below {number(low)}, so this could never fail"))
    return found


def _form(gate: GateSpec) -> str:
    return "minus" if gate.as_ == "difference" else "divided by"


def _range(gate: GateSpec, offers: Sequence[Offer]) -> tuple[float | None, float | None]:
    """What the judged number can never be below or above; the widest, where several metrics go by the name."""
    lows, highs = [offer.low for offer in offers], [offer.high for offer in offers]
    low = None if None in lows else min(x for x in lows if x is not None)
    high = None if None in highs else max(x for x in highs if x is not None)
    if gate.relative_to is None:
        return low, high
    if gate.as_ != "difference":
        return (0.0 if low is not None and low >= 0 else None), None
    widest = None if low is None or high is None else high - low
    return (None if widest is None else -widest), widest


def reference_problems(
    gate: GateSpec,
    offers: Sequence[Offer],
    running: Mapping[str, Check],
    task: Task,
    where: str,
    splits: Sequence[str],
    data: DataSpec,
) -> list[Problem]:
    """What is wrong with `relative_to`, as far as the plan and the checks tell it."""
    reference, at = gate.relative_to, f"{where}.relative_to"
    assert reference is not None
    found = _form_problems(gate, offers, where)
    if reference.baseline is not None:
        return found + _baseline_problems(gate, running, task, at)
    if reference.split is not None and reference.split not in splits:
        word = "; `baseline` alone is the majority baseline" if reference.split.startswith("base") else ""
        if reference.split in BASELINES:
            word = f"; for the baseline, write {{baseline: {reference.split}}}"
        hint = nearest(reference.split, splits) or word
        found.append(Problem(at, f"the data has no split {reference.split!r}{hint}"))
    if reference.all_rows:
        found += _all_rows_problems(gate, offers, running, task, at)
    else:
        found += _group_problems(gate, offers, at, data)
    if reference.class_ is not None:
        if not any(offer.class_ for offer in offers):
            found.append(Problem(at, f"{gate.metric!r} is not a metric of a single class"))
        elif reference.class_ not in task.classes:
            hint = nearest(reference.class_, task.classes)
            found.append(Problem(at, f"the model has no class {reference.class_!r}{hint}"))
    return found or _same_place(gate, at)


def _form_problems(gate: GateSpec, offers: Sequence[Offer], where: str) -> list[Problem]:
    """A ratio needs a metric that is never negative: -2 is not half of -4 in any sense that a bound could mean."""
    if gate.as_ == "difference" or all(offer.low is not None and offer.low >= 0 for offer in offers):
        return []
    why = f"{gate.metric} may be negative, so that a ratio of it says nothing"
    return [Problem(f"{where}.relative_to", f"{why}; write `as: difference`, and bounds of the difference")]


def _baseline_problems(gate: GateSpec, running: Mapping[str, Check], task: Task, at: str) -> list[Problem]:
    assert gate.relative_to is not None
    name = f"{gate.metric}_of_{gate.relative_to.baseline}"
    if gate.check == OVERALL and any(offer.metric == name for offer in running[OVERALL].offers(task)):
        return []
    return [Problem(at, f"a baseline is measured for {task.headline} of {OVERALL} alone")]


def _all_rows_problems(
    gate: GateSpec, offers: Sequence[Offer], running: Mapping[str, Check], task: Task, at: str
) -> list[Problem]:
    if not any(offer.group for offer in offers):
        return [Problem(at, f"{gate.metric!r} is not a metric of a single group, which all rows could stand beside")]
    check, metric = overall_name(gate.check, gate.metric)
    if check not in running:
        return [Problem(at, f"all rows are measured by {check}, which is off")]
    overall = [o for o in running[check].offers(task) if o.metric == metric and (check != gate.check or not o.by)]
    return [] if overall else [Problem(at, f"{gate.metric!r} is measured by group only")]


def _group_problems(gate: GateSpec, offers: Sequence[Offer], at: str, data: DataSpec) -> list[Problem]:
    reference = gate.relative_to
    assert reference is not None
    found = [
        Problem(at, f"{column!r} is not in `data.sensitive`{nearest(column, data.sensitive)}")
        for column in reference.by or ()
        if column not in data.sensitive
    ]
    if reference.by and not any(offer.by for offer in offers):
        found.append(Problem(at, f"{gate.metric!r} is not measured by group"))
    if reference.group is None:
        return found
    if not any(offer.group for offer in offers):
        return [*found, Problem(at, f"{gate.metric!r} is not a metric of a single group")]
    columns = reference.by or gate.by or data.sensitive
    if not reference.by and not gate.by and len(columns) > 1:
        return [*found, Problem(at, f"say which column has the group {reference.group!r}: add `by` to the gate")]
    declared = data.groups.get(columns[0]) if len(columns) == 1 else None
    if declared is not None and reference.group not in declared:
        hint = nearest(reference.group, declared)
        found.append(Problem(at, f"`data.groups.{columns[0]}` declares no {reference.group!r}{hint}"))
    return found


def _same_place(gate: GateSpec, at: str) -> list[Problem]:
    """A gate that is relative to what it judges would always be exactly 1, or 0."""
    reference = gate.relative_to
    assert reference is not None
    own = {
        "split": gate.split or DEFAULT_SPLIT,
        "group": gate.group,
        "class": gate.class_,
        "by": gate.by,
        "all": False,
    }
    named = {
        "split": reference.split,
        "group": None if reference.all_rows else reference.group,
        "class": reference.class_,
        "by": reference.by or None,
        "all": reference.all_rows or None,
    }
    if all(value is None or value == own[key] for key, value in named.items()):
        return [Problem(at, "names what the gate itself judges, which is always equal to itself")]
    return []

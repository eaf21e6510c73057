"""`auditkit gate`: a file of predictions, judged without a model. The same stages as an audit, on two checks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from auditkit.core.audit import Audit
from auditkit.core.check import Check
from auditkit.core.errors import PlanError, Problem, nearest
from auditkit.core.files import digest_of
from auditkit.core.progress import Progress
from auditkit.core.task import Task
from auditkit.core.types import INTERSECTION
from auditkit.data.dataset import Dataset
from auditkit.pipeline.audit import perform
from auditkit.pipeline.document import Document
from auditkit.pipeline.load import LoadedPlan, parse_plan
from auditkit.pipeline.plan import GateSpec
from auditkit.pipeline.prepared import Clock, Prepared
from auditkit.pipeline.run import RunResult, prediction_columns, run_prepared
from auditkit.pipeline.suite import gate_problems, select_checks
from auditkit.pipeline.task import settle_task

_OVERALL, _GROUPS = "performance.summary", "bias.groups"


@dataclass(frozen=True)
class Bound:
    """One `--max` or `--min`: `METRIC=X`, `METRIC@sex=X` or `METRIC@sex×race=X`."""

    option: str
    metric: str
    by: str | None
    value: float


def parse_bound(option: str, text: str) -> Bound:
    """Parse the value of `--max` or `--min`. Raises `PlanError`."""
    name, equals, number = text.rpartition("=")
    try:
        value = float(number)
    except ValueError:
        value = float("nan")
    if not equals or not name or not math.isfinite(value):
        shape = f"{option} {text}: expected METRIC=NUMBER, such as equalized_odds_difference=0.1"
        percent = number.strip().rstrip("%")
        hint = ""
        if number.strip().endswith("%") and percent.replace(".", "", 1).isdigit():
            hint = f"; write {float(percent) / 100:g}"
        raise PlanError(f"{shape}{hint}")
    metric, at, by = name.partition("@")
    if at and not by.strip():
        raise PlanError(f"{option} {text}: names no column after the @")
    return Bound(option, metric.strip(), by.strip() or None, value)


@dataclass(frozen=True)
class GateRequest:
    """What `auditkit gate` and `auditkit.gate` are asked."""

    target: str
    prediction: str | None
    score: str | None = None
    positive: str | None = None
    sensitive: tuple[str, ...] = ()
    bounds: tuple[Bound, ...] = ()
    weight: str | None = None
    cluster: str | None = None
    threshold: float = 0.5


def prepare_gate(
    source: Path | None, frame: pa.Table | None, request: GateRequest, name: str, progress: Progress
) -> Prepared:
    """Open the predictions and turn the bounds into gates. Raises `PlanError` with every problem at once."""
    if not request.bounds:
        raise PlanError(
            "name at least one bound, such as --max equalized_odds_difference=0.1: without one, nothing is gated"
        )
    loaded = _load(source, request, name)
    plan = loaded.plan
    extra = prediction_columns(plan)
    dataset = Dataset.open(
        plan.data,
        extra=extra,
        exclude=extra,
        read_inputs=True,
        frames=None if frame is None else {"test": frame},
    )
    checks, _ = select_checks(plan)
    task = settle_task(plan, dataset, None).task
    gates, problems = _gates(request, checks, task)
    plan = plan.model_copy(update={"gates": tuple(gates)})
    problems += [
        Problem(_option_of(problem, request), problem.message.replace("`data.sensitive`", "--sensitive"))
        for problem in gate_problems(plan.gate_list, checks, task, dataset.splits, plan)
    ]
    if problems:
        raise PlanError(problems)
    stated = loaded.stated.model_copy(update={"gates": plan.gates})
    return Prepared(
        plan=plan,
        stated=stated,
        digest=digest_of(stated.model_dump(mode="json")),
        dataset=dataset,
        checks=checks,
        open_model=None,
        progress=progress,
    )


def _load(source: Path | None, request: GateRequest, name: str) -> LoadedPlan:
    data: dict[str, Any] = {
        "splits": {"test": str(source or "in memory")},
        "target": request.target,
        "sensitive": list(request.sensitive),
        "positive": request.positive,
        "weight": request.weight,
        "cluster": request.cluster,
    }
    model = {
        "kind": "predictions",
        "prediction": request.prediction,
        "score": request.score,
        "threshold": request.threshold,
    }
    from auditkit.checks.registry import CHECKS

    checks = {check: "off" for check in CHECKS.names() if check not in (_OVERALL, _GROUPS)}
    tree = {"name": name, "model": _given(model), "data": _given(data), "checks": checks, "gates": "none"}
    return parse_plan(Document(value=tree), None)


def _given(section: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in section.items() if value is not None}


def _gates(request: GateRequest, checks: Sequence[Check], task: Task) -> tuple[list[GateSpec], list[Problem]]:
    offered = {check.id: {offer.metric for offer in check.offers(task)} for check in checks}
    gates: list[GateSpec] = []
    problems: list[Problem] = []
    for bound in request.bounds:
        overall = bound.by is None and bound.metric in offered[_OVERALL]
        if not overall and bound.metric not in offered[_GROUPS]:
            known = sorted(offered[_OVERALL] | offered[_GROUPS])
            where = f"{bound.option} {bound.metric}"
            problems.append(
                Problem(where, f"no metric {bound.metric!r} for {task.kind.value}{nearest(bound.metric, known)}")
            )
            continue
        gates.append(
            GateSpec(
                check=_OVERALL if overall else _GROUPS,
                metric=bound.metric,
                by=None if bound.by is None else tuple(bound.by.split(INTERSECTION)),
                **{bound.option.lstrip("-"): bound.value},
            )
        )
    return gates, problems


def _option_of(problem: Problem, request: GateRequest) -> str:
    """`gates[2].by` as the option that the user typed."""
    index = problem.where.partition("[")[2].partition("]")[0]
    if not index.isdigit() or int(index) >= len(request.bounds):
        return problem.where
    bound = request.bounds[int(index)]
    return f"{bound.option} {bound.metric}" + (f"@{bound.by}" if bound.by else "")


def gate_file(
    source: Path,
    request: GateRequest,
    *,
    out: Path | None,
    formats: Sequence[str],
    allow_inconclusive: bool,
    progress: Progress,
) -> tuple[Audit, RunResult | None]:
    """Judge a file of predictions. Writes a run directory only where `out` is given."""
    prepared = prepare_gate(source, None, request, source.stem or "predictions", progress)
    prepared.allow_inconclusive = allow_inconclusive
    if out is None:
        return perform(prepared, Clock()), None
    result = run_prepared(prepared, directory=out, resume=False, formats=formats)
    return result.audit, result

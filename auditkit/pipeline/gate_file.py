"""`auditkit gate`: a file of predictions, judged without a model. The same stages as an audit, on two checks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from auditkit.core.audit import Audit
from auditkit.core.check import Check
from auditkit.core.errors import PlanError, Problem
from auditkit.core.files import digest_of
from auditkit.core.progress import Progress
from auditkit.data.compact.rounding import Roles
from auditkit.data.dataset import Dataset
from auditkit.pipeline.attest.keys import Signer
from auditkit.pipeline.audit import perform
from auditkit.pipeline.document import Document
from auditkit.pipeline.gate_words import columns_of, crossed, unknown_metric
from auditkit.pipeline.load import LoadedPlan, parse_plan
from auditkit.pipeline.plan import GateSpec, Plan
from auditkit.pipeline.prepared import Clock, Prepared
from auditkit.pipeline.problems import prediction_columns
from auditkit.pipeline.run import RunResult, run_prepared
from auditkit.pipeline.suite import NumberedGate, gate_problems, select_checks
from auditkit.pipeline.task import every_task, settle_task

_OVERALL, _GROUPS = "performance.summary", "bias.groups"


@dataclass(frozen=True)
class Bound:
    """One `--max` or `--min`: `METRIC=X`, `METRIC@sex=X` or `METRIC@sex×race=X` (or `sex*race`)."""

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
        if number.strip().endswith("%") and percent.replace(".", "", 1).isdecimal():
            hint = f"; write {float(percent) / 100:g}"
        raise PlanError(f"{shape}{hint}")
    metric, at, by = name.partition("@")
    if at and not by.strip():
        raise PlanError(f"{option} {text}: names no column after the @")
    return Bound(option, metric.strip(), by.strip() or None, value)


def parse_bands(options: Sequence[str]) -> dict[str, Any]:
    """The values of `--band`, such as `age=25,45,65`, as a plan's `data.bands`. Raises `PlanError`."""
    bands: dict[str, Any] = {}
    for text in options:
        column, equals, rule = text.rpartition("=")
        cells = [cell.strip() for cell in rule.split(",")]
        try:
            numbers = [float(cell) for cell in cells if cell]
        except ValueError:
            numbers = []
        if not equals or not column.strip() or not (numbers or rule.strip() == "none"):
            raise PlanError(
                f"--band {text}: expected COLUMN=EDGES such as age=25,45,65 (one edge: age=40,), COLUMN=4 for so many "
                "bands, or COLUMN=none"
            )
        if column.strip() in bands:
            raise PlanError(f"--band {text}: {column.strip()!r} is cut twice")
        counted = len(cells) == 1 and len(numbers) == 1 and numbers[0].is_integer()
        whole = int(numbers[0]) if counted else numbers
        bands[column.strip()] = whole if numbers else "none"
    return bands


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
    id: str | None = None
    #: How numeric sensitive columns are cut, as in a plan's `data.bands`.
    bands: Mapping[str, Any] = field(default_factory=dict)
    #: A second table with sensitive columns, by its path or in memory, and its column that `id` refers to.
    attributes: Path | pa.Table | None = None
    attributes_id: str | None = None


def prepare_gate(
    source: Path | None, frame: pa.Table | None, request: GateRequest, name: str, progress: Progress
) -> Prepared:
    """Open the predictions and turn the bounds into gates. Raises `PlanError` with every problem at once."""
    if not request.bounds:
        raise PlanError(
            "name at least one bound, such as --max equalized_odds_difference=0.1: without one, nothing is gated"
        )
    try:
        loaded = _load(source, request, name)
    except PlanError as error:
        raise PlanError([_as_typed(problem, request) for problem in error.problems]) from None
    plan = loaded.plan
    checks, _ = select_checks(plan.checks)
    gates, problems = _gates(request, checks)
    dataset = None
    try:
        extra = prediction_columns(plan.model)
        splits = None if frame is None else {"test": frame}
        second = request.attributes if isinstance(request.attributes, pa.Table) else None
        dataset = Dataset.open(
            plan.data, extra=extra, exclude=extra, frames=splits, compact=_roles(plan), attributes=second
        )
        task = settle_task(plan.model, plan.data, dataset, None).task
        problems += gate_problems(gates, checks, task, dataset.splits, plan.data)
    except PlanError as error:
        problems += error.problems
    if problems:
        raise PlanError([_as_typed(problem, request) for problem in problems])
    assert dataset is not None
    plan = plan.model_copy(update={"gates": tuple(gate for _, gate in gates)})
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


def _roles(plan: Plan) -> Roles:
    """What each column is for: it decides how numbers may be rounded where rows are very many."""
    model, data = plan.model, plan.data
    decided = model.prediction is not None
    return Roles(
        target=data.target,
        prediction=model.prediction,
        scores=() if model.score is None else (model.score,),
        weight=data.weight,
        cluster=data.cluster,
        groups=data.sensitive,
        threshold=None if decided else model.threshold,
    )


def _load(source: Path | None, request: GateRequest, name: str) -> LoadedPlan:
    data: dict[str, Any] = {
        "splits": {"test": str(source or "in memory")},
        "target": request.target,
        "sensitive": list(request.sensitive),
        "positive": request.positive,
        "weight": request.weight,
        "cluster": request.cluster,
        "id": request.id,
        "bands": dict(request.bands),
        "attributes": attributes_section(request.attributes, request.attributes_id),
    }
    model = {
        "kind": "predictions",
        "prediction": request.prediction,
        "score": request.score,
        "threshold": request.threshold,
    }
    from auditkit.checks.registry import CHECKS

    checks = {check: "off" for check in CHECKS.names() if check not in (_OVERALL, _GROUPS)}
    tree = {"name": name, "model": given(model), "data": given(data), "checks": checks, "gates": "none"}
    return parse_plan(Document(value=tree), None)


def attributes_section(attributes: Path | pa.Table | None, id: str | None) -> dict[str, Any] | None:
    """The plan's `data.attributes` for a second table, in a file or in memory; None without one."""
    if attributes is None:
        if id is not None:
            raise PlanError(
                Problem("data.attributes.id", "names a column of a second table, and no such table is given")
            )
        return None
    path = "in memory" if isinstance(attributes, pa.Table) else str(attributes)
    return given({"path": path, "id": id})


def given(section: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a section of a plan that have a value."""
    return {key: value for key, value in section.items() if value is not None}


def _gates(request: GateRequest, checks: Sequence[Check]) -> tuple[list[NumberedGate], list[Problem]]:
    """Bounds as gates: on all rows where the metric exists for all rows and no column is named, else on groups."""
    offered = {check.id: {offer.metric for task in every_task() for offer in check.offers(task)} for check in checks}
    gates: list[NumberedGate] = []
    problems: list[Problem] = []
    for index, bound in enumerate(request.bounds):
        overall = bound.by is None and bound.metric in offered[_OVERALL]
        if not overall and bound.metric not in offered[_GROUPS]:
            why = unknown_metric(bound.metric, tuple(offered), offered[_OVERALL] | offered[_GROUPS])
            problems.append(Problem(f"gates[{index}].metric", why))
            continue
        by = None if bound.by is None else columns_of(bound.by, request.sensitive)
        if by is not None and len(by) == 1 and (meant := crossed(by[0], request.sensitive)):
            problems.append(Problem(f"gates[{index}].by", f"{by[0]!r} is no column of --sensitive; {meant}"))
            continue
        spec = GateSpec(
            check=_OVERALL if overall else _GROUPS,
            metric=bound.metric,
            by=by,
            **{bound.option.lstrip("-"): bound.value},
        )
        gates.append((index, spec))
    return gates, problems


_TYPED = {
    "data.splits.test": "PREDICTIONS",
    "data.target": "--target",
    "data.positive": "--positive",
    "data.sensitive": "--sensitive",
    "data.weight": "--weight",
    "data.cluster": "--cluster",
    "data.id": "--id",
    "data.attributes": "--attributes",
    "data.attributes.path": "--attributes",
    "data.attributes.id": "--attributes-id",
    "model": "--prediction, --score",
}


_OPTIONS = {
    "`data.sensitive`": "--sensitive",
    "data.sensitive": "--sensitive",
    "`data.attributes.id`": "--attributes-id",
    "`data.attributes`": "--attributes",
    "`data.bands`": "--band",
}


def _as_typed(problem: Problem, request: GateRequest) -> Problem:
    """A problem with the options that the user typed in place of the plan's keys."""
    section, _, rest = problem.where.partition("[")
    message = problem.message
    for key, option in _OPTIONS.items():
        message = message.replace(key, option)
    if section.startswith("data.bands."):
        return Problem(f"--band {section.removeprefix('data.bands.')}", message)
    if section != "gates":
        return Problem(_TYPED.get(section, problem.where), message)
    bound = request.bounds[int(rest.partition("]")[0])]
    return Problem(f"{bound.option} {bound.metric}" + (f"@{bound.by}" if bound.by else ""), message)


def gate_file(
    source: Path,
    request: GateRequest,
    *,
    out: Path | None,
    formats: Sequence[str],
    allow_inconclusive: bool,
    progress: Progress,
    signer: Signer | None = None,
) -> tuple[Audit, RunResult | None]:
    """Judge a file of predictions. Writes a run directory only where `out` is given; `signer` signs it."""
    prepared = prepare_gate(source, None, request, source.stem or "predictions", progress)
    prepared.allow_inconclusive = allow_inconclusive
    if out is None:
        return perform(prepared, Clock()), None
    result = run_prepared(prepared, directory=out, resume=False, formats=formats, signer=signer)
    return result.audit, result

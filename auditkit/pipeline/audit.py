"""The use case itself, free of files and terminals: a prepared audit goes through collect, checks and gates."""

from __future__ import annotations

import traceback
from collections.abc import Callable

from auditkit.core.audit import Audit, DataSummary, ModelSummary, TrustedFile
from auditkit.core.check import Check
from auditkit.core.errors import MissingEvidenceError, PlanError, Problem
from auditkit.core.evidence import Evidence
from auditkit.core.files import digest_of
from auditkit.core.finding import Finding
from auditkit.core.model import Model, ModelInfo
from auditkit.core.version import __version__
from auditkit.data.dataset import Dataset
from auditkit.pipeline.doubts import doubts_about
from auditkit.pipeline.environment import environment, versions
from auditkit.pipeline.evidence import build_evidence
from auditkit.pipeline.gates import judge
from auditkit.pipeline.plan import Plan
from auditkit.pipeline.prepared import Clock, Prepared
from auditkit.pipeline.suite import asked_by, gate_problems, intersections_of, limits_of, require
from auditkit.pipeline.task import output_kind, settle_task
from auditkit.probes.base import Budget, ProbeContext
from auditkit.probes.collect import BATCH_ROWS, SHARD_ROWS, Collected, collect_clean, collect_rounds
from auditkit.tasks.infer import InferredTask

_SAMPLE_ROWS = 1000


def perform(prepared: Prepared, clock: Clock) -> Audit:
    """Collect, check, judge. Returns the audit without its run record; raises what the contract maps to exit codes."""
    with clock.stage("load model"):
        model = prepared.open_model() if prepared.open_model is not None else None
    try:
        info = model.info if model is not None else ModelInfo(kind="predictions", outputs=prepared.outputs)
        inferred = _settle_task(prepared, info)
        evidence, collected = _collect(prepared, model, info, inferred, clock)
        collected.notes += dict.fromkeys(model.notes) if model is not None else ()
    finally:
        if model is not None:
            model.close()
    with clock.stage("checks"):
        findings, crashed = _run_checks(prepared, evidence, collected)
    return _conclude(prepared, info, inferred, evidence, collected, findings, crashed)


def _settle_task(prepared: Prepared, info: ModelInfo) -> InferredTask:
    plan, dataset = prepared.plan, prepared.dataset
    try:
        inferred = settle_task(plan.model, plan.data, dataset, info, prepared.outputs)
        problems = gate_problems(
            tuple(enumerate(plan.gate_list)), prepared.checks, inferred.task, dataset.splits, plan.data
        )
        require(problems, prepared.source)
        _require_inputs(info, dataset)
    except PlanError as error:
        raise prepared.locate(error) from None
    return inferred


def _require_inputs(info: ModelInfo, dataset: Dataset) -> None:
    if info.inputs is None:
        return
    absent = [name for name in info.inputs if name not in {item.name for item in dataset.inputs}]
    if not absent:
        return
    spec = dataset.spec
    kept_back = {*spec.sensitive, spec.id, spec.cluster, spec.weight}
    if spec.inputs is not None:
        why = "which are not listed here"
    elif kept_back >= set(absent):
        why = "which only become inputs where this key lists them: list every column that the model reads"
    else:
        why = "which the splits don't have"
    raise PlanError(Problem("data.inputs", f"the model reads {', '.join(map(repr, absent))}, {why}"))


def _collect(
    prepared: Prepared, model: Model | None, info: ModelInfo, inferred: InferredTask, clock: Clock
) -> tuple[Evidence, Collected]:
    plan = prepared.plan
    collected = Collected()
    kind = prepared.outputs or output_kind(plan.model, info)
    if kind is None:
        raise PlanError("model.outputs: say whether the model returns `logits`, `probabilities` or `values`")
    evidence = build_evidence(
        prepared.dataset,
        inferred.task,
        info,
        collected.tables,
        collected.absent,
        outputs=kind,
        threshold=plan.model.threshold,
        seed=plan.run.seed,
        intersections=intersections_of(plan.gate_list, plan.data),
        asked=asked_by(plan.gate_list),
    )
    context = ProbeContext(
        dataset=prepared.dataset,
        model=model,
        spec=plan.model,
        evidence=evidence,
        progress=prepared.progress,
        budget=Budget(plan.run.budget),
        batch_size=BATCH_ROWS if plan.run.batch_size == "auto" else plan.run.batch_size,
        shard_rows=SHARD_ROWS,
        sample_rows=_SAMPLE_ROWS,
    )
    wanted = sorted({name for check in prepared.checks for name in (*check.needs, *check.uses)})
    with clock.stage("collect"):
        collect_clean(context, prepared.store, collected, versions())
        prepared.keeper.record("scored", keys=collected.keys)
        collect_rounds(context, prepared.store, collected, wanted, _event(prepared))
    clock.stages["collect"] -= context.model_seconds
    clock.stages["model"] = context.model_seconds
    return evidence, collected


def _event(prepared: Prepared) -> Callable[[str, str], None]:
    return lambda probe, key: prepared.keeper.record("probe", probe=probe, key=key)


def _run_checks(prepared: Prepared, evidence: Evidence, collected: Collected) -> tuple[list[Finding], bool]:
    findings: list[Finding] = []
    crashed = False
    facts = [__version__, collected.keys, collected.absent, evidence.seed, repr(evidence.task), evidence.intersections]
    facts += [repr(asked) for asked in evidence.asked]
    declared = {name: list(labels) for name, labels in sorted(prepared.plan.data.groups.items())}
    with prepared.progress.bar("checks", len(prepared.checks)) as bar:
        for check in prepared.checks:
            known = [declared, evidence.data.sensitive, evidence.data.population]
            key = digest_of([check.id, check.model_dump(mode="json"), facts, *known])
            found = prepared.keeper.findings(check.id, key)
            if found is None:
                found, broke = _run_check(check, evidence, prepared)
                crashed = crashed or broke
                if not broke:
                    prepared.keeper.keep(check.id, key, found)
            findings += found
            bar.advance(note=check.id)
    return findings, crashed


def _run_check(check: Check, evidence: Evidence, prepared: Prepared) -> tuple[list[Finding], bool]:
    """Run one check. One that lacks evidence is skipped; one that breaks is our fault, and is kept as such."""
    for name in check.needs:
        if not evidence.has(name):
            return [check.skipped(evidence.absent.get(name, f"the evidence '{name}' was not collected"))], False
    try:
        return check.run(evidence), False
    except MissingEvidenceError as error:
        return [check.skipped(str(error))], False
    except Exception as error:  # noqa: BLE001 - a check that breaks must not take the others with it
        prepared.keeper.record("crash", check=check.id, traceback=traceback.format_exc())
        prepared.progress.say(f"the check {check.id} broke: {type(error).__name__}: {error}")
        return [check.crashed(f"{type(error).__name__}: {error}")], True


def _conclude(
    prepared: Prepared,
    info: ModelInfo,
    inferred: InferredTask,
    evidence: Evidence,
    collected: Collected,
    findings: list[Finding],
    crashed: bool,
) -> Audit:
    plan, dataset, task = prepared.plan, prepared.dataset, inferred.task
    data = [_data_summary(dataset, evidence, split) for split in dataset.splits]
    judgement = judge(
        plan.gate_list,
        findings,
        doubts=doubts_about(evidence, [s.split for s in data if s.sampled_from is not None]),
        limits=limits_of(prepared.checks, task),
        allow_inconclusive=prepared.allow_inconclusive,
        crashed=crashed,
    )
    notes = [inferred.note, *_notes(plan, evidence), *dataset.notes, *collected.notes]
    return Audit(
        name=plan.name,
        verdict=judgement.verdict,
        exit_code=judgement.exit_code,
        model=ModelSummary(
            kind=info.kind,
            task=task.kind.value,
            inputs=tuple(sorted({item.kind.value for item in dataset.inputs})),
            sha256=info.sha256,
            parameters=info.parameters,
            classes=task.classes or None,
            positive=task.positive,
            threshold=plan.model.threshold if task.positive is not None else None,
            description=info.description or None,
            trusted=_trusted(prepared, info),
        ),
        data=tuple(data),
        findings=(*judgement.findings, *findings),
        environment=environment(info if prepared.open_model is not None else None, plan.run.seed),
        context={key: value for key, value in plan.context.model_dump().items() if value},
        notes=tuple(note for note in notes if note),
        plan=prepared.stated.model_dump(mode="json", by_alias=True, exclude_none=True),
    )


def _trusted(prepared: Prepared, info: ModelInfo) -> tuple[TrustedFile, ...]:
    """What had to be trusted, under the paths that the plan states."""
    stated = dict(zip(map(str, prepared.plan.model.paths), map(str, prepared.stated.model.paths), strict=True))
    return tuple(TrustedFile(path=stated.get(f.path, f.path), sha256=f.sha256, by=f.by) for f in info.trusted)


def _notes(plan: Plan, evidence: Evidence) -> list[str]:
    """What a reader must know beside the findings, as far as the plan and the scores tell it."""
    notes = [plan.data.about] if plan.data.about else []
    if plan.report.samples == "full":
        notes.append("The plan allows raw samples in the report; this version of auditkit shows none.")
    task, threshold = evidence.task, plan.model.threshold
    outcomes = evidence.outcomes("test")
    unlabelled = outcomes.rows_where(~outcomes.labelled)
    if unlabelled:
        notes.append(
            f"Rows of test without a label: {unlabelled:,} of {outcomes.rows:,}. They count in nothing that needs one; "
            "if they are not like the others, what is said of errors is not true of all rows."
        )
    scores = outcomes.scores
    if task.positive is not None and scores is not None and plan.model.prediction is None:
        ties = evidence.outcomes("test").rows_where(scores[:, task.classes.index(task.positive)] == threshold)
        if ties:
            notes.append(
                f"{ties:,} rows of test score exactly {threshold:g}, the threshold, and count as {task.positive!r}; "
                "a model's own `predict` may decide such ties the other way."
            )
    return notes


def _data_summary(dataset: Dataset, evidence: Evidence, split: str) -> DataSummary:
    outcomes = evidence.outcomes(split)
    total = dataset.survey.rows[split]
    return DataSummary(
        split=split,
        rows=outcomes.rows,
        unlabelled=outcomes.rows_where(~outcomes.labelled),
        unscored=outcomes.rows_where(~outcomes.scored),
        sampled_from=total if total != len(outcomes) else None,
        sha256=dataset.digests.get(split),
    )

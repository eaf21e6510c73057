"""Gates: which findings each one selects, what becomes of them, and the exit code that follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from auditkit.core.finding import Bounds, Finding, Scope, SliceTerm, finding_id
from auditkit.core.types import INTERSECTION, Status, Verdict
from auditkit.pipeline import reasons
from auditkit.pipeline.doubts import Doubt
from auditkit.pipeline.plan import GateSpec
from auditkit.pipeline.prospects import GroupRates
from auditkit.pipeline.reasons import DEFAULT_SPLIT, Known
from auditkit.pipeline.relative import Held, Places, hold

#: What a metric of a check can never be below or above, by (check, metric); see `suite.limits_of`.
Limits = Mapping[tuple[str, str], tuple[float | None, float | None]]


@dataclass(frozen=True)
class Judgement:
    """All gated findings, the verdict and the exit code."""

    findings: tuple[Finding, ...]
    verdict: Verdict
    exit_code: int


@dataclass(frozen=True)
class _Judged:
    """A gated finding, and the first reason that stands against its pass, however it came out."""

    finding: Finding
    doubt: str | None = None


def judge(
    gates: Sequence[GateSpec],
    findings: Sequence[Finding],
    *,
    doubts: Sequence[Doubt] = (),
    limits: Limits | None = None,
    allow_inconclusive: bool = False,
    crashed: bool = False,
) -> Judgement:
    """Judge every gate against the findings that it selects.

    `doubts` are reasons against a pass (see `pipeline.doubts`); what is undecided because of one is never forgiven.
    `limits` let a reason say that no sample could ever pass. `crashed` says that the audit could not be finished (exit
    code 3 before any other).
    """
    rates, places = GroupRates(findings), Places(findings)
    judged = []
    for gate in gates:
        low, high = (limits or {}).get((gate.check, gate.metric), (None, None))
        judged += _judge_gate(gate, places, doubts, Known(rates, low, high))
    forgiven = allow_inconclusive and all(straddles(j.finding) and j.doubt is None for j in judged if _undecided(j))
    gated = tuple(j.finding for j in judged)
    code = 3 if crashed else _exit_code(judged, forgiven)
    return Judgement(gated, _verdict(gated, crashed), code)


def _judge_gate(gate: GateSpec, places: Places, doubts: Sequence[Doubt], known: Known) -> list[_Judged]:
    # A group of an intersection may name its parts in another order.
    group = gate.group if gate.group is None or INTERSECTION not in gate.group else None
    selected = [finding for finding in places.of(gate.check, gate.metric, group) if selects(gate, finding)]
    held = [Held(f) if gate.relative_to is None else hold(gate, f, places) for f in selected]
    # What is its own reference is exactly 1 (or 0) times itself, whatever the model does.
    judged = [_judge_held(h, f, gate.bounds, doubts, known) for h, f in zip(held, selected, strict=True) if not h.own]
    return judged or [_Judged(_unmatched(gate, reasons.unmatched(gate, [] if selected else places.findings, known)))]


def _judge_held(held: Held, original: Finding, bounds: Bounds, doubts: Sequence[Doubt], known: Known) -> _Judged:
    """A doubt about the finding, about its reference, or about comparing their splits, stands against a pass."""
    concerned = [original]
    if held.reference is not None:
        other = held.reference
        compared = replace_scope(original, reference=other.scope.split)
        concerned += [other] if other.scope.split == original.scope.split else [other, compared]
    found = [doubt.reason for doubt in doubts if any(doubt.concerns(f) for f in concerned)]
    doubt = found[0] if found else None
    return _Judged(judge_finding(held.finding, bounds, doubt, known), doubt)


def replace_scope(finding: Finding, **named: object) -> Finding:
    """The finding about another place."""
    return finding.model_copy(update={"scope": finding.scope.model_copy(update=named)})


def _undecided(judged: _Judged) -> bool:
    return judged.finding.status in (Status.INCONCLUSIVE, Status.ERROR)


def selects(gate: GateSpec, finding: Finding) -> bool:
    """Whether a gate selects a finding: by check, metric and split, and by whatever else it names.

    Without `by`, a metric is selected for all rows together and for each sensitive column by itself, as far as it
    exists for them; an intersection must be named, and `by: none` selects it for all rows together alone.
    """
    scope = finding.scope
    if finding.check != gate.check or finding.metric != gate.metric:
        return False
    if scope.split != (gate.split or DEFAULT_SPLIT) and not (scope.split is None and gate.split is None):
        return False
    if gate.by is not None:
        if _columns(scope.attribute) != tuple(sorted(gate.by)):
            return False
    elif scope.attribute is not None and INTERSECTION in scope.attribute:
        return False
    if gate.group is not None and scope.groups != (_in_order(gate, scope.attribute),):
        return False
    if gate.class_ is not None and scope.class_ != gate.class_:
        return False
    return gate.slice is None or _same_slice(gate, scope)


def _columns(attribute: str | None) -> tuple[str, ...]:
    return () if attribute is None else tuple(sorted(attribute.split(INTERSECTION)))


def _in_order(gate: GateSpec, attribute: str | None) -> str | None:
    """The gate's group with its parts in the finding's order of columns: `A×F` by race×sex is `F×A` by sex×race."""
    labels = (gate.group or "").split(INTERSECTION)
    if gate.by is None or attribute is None or len(labels) != len(gate.by) or len(labels) < 2:
        return gate.group
    of_column = dict(zip(gate.by, labels, strict=True))
    return INTERSECTION.join(of_column.get(column, "") for column in attribute.split(INTERSECTION))


def _same_slice(gate: GateSpec, scope: Scope) -> bool:
    wanted = [(c.column, c.op, c.value) for c in gate.slice or ()]
    found = [(t.column, t.op, t.value) for t in scope.slice or ()]
    return sorted(map(str, wanted)) == sorted(map(str, found))


def judge_finding(finding: Finding, bounds: Bounds, doubt: str | None = None, known: Known | None = None) -> Finding:
    """The finding as a gate sees it: pass, fail, inconclusive or error, and one sentence that says why."""
    status, reason = _status(finding, bounds, doubt, known or Known(GroupRates(())))
    identity = finding_id(finding.check, finding.metric, finding.scope, bounds)
    return finding.model_copy(update={"id": identity, "gate": bounds, "status": status, "reason": reason})


def _status(finding: Finding, bounds: Bounds, doubt: str | None, known: Known) -> tuple[Status, str | None]:
    """In this order: no value is an error; a whole interval beyond a bound fails, whatever else is wrong; a doubt, no
    interval, an interval on both sides, or too few rows leave it undecided; the rest passes. What was counted rather
    than sampled is what it is, so that no doubt stands against it."""
    if finding.value is None:
        return Status.ERROR, reasons.without_value(finding, known)
    if finding.interval is None and finding.sampled:
        return Status.INCONCLUSIVE, doubt or reasons.without_interval(finding)
    low, high = finding.interval or (finding.value, finding.value)
    if _outside(low, high, bounds):
        return Status.FAIL, reasons.failed(finding, bounds, known)
    if doubt is not None and finding.sampled:
        return Status.INCONCLUSIVE, doubt
    if not _inside(low, high, bounds):
        return Status.INCONCLUSIVE, reasons.undecided(finding, bounds, known)
    if not finding.sufficient:
        return Status.INCONCLUSIVE, reasons.too_few(finding, known)
    return Status.PASS, None


def _inside(low: float, high: float, bounds: Bounds) -> bool:
    return (bounds.max is None or high <= bounds.max) and (bounds.min is None or low >= bounds.min)


def _outside(low: float, high: float, bounds: Bounds) -> bool:
    return (bounds.max is not None and low > bounds.max) or (bounds.min is not None and high < bounds.min)


def _unmatched(gate: GateSpec, reason: str) -> Finding:
    """The error of a gate that has nothing to judge."""
    scope = Scope(
        split=gate.split or DEFAULT_SPLIT,
        attribute=gate.attribute,
        groups=None if gate.group is None else (gate.group,),
        class_=gate.class_,
        slice=None
        if gate.slice is None
        else tuple(SliceTerm(column=c.column, op=c.op, value=c.value) for c in gate.slice),
        reference=None if gate.relative_to is None else gate.relative_to.label,
    )
    return Finding(
        id=finding_id(gate.check, gate.metric, scope, gate.bounds),
        check=gate.check,
        metric=gate.metric,
        scope=scope,
        status=Status.ERROR,
        gate=gate.bounds,
        title=f"{gate.metric} was not measured",
        reason=reason,
    )


def _exit_code(judged: Sequence[_Judged], forgiven: bool) -> int:
    if any(j.finding.status is Status.FAIL for j in judged):
        return 1
    return 0 if forgiven or not any(_undecided(j) for j in judged) else 5


def straddles(finding: Finding) -> bool:
    """Whether an undecided finding is one that `--allow-inconclusive` forgives: a finite value, and an interval that
    lies on both sides of a bound. Nothing else is forgiven."""
    if finding.status is not Status.INCONCLUSIVE or finding.value is None or finding.interval is None:
        return False
    assert finding.gate is not None
    low, high = finding.interval
    return not _inside(low, high, finding.gate) and not _outside(low, high, finding.gate)


def _verdict(gated: Sequence[Finding], crashed: bool) -> Verdict:
    statuses = {finding.status for finding in gated}
    if crashed:
        return Verdict.ERROR
    for status, verdict in (
        (Status.FAIL, Verdict.FAIL),
        (Status.ERROR, Verdict.ERROR),
        (Status.INCONCLUSIVE, Verdict.INCONCLUSIVE),
        (Status.PASS, Verdict.PASS),
    ):
        if status in statuses:
            return verdict
    return Verdict.UNJUDGED

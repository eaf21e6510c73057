"""Gates: which findings each one selects, what becomes of them, and the exit code that follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from auditkit.core.estimate import Estimate
from auditkit.core.finding import Bounds, Finding, Scope, SliceTerm, finding_id
from auditkit.core.messages import number
from auditkit.core.types import INTERSECTION, Status, Verdict
from auditkit.measures.power import rows_to_decide
from auditkit.pipeline.doubts import Doubt
from auditkit.pipeline.plan import GateSpec

DEFAULT_SPLIT = "test"

#: So many times the rows are not to be had: a gate then says that rows won't decide it.
_UNREAL = 1000


@dataclass(frozen=True)
class Judgement:
    """All gated findings, the verdict and the exit code."""

    findings: tuple[Finding, ...]
    verdict: Verdict
    exit_code: int


def judge(
    gates: Sequence[GateSpec],
    findings: Sequence[Finding],
    *,
    doubts: Sequence[Doubt] = (),
    allow_inconclusive: bool = False,
    crashed: bool = False,
) -> Judgement:
    """Judge every gate against the findings that it selects.

    `doubts` are reasons against a pass (see `pipeline.doubts`); what is undecided because of one is never forgiven.
    `crashed` says that the audit could not be finished (exit code 3 before any other).
    """
    gated = [judged for gate in gates for judged in _judge_gate(gate, findings, doubts)]
    forgiven = allow_inconclusive and all(straddles(f) and _doubt(f, doubts) is None for f in gated if _undecided(f))
    code = 3 if crashed else _exit_code(gated, forgiven)
    return Judgement(tuple(gated), _verdict(gated, crashed), code)


def _judge_gate(gate: GateSpec, findings: Sequence[Finding], doubts: Sequence[Doubt]) -> list[Finding]:
    bounds = Bounds(max=gate.max, min=gate.min)
    matches = [finding for finding in findings if selects(gate, finding)]
    if not matches:
        return [_unmatched(gate, bounds, findings)]
    return [judge_finding(finding, bounds, _doubt(finding, doubts)) for finding in matches]


def _doubt(finding: Finding, doubts: Sequence[Doubt]) -> str | None:
    """The first reason that stands against a pass of this finding."""
    return next((doubt.reason for doubt in doubts if doubt.concerns(finding)), None)


def _undecided(finding: Finding) -> bool:
    return finding.status in (Status.INCONCLUSIVE, Status.ERROR)


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


def judge_finding(finding: Finding, bounds: Bounds, doubt: str | None = None) -> Finding:
    """The finding as a gate sees it: pass, fail, inconclusive or error, and one sentence that says why."""
    status, reason = _status(finding, bounds, doubt)
    identity = finding_id(finding.check, finding.metric, finding.scope, bounds)
    return finding.model_copy(update={"id": identity, "gate": bounds, "status": status, "reason": reason})


def _status(finding: Finding, bounds: Bounds, doubt: str | None) -> tuple[Status, str | None]:
    if finding.value is None:
        return Status.ERROR, f"There is no value to judge: {finding.reason or 'the metric was not measured'}."
    if finding.interval is None:
        if finding.sampled:
            return Status.INCONCLUSIVE, f"There is no interval: {finding.reason or 'none could be computed'}."
        inside = _inside(finding.value, finding.value, bounds)
        return (Status.PASS, None) if inside else (Status.FAIL, f"The value {_side(finding.value, bounds)}.")
    low, high = finding.interval
    shown = f"[{number(low)}, {number(high)}]"
    if _outside(low, high, bounds):
        return Status.FAIL, f"The whole interval {shown} {_side(finding.value, bounds)}."
    if doubt is not None:
        return Status.INCONCLUSIVE, doubt
    if not _inside(low, high, bounds):
        return (
            Status.INCONCLUSIVE,
            f"The interval {shown} lies on both sides of {_crossed(low, high, bounds)}; {_wanted(finding, bounds)}.",
        )
    if not finding.sufficient:
        return Status.INCONCLUSIVE, f"{finding.reason or 'Too few rows stand behind it'}; too little for a pass."
    return Status.PASS, None


def _inside(low: float, high: float, bounds: Bounds) -> bool:
    return (bounds.max is None or high <= bounds.max) and (bounds.min is None or low >= bounds.min)


def _outside(low: float, high: float, bounds: Bounds) -> bool:
    return (bounds.max is not None and low > bounds.max) or (bounds.min is not None and high < bounds.min)


def _side(value: float, bounds: Bounds) -> str:
    """Where a value stands that breaks a bound."""
    if bounds.max is not None and value > bounds.max:
        return f"lies above the largest allowed, {number(bounds.max)}"
    assert bounds.min is not None
    return f"lies below the least allowed, {number(bounds.min)}"


def _crossed(low: float, high: float, bounds: Bounds) -> str:
    """The bounds inside an interval, in words."""
    crossed = [f"the largest allowed, {number(bounds.max)}"] if bounds.max is not None and high > bounds.max else []
    crossed += [f"the least allowed, {number(bounds.min)}"] if bounds.min is not None and low < bounds.min else []
    return " and ".join(crossed)


def _wanted(finding: Finding, bounds: Bounds) -> str:
    """What it would take to decide it."""
    assert finding.value is not None
    assert finding.interval is not None
    low, high = finding.interval
    estimate = Estimate(value=finding.value, low=low, high=high, n=finding.n or 0)
    crossed = [bound for bound in (bounds.max, bounds.min) if bound is not None and low <= bound <= high]
    if any(bound == finding.value for bound in crossed):
        return "the value stands on the bound itself, which no number of rows can decide"
    if not estimate.n:
        return "more rows are needed to decide it"
    needed = [rows_to_decide(estimate, bound) for bound in crossed]
    rows = max((rows for rows in needed if rows is not None), default=0)
    if any(found is None for found in needed) or rows > _UNREAL * estimate.n:
        return "the value is so near the bound that no realistic number of rows can decide it"
    return f"about {_roughly(rows)} rows in place of {estimate.n:,} would decide it at this value"


def _roughly(rows: int) -> str:
    """A number of rows to two digits: more would promise what no such estimate keeps."""
    digits = max(0, len(str(rows)) - 2)
    return f"{-(-rows // 10**digits) * 10**digits:,}"


def _unmatched(gate: GateSpec, bounds: Bounds, findings: Sequence[Finding]) -> Finding:
    scope = Scope(
        split=gate.split or DEFAULT_SPLIT,
        attribute=gate.attribute,
        groups=None if gate.group is None else (gate.group,),
        class_=gate.class_,
        slice=None
        if gate.slice is None
        else tuple(SliceTerm(column=c.column, op=c.op, value=c.value) for c in gate.slice),
    )
    return Finding(
        id=finding_id(gate.check, gate.metric, scope, bounds),
        check=gate.check,
        metric=gate.metric,
        scope=scope,
        status=Status.ERROR,
        gate=bounds,
        title=f"{gate.metric} was not measured",
        reason=_why_unmatched(gate, findings),
    )


def _why_unmatched(gate: GateSpec, findings: Sequence[Finding]) -> str:
    of_check = [finding for finding in findings if finding.check == gate.check]
    for finding in of_check:
        if finding.status in (Status.SKIPPED, Status.ERROR) and finding.reason:
            return f"The check {gate.check} gave no value: {finding.reason}."
    if gate.group is not None and any(f.metric == gate.metric for f in of_check):
        return f"The group {gate.group!r} has no rows in the split {gate.split or DEFAULT_SPLIT!r}."
    if gate.class_ is not None:
        return f"The class {gate.class_!r} was not measured."
    return f"The check {gate.check} left no finding that this gate selects."


def _exit_code(gated: Sequence[Finding], forgiven: bool) -> int:
    if any(finding.status is Status.FAIL for finding in gated):
        return 1
    return 0 if forgiven or not any(_undecided(finding) for finding in gated) else 5


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

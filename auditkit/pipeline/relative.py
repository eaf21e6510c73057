"""Relative bounds: a finding held against the same metric elsewhere (another split, group, class, or a baseline)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from auditkit.checks.texts import name_of, sentence
from auditkit.core.estimate import Estimate
from auditkit.core.finding import ALL_ROWS, Bounds, Finding, Form, Reference, Scope, estimate_fields
from auditkit.core.messages import number
from auditkit.core.types import INTERSECTION
from auditkit.measures.intervals import mover_difference, mover_ratio
from auditkit.pipeline.plan import GateSpec
from auditkit.tasks.rates import SUMMARY_NAMES

#: The check that measures all rows, and by which name it has a group's rate.
OVERALL = "performance.summary"
#: The checks whose numbers of a group rest on the rows of that group alone, and what does not even there.
_OWN_ROWS = ("bias.groups", "calibration.reliability")
_SHARED = ("adverse_impact_ratio",)
#: Of these a part can be off in one direction and the whole in the other: they do not rise and fall together.
_UNSIGNED = "expected_calibration_error"

#: Metrics of the one finding of a check that could not look, or broke.
_NOTHING = ("skipped", "error")

#: How two numbers hang together: they rest on different rows; one's rows are among the other's, so that they rise and
#: fall together; or nobody knows.
Relation: TypeAlias = Literal["apart", "inside", "unknown"]


@dataclass(frozen=True)
class Held:
    """A finding held against its reference: `finding` is what a gate judges, `reference` is None where none was found.

    `own`: it is its own reference, and there is nothing to judge.
    """

    finding: Finding
    reference: Finding | None = None
    own: bool = False


class Places:
    """All findings by what they measure and where, to look references up in."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        """`findings`: all of an audit's."""
        self.findings = findings
        self._at: dict[tuple[object, ...], list[Finding]] = {}
        self._of: dict[tuple[str, str, str | None], list[Finding]] = {}
        for finding in findings:
            self._of.setdefault((finding.check, finding.metric, None), []).append(finding)
            for group in (finding.scope.groups or ())[:1]:
                self._of.setdefault((finding.check, finding.metric, group), []).append(finding)
            self._at.setdefault((finding.check, finding.metric, *_key(finding.scope)), []).append(finding)
        self.some_group_is_all = any(finding.scope.groups == (ALL_ROWS,) for finding in findings)

    def of(self, check: str, metric: str, group: str | None = None) -> list[Finding]:
        """The findings of that check on that metric; with `group`, those whose first group it is."""
        return self._of.get((check, metric, group), [])

    def at(self, check: str, metric: str, place: tuple[object, ...]) -> list[Finding]:
        """The findings on that metric at that place."""
        return self._at.get((check, metric, *place), [])


def overall_name(check: str, metric: str) -> tuple[str, str]:
    """Check and metric that measure a group's metric on all rows, where the group's own check does not."""
    return (OVERALL, SUMMARY_NAMES.get(metric, metric)) if check == "bias.groups" else (check, metric)


def hold(gate: GateSpec, finding: Finding, places: Places) -> Held:
    """`finding` against the one finding that the gate's `relative_to` names.

    Without exactly one, the result has no value and says why, so that the gate is an error.
    """
    reference, bounds = gate.relative_to, gate.bounds
    assert reference is not None
    check, metric = _where(reference, finding)
    place = _key(_scope(gate, reference, finding.scope))
    if (check, metric, place) == (finding.check, finding.metric, _key(finding.scope)):
        return Held(finding, finding, own=True)
    found = places.at(check, metric, place)
    if reference.group == ALL_ROWS and places.some_group_is_all:
        problem = "a group is named 'all', and `group: all` means all rows; write `by: none` for them"
    elif len(found) != 1:
        problem = (
            _unmeasured(reference, check, places.findings) if not found else f"{len(found)} findings are the reference"
        )
    else:
        return Held(_finding(finding, found[0], bounds, compare(finding, found[0], bounds.as_)), found[0])
    return Held(_finding(finding, None, bounds, Estimate.undefined(problem)))


def _where(reference: Reference, finding: Finding) -> tuple[str, str]:
    if reference.baseline is not None:
        return OVERALL, f"{finding.metric}_of_{reference.baseline}"
    of_group = finding.scope.attribute is not None
    return (
        overall_name(finding.check, finding.metric)
        if reference.all_rows and of_group
        else (
            finding.check,
            finding.metric,
        )
    )


def _scope(gate: GateSpec, reference: Reference, scope: Scope) -> Scope:
    """Where the reference is: the finding's own scope, with what the reference names in its place."""
    named: dict[str, object] = {}
    if reference.split is not None:
        named["split"] = reference.split
    if reference.class_ is not None:
        named["class_"] = reference.class_
    if reference.all_rows:
        named |= {"attribute": None, "groups": None, "compared": None}
    else:
        named |= {} if not reference.by else {"attribute": INTERSECTION.join(reference.by)}
        named |= {} if reference.group is None else {"groups": (_ordered(gate, reference, scope),)}
    return scope.model_copy(update=named)


def _ordered(gate: GateSpec, reference: Reference, scope: Scope) -> str:
    """The group's name with its parts in the order of the finding's columns, as for a gate's own group."""
    label, columns = str(reference.group), reference.by or gate.by or ()
    parts = label.split(INTERSECTION)
    target = INTERSECTION.join(reference.by) if reference.by else scope.attribute
    if len(parts) < 2 or len(parts) != len(columns) or target is None:
        return label
    of_column = dict(zip(columns, parts, strict=True))
    return INTERSECTION.join(of_column.get(column, "") for column in target.split(INTERSECTION))


def _key(scope: Scope) -> tuple[object, ...]:
    """What makes two scopes the same place: of a gap not the groups that it found, of columns not their order."""
    gap = scope.compared is not None
    columns = None if scope.attribute is None else tuple(sorted(scope.attribute.split(INTERSECTION)))
    rest = (scope.feature, scope.layer, scope.input, scope.reference)
    more = (str(scope.slice), str(scope.condition))
    return (scope.split, columns, gap, None if gap else scope.groups, scope.class_, *rest, *more)


def _unmeasured(reference: Reference, check: str, findings: Sequence[Finding]) -> str:
    skipped = next((f.reason for f in findings if f.check == check and f.value is None and f.metric in _NOTHING), None)
    return f"what it is held against ({reference.label}) was not measured" + (f": {skipped}" if skipped else "")


def compare(finding: Finding, reference: Finding, form: Form) -> Estimate:
    """The finding's metric divided by the reference's, or minus it, with an interval from both intervals.

    Different rows: MOVER (Zou and Donner 2008) and MOVER-R (Donner and Zou 2012), which take both as independent. For a
    part against its whole, which rise and fall together, the same limits are wider than need be. In every other case
    nothing is known of how the two hang together (a negative correlation would make MOVER too narrow), and the limits
    are those of the worst case: low over high and high over low, or low minus high and high minus low. A reference that
    may be 0 leaves a ratio without an interval; numbers that may be negative have no ratio.
    """
    for side, about in ((finding, ""), (reference, "what it is held against has no value: ")):
        if side.value is None:
            return Estimate.undefined(f"{about}{side.reason or 'it was not measured'}")
    assert finding.value is not None
    assert reference.value is not None
    rows = min(finding.n or 0, reference.n or 0)
    sides = (_limits(finding), _limits(reference))
    lows = [finding.value, reference.value, *(s[0] for s in sides if s is not None)]
    if form == "ratio" and min(lows) < 0:
        return Estimate.undefined("a ratio of numbers that may be negative says nothing; write `as: difference`", rows)
    if form == "ratio" and reference.value == 0:
        return Estimate.undefined("the reference is 0, and nothing can be divided by it; write `as: difference`", rows)
    value = finding.value / reference.value if form == "ratio" else finding.value - reference.value
    if sides[0] is None or sides[1] is None:
        which = "the metric" if sides[0] is None else "the reference"
        return Estimate(value, n=rows, reason=f"{which} has no interval")
    if not finding.sampled and not reference.sampled:
        return Estimate.exact(value, rows)
    relation = related(finding, reference)
    low, high, method = _between(form, (finding.value, *sides[0]), (reference.value, *sides[1]), relation)
    if not np.isfinite(low) or not np.isfinite(high):
        why = "the reference may be 0, so that the ratio has no upper limit; write `as: difference`, or take more rows"
        return Estimate(value, n=rows, method=method, reason=why)
    confidence = min(c for c in (finding.confidence, reference.confidence) if c is not None)
    return Estimate(value, low, high, confidence, method, rows)


def _limits(finding: Finding) -> tuple[float, float] | None:
    """Both ends; of what was counted, the value itself; None where a sampled number has no interval."""
    if finding.interval is not None:
        return finding.interval
    return None if finding.sampled or finding.value is None else (finding.value, finding.value)


def related(finding: Finding, reference: Finding) -> Relation:
    """How the two hang together. Rows of one cluster on both sides count as different rows, which is too narrow only
    where the groups of a cluster run against one another."""
    one, other = finding.scope, reference.scope
    if one.reference is not None or other.reference is not None or one.class_ != other.class_:
        return "unknown"
    if one.split != other.split:
        return "apart"
    if finding.check not in _OWN_ROWS or finding.metric in _SHARED:
        return "unknown"
    single = [len(s.groups or ()) == 1 and s.compared is None for s in (one, other)]
    if all(single) and one.attribute == other.attribute and finding.metric == reference.metric:
        return "apart"
    whole = [s.attribute is None for s in (one, other)]
    inside = (single[0] and whole[1]) or (single[1] and whole[0])
    return "inside" if inside and finding.metric != _UNSIGNED else "unknown"


def _between(
    form: Form, first: tuple[float, float, float], second: tuple[float, float, float], relation: Relation
) -> tuple[float, float, str]:
    """Both limits and the method, from (value, low, high) of each."""
    (a, a_low, a_high), (b, b_low, b_high) = first, second
    if form == "ratio" and b_low <= 0:
        return a_low / b_high, float("inf"), "MOVER-R"
    if relation == "unknown":
        if form == "ratio":
            return a_low / b_high, a_high / b_low, "ratio of the limits"
        return a_low - b_high, a_high - b_low, "difference of the limits"
    method = mover_ratio if form == "ratio" else mover_difference
    values = [np.array([x]) for x in (a, a_low, a_high, b, b_low, b_high)]
    low, high = method(values[0], (values[1], values[2]), values[3], (values[4], values[5]))
    return float(low[0]), float(high[0]), "MOVER-R" if form == "ratio" else "MOVER"


def _finding(finding: Finding, reference: Finding | None, bounds: Bounds, estimate: Estimate) -> Finding:
    """The finding that a relative gate judges."""
    assert bounds.relative_to is not None
    both = (finding,) if reference is None else (finding, reference)
    label = bounds.relative_to.label
    earlier = finding.scope.reference
    update: dict[str, object] = {
        **estimate_fields(estimate),
        "scope": finding.scope.model_copy(update={"reference": label if earlier is None else f"{earlier}, {label}"}),
        "title": _title(finding, bounds, estimate),
        "explanation": " ".join(f"{side.title}." for side in both),
        "sufficient": all(side.sufficient for side in both),
        "reproducible": all(side.reproducible for side in both),
        "figures": (),
        "tables": (),
        "remedy": None,
        "affected": None,
    }
    return finding.model_copy(update=update)


def _title(finding: Finding, bounds: Bounds, estimate: Estimate) -> str:
    assert bounds.relative_to is not None
    head, said = f"{sentence(name_of(finding.metric, finding.scope.class_))}{_place(finding.scope)}", bounds.relative_to
    if estimate.value is None:
        return f"{head} against that {said.said}: not defined"
    shown = number(estimate.value)
    if estimate.interval is not None:
        shown += f" [{number(estimate.interval[0])}, {number(estimate.interval[1])}]"
    if bounds.as_ == "ratio":
        return f"{head} is {shown} of that {said.said}"
    return f"{head} minus that {said.said} is {shown}"


def _place(scope: Scope) -> str:
    parts = ""
    if scope.attribute is not None:
        groups = scope.groups if scope.compared is None else None
        parts = f" of {scope.attribute} '{groups[0]}'" if groups else f" by {scope.attribute}"
    return f"{parts} on {scope.split}" if scope.split is not None else parts

"""Why a gate came out as it did, in one sentence, and what it would take to decide or to judge it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from auditkit.checks.texts import listed, name_of
from auditkit.core.errors import nearest
from auditkit.core.finding import Bounds, Finding
from auditkit.core.messages import number, percent
from auditkit.core.types import Status
from auditkit.pipeline.plan import GateSpec
from auditkit.pipeline.prospects import GroupRates, Pair, rows_at_this_value

DEFAULT_SPLIT = "test"
#: So many times the rows are not to be had: a gate then says that rows won't decide it.
_UNREAL = 1000
#: Rates that every row of a group counts in; of the others only some rows do.
_OF_ALL_ROWS = ("selection_rate", "accuracy", "unlabelled_rate")


@dataclass(frozen=True)
class Known:
    """What a reason may draw on: the rates of the groups, and what the metric can never be below or above."""

    rates: GroupRates
    low: float | None = None
    high: float | None = None

    def never(self, finding: Finding, bounds: Bounds) -> str:
        """That no sample could ever pass, where a bound stands on the end of what the metric can be; else nothing."""
        if not finding.sampled or finding.scope.reference is not None:
            return ""
        at_low = bounds.max is not None and self.low is not None and bounds.max <= self.low
        at_high = bounds.min is not None and self.high is not None and bounds.min >= self.high
        if not at_low and not at_high:
            return ""
        end = bounds.max if at_low else bounds.min
        return f"no number of rows can pass it: a sample never shows for certain that a value is {number(end or 0.0)}"


def failed(finding: Finding, bounds: Bounds, known: Known) -> str:
    """How far off it is, and between which groups."""
    assert finding.value is not None
    low, high = finding.interval or (finding.value, finding.value)
    above = bounds.max is not None and low > bounds.max
    bound = bounds.max if above else bounds.min
    assert bound is not None
    side = f"above the largest allowed, {number(bound)}" if above else f"below the least allowed, {number(bound)}"
    off = number(low - bound if above else bound - high)
    if finding.interval is None:
        said = f"The value lies {side}, by {off}"
    else:
        said = f"The whole interval {_shown(finding)} lies {side}, by at least {off}"
    never = known.never(finding, bounds)
    return f"{said}{_between(finding, known)}{'; ' + never if never else ''}."


def undecided(finding: Finding, bounds: Bounds, known: Known) -> str:
    """Which bounds the interval holds, and what it would take to decide it."""
    assert finding.interval is not None
    low, high = finding.interval
    crossed = [f"the largest allowed, {number(bounds.max)}"] if bounds.max is not None and high > bounds.max else []
    crossed += [f"the least allowed, {number(bounds.min)}"] if bounds.min is not None and low < bounds.min else []
    sides = f"The interval {_shown(finding)} lies on both sides of {' and '.join(crossed)}"
    return f"{sides}; {_wanted(finding, bounds, known)}."


def too_few(finding: Finding, known: Known) -> str:
    """Inside the bounds, but on too few rows to pass."""
    small = known.rates.small(finding)
    if finding.scope.compared is not None and small:
        rate = small[0][0]
        groups = ", ".join(f"'{_group(f)}' has {_rows(f.n or 0)}" for name, f in small[:3] if name == rate)
        return f"Too few rows stand behind the {name_of(rate)} for a pass: {groups}; it takes more rows of them."
    if finding.scope.reference is not None:
        return "Too few rows stand behind it or behind its reference for a pass; it takes more of them."
    rows = f"Only {_rows(finding.n)} stand behind it" if finding.n else "Too few rows stand behind it"
    return f"{finding.reason or rows}, too few for a pass; it takes more of them."


def without_interval(finding: Finding) -> str:
    """A sampled number of which nobody knows how sure it is."""
    return f"There is no interval: {finding.reason or 'none could be computed'}; without one nothing can pass."


def without_value(finding: Finding, known: Known) -> str:
    """What is missing, and how to get it."""
    said = f"There is no value to judge: {(finding.reason or 'the metric was not measured').rstrip('.')}"
    remedy = finding.remedy or known.rates.remedy(finding)
    scope = finding.scope
    if scope.reference is not None or (scope.attribute is None and not remedy):
        return f"{said}."
    if remedy and (scope.compared is not None or finding.remedy):
        return f"{said}; {remedy[:1].lower()}{remedy[1:].rstrip('.')}."
    which = "every group" if scope.compared is not None else "that group"
    return f"{said}; it takes rows of {which} that count in this metric."


def unmatched(gate: GateSpec, findings: Sequence[Finding], known: Known) -> str:
    """Why a gate selected nothing."""
    of_check = [finding for finding in findings if finding.check == gate.check]
    split = gate.split or DEFAULT_SPLIT
    for finding in of_check:
        if finding.status in (Status.SKIPPED, Status.ERROR) and finding.reason:
            return f"The check {gate.check} gave no value: {finding.reason}."
    if gate.group is not None and any(f.metric == gate.metric for f in of_check):
        groups = known.rates.groups_of(split, gate.attribute)
        hint = nearest(gate.group, groups) or (f"; there are {listed(groups)}" if groups else "")
        return f"The group {gate.group!r} has no rows in the split {split!r}{hint}."
    if gate.class_ is not None:
        return f"The class {gate.class_!r} was not measured."
    return f"The check {gate.check} left no finding on the split {split!r} that this gate selects."


def _wanted(finding: Finding, bounds: Bounds, known: Known) -> str:
    """What it would take to decide it."""
    assert finding.interval is not None
    never = known.never(finding, bounds)
    if never:
        return never
    pair = known.rates.pair(finding) if finding.scope.reference is None else None
    if pair is not None and pair.plain:
        told = _wanted_of_groups(pair, bounds)
        if told:
            return told
    low, high = finding.interval
    if any(bound == finding.value for bound in (bounds.max, bounds.min) if bound is not None and low <= bound <= high):
        return "the value stands on the bound itself, which no number of rows can decide"
    if not finding.n:
        return "more rows are needed to decide it"
    rows = rows_at_this_value(finding, bounds)
    if rows is None or rows > _UNREAL * finding.n:
        return "the value is so near the bound that no realistic number of rows can decide it"
    told = f"about {_roughly(rows)} rows in place of {finding.n:,}"
    if finding.scope.reference is not None:
        return f"{told} behind the smaller of both, and as many times more behind the other, would decide it"
    return f"{told} would decide it at this value"


def _wanted_of_groups(pair: Pair, bounds: Bounds) -> str:
    """The same in rows of each group; nothing where the groups have so many already."""
    counted = "" if pair.rate in _OF_ALL_ROWS else f" that count in its {name_of(pair.rate)}"
    smallest = f"the smallest, '{_group(pair.smallest)}', has {_rows(pair.smallest.n or 0)}"
    if not pair.possible(bounds):
        rows = pair.rows_if_alike(bounds)
        head = "with these group sizes even equal groups would not pass"
        if rows is None or rows <= (pair.smallest.n or 0):
            return head
        return f"{head}: about {_roughly(rows)} rows in each group{counted} are needed; {smallest}"
    rows = pair.rows(bounds)
    if rows is None or rows <= (pair.smallest.n or 0) or rows > _UNREAL * (pair.smallest.n or 1):
        return ""
    return f"about {_roughly(rows)} rows in each group{counted} would decide it at these rates; {smallest}"


def _between(finding: Finding, known: Known) -> str:
    """The two groups that make a gap, with their rates where they are known."""
    pair, groups = known.rates.pair(finding), finding.scope.groups or ()
    if finding.scope.compared is None or len(set(groups)) != 2:
        return ""
    if pair is None or pair.high.value is None or pair.low.value is None:
        return f", between '{groups[0]}' and '{groups[1]}'"
    said = percent if pair.share else number
    ends = f"'{groups[0]}' {said(pair.high.value)}, '{groups[1]}' {said(pair.low.value)}"
    return f" ({name_of(pair.rate, finding.scope.class_)}: {ends})"


def _group(finding: Finding) -> str:
    return (finding.scope.groups or ("",))[0]


def _rows(rows: int | None) -> str:
    return "1 row" if rows == 1 else f"{rows or 0:,} rows"


def _shown(finding: Finding) -> str:
    low, high = finding.interval or (0.0, 0.0)
    return f"[{number(low)}, {number(high)}]"


def _roughly(rows: int) -> str:
    """A number of rows to two digits: more would promise what no such estimate keeps."""
    digits = max(0, len(str(rows)) - 2)
    return f"{-(-rows // 10**digits) * 10**digits:,}"

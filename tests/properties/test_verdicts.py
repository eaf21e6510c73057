"""The verdict, for any findings and gates: against a second reading of the contract, written here."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from auditkit.core.finding import Bounds, Finding, Scope, finding_id
from auditkit.core.types import Status, Verdict
from auditkit.pipeline.doubts import Doubt
from auditkit.pipeline.gates import judge, straddles
from auditkit.pipeline.plan import GateSpec
from tests.properties import examples

#: Ends of intervals, bounds and values meet on these, so that equality happens.
GRID = st.sampled_from([-1.0, -0.5, 0.0, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0])
SPLITS, METRICS = ("test", "train"), ("a", "b")
DOUBTS = st.lists(
    st.sampled_from([Doubt("test", "x"), Doubt("train", "y"), Doubt("test", "z", "comparisons")]), max_size=1
)


@st.composite
def findings(draw: st.DrawFn) -> Finding:
    scope = Scope(split=draw(st.sampled_from([*SPLITS, None])), attribute=draw(st.sampled_from([None, "g", "g×h"])))
    metric = draw(st.sampled_from(METRICS))
    ends = sorted(draw(st.lists(GRID, min_size=3, max_size=3)))
    value = draw(st.sampled_from([None, *ends]))
    interval = draw(st.sampled_from([None, (ends[0], ends[2])])) if value is not None else None
    return Finding(
        id=finding_id("c.k", metric, scope),
        check="c.k",
        metric=metric,
        scope=scope,
        value=value,
        interval=interval,
        sampled=draw(st.booleans()),
        sufficient=draw(st.sampled_from([True, True, False])),
        n=draw(st.integers(0, 50)),
        title="t",
        reason=None if value is not None else "why",
    )


@st.composite
def gates(draw: st.DrawFn) -> GateSpec:
    low, high = sorted((draw(GRID), draw(GRID)))
    bounds = draw(st.sampled_from([{"max": high}, {"min": low}, {"min": low, "max": high}]))
    where: dict[str, Any] = {
        "split": draw(st.sampled_from([None, *SPLITS])),
        "by": draw(st.sampled_from([None, "g", "none"])),
    }
    return GateSpec.model_validate({"check": "c.k", "metric": draw(st.sampled_from(METRICS)), **where, **bounds})


def second_reading(f: Finding, gate: Bounds, doubted: bool) -> Status:
    """The contract's words: pass where the whole interval is on the right side, fail where it is on the wrong one."""
    if f.value is None:
        return Status.ERROR
    if f.sampled and f.interval is None:
        return Status.INCONCLUSIVE
    low, high = f.interval or (f.value, f.value)
    if (gate.max is not None and low > gate.max) or (gate.min is not None and high < gate.min):
        return Status.FAIL
    inside = (gate.max is None or high <= gate.max) and (gate.min is None or low >= gate.min)
    return Status.PASS if inside and f.sufficient and not (doubted and f.sampled) else Status.INCONCLUSIVE


MANY = st.lists(findings(), max_size=6, unique_by=lambda f: f.id)
ASKED = st.lists(gates(), min_size=1, max_size=3)


@given(ASKED, MANY, DOUBTS)
@examples(400)
def test_every_status_is_that_of_a_second_reading(
    asked: list[GateSpec], found: list[Finding], doubts: list[Doubt]
) -> None:
    judgement = judge(asked, found, doubts=doubts)
    by_id = {f.id: f for f in found}
    for gated in judgement.findings:
        assert gated.gate is not None
        original = by_id.get(finding_id(gated.check, gated.metric, gated.scope))
        if original is None:
            assert gated.status is Status.ERROR
            continue
        doubted = any(doubt.concerns(original) for doubt in doubts)
        assert gated.status is second_reading(original, gated.gate, doubted)
        assert (gated.reason is None) == (gated.status is Status.PASS)
    assert len(judgement.findings) >= len(asked), "a gate without a finding"


@given(ASKED, MANY, DOUBTS, st.booleans(), st.booleans())
@examples(400)
def test_the_exit_code(
    asked: list[GateSpec], found: list[Finding], doubts: list[Doubt], forgiving: bool, crashed: bool
) -> None:
    """3 before 1 before 5 before 0; what is forgiven straddles its bound, and nothing else is."""
    judgement = judge(asked, found, doubts=doubts, allow_inconclusive=forgiving, crashed=crashed)
    statuses = {f.status for f in judgement.findings}
    undecided = [f for f in judgement.findings if f.status in (Status.INCONCLUSIVE, Status.ERROR)]
    if crashed:
        assert (judgement.exit_code, judgement.verdict) == (3, Verdict.ERROR)
    elif Status.FAIL in statuses:
        assert (judgement.exit_code, judgement.verdict) == (1, Verdict.FAIL)
    elif undecided:
        assert judgement.verdict in (Verdict.ERROR, Verdict.INCONCLUSIVE)
        if not forgiving:
            assert judgement.exit_code == 5
        elif judgement.exit_code == 0:
            assert all(straddles(f) and f.value is not None and f.interval is not None for f in undecided)
            assert Status.ERROR not in statuses
    else:
        assert (judgement.exit_code, judgement.verdict) == (0, Verdict.PASS)
        assert statuses == {Status.PASS}


@given(ASKED, MANY, DOUBTS, st.booleans())
@examples(200)
def test_forgiving_changes_five_to_nought_at_most(
    asked: list[GateSpec], found: list[Finding], doubts: list[Doubt], crashed: bool
) -> None:
    plain, forgiving = (
        judge(asked, found, doubts=doubts, crashed=crashed, allow_inconclusive=allow) for allow in (False, True)
    )
    assert plain.findings == forgiving.findings
    assert plain.verdict == forgiving.verdict
    assert plain.exit_code == forgiving.exit_code or (plain.exit_code, forgiving.exit_code) == (5, 0)


def _order(code: int) -> int:
    return (0, 5, 1, 3).index(code)


@given(ASKED, MANY, findings(), DOUBTS)
@examples(200)
def test_more_findings_or_more_gates_never_better_the_verdict(
    asked: list[GateSpec], found: list[Finding], more: Finding, doubts: list[Doubt]
) -> None:
    """Unless a gate had nothing to judge before."""
    here = judge(asked, found, doubts=doubts)
    others = [f for f in found if f.id != more.id]
    with_it, without = judge(asked, [*others, more], doubts=doubts), judge(asked, others, doubts=doubts)
    if all(f.reason is None or "not measured" not in f.title for f in without.findings):
        assert _order(with_it.exit_code) >= _order(without.exit_code)
    for fewer in itertools.combinations(asked, len(asked) - 1):
        assert _order(judge(fewer, found, doubts=doubts).exit_code) <= _order(here.exit_code)


@given(ASKED, MANY, st.permutations(range(6)))
@examples(150)
def test_the_order_of_findings_changes_nothing(asked: list[GateSpec], found: list[Finding], order: list[int]) -> None:
    shuffled = [found[k] for k in order if k < len(found)]
    one, other = judge(asked, found), judge(asked, shuffled)
    assert (one.exit_code, one.verdict) == (other.exit_code, other.verdict)
    assert {f.id: f for f in one.findings} == {f.id: f for f in other.findings}

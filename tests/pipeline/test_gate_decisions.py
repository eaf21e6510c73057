"""The decision table of a gate, written out from the contract's words alone, and the promise that a 0 is earned."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from auditkit.core.finding import Finding, Scope, finding_id
from auditkit.core.types import Status, Verdict
from auditkit.pipeline.doubts import Doubt
from auditkit.pipeline.gates import judge
from auditkit.pipeline.plan import GateSpec

#: Where an interval lies against `max: 0.5` (value, low, high): wholly on the right side, its far end on the bound,
#: on both sides, its near end on the bound, wholly on the wrong side.
POSITIONS = {
    "inside": (0.3, 0.2, 0.4),
    "touches": (0.4, 0.3, 0.5),
    "straddles": (0.45, 0.3, 0.6),
    "stands on it": (0.6, 0.5, 0.7),
    "beyond": (0.7, 0.6, 0.8),
}
MAX = 0.5


@dataclass(frozen=True)
class Case:
    """One gated quantity: how it was measured, and what speaks against it."""

    kind: str
    position: str
    sufficient: bool
    doubt: bool

    def finding(self, name: str = "m") -> Finding:
        value, low, high = POSITIONS[self.position]
        scope = Scope(split="doubtful" if self.doubt else "test")
        fields: dict[str, Any] = {
            "sampled": {"value": value, "interval": (low, high)},
            "counted": {"value": value, "interval": None, "sampled": False},
            "no interval": {"value": value, "interval": None},
            "no value": {"value": None, "interval": None, "reason": "the group is absent"},
        }[self.kind]
        return Finding(
            id=finding_id("c", name, scope), check="c", metric=name, scope=scope, title="t", n=100,
            sufficient=self.sufficient, **fields,
        )  # fmt: skip

    def expected(self) -> tuple[Status, bool]:
        """The status by the contract, and whether `--allow-inconclusive` forgives it."""
        if self.kind == "no value":
            return Status.ERROR, False
        if self.kind == "no interval":
            return Status.INCONCLUSIVE, False
        if self.kind == "counted":
            if POSITIONS[self.position][0] > MAX:
                return Status.FAIL, False
            return (Status.PASS, False) if self.sufficient else (Status.INCONCLUSIVE, False)
        if self.position == "beyond":
            return Status.FAIL, False
        straddles = self.position in ("straddles", "stands on it")
        if self.doubt:
            return Status.INCONCLUSIVE, False
        if straddles:
            return Status.INCONCLUSIVE, True
        return (Status.PASS, False) if self.sufficient else (Status.INCONCLUSIVE, False)


KINDS = ("sampled", "counted", "no interval", "no value")
CASES = [Case(*parts) for parts in itertools.product(KINDS, POSITIONS, (True, False), (False, True))]


def decide(cases: list[Case], *, allow: bool, crashed: bool = False) -> tuple[list[Status], int, Verdict]:
    """What the gates make of them, each case gated by its own metric."""
    findings = [case.finding(f"m{i}") for i, case in enumerate(cases)]
    gates = [
        GateSpec(check="c", metric=f.metric, max=MAX, split=None if f.scope.split == "test" else f.scope.split)
        for f in findings
    ]
    found = judge(gates, findings, doubts=[Doubt("doubtful", "copies")], allow_inconclusive=allow, crashed=crashed)
    return [f.status for f in found.findings], found.exit_code, found.verdict


@pytest.mark.parametrize("allow", [False, True])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_one_gate(case: Case, allow: bool) -> None:
    status, forgiven = case.expected()
    code = {Status.PASS: 0, Status.FAIL: 1}.get(status, 0 if forgiven and allow else 5)
    assert decide([case], allow=allow)[:2] == ([status], code)
    assert decide([case], allow=allow, crashed=True)[1:] == (3, Verdict.ERROR)


#: One of each outcome, and an undecided gate that nothing forgives.
OUTCOMES = {
    "pass": Case("sampled", "inside", True, False),
    "fail": Case("sampled", "beyond", True, False),
    "straddle": Case("sampled", "straddles", True, False),
    "doubtful": Case("sampled", "inside", True, True),
    "few": Case("sampled", "inside", False, False),
    "no interval": Case("no interval", "inside", True, False),
    "error": Case("no value", "inside", True, False),
}


@pytest.mark.parametrize("allow", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_every_combination_of_outcomes(size: int, allow: bool) -> None:
    """3 > 4 > 1 > 5 > 0: a failure before what is undecided, forgiveness only where every undecided one straddles."""
    for names in itertools.product(OUTCOMES, repeat=size):
        held = set(names)
        undecided = held - {"pass", "fail"}
        if "fail" in held:
            code, verdict = 1, Verdict.FAIL
        elif undecided:
            code = 0 if allow and undecided == {"straddle"} else 5
            verdict = Verdict.ERROR if "error" in held else Verdict.INCONCLUSIVE
        else:
            code, verdict = 0, Verdict.PASS
        assert decide([OUTCOMES[name] for name in names], allow=allow)[1:] == (code, verdict), names


def test_a_missing_group_is_never_forgiven_beside_a_straddle() -> None:
    straddle = OUTCOMES["straddle"].finding("m0")
    gates = [
        GateSpec(check="c", metric="m0", max=MAX),
        GateSpec(check="c", metric="m0", by=("sex",), group="X", max=MAX),
    ]
    assert judge(gates, [straddle], allow_inconclusive=True).exit_code == 5
    assert judge(gates[:1], [straddle], allow_inconclusive=True).exit_code == 0


def test_zero_is_earned() -> None:
    """Over random audits: exit code 0 means that each gated finding has a finite value and either its whole interval
    (or counted value) inside the bounds on enough rows without a doubt, or was forgiven as a plain straddle."""
    rng = np.random.default_rng(5)
    zeros = 0
    for _ in range(4000):
        findings, gates, doubtful = [], [], {"s1"} if rng.random() < 0.3 else set()
        for i in range(rng.integers(1, 4)):
            low, value, high = np.sort(rng.choice(np.linspace(0, 1, 11), 3)).tolist()
            scope = Scope(split=f"s{rng.integers(2)}")
            measured = rng.random() < 0.9
            spread = rng.random() < 0.8
            findings.append(
                Finding(
                    id=str(i),
                    check="c",
                    metric=f"m{i}",
                    scope=scope,
                    title="t",
                    value=value if measured else None,
                    interval=(low, high) if measured and spread else None,
                    sampled=bool(rng.random() < 0.7),
                    sufficient=bool(rng.random() < 0.85),
                    reason="r",
                )
            )
            ends = np.sort(rng.choice(np.linspace(0, 1, 11), 2)).tolist()
            which = rng.integers(3)
            bounds = (
                {"min": ends[0]} if which == 0 else {"max": ends[1]} if which == 1 else {"min": ends[0], "max": ends[1]}
            )
            gates.append(GateSpec(check="c", metric=f"m{i}", split=scope.split, **bounds))
        allow = bool(rng.random() < 0.5)
        doubts = [Doubt(split, "why") for split in doubtful]
        if judge(gates, findings, doubts=doubts, allow_inconclusive=allow).exit_code != 0:
            continue
        zeros += 1
        for finding, gate in zip(findings, gates, strict=True):
            _earned(finding, gate, doubtful, allow)
    assert zeros > 300, "the property was tested on something"


def _earned(finding: Finding, gate: GateSpec, doubtful: set[str], allow: bool) -> None:
    assert finding.value is not None
    if finding.interval is None:
        assert not finding.sampled
    low, high = finding.interval or (finding.value, finding.value)
    least = -np.inf if gate.min is None else gate.min
    most = np.inf if gate.max is None else gate.max
    assert high >= least
    assert low <= most
    if finding.sampled:
        assert finding.scope.split not in doubtful
    if least <= low and high <= most:
        assert finding.sufficient
    else:
        assert allow
        assert finding.interval is not None

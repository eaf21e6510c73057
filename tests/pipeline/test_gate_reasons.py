"""What a gate says: how far off, between whom, what it would take, and that some demands can't be met."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from auditkit.core.estimate import Estimate
from auditkit.core.finding import Bounds, Finding, Scope, finding_id
from auditkit.core.outcomes import Groups
from auditkit.core.task import GapRule, RowStatistic
from auditkit.core.types import Better, Status
from auditkit.measures.gaps import gap as measured_gap
from auditkit.measures.rates import by_group
from auditkit.pipeline.gates import judge
from auditkit.pipeline.plan import GateSpec


def finding(metric: str, scope: Scope, estimate: Estimate, **more: Any) -> Finding:
    return Finding(
        id=finding_id("bias.groups", metric, scope), check="bias.groups", metric=metric, scope=scope, title=metric,
        value=estimate.value, interval=estimate.interval, confidence=estimate.confidence, method=estimate.method,
        n=estimate.n, reason=estimate.reason, **more,
    )  # fmt: skip


def audit(hits: Mapping[str, tuple[int, int]], form: Any, rate: str = "selection_rate") -> list[Finding]:
    """A gap and the rates behind it, measured on groups of (hits, rows)."""
    codes = np.repeat(np.arange(len(hits)), [n for _, n in hits.values()])
    numerator = np.concatenate([np.r_[np.ones(k), np.zeros(n - k)] for k, n in hits.values()])
    everywhere = np.ones(len(codes), dtype=np.bool_)
    stat = RowStatistic(rate, "proportion", numerator, everywhere, Better.HIGHER, "a label")
    groups = Groups("sex", tuple(hits), codes.astype(np.int64))
    name = f"{rate}_{form}"
    found = measured_gap(GapRule(name, (rate,), form), [stat], groups)
    scope = Scope(
        split="test", attribute="sex", compared=found.compared, groups=(str(found.highest), str(found.lowest))
    )
    singles = [
        finding(rate, Scope(split="test", attribute="sex", groups=(g,)), e)
        for g, e in zip(groups.labels, by_group(stat, groups), strict=True)
    ]
    return [finding(name, scope, found.estimate), *singles]


def reason(findings: Sequence[Finding], **bounds: Any) -> tuple[Status, str]:
    judged = judge([GateSpec(check="bias.groups", metric=findings[0].metric, by=("sex",), **bounds)], findings)
    assert len(judged.findings) == 1
    said = judged.findings[0].reason or ""
    assert said == "" or (said.endswith(".") and not re.search(r"\.\s+[A-Z]", said)), "one sentence"
    return judged.findings[0].status, said


def asked(said: str) -> int:
    """The rows in each group that a reason asks for."""
    found = re.search(r"about ([\d,]+) rows in each group", said)
    assert found, said
    return int(found[1].replace(",", ""))


def test_a_failure_says_how_far_off_and_between_whom() -> None:
    status, said = reason(audit({"Female": (120, 1000), "Male": (390, 1000)}, "difference"), max=0.1)
    assert status is Status.FAIL
    assert said.endswith("(selection rate: 'Male' 39.0%, 'Female' 12.0%).")
    low = float(re.search(r"\[([\d.]+),", said)[1])  # type: ignore[index]
    off = float(re.search(r"by at least ([\d.]+)", said)[1])  # type: ignore[index]
    assert off == pytest.approx(low - 0.1, abs=1e-3)
    assert "above the largest allowed, 0.1" in said
    status, said = reason(audit({"Female": (120, 1000), "Male": (390, 1000)}, "ratio"), min=0.8)
    assert status is Status.FAIL
    assert "below the least allowed, 0.8" in said


@pytest.mark.parametrize("form", ["difference", "ratio"])
def test_the_rows_asked_for_are_enough_and_not_far_too_many(form: Any) -> None:
    """With so many rows in each group, at the same rates, the gate is decided; with a third of them it is not."""
    bounds = {"max": 0.12} if form == "difference" else {"min": 0.75}
    status, said = reason(audit({"F": (80, 200), "M": (96, 220)}, form), **bounds)
    assert status is Status.INCONCLUSIVE
    assert "'F', has 200 rows" in said
    rows = asked(said)
    assert rows > 200
    for factor, expected in ((1.0, Status.PASS), (1 / 3, Status.INCONCLUSIVE)):
        n = round(rows * factor)
        assert reason(audit({"F": (round(0.4 * n), n), "M": (round(96 / 220 * n), n)}, form), **bounds)[0] is expected


@pytest.mark.parametrize(("form", "bounds"), [("difference", {"max": 0.1}), ("ratio", {"min": 0.8})])
def test_ten_equal_groups_of_300_are_told_that_they_cannot_pass(form: Any, bounds: dict[str, float]) -> None:
    """Even at a gap of 0 the gate could not pass; with the rows that are asked for, it does."""
    status, said = reason(audit({f"g{i}": (120, 300) for i in range(10)}, form), **bounds)
    assert status is Status.INCONCLUSIVE
    assert "even equal groups would not pass" in said
    rows = asked(said)
    assert 300 < rows < 3000
    assert reason(audit({f"g{i}": (round(0.4 * rows), rows) for i in range(10)}, form), **bounds)[0] is Status.PASS


def test_rows_of_a_rate_that_not_every_row_counts_in_are_named() -> None:
    said = reason(audit({"F": (80, 200), "M": (96, 220)}, "difference", "true_positive_rate"), max=0.12)[1]
    assert "rows in each group that count in its true positive rate would decide it" in said


def test_a_bound_that_no_sample_can_meet_is_told_so() -> None:
    findings = audit({"F": (200, 500), "M": (200, 500)}, "difference")
    for hits, expected in ((200, Status.INCONCLUSIVE), (400, Status.FAIL)):
        findings = audit({"F": (200, 500), "M": (hits, 500)}, "difference")
        gate = GateSpec(check="bias.groups", metric="selection_rate_difference", by=("sex",), max=0)
        found = judge([gate], findings, limits={("bias.groups", "selection_rate_difference"): (0.0, 1.0)}).findings[0]
        assert found.status is expected
        assert "no number of rows can pass it" in (found.reason or "")
    unlimited = judge([gate], findings).findings[0]
    assert "no number of rows" not in (unlimited.reason or ""), "a metric that may be negative can pass `max: 0`"


def test_groups_with_too_few_rows_are_named() -> None:
    found = audit({"F": (2, 6), "M": (240, 550)}, "difference")
    few = [
        f.model_copy(update={"sufficient": False}) if (f.n or 0) < 10 or f.scope.compared is not None else f
        for f in found
    ]
    status, said = reason(few, max=0.9)
    assert status is Status.INCONCLUSIVE
    assert (
        said == "Too few rows stand behind the selection rate for a pass: 'F' has 6 rows; it takes more rows of them."
    )


def test_what_is_missing_and_how_to_get_it() -> None:
    scope = Scope(split="test", attribute="sex", groups=("a", "b"), compared=("a", "b"))
    nothing = Estimate.undefined("the group 'Other' of 'sex' has no rows in this split")
    status, said = reason([finding("accuracy_difference", scope, nothing)], max=0.1)
    assert status is Status.ERROR
    assert said == (
        "There is no value to judge: the group 'Other' of 'sex' has no rows in this split; it takes rows of every "
        "group that count in this metric."
    )


def test_an_absent_group_is_told_beside_those_that_are_there() -> None:
    found = audit({"Female": (200, 500), "Male": (240, 550)}, "difference")[1:]
    for asked_for, hint in (("Femal", "did you mean 'Female'?"), ("X", "there are 'Female' and 'Male'")):
        gate = GateSpec(check="bias.groups", metric="selection_rate", by=("sex",), group=asked_for, min=0.1)
        judged = judge([gate], found, allow_inconclusive=True)
        assert judged.exit_code == 5
        assert hint in (judged.findings[0].reason or "")


def test_every_reason_is_one_sentence_with_its_bounds() -> None:
    """Over a grid of gaps, sizes and bounds: no reason is empty where the gate did not pass, and a pass has none."""
    seen = set()
    for rows in (12, 60, 400, 5000):
        for other in (0.3, 0.45, 0.7):
            for form, bounds in (("difference", {"max": 0.15}), ("ratio", {"min": 0.7})):
                found = audit({"F": (round(0.4 * rows), rows), "M": (round(other * rows), rows)}, form)
                status, said = reason(found, **bounds)
                assert (said == "") == (status is Status.PASS)
                assert status is Status.PASS or f"{next(iter(bounds.values())):g}" in said
                seen.add(status)
    assert seen == {Status.PASS, Status.FAIL, Status.INCONCLUSIVE}


def test_relative_gates_say_what_they_need_on_both_sides() -> None:
    def accuracy(split: str, value: float, n: int) -> Finding:
        half = 1.96 * (value * (1 - value) / n) ** 0.5
        estimate = Estimate(value, value - half, value + half, 0.95, "Wilson", n)
        return finding("accuracy", Scope(split=split), estimate)

    gate = GateSpec.model_validate({"check": "bias.groups", "metric": "accuracy", "min": 0.97, "relative_to": "train"})
    found = judge([gate], [accuracy("test", 0.9, 1000), accuracy("train", 0.91, 5000)]).findings[0]
    assert found.status is Status.INCONCLUSIVE
    needed = re.search(r"about ([\d,]+) rows in place of 1,000 behind the smaller", found.reason or "")
    assert needed, found.reason
    n = int(needed[1].replace(",", ""))
    later = judge([gate], [accuracy("test", 0.9, n), accuracy("train", 0.91, 5 * n)]).findings[0]
    assert later.status is Status.PASS
    assert isinstance(later.gate, Bounds)

"""Gates: what is selected, what becomes of it, and the exit code. The truth tables are written out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from auditkit.core.finding import Bounds, Finding, Scope, finding_id
from auditkit.core.types import Status, Verdict
from auditkit.pipeline.doubts import Doubt
from auditkit.pipeline.gates import judge, judge_finding, selects
from auditkit.pipeline.plan import GateSpec


def make(value: float | None = 0.05, interval: tuple[float, float] | None = (0.01, 0.09), **more: Any) -> Finding:
    scope = more.pop("scope", Scope(split="test"))
    metric = more.pop("metric", "gap")
    return Finding(
        id=finding_id("bias.groups", metric, scope),
        check="bias.groups",
        metric=metric,
        scope=scope,
        value=value,
        interval=interval,
        n=more.pop("n", 100),
        title="t",
        **more,
    )


def gate(**more: Any) -> GateSpec:
    return GateSpec.model_validate({"check": "bias.groups", "metric": "gap", **more})


@pytest.mark.parametrize(
    ("value", "interval", "bounds", "expected"),
    [
        (0.05, (0.01, 0.09), {"max": 0.10}, Status.PASS),
        (0.05, (0.01, 0.10), {"max": 0.10}, Status.PASS),  # inclusive
        (0.05, (0.01, 0.11), {"max": 0.10}, Status.INCONCLUSIVE),
        (0.15, (0.10, 0.20), {"max": 0.10}, Status.INCONCLUSIVE),  # the near end stands on the bound
        (0.15, (0.11, 0.20), {"max": 0.10}, Status.FAIL),
        (0.85, (0.80, 0.90), {"min": 0.80}, Status.PASS),
        (0.85, (0.79, 0.90), {"min": 0.80}, Status.INCONCLUSIVE),
        (0.70, (0.60, 0.79), {"min": 0.80}, Status.FAIL),
        (0.50, (0.40, 0.60), {"min": 0.30, "max": 0.70}, Status.PASS),
        (0.50, (0.20, 0.80), {"min": 0.30, "max": 0.70}, Status.INCONCLUSIVE),
        (0.90, (0.80, 0.95), {"min": 0.30, "max": 0.70}, Status.FAIL),
        (None, None, {"max": 0.10}, Status.ERROR),
        (0.05, None, {"max": 0.10}, Status.INCONCLUSIVE),  # sampled, but nobody knows how sure
    ],
)
def test_status(value: float | None, interval: Any, bounds: dict[str, float], expected: Status) -> None:
    finding = make(value, interval, reason="why" if value is None else None)
    judged = judge_finding(finding, Bounds(**bounds))
    assert judged.status is expected
    assert judged.gate == Bounds(**bounds)
    assert (judged.reason is None) == (expected is Status.PASS)
    assert judged.id != finding.id


def test_deterministic_values_are_judged_by_value() -> None:
    finding = make(10.0, None, sampled=False)
    assert judge_finding(finding, Bounds(max=10)).status is Status.PASS
    assert judge_finding(finding, Bounds(max=9.9)).status is Status.FAIL


def test_no_pass_on_too_few_rows_or_unscored_rows() -> None:
    assert judge_finding(make(sufficient=False), Bounds(max=0.2)).status is Status.INCONCLUSIVE
    assert judge_finding(make(), Bounds(max=0.2), "3 rows could not be scored").status is Status.INCONCLUSIVE
    assert judge_finding(make(0.5, (0.4, 0.6), sufficient=False), Bounds(max=0.2)).status is Status.FAIL


@pytest.mark.parametrize(
    ("statuses", "allow", "code", "verdict"),
    [
        ("P", False, 0, Verdict.PASS),
        ("PF", False, 1, Verdict.FAIL),
        ("PFI", False, 1, Verdict.FAIL),
        ("PFE", False, 1, Verdict.FAIL),
        ("PI", False, 5, Verdict.INCONCLUSIVE),
        ("PE", False, 5, Verdict.ERROR),
        ("PI", True, 0, Verdict.INCONCLUSIVE),
        ("PFI", True, 1, Verdict.FAIL),
        ("PE", True, 5, Verdict.ERROR),
        ("PIE", True, 5, Verdict.ERROR),
        ("PN", True, 5, Verdict.INCONCLUSIVE),  # N: no interval at all, which nothing forgives
        ("PS", True, 5, Verdict.INCONCLUSIVE),  # S: inside the bound, but too few rows
        ("", False, 0, Verdict.UNJUDGED),
    ],
)
def test_exit_codes(statuses: str, allow: bool, code: int, verdict: Verdict) -> None:
    kinds: dict[str, dict[str, Any]] = {
        "P": {"value": 0.05, "interval": (0.0, 0.09)},
        "F": {"value": 0.5, "interval": (0.4, 0.6)},
        "I": {"value": 0.05, "interval": (0.0, 0.2)},
        "E": {"value": None, "interval": None, "reason": "absent"},
        "N": {"value": 0.05, "interval": None},
        "S": {"value": 0.05, "interval": (0.0, 0.09), "sufficient": False},
    }
    findings = [make(metric=f"gap{i}", **kinds[s]) for i, s in enumerate(statuses)]
    gates = [gate(metric=f"gap{i}", max=0.1) for i in range(len(statuses))]
    judgement = judge(gates, findings, allow_inconclusive=allow)
    assert (judgement.exit_code, judgement.verdict) == (code, verdict)


def test_a_crash_comes_before_a_failed_gate() -> None:
    judgement = judge([gate(max=0.1)], [make(0.5, (0.4, 0.6))], crashed=True)
    assert (judgement.exit_code, judgement.verdict) == (3, Verdict.ERROR)


def test_selection() -> None:
    sex = make(scope=Scope(split="test", attribute="sex", groups=("a", "b"), compared=("a", "b")))
    both = make(scope=Scope(split="test", attribute="sex×race", groups=("a", "b"), compared=("a", "b")))
    train = make(scope=Scope(split="train", attribute="sex"))
    one = make(scope=Scope(split="test", attribute="sex", groups=("Female",)))
    of_class = make(scope=Scope.model_validate({"split": "test", "class": "cat"}))
    assert selects(gate(max=1), sex)
    assert not selects(gate(max=1), both), "an intersection is judged only when it is named"
    assert not selects(gate(max=1), train), "the default split is test"
    assert selects(gate(max=1, split="train"), train)
    assert selects(gate(max=1, by=["race", "sex"]), both)
    assert selects(gate(max=1, by="sex×race"), both)
    assert not selects(gate(max=1, by="sex"), both)
    assert selects(gate(max=1, group="Female"), one)
    assert not selects(gate(max=1, group="Female"), sex)
    assert selects(gate(max=1, **{"class": "cat"}), of_class)
    assert not selects(gate(max=1, **{"class": "dog"}), of_class)


def test_several_matches_must_all_pass() -> None:
    findings = [
        make(scope=Scope(split="test", attribute="sex")),
        make(0.5, (0.4, 0.6), scope=Scope(split="test", attribute="race")),
    ]
    judgement = judge([gate(max=0.1)], findings)
    assert [f.status for f in judgement.findings] == [Status.PASS, Status.FAIL]
    assert judgement.exit_code == 1


def test_without_by_every_single_column_is_meant_and_by_none_means_all_rows() -> None:
    findings = [make(), make(0.5, (0.4, 0.6), scope=Scope(split="test", attribute="sex", groups=("Female",)))]
    assert judge([gate(max=0.1)], findings).exit_code == 1
    assert judge([gate(max=0.1, by="none")], findings).exit_code == 0
    assert judge([gate(max=0.1, by="sex")], findings).exit_code == 1
    assert judge([gate(max=0.1, group="Female")], findings).exit_code == 1


def test_a_group_of_an_intersection_in_either_order() -> None:
    finding = make(scope=Scope(split="test", attribute="sex×race", groups=("F×A",)))
    assert selects(gate(max=1, by=["sex", "race"], group="F×A"), finding)
    assert selects(gate(max=1, by=["race", "sex"], group="A×F"), finding)
    assert not selects(gate(max=1, by=["race", "sex"], group="F×A"), finding)


def test_a_doubt_about_either_split_forbids_a_pass() -> None:
    gap = make(scope=Scope(split="test", reference="train"))
    for split in ("test", "train"):
        doubts = [Doubt(split, "5 rows could not be scored")]
        assert judge([gate(max=0.1)], [gap], doubts=doubts, allow_inconclusive=True).exit_code == 5
        assert judge([gate(max=0.05)], [gap], doubts=doubts, allow_inconclusive=True).exit_code == 5, (
            "it straddles, too"
        )
    assert judge([gate(max=0.05)], [gap], allow_inconclusive=True).exit_code == 0
    assert judge([gate(max=0.001)], [make(0.5, (0.4, 0.6))], doubts=[Doubt("test", "x")]).exit_code == 1


def test_what_a_doubt_is_about() -> None:
    rate = make(scope=Scope(split="test", attribute="sex"))
    crossed = make(scope=Scope(split="test", attribute="sex×race"))
    score = make(metric="roc_auc")
    compared = make(scope=Scope(split="test", reference="train"))
    assert [Doubt("test", "x", "decisions").concerns(f) for f in (rate, score)] == [True, False]
    assert [Doubt("test", "x", "intersections").concerns(f) for f in (rate, crossed)] == [False, True]
    assert [Doubt("test", "x", "comparisons").concerns(f) for f in (rate, compared)] == [False, True]
    assert not Doubt("train", "x").concerns(rate)
    labels = rate.model_copy(update={"check": "bias.data", "metric": "label_rate_difference"})
    assert [Doubt("test", "x", about).concerns(labels) for about in ("all", "answers", "decisions")] == [
        True,
        False,
        False,
    ]


def test_a_gate_that_selects_nothing_is_an_error_and_never_forgiven() -> None:
    skipped = make(None, None, metric="skipped", status=Status.SKIPPED, reason="there is no train split")
    judgement = judge([gate(max=0.1)], [skipped], allow_inconclusive=True)
    assert judgement.exit_code == 5
    assert judgement.findings[0].status is Status.ERROR
    assert "no train split" in (judgement.findings[0].reason or "")


def test_an_absent_group_is_named() -> None:
    present = make(scope=Scope(split="test", attribute="sex", groups=("Female",)))
    judgement = judge([gate(max=0.1, by="sex", group="Other")], [present])
    assert "'Other' has no rows" in (judgement.findings[0].reason or "")


def test_what_it_would_take() -> None:
    """At distance 0.05 from the bound with a half-width of 0.10, four times the rows are needed."""
    judged = judge_finding(make(0.05, (0.0, 0.15), n=500), Bounds(max=0.10))
    assert "about 2,000 rows in place of 500 would decide it" in (judged.reason or "")


def test_ids_do_not_depend_on_values_or_on_which_group_is_highest() -> None:
    first = Scope(split="test", attribute="sex", groups=("a", "b"), compared=("a", "b"))
    second = Scope(split="test", attribute="sex", groups=("b", "a"), compared=("a", "b"))
    assert finding_id("c", "m", first) == finding_id("c", "m", second)
    assert finding_id("c", "m", first) != finding_id("c", "m", first, Bounds(max=0.1))
    one = Scope(split="test", attribute="sex", groups=("a",))
    other = Scope(split="test", attribute="sex", groups=("b",))
    assert finding_id("c", "m", one) != finding_id("c", "m", other)

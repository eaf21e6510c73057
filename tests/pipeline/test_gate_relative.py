"""Relative bounds: the interval by simulation and by hand, which finding is the reference, and what can't be one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from auditkit.core.finding import Bounds, Finding, Reference, Scope, finding_id
from auditkit.core.types import Status
from auditkit.measures.intervals import wilson
from auditkit.pipeline.doubts import Doubt
from auditkit.pipeline.gates import judge
from auditkit.pipeline.plan import GateSpec
from auditkit.pipeline.relative import compare, related


def rate(hits: int, n: int, z: float = 1.959964, **more: Any) -> Finding:
    """A share with its Wilson interval."""
    low, high = wilson(np.array([hits / n]), np.array([float(n)]), z)
    return made(hits / n, (float(low[0]), float(high[0])), n=n, **more)


def made(value: float | None, interval: tuple[float, float] | None, **more: Any) -> Finding:
    scope = more.pop("scope", Scope(split="test"))
    metric, check = more.pop("metric", "accuracy"), more.pop("check", "performance.summary")
    fields = {"n": 100, "title": f"{metric} on {scope.split}", "confidence": 0.95 if interval else None} | more
    return Finding(
        id=finding_id(check, metric, scope), check=check, metric=metric, scope=scope, value=value, interval=interval,
        **fields,
    )  # fmt: skip


def gate(**more: Any) -> GateSpec:
    return GateSpec.model_validate({"check": "performance.summary", "metric": "accuracy", **more})


TRAIN = Scope(split="train")


@pytest.mark.parametrize("form", ["ratio", "difference"])
@pytest.mark.parametrize(("n", "m", "p", "q"), [(300, 900, 0.8, 0.9), (60, 60, 0.5, 0.6), (2000, 500, 0.05, 0.1)])
def test_the_interval_covers_what_two_samples_estimate(form: Any, n: int, m: int, p: float, q: float) -> None:
    """1,000 pairs of samples of two splits: the true ratio (difference) lies inside in 93 to 98.5% of them."""
    rng = np.random.default_rng(11)
    truth = p / q if form == "ratio" else p - q
    inside = 0
    for _ in range(1000):
        one, other = rate(int(rng.binomial(n, p)), n), rate(int(rng.binomial(m, q)), m, scope=TRAIN)
        found = compare(one, other, form)
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= truth <= found.high
    assert 930 <= inside <= 985, inside


@pytest.mark.parametrize("form", ["ratio", "difference"])
def test_without_knowing_how_they_hang_together_the_worst_case_is_covered(form: Any) -> None:
    """Two rates on the same rows, the rows of one being exactly those that the other lacks: MOVER for independent
    numbers would cover too little there; the limits that are taken for numbers of unknown relation don't."""
    rng, n, p = np.random.default_rng(3), 400, 0.5
    covered = {"worst": 0, "independent": 0}
    for _ in range(600):
        hits = int(rng.binomial(n, p))
        one, other = rate(hits, n, metric="a"), rate(n - hits, n, metric="b")
        for name, reference in (("worst", other), ("independent", rate(n - hits, n, scope=TRAIN))):
            found = compare(one, reference, form)
            assert found.low is not None
            assert found.high is not None
            covered[name] += found.low <= (1.0 if form == "ratio" else 0.0) <= found.high
    assert covered["worst"] >= 0.93 * 600
    assert covered["independent"] < 0.9 * 600, "which is why it is not taken"


def test_a_group_against_all_rows_covers_too_much_rather_than_too_little() -> None:
    rng, inside = np.random.default_rng(7), 0
    for _ in range(600):
        a, b = int(rng.binomial(150, 0.6)), int(rng.binomial(250, 0.7))
        group = rate(a, 150, check="bias.groups", scope=Scope(split="test", attribute="sex", groups=("F",)))
        found = compare(group, rate(a + b, 400), "ratio")
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= 0.6 / ((0.6 * 150 + 0.7 * 250) / 400) <= found.high
    assert inside >= 0.95 * 600


def test_how_two_numbers_hang_together() -> None:
    def group(name: str, **more: Any) -> Finding:
        scope = Scope(split="test", attribute=more.pop("attribute", "sex"), groups=(name,))
        return made(0.5, (0.4, 0.6), scope=scope, **{"check": "bias.groups", **more})

    whole, calibrated = made(0.5, (0.4, 0.6)), "expected_calibration_error"
    assert related(whole, made(0.5, (0.4, 0.6), scope=TRAIN)) == "apart"
    assert related(group("F"), group("M")) == "apart"
    assert related(group("F"), whole) == "inside"
    assert related(group("F"), group("A", attribute="race")) == "unknown"
    assert related(group("F", metric=calibrated), made(0.5, (0.4, 0.6), metric=calibrated)) == "unknown"
    assert related(whole, made(0.4, (0.3, 0.5), metric="accuracy_of_majority")) == "unknown"
    # Shares of one whole sum to 1, and ratios to one group share its rate: neither are of different rows.
    shares = {"check": "bias.data", "metric": "group_share"}
    assert related(group("F", **shares), group("M", **shares)) == "unknown"
    assert related(group("F", metric="adverse_impact_ratio"), group("M", metric="adverse_impact_ratio")) == "unknown"
    of_class = Scope.model_validate({"split": "test", "class": "cat"})
    assert related(made(0.5, (0.4, 0.6), scope=of_class), whole) == "unknown"


def test_ratio_and_difference_by_hand() -> None:
    one, other = made(0.8, (0.7, 0.9)), made(0.5, (0.4, 0.6), scope=TRAIN)
    difference = compare(one, other, "difference")
    assert difference.low == pytest.approx(0.3 - math.hypot(0.1, 0.1))
    assert difference.high == pytest.approx(0.3 + math.hypot(0.1, 0.1))
    worst = compare(one, made(0.5, (0.4, 0.6), metric="other"), "ratio")
    assert (worst.value, worst.low, worst.high) == pytest.approx((1.6, 0.7 / 0.6, 0.9 / 0.4))
    assert compare(made(6.0, None, sampled=False), made(3.0, None, sampled=False), "ratio").value == 2.0


@pytest.mark.parametrize(
    ("one", "other", "form", "status", "words"),
    [
        ((0.1, (0.05, 0.2)), (0.01, (0.0, 0.03)), "ratio", Status.INCONCLUSIVE, "the reference may be 0"),
        ((0.1, (0.05, 0.2)), (0.0, (0.0, 0.03)), "ratio", Status.ERROR, "the reference is 0"),
        ((-0.1, (-0.2, 0.1)), (0.5, (0.4, 0.6)), "ratio", Status.ERROR, "may be negative"),
        ((0.5, (0.4, 0.6)), (0.1, (-0.1, 0.2)), "ratio", Status.ERROR, "may be negative"),
        ((0.5, None), (0.5, (0.4, 0.6)), "ratio", Status.INCONCLUSIVE, "the metric has no interval"),
        ((0.5, (0.4, 0.6)), (0.5, None), "difference", Status.INCONCLUSIVE, "the reference has no interval"),
        ((None, None), (0.5, (0.4, 0.6)), "ratio", Status.ERROR, "no rows"),
        ((0.5, (0.4, 0.6)), (None, None), "difference", Status.ERROR, "what it is held against has no value"),
    ],
)
@pytest.mark.parametrize("bounds", [{"max": 1e9}, {"min": -1e9}])
def test_what_is_not_known_never_passes(
    one: Any, other: Any, form: str, status: Status, words: str, bounds: dict[str, float]
) -> None:
    findings = [
        made(*one, reason=None if one[0] is not None else "there are no rows"),
        made(*other, scope=TRAIN, reason=None if other[0] is not None else "there are no rows"),
    ]
    found = judge([gate(relative_to="train", **{"as": form}, **bounds)], findings, allow_inconclusive=True)
    assert [f.status for f in found.findings] == [status]
    assert found.exit_code == 5
    assert words in (found.findings[0].reason or "")


def test_the_gated_finding_tells_what_it_is_held_against() -> None:
    findings = [rate(970, 1000), rate(9800, 10000, scope=TRAIN)]
    found = judge([gate(relative_to="train", min=0.95)], findings).findings[0]
    assert found.status is Status.PASS
    assert found.scope.reference == "train"
    assert found.gate is not None
    assert found.gate.model_dump() == {"min": 0.95, "relative_to": "train", "as": "ratio"}
    assert Bounds.model_validate_json(found.gate.model_dump_json()) == found.gate
    assert found.title.startswith("Accuracy on test is 0.99 [0.97")
    assert found.title.endswith("] of that on train")
    assert found.method == "MOVER-R"
    other = judge([gate(min=0.95)], findings).findings[0]
    assert len({found.id, other.id, findings[0].id}) == 3
    minus = judge([gate(relative_to="train", min=-0.05, **{"as": "difference"})], findings).findings[0]
    assert minus.title.startswith("Accuracy on test minus that on train is -0.01 [")
    assert minus.id != found.id


def groups(**values: tuple[int, int]) -> list[Finding]:
    return [
        rate(*value, check="bias.groups", metric="true_positive_rate",
             scope=Scope(split="test", attribute="sex", groups=(name,)))
        for name, value in values.items()
    ]  # fmt: skip


def test_groups_against_one_group_and_against_all_rows() -> None:
    findings = [*groups(F=(800, 1000), M=(900, 1000), X=(300, 1000)), rate(2000, 3000, metric="recall")]
    of_group = {"check": "bias.groups", "metric": "true_positive_rate", "by": "sex"}
    found = judge([gate(**of_group, min=0.8, relative_to={"group": "M"})], findings).findings
    assert [(f.scope.groups, f.status) for f in found] == [(("F",), Status.PASS), (("X",), Status.FAIL)]
    assert {f.scope.reference for f in found} == {"M"}, "M itself is its own reference and is not judged"
    for all_rows in ({"group": "all"}, {"by": "none"}):
        found = judge([gate(**of_group, min=0.8, relative_to=all_rows)], findings).findings
        assert [f.status for f in found] == [Status.PASS, Status.PASS, Status.FAIL]
        assert found[0].value == pytest.approx(0.8 / (2000 / 3000))
    assert judge([gate(**of_group, group="M", min=0.8, relative_to={"group": "M"})], findings).exit_code == 5


def test_a_group_named_all_is_not_taken_for_all_rows() -> None:
    findings = [*groups(F=(800, 1000), all=(900, 1000)), rate(1700, 2000, metric="recall")]
    spec = gate(check="bias.groups", metric="true_positive_rate", by="sex", min=0.1, relative_to={"group": "all"})
    found = judge([spec], findings)
    assert found.exit_code == 5
    assert "a group is named 'all'" in (found.findings[0].reason or "")


def test_exactly_one_reference() -> None:
    one = rate(970, 1000)
    missing = judge([gate(relative_to="validation", min=0.1)], [one])
    assert missing.exit_code == 5
    assert "(validation) was not measured" in (missing.findings[0].reason or "")
    twice = judge([gate(relative_to="train", min=0.1)], [one, *[rate(9, 10, scope=TRAIN)] * 2])
    assert twice.exit_code == 5
    assert "2 findings are the reference" in (twice.findings[0].reason or "")


def test_a_gap_against_the_same_gap_elsewhere_whatever_groups_it_found() -> None:
    def gap(split: str, value: float, pair: tuple[str, str]) -> Finding:
        scope = Scope(split=split, attribute="sex", groups=pair, compared=("F", "M"))
        return made(value, (value - 0.01, value + 0.01), check="bias.groups", metric="accuracy_difference", scope=scope)

    spec = gate(check="bias.groups", metric="accuracy_difference", by="sex", max=1.5, relative_to="validation")
    found = judge([spec], [gap("test", 0.10, ("F", "M")), gap("validation", 0.10, ("M", "F"))])
    assert found.findings[0].status is Status.PASS
    assert found.findings[0].value == pytest.approx(1.0)


@pytest.mark.parametrize("about", ["test", "train"])
@pytest.mark.parametrize("kind", ["all", "comparisons"])
def test_a_doubt_about_either_side_forbids_a_pass(about: str, kind: Any) -> None:
    findings = [rate(970, 1000), rate(9800, 10000, scope=TRAIN)]
    doubts = [Doubt(about, "The rows are copies.", kind)]
    found = judge([gate(relative_to="train", min=0.95)], findings, doubts=doubts, allow_inconclusive=True)
    assert (found.exit_code, found.findings[0].reason) == (5, "The rows are copies.")


def test_too_few_rows_on_either_side_forbid_a_pass() -> None:
    for few in range(2):
        findings = [rate(970, 1000, sufficient=few != 0), rate(9800, 10000, scope=TRAIN, sufficient=few != 1)]
        assert judge([gate(relative_to="train", min=0.9)], findings, allow_inconclusive=True).exit_code == 5


@pytest.mark.parametrize(
    ("written", "label", "said"),
    [
        ("train", "train", "on train"),
        ("baseline", "majority baseline", "of the majority baseline"),
        ({"split": "baseline"}, "baseline", "on baseline"),
        ({"baseline": "linear"}, "linear baseline", "of the linear baseline"),
        ({"group": "all"}, "all rows", "of all rows"),
        ({"split": "train", "group": "Male"}, "Male, train", "of Male on train"),
        ({"class": "cat"}, "class cat", "of class cat"),
    ],
)
def test_what_a_reference_is_called(written: Any, label: str, said: str) -> None:
    reference = Reference.model_validate(written)
    assert (reference.label, reference.said) == (label, said)
    assert reference.model_dump() == written

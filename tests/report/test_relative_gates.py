"""A gate that holds a metric against a reference, as the report tells it, and what that must not tell of few rows."""

from __future__ import annotations

from typing import Any

import pytest

from auditkit.core.audit import Audit
from auditkit.core.finding import Bounds, Finding, Scope
from auditkit.core.types import Status
from auditkit.report.labels import bounds_text, finding_label, requirement
from auditkit.report.plain import plain
from auditkit.report.privacy import protect
from auditkit.report.render import render
from auditkit.report.terminal import verdict_table
from tests.report.sample import finding, sample_audit, wilson


def bounds(**given: Any) -> Bounds:
    return Bounds.model_validate({"min": 0.95, "relative_to": "train", **given})


def gated(gate: Bounds, **more: Any) -> Finding:
    scope = more.pop("scope", Scope(split="test", reference=gate.relative_to.label if gate.relative_to else None))
    more = {"value": 0.97, "interval": (0.96, 0.98), "n": 900, "status": Status.PASS, "title": "t"} | more
    return finding("performance.summary", more.pop("metric", "accuracy"), scope, gate=gate, **more)


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        (bounds(), "at least 0.95 of that on train"),
        (bounds(relative_to={"group": "all"}), "at least 0.95 of that of all rows"),
        (bounds(relative_to="baseline"), "at least 0.95 of that of the majority baseline"),
        (bounds(min=None, max=0.02, **{"as": "difference"}), "at most 0.02 above that on train"),
    ],
)
def test_bounds_name_the_reference(gate: Bounds, said: str) -> None:
    assert bounds_text(gate) == said
    assert requirement(gated(gate)) == f"accuracy {said}"
    assert finding_label(gated(gate)) == "Accuracy"


def test_one_plain_sentence() -> None:
    assert plain(gated(bounds()), "yes") == (
        "Accuracy is 0.970 (0.960 to 0.980) of that on train; the plan requires at least 0.95 of that on train."
    )
    difference = gated(bounds(min=-0.05, **{"as": "difference"}), value=-0.01, interval=(-0.02, 0.0))
    assert plain(difference, "yes").startswith("Accuracy minus that on train is −0.010 (−0.020 to 0.000); the plan")


def with_findings(*found: Finding) -> Audit:
    return sample_audit().model_copy(update={"findings": found})


def test_every_format_tells_it() -> None:
    audit = with_findings(gated(bounds()), gated(bounds(relative_to={"group": "<b>"}), status=Status.FAIL, reason="r"))
    shown = render(audit, "html")
    assert "at least 0.95 of that on train" in shown
    assert "of that of &lt;b&gt;" in shown
    assert "of that of <b>" not in shown
    assert "of that on train" in " ".join(verdict_table(audit, color=False, width=200).split())
    assert Audit.from_json(audit.to_json()) == audit


@pytest.mark.parametrize(("rows", "hidden"), [(3, True), (300, False)])
@pytest.mark.parametrize("small_is", ["reference", "own"])
def test_a_ratio_does_not_tell_the_rate_of_a_small_group(rows: int, hidden: bool, small_is: str) -> None:
    """With the rate of the other group, the ratio would tell that of the small one."""
    sizes = {"F": 900, "X": rows}
    rates = [
        finding("bias.groups", "selection_rate", Scope(split="test", attribute="sex", groups=(g,)), value=0.5,
                interval=wilson(0.5, n), n=n)
        for g, n in sizes.items()
    ]  # fmt: skip
    own, other = ("F", "X") if small_is == "reference" else ("X", "F")
    gate = bounds(relative_to={"group": other})
    scope = Scope(split="test", attribute="sex", groups=(own,), reference=other)
    relative = gated(gate, scope=scope, metric="selection_rate", n=900)
    shown = protect(with_findings(relative, *rates)).findings[0]
    assert (shown.value is None) == hidden


def test_long_bounds_never_squeeze_the_reasons() -> None:
    reason = "The whole interval [0.686, 0.861] lies below the least allowed, 0.95, by at least 0.089."
    gates = [
        gated(bounds(relative_to="baseline"), value=0.7, interval=(0.686, 0.861), status=Status.FAIL, reason=reason)
    ]
    assert reason in verdict_table(sample_audit(findings=gates), color=False, width=120).splitlines()

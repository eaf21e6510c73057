"""A gate's finding in one plain sentence, for readers who don't know the metric's name."""

from __future__ import annotations

from auditkit.core.finding import Bounds, Finding
from auditkit.core.messages import percent, points
from auditkit.core.types import Status
from auditkit.report.labels import bounds_text, finding_label, group_name
from auditkit.report.messages import MESSAGES, text
from auditkit.report.numbers import estimate
from auditkit.report.small import rates_behind
from auditkit.report.text import line


def plain(finding: Finding, positive: str | None) -> str:
    """What was measured, how sure that is, and what the plan requires; empty where there is no number to tell.

    `positive` is the favourable label of a binary task.
    """
    if finding.value is None or finding.gate is None:
        return ""
    kind, form = _kind(finding)
    value, ends = _measured(finding, form)
    relative = finding.gate.relative_to
    if relative is not None:
        measured = f"{value} {ends}".strip()
        words = {"label": finding_label(finding), "measured": measured, "reference": line(relative.said)}
        said = text(f"plain.relative.{finding.gate.as_}", **words)
    elif kind == "plain.other" or not ends:
        said = text("plain.other", label=finding_label(finding), measured=f"{value} {ends}".strip())
    else:
        said = text(kind, value=value, ends=ends, **_names(finding, positive))
    split = finding.scope.split
    where = "" if split in (None, "test") or relative is not None else text("on.split", split=line(split or ""))
    tail = "plain.undecided" if finding.status is Status.INCONCLUSIVE else "plain.required"
    return f"{said}{where}{text(tail, bounds=_bounds(finding.gate, form))}"


def _kind(finding: Finding) -> tuple[str, str]:
    """The message that tells the finding, and the form of its number: ratio, points, percent or plain."""
    metric = finding.metric
    if finding.gate is not None and finding.gate.relative_to is not None:
        return "plain.other", "plain"
    pair = finding.scope.groups or ()
    if finding.scope.compared is not None:
        form = "ratio" if metric.endswith("_ratio") else "points"
        rates = "equalized_odds" if len(rates_behind(metric)) > 1 else rates_behind(metric)[0]
        kind = f"plain.{rates}.{form}"
        told = kind in MESSAGES and len(pair) == 2 and pair[0] != pair[1]
        return (kind, form) if told else ("plain.other", "plain")
    if finding.scope.attribute is None and f"plain.{metric}" in MESSAGES:
        return f"plain.{metric}", "percent" if metric == "accuracy" else "points"
    return "plain.other", "plain"


def _measured(finding: Finding, form: str) -> tuple[str, str]:
    assert finding.value is not None
    ends = finding.interval
    if form in ("points", "percent"):
        said = points if form == "points" else percent
        return said(finding.value), "" if ends is None else f"({said(ends[0])} to {said(ends[1])})"
    bounds = [b for b in (finding.gate.min, finding.gate.max) if b is not None] if finding.gate else []
    value, interval = estimate(finding.value, ends, bounds)
    return value, f"({interval.strip('[]').replace(', ', ' to ', 1)})" if interval else ""


def _bounds(gate: Bounds, form: str) -> str:
    if form not in ("points", "percent"):
        return bounds_text(gate)
    shown = {name: _hundredfold(b, form) for name, b in (("low", gate.min), ("high", gate.max)) if b is not None}
    if len(shown) == 2:
        return text("bound.both", **shown)
    return text("bound.max", bound=shown["high"]) if "high" in shown else text("bound.min", bound=shown["low"])


def _hundredfold(bound: float, form: str) -> str:
    number = points(bound, 4).rstrip("0").rstrip(".")
    return text("plain.percent" if form == "percent" else "plain.points", number=number)


def _names(finding: Finding, positive: str | None) -> dict[str, str]:
    scope = finding.scope
    named = scope.class_ if scope.class_ is not None else positive
    label = text("plain.label") if named is None else f"“{line(named)}”"
    answer = text("plain.answer") if named is None else text("plain.answer.named", label=label)
    if scope.class_ is not None:
        answer = text("plain.answer.class", label=label)
    names = {"label": label, "answer": answer}
    if scope.compared is not None and scope.groups and len(scope.groups) == 2:
        names |= {side: _group(g, scope.attribute) for side, g in zip(("high", "low"), scope.groups, strict=True)}
    return names


def _group(group: str, attribute: str | None) -> str:
    """`Female`; `age_band 60+` where the group's name says little without its attribute."""
    name = group_name(group)
    return name if name[:1].isalpha() and len(name) > 1 else f"{line(attribute or '')} {name}".strip()

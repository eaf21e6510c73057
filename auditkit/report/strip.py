"""The interval of one finding as a small drawing: a dot, a line, and the bound beside it."""

from __future__ import annotations

from dataclasses import dataclass

from auditkit.core.finding import Finding
from auditkit.report.messages import text
from auditkit.report.numbers import bound, estimate
from auditkit.report.scales import Linear, nice_domain

WIDTH = 280
MARGIN = 8
#: Labels nearer than this to each other would overlap.
APART = 46


@dataclass(frozen=True)
class StripLabel:
    """A label below the line."""

    at: float
    anchor: str
    text: str


@dataclass(frozen=True)
class Strip:
    """Positions in a box `WIDTH` wide; `allowed` is the span that the bound allows, `alt` says it all in words."""

    dot: float
    low: float
    high: float
    bounds: tuple[float, ...]
    allowed: tuple[float, float] | None
    ends: tuple[str, str]
    labels: tuple[StripLabel, ...]
    alt: str
    has_interval: bool


def strip(finding: Finding, domain: tuple[float, float] | None = None) -> Strip | None:
    """The drawing, or None where there is no value. `domain` makes several strips comparable."""
    if finding.value is None:
        return None
    low, high = finding.interval or (finding.value, finding.value)
    gate = finding.gate
    limits = [] if gate is None else [b for b in (gate.min, gate.max) if b is not None]
    start, end = domain or nice_domain([low, high, finding.value, *limits])
    scale = Linear(start, end, MARGIN, WIDTH - MARGIN)
    allowed = None
    if gate is not None:
        left = MARGIN if gate.min is None else scale(gate.min)
        right = WIDTH - MARGIN if gate.max is None else scale(gate.max)
        allowed = (round(left, 1), round(right, 1))
    number, interval = estimate(finding.value, finding.interval, limits)
    said = f"{number} {interval}".strip()
    if limits:
        said = text("strip.alt", value=said, bounds=", ".join(bound(b) for b in limits))
    return Strip(
        dot=round(scale(finding.value), 1),
        low=round(scale(low), 1),
        high=round(scale(high), 1),
        bounds=tuple(round(scale(limit), 1) for limit in limits),
        allowed=allowed,
        ends=(bound(start), bound(end)),
        labels=_labels(scale, limits),
        alt=said,
        has_interval=finding.interval is not None,
    )


def _labels(scale: Linear, limits: list[float]) -> tuple[StripLabel, ...]:
    """The bounds by name, and the ends where there is room beside them."""
    named = [StripLabel(round(scale(limit), 1), "middle", bound(limit)) for limit in limits]
    ends = (StripLabel(scale.start, "start", bound(scale.low)), StripLabel(scale.end, "end", bound(scale.high)))
    return (*named, *(e for e in ends if all(abs(e.at - label.at) > APART for label in named)))

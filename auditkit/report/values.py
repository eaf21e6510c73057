"""A finding's number as it is shown: value, interval, rows, method, and what to say where there is none."""

from __future__ import annotations

from dataclasses import dataclass

from auditkit.core.finding import Finding
from auditkit.report import numbers
from auditkit.report.messages import text
from auditkit.report.privacy import is_hidden
from auditkit.report.text import line


@dataclass(frozen=True)
class ShownValue:
    """Text for each part; an empty string where there is nothing to say. `remarks` qualify the number."""

    number: str
    interval: str
    n: str
    method: str
    confidence: str
    reason: str
    remarks: tuple[str, ...] = ()
    defined: bool = True
    suppressed: bool = False

    @property
    def basis(self) -> str:
        """How the interval was made: `95% interval, Wilson`."""
        if self.confidence and self.method:
            return text("value.basis", confidence=self.confidence, method=self.method)
        return self.method


def shown_value(finding: Finding) -> ShownValue:
    """The number of a finding, in the digits that its interval bears."""
    gate = finding.gate
    bounds = [b for b in (gate.min, gate.max) if b is not None] if gate else []
    suppressed = is_hidden(finding)
    number, interval = text("small.shown" if suppressed else "value.undefined"), ""
    if finding.value is not None:
        number, interval = numbers.estimate(finding.value, finding.interval, bounds)
    return ShownValue(
        number=number,
        interval=interval,
        n=numbers.count(finding.n) if finding.n else "",
        method="" if suppressed else _method(finding),
        confidence="" if finding.interval is None else confidence_text(finding.confidence),
        reason=line(finding.reason or "", 600),
        remarks=() if suppressed else _remarks(finding),
        defined=finding.value is not None,
        suppressed=suppressed,
    )


def confidence_text(confidence: float | None) -> str:
    """`95%`."""
    return "" if confidence is None else f"{100 * confidence:.4g}%"


def _remarks(finding: Finding) -> tuple[str, ...]:
    said = []
    if finding.value is not None and finding.interval is None:
        said.append(text("value.interval-missing" if finding.sampled else "value.no-interval"))
    if not finding.sufficient:
        said.append(text("insufficient"))
    if not finding.reproducible:
        said.append(text("not-reproducible"))
    return tuple(said)


def _method(finding: Finding) -> str:
    if finding.method != "exact count":
        return line(finding.method or "")
    return text("method.maximum" if finding.metric.endswith("_max") else "method.exact count")

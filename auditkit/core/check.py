"""The base of every check: a pure function from evidence to findings, with its options as typed fields."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from auditkit.core.estimate import Estimate
from auditkit.core.evidence import Evidence
from auditkit.core.finding import Finding, Scope, estimate_fields, finding_id
from auditkit.core.messages import render
from auditkit.core.task import Offer, Task
from auditkit.core.types import Better, Status


class Check(BaseModel):
    """One check. Subclass it, fill the class variables, write the docstring, implement `offers` and `run`.

    The docstring is the check's page: a first line, then the sections `Measures`, `How`, `Assumptions`, `Reading`
    and `Source`, each a heading line that ends in a colon. `auditkit explain` and the report show them.
    The fields of the subclass are its options, as the plan's `checks:` section may set them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: ClassVar[str]
    title: ClassVar[str]
    #: Names of the evidence tables without which the check is skipped.
    needs: ClassVar[tuple[str, ...]] = ("rows", "predictions")
    #: Tables that the check reads where they exist.
    uses: ClassVar[tuple[str, ...]] = ()
    default: ClassVar[bool] = True
    messages: ClassVar[Mapping[str, str]] = {}

    def offers(self, task: Task) -> Sequence[Offer]:
        """Every metric that a gate may name, for this task."""
        raise NotImplementedError

    def run(self, evidence: Evidence) -> list[Finding]:
        """Judge the evidence. Never touches the model; the same evidence gives the same findings."""
        raise NotImplementedError

    def say(self, key: str, **parameters: object) -> str:
        """The text of one of this check's messages."""
        return render(self.id, key, self.messages, **parameters)

    def finding(
        self,
        metric: str,
        scope: Scope,
        estimate: Estimate,
        *,
        title: str,
        explanation: str = "",
        status: Status = Status.INFO,
        better: Better | None = None,
        **more: Any,
    ) -> Finding:
        """A finding about `estimate`. `more` are further fields of `Finding`."""
        enough = estimate.sufficient and more.get("sufficient", True)
        fields = {**estimate_fields(estimate), **more, "sufficient": enough}
        return Finding(
            id=finding_id(self.id, metric, scope),
            check=self.id,
            metric=metric,
            scope=scope,
            status=status,
            title=title,
            explanation=explanation,
            better=better,
            **fields,
        )

    def skipped(self, reason: str, scope: Scope | None = None) -> Finding:
        """The one finding of a check that could not look, and why."""
        return self._without_value(Status.SKIPPED, reason, scope)

    def crashed(self, reason: str) -> Finding:
        """The one finding of a check that broke."""
        return self._without_value(Status.ERROR, reason, None)

    def _without_value(self, status: Status, reason: str, scope: Scope | None) -> Finding:
        where = scope or Scope()
        return Finding(
            id=finding_id(self.id, status.value, where),
            check=self.id,
            metric=status.value,
            scope=where,
            status=status,
            title=f"{self.title}: {'not tested' if status is Status.SKIPPED else 'could not be finished'}",
            reason=reason,
        )


def page(check: type[Check]) -> dict[str, str]:
    """The docstring as sections: `summary`, then each heading in lower case. Raises `ValueError` without one."""
    text = inspect.getdoc(check)
    if not text:
        raise ValueError(f"{check.__name__} has no docstring; it is the check's page")
    sections: dict[str, list[str]] = {"summary": []}
    current = "summary"
    for line in text.splitlines():
        if line.endswith(":") and line[:-1] in ("Measures", "How", "Assumptions", "Reading", "Source"):
            current = line[:-1].lower()
            sections[current] = []
        else:
            sections[current].append(line)
    return {name: "\n".join(lines).strip() for name, lines in sections.items()}

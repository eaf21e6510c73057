"""`Audit`: the result of one audit, as `audit.json` holds it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import InitErrorDetails, from_json

from auditkit.core.finding import Finding
from auditkit.core.types import Status, Verdict

SCHEMA: Literal["auditkit.audit/1"] = "auditkit.audit/1"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class TrustedFile(_Frozen):
    """A file that could run code and was loaded because the command line trusted it: its path as the plan states it,
    its digest, and whether that digest was named ("digest") or the code is the user's own ("code")."""

    path: str
    sha256: str
    by: Literal["digest", "code"]


class ModelSummary(_Frozen):
    """What was audited."""

    kind: str
    task: str
    inputs: tuple[str, ...] = ()
    sha256: str | None = None
    parameters: int | None = None
    classes: tuple[str, ...] | None = None
    positive: str | None = None
    threshold: float | None = None
    description: str | None = None
    trusted: tuple[TrustedFile, ...] = ()


class DataSummary(_Frozen):
    """One split: how many rows it has, how many of them could not be read, scored, or have no label."""

    split: str
    rows: int
    unreadable: int = 0
    unlabelled: int = 0
    unscored: int = 0
    sampled_from: int | None = None
    sha256: str | None = None


class Environment(_Frozen):
    """Where the audit ran, and what protected it."""

    auditkit: str
    python: str
    torch: str | None = None
    device: str = "cpu"
    isolation: str = "none"
    seed: int = 0
    packages: dict[str, str] = Field(default_factory=dict)
    platform: str = ""


class RunRecord(_Frozen):
    """When this run happened and what it cost. Never part of a comparison."""

    id: str
    started: str
    finished: str
    seconds: float
    stages: dict[str, float] = Field(default_factory=dict)
    resumed: bool = False


class Audit(_Frozen):
    """The result: one verdict, every finding, and what they rest on."""

    schema_: Literal["auditkit.audit/1"] = Field(default=SCHEMA, alias="schema")
    name: str
    verdict: Verdict
    exit_code: int
    model: ModelSummary
    data: tuple[DataSummary, ...]
    findings: tuple[Finding, ...]
    environment: Environment
    context: dict[str, str] = Field(default_factory=dict)
    #: Short facts that the reader must know beside the findings (how the task was inferred, where data came from).
    notes: tuple[str, ...] = ()
    #: The plan as it was understood, every default filled in; paths as the plan gave them.
    plan: dict[str, Any] = Field(default_factory=dict)
    run: RunRecord | None = None

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, protected_namespaces=())

    def to_json(self, indent: int | None = 2) -> str:
        """Valid JSON (no NaN, no Infinity), keys in the order of the fields."""
        return self.model_dump_json(by_alias=True, indent=indent) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Audit:
        """Parse what `to_json` wrote. Raises `pydantic.ValidationError` on anything else, NaN and Infinity among it."""
        try:
            from_json(text, allow_inf_nan=False)
        except ValueError as error:
            wrong = InitErrorDetails(type="json_invalid", ctx={"error": str(error)}, input="")
            raise ValidationError.from_exception_data(cls.__name__, [wrong]) from None
        return cls.model_validate_json(text)

    def __repr__(self) -> str:
        gates = f"{len(self.gated)} gated" if self.gated else "no gates"
        name, verdict = self.name, self.verdict.value
        return f"<Audit {name!r}: {verdict} (exit code {self.exit_code}), {len(self.findings)} findings, {gates}>"

    __str__ = __repr__

    @property
    def gated(self) -> tuple[Finding, ...]:
        """The findings that a gate judged."""
        return tuple(f for f in self.findings if f.gate is not None)

    def find(
        self, metric: str, *, check: str | None = None, by: str | None = None, split: str = "test"
    ) -> list[Finding]:
        """The ungated findings with this metric; `by` names the sensitive attribute, `"sex×race"` an intersection."""
        return [
            f
            for f in self.findings
            if f.gate is None
            and f.metric == metric
            and (check is None or f.check == check)
            and (by is None or f.scope.attribute == by)
            and f.scope.split in (split, None)
        ]


def count_statuses(findings: Iterable[Finding]) -> dict[Status, int]:
    """How many findings have each status, in the order in which `Status` declares them."""
    found = [f.status for f in findings]
    return {status: found.count(status) for status in Status if status in found}

"""Findings: what a check states, about what, how sure, and what a gate made of it."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_serializer

from auditkit.core.estimate import Estimate
from auditkit.core.figure import Figure, Table
from auditkit.core.types import Better, Status

FiniteFloat = Annotated[float, Field(allow_inf_nan=False)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class SliceTerm(_Frozen):
    """One condition of a slice of the data."""

    column: str
    op: Literal["==", "!=", "<", "<=", ">", ">=", "in"]
    value: Any


class Scope(_Frozen):
    """What a finding is about. A gap has `groups` = [highest, lowest] and `compared` = every group it looked at."""

    split: str | None = None
    attribute: str | None = None
    groups: tuple[str, ...] | None = None
    compared: tuple[str, ...] | None = None
    slice: tuple[SliceTerm, ...] | None = None
    class_: str | None = Field(default=None, alias="class")
    feature: str | None = None
    layer: str | None = None
    input: str | None = None
    condition: dict[str, Any] | None = None
    reference: str | None = None

    @model_serializer(mode="plain")
    def _dump(self) -> dict[str, Any]:
        """Always the contract's four keys; the others only where they say something."""
        full = {
            "split": self.split,
            "attribute": self.attribute,
            "groups": None if self.groups is None else list(self.groups),
            "slice": None if self.slice is None else [term.model_dump() for term in self.slice],
        }
        extra = {
            "compared": None if self.compared is None else list(self.compared),
            "class": self.class_,
            "feature": self.feature,
            "layer": self.layer,
            "input": self.input,
            "condition": self.condition,
            "reference": self.reference,
        }
        return full | {key: value for key, value in extra.items() if value is not None}

    def identity(self) -> dict[str, Any]:
        """The scope without what the data decides: which groups a gap found highest and lowest."""
        dumped = self.model_dump()
        if self.compared is not None:
            del dumped["compared"], dumped["groups"]
        return dumped


class Bounds(_Frozen):
    """The bounds of a gate, inclusive."""

    max: FiniteFloat | None = None
    min: FiniteFloat | None = None

    @model_serializer(mode="plain")
    def _dump(self) -> dict[str, float]:
        return {k: v for k, v in (("max", self.max), ("min", self.min)) if v is not None}


class Finding(_Frozen):
    """One statement of a check. Built by `Check.finding`, gated by the pipeline."""

    id: str
    check: str
    metric: str
    scope: Scope
    value: FiniteFloat | None = None
    interval: tuple[FiniteFloat, FiniteFloat] | None = None
    confidence: float | None = None
    method: str | None = None
    n: int | None = None
    status: Status = Status.INFO
    gate: Bounds | None = None
    title: str
    explanation: str = ""
    remedy: str | None = None
    reason: str | None = None
    affected: str | None = None
    better: Better | None = None
    sampled: bool = True
    #: False where there are fewer rows than `min_group`: the value is shown, but can't carry a pass.
    sufficient: bool = True
    reproducible: bool = True
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()

    @property
    def family(self) -> str:
        """The part of the check's id before the dot."""
        return self.check.partition(".")[0]


def finding_id(check: str, metric: str, scope: Scope, gate: Bounds | None = None) -> str:
    """Hash of check, metric, scope and gate, never of values: the same finding has the same id in the next audit."""
    identity = [check, metric, scope.identity(), None if gate is None else gate.model_dump()]
    canonical = json.dumps(identity, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def estimate_fields(estimate: Estimate) -> dict[str, Any]:
    """The fields of a finding that an estimate fills."""
    return {
        "value": estimate.value,
        "interval": estimate.interval,
        "confidence": estimate.confidence if estimate.interval else None,
        "method": estimate.method or None,
        "n": estimate.n,
        "reason": estimate.reason,
        "sampled": estimate.sampled,
    }

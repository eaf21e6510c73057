"""The plan: what is audited, with what data, which checks, and what must hold. The schema of the YAML file."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from auditkit.core.finding import Bounds, Form, Reference
from auditkit.core.types import INTERSECTION
from auditkit.data.spec import DataSpec, Label, label_text
from auditkit.models.spec import ModelSpec
from auditkit.models.train.spec import TrainSpec


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, protected_namespaces=())


def _by(value: Any) -> Any:
    """`sex`, `"sex×race"` and `[sex, race]` all become a tuple of columns; `none` (all rows together) an empty one."""
    if value == "none":
        return ()
    if isinstance(value, str):
        return tuple(value.split(INTERSECTION))
    return tuple(value) if isinstance(value, list) else value


def _reference(value: Any) -> Any:
    """What `relative_to` names, with `by` and labels as in a gate."""
    if not isinstance(value, dict):
        return value
    labels = {key: label_text(value[key]) for key in ("group", "class") if value.get(key) is not None}
    return {**value, **({"by": _by(value["by"])} if "by" in value else {}), **labels}


class SliceCondition(_Section):
    """One condition of a gate's slice."""

    column: str
    op: Literal["==", "!=", "<", "<=", ">", ">=", "in"]
    value: Any


class GateSpec(_Section):
    """One gate: which findings it selects, and the bounds (inclusive) that their whole interval must keep."""

    check: str
    metric: str
    split: str | None = None
    by: Annotated[tuple[str, ...] | None, BeforeValidator(_by)] = None
    group: Label | None = None
    class_: Label | None = Field(default=None, alias="class")
    slice: tuple[SliceCondition, ...] | None = None
    max: float | None = Field(default=None, allow_inf_nan=False)
    min: float | None = Field(default=None, allow_inf_nan=False)
    relative_to: Annotated[Reference | None, BeforeValidator(_reference)] = None
    #: How the metric is held against its reference: divided by it (the default), or minus it.
    as_: Form | None = Field(default=None, alias="as")

    @model_validator(mode="after")
    def _has_a_bound(self) -> GateSpec:
        if self.as_ is not None and self.relative_to is None:
            raise ValueError(f"`as: {self.as_}` needs `relative_to`, which says what the metric is held against")
        if self.max is None and self.min is None:
            raise ValueError("a gate needs `max` or `min`")
        if self.max is not None and self.min is not None and self.min > self.max:
            raise ValueError(f"`min` {self.min} is above `max` {self.max}: nothing could pass")
        return self

    @property
    def attribute(self) -> str | None:
        """`by` as findings name it."""
        return INTERSECTION.join(self.by) if self.by else None

    @property
    def bounds(self) -> Bounds:
        """The bounds as findings carry them."""
        return Bounds(max=self.max, min=self.min, relative_to=self.relative_to, as_=self.as_ or "ratio")


_UNITS = {
    unit: seconds
    for seconds, units in {
        1.0: ("s", "sec", "second", "seconds"),
        60.0: ("m", "min", "minute", "minutes"),
        3600.0: ("h", "hour", "hours"),
    }.items()
    for unit in units
}


def _seconds(value: Any) -> Any:
    """`30 minutes`, `90 s`, `1.5 hours` or a number of seconds."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", value)
    if match is None or match[2] not in _UNITS:
        raise ValueError("expected a duration such as `30 minutes`, `90 s` or `1.5 hours`")
    return float(match[1]) * _UNITS[match[2]]


class RunSpec(_Section):
    """How the audit runs."""

    seed: int = Field(default=0, ge=0)
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$")
    batch_size: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    budget: Annotated[Annotated[float, Field(gt=0, allow_inf_nan=False)] | None, BeforeValidator(_seconds)] = None
    max_rows: Annotated[int, Field(ge=1)] | None = None
    keep_evidence: bool = True


class ReportSpec(_Section):
    """What the report may show."""

    samples: Literal["redacted", "full", "none"] = "redacted"
    min_cell: int = Field(default=5, ge=1)


class ContextSpec(_Section):
    """Who uses the model, whom it affects, what could go wrong, who reviewed it; shown in the report."""

    use: str | None = None
    affected: str | None = None
    harms: str | None = None
    reviewer: str | None = None


class Plan(_Section):
    """A whole plan, parsed. `checks` holds what the file says; `pipeline.suite` turns it into checks."""

    name: str = Field(min_length=1, max_length=200)
    model: ModelSpec
    data: DataSpec
    train: TrainSpec | None = None
    checks: dict[str, Literal["on", "off"] | dict[str, Any]] = Field(default_factory=dict)
    gates: tuple[GateSpec, ...] | Literal["none"]
    run: RunSpec = Field(default_factory=RunSpec)
    report: ReportSpec = Field(default_factory=ReportSpec)
    context: ContextSpec = Field(default_factory=ContextSpec)

    @property
    def gate_list(self) -> tuple[GateSpec, ...]:
        """The gates; empty where the plan says `none`."""
        return () if self.gates == "none" else self.gates

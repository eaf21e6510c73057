"""Findings: what a check states, about what, how sure, and what a gate made of it."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_serializer, model_validator

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


#: The baselines that a gate may hold a metric against, and the word of `relative_to` for the first of them.
BASELINES = ("majority", "linear")
BASELINE = "baseline"
#: As a group: all rows of the split together.
ALL_ROWS = "all"


class Reference(_Frozen):
    """What a gate holds a metric against: the same metric elsewhere. What is not named stays as it is.

    `split`: on another split. `by` and `group`: of another attribute, of one group, of all rows (`group: all`, or an
    empty `by`). `class`: of another class. `baseline`: of a baseline on the same rows. Written as one word it is a
    split, or `baseline` for the majority baseline.
    """

    split: str | None = None
    by: tuple[str, ...] | None = None
    group: str | None = None
    class_: str | None = Field(default=None, alias="class")
    baseline: Literal["majority", "linear"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_word(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"baseline": BASELINES[0]} if value == BASELINE else {"split": value}
        return {**value, "by": ()} if isinstance(value, dict) and value.get("by") == "none" else value

    @model_validator(mode="after")
    def _names_something(self) -> Reference:
        if not self.model_fields_set or all(getattr(self, name) is None for name in self.model_fields_set):
            raise ValueError("names nothing; name a split, a group, a class, or `baseline`")
        if self.baseline is not None and (self.by or self.group or self.class_ or self.split):
            raise ValueError("a baseline is one of the same rows: name nothing beside it")
        if self.all_rows and self.by:
            raise ValueError("`group: all` means all rows of the split; leave `by` out")
        return self

    @model_serializer(mode="plain")
    def _dump(self) -> str | dict[str, Any]:
        """As a plan writes it: one word for a split alone or the majority baseline."""
        if self.baseline == BASELINES[0]:
            return BASELINE
        by = None if self.by is None else list(self.by) or "none"
        named = {"split": self.split, "by": by, "group": self.group, "class": self.class_, "baseline": self.baseline}
        named = {key: value for key, value in named.items() if value is not None}
        return self.split if list(named) == ["split"] and self.split not in (None, BASELINE) else named

    @property
    def all_rows(self) -> bool:
        """Whether it is all rows of the split, whatever their group."""
        return self.group == ALL_ROWS or self.by == ()

    @property
    def label(self) -> str:
        """It in a word or two: `train`, `Male`, `all rows`, `majority baseline`."""
        if self.baseline is not None:
            return f"{self.baseline} baseline"
        named = ["all rows"] if self.all_rows else [self.group] if self.group is not None else []
        named += [] if not self.by else [f"by {'×'.join(self.by)}"]
        named += [] if self.class_ is None else [f"class {self.class_}"]
        return ", ".join([*named, *([] if self.split is None else [self.split])])

    @property
    def said(self) -> str:
        """It behind "that": `on train`, `of Male`, `by race`, `of all rows on train`, `of the majority baseline`."""
        if self.baseline is not None:
            return f"of the {self.baseline} baseline"
        here = ["of all rows"] if self.all_rows else [f"of {self.group}"] if self.group is not None else []
        here += [] if not self.by else [f"by {'×'.join(self.by)}"]
        here += [] if self.class_ is None else [f"of class {self.class_}"]
        return " ".join([*here, *([] if self.split is None else [f"on {self.split}"])])


Form = Literal["ratio", "difference"]


class Bounds(_Frozen):
    """The bounds of a gate, inclusive; with `relative_to`, of the metric divided by that of the reference, or (`as`:
    difference) of the metric minus that of the reference."""

    max: FiniteFloat | None = None
    min: FiniteFloat | None = None
    relative_to: Reference | None = None
    as_: Form = Field(default="ratio", alias="as")

    @model_serializer(mode="plain")
    def _dump(self) -> dict[str, Any]:
        bounds: dict[str, Any] = {k: v for k, v in (("max", self.max), ("min", self.min)) if v is not None}
        if self.relative_to is not None:
            bounds |= {"relative_to": self.relative_to.model_dump(), "as": self.as_}
        return bounds


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

    @model_validator(mode="after")
    def _is_possible(self) -> Finding:
        """No reader, and no file that was altered, can make a pass of nothing."""
        if self.interval is not None and not self.interval[0] <= self.interval[1]:
            raise ValueError("the ends of an interval are in order")
        if self.interval is not None and self.value is not None:
            low, high = self.interval
            if not low <= self.value <= high:
                raise ValueError("a value lies in its interval")
        if self.status is Status.PASS and (self.value is None or self.gate is None):
            raise ValueError("a pass needs a value and a gate")
        return self

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

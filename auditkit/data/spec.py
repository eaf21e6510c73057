"""The plan's `data:` section."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from auditkit.core.types import InputKind


def label_text(value: Any) -> str:
    """A label as text, the same whatever type a file or a plan gave it: 1, 1.0 and "1" are "1", True is "true"."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


Label = Annotated[str, BeforeValidator(label_text)]


class InputSpec(BaseModel):
    """How one column is read. Without a kind, it follows from the column's type."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: InputKind | None = None


def _input_spec(value: Any) -> Any:
    if value is None:
        return InputSpec()
    return {"kind": value} if isinstance(value, str) else value


class DataSpec(BaseModel):
    """What is read, and what each column means. Paths are absolute once the plan is loaded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    splits: dict[str, Path] = Field(min_length=1)
    target: str | None = None
    positive: Label | None = None
    inputs: dict[str, Annotated[InputSpec, BeforeValidator(_input_spec)]] | None = None
    sensitive: tuple[str, ...] = ()
    groups: dict[str, tuple[Label, ...]] = Field(default_factory=dict)
    id: str | None = None
    cluster: str | None = None
    weight: str | None = None
    #: What a reader should know of this data; shown in the report.
    about: str | None = None

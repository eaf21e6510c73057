"""The plan's `model:` section."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from auditkit.data.spec import Label

ModelKind = Literal["torch", "sklearn", "predictions", "python"]


class ModelSpec(BaseModel):
    """What is audited. The path is absolute once the plan is loaded."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    kind: ModelKind
    path: Path | None = None
    outputs: Literal["logits", "probabilities", "values"] | None = None
    threshold: float = Field(default=0.5, ge=0.0, le=1.0, allow_inf_nan=False)
    classes: tuple[Label, ...] | None = None
    task: Literal["binary-classification", "multiclass-classification", "regression"] | None = None
    #: `kind: predictions`: the columns of the splits' own files.
    prediction: str | None = None
    score: str | None = None
    scores: dict[Label, str] | None = None

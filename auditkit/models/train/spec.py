"""The plan's `train:` section."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class EarlyStopping(BaseModel):
    """Stop when the validation loss has not improved by `min_delta` for `patience` epochs; keep the best epoch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    patience: int = Field(default=5, ge=1)
    min_delta: float = Field(default=0.0, ge=0, allow_inf_nan=False)


class TrainSpec(BaseModel):
    """What is trained, and how."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: Literal["mlp"] = "mlp"
    epochs: int = Field(default=20, ge=1, le=100_000)
    batch_size: int = Field(default=256, ge=1)
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: Positive = 1e-3
    schedule: Literal["constant", "cosine"] = "cosine"
    weight_decay: float = Field(default=1e-4, ge=0, allow_inf_nan=False)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    clip_norm: Positive | None = 1.0
    validation: float = Field(default=0.1, ge=0, lt=1, description="share of the train split kept for validation")
    early_stopping: EarlyStopping | None = None
    class_weights: Literal["balanced"] | dict[str, Positive] | None = None
    width: int = Field(default=128, ge=1)
    depth: int = Field(default=2, ge=0, description="residual blocks")
    dropout: float = Field(default=0.1, ge=0, lt=1)
    seed: int | None = Field(default=None, ge=0, description="default: run.seed")

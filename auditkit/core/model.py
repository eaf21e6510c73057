"""The protocol of a model under audit, and what it says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from auditkit.core.types import Batch, FloatArray, IntArray, ObjectArray

OutputKind = Literal["logits", "probabilities", "values", "labels"]


@dataclass(frozen=True)
class Trusted:
    """A file whose loading can run code, loaded because somebody named it.

    `by` is "digest" (`--trust`, `--trust-file`) or "code" (`--trust-code`).
    """

    path: str
    sha256: str
    by: Literal["digest", "code"]


@dataclass(frozen=True)
class ModelInfo:
    """What a model says of itself once it is loaded."""

    kind: str
    #: What `predict` returns; None where only the plan can say.
    outputs: OutputKind | None
    sha256: str | None = None
    parameters: int | None = None
    #: Class labels in the order of the output columns, where the model knows them.
    classes: tuple[str, ...] | None = None
    #: "classification" or "regression", where the model knows.
    estimates: Literal["classification", "regression"] | None = None
    #: The inputs the model was made for, where it knows.
    inputs: tuple[str, ...] | None = None
    differentiable: bool = False
    isolation: str = "none: the model ran in the audit's own process"
    device: str = "cpu"
    description: str = ""
    #: Files that could run code and were loaded because they were trusted.
    trusted: tuple[Trusted, ...] = ()


@dataclass(frozen=True)
class Outputs:
    """What a model answered for B rows: `values` float64 `[B, C]`, or `labels` object `[B]`.

    Both are set only where a file of predictions has scores and decisions: the labels are then the decisions.
    """

    values: FloatArray | None = None
    labels: ObjectArray | None = None

    def __post_init__(self) -> None:
        if self.values is None and self.labels is None:
            raise ValueError("Outputs needs values or labels")

    def __len__(self) -> int:
        return len(self.values) if self.values is not None else len(self.labels)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Attribution:
    """Attributions of B rows. `values` float64 `[B, F]`, one column an input of the batch in the order of `features`;
    `delta` float64 `[B]` is the completeness error: Σ attributions − (output at the row − output at the baseline)."""

    features: tuple[str, ...]
    values: FloatArray
    delta: FloatArray
    method: str
    baseline: str


class Model(Protocol):
    """A model that can be scored."""

    @property
    def info(self) -> ModelInfo:
        """What the model says of itself."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know of how it ran (batches halved for want of memory), so far."""

    def predict(self, batch: Batch) -> Outputs:
        """Score one batch. Raises `ModelCrashedError` where there is no usable answer."""

    def close(self) -> None:
        """Give back what the model holds; safe to call twice."""


@runtime_checkable
class Differentiable(Protocol):
    """A model whose gradients can be had."""

    def attribute(self, batch: Batch, outputs: IntArray, steps: int) -> Attribution:
        """Integrated gradients of output column `outputs[i]` (a logit) for row i, on a path of `steps` points."""


def as_float_matrix(values: npt.NDArray[Any]) -> FloatArray:
    """`[B]` or `[B, C]` numbers as float64 `[B, C]`."""
    matrix = np.asarray(values, dtype=np.float64)
    return matrix.reshape(len(matrix), -1) if matrix.ndim != 2 else matrix

"""Live objects of the user's own: a torch module, a scikit-learn estimator, any callable. They run in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from auditkit.core.errors import ModelCrashedError, PlanError
from auditkit.core.model import Model, ModelInfo, OutputKind, Outputs, as_float_matrix
from auditkit.core.types import Batch, InputKind
from auditkit.data.dataset import Input
from auditkit.data.spec import label_text
from auditkit.models.estimator import EstimatorModel, label_array, to_frame

ISOLATION = "none: the model ran in the user's own process"


@dataclass(frozen=True)
class TensorInput:
    """How rows become the tensor of a torch module.

    `categories` lists the labels of each categorical column; a column's number is the position of the label, NaN where
    it is missing or not listed. `baseline` are the numbers from which attributions start (default: 0).
    """

    categories: Mapping[str, Sequence[str]] = field(default_factory=dict)
    baseline: Mapping[str, float] = field(default_factory=dict)


def wrap(
    model: object,
    *,
    inputs: Sequence[Input],
    outputs: OutputKind | None = None,
    classes: Sequence[str] | None = None,
    device: str = "auto",
    preprocessing: TensorInput | None = None,
) -> Model:
    """A live object as a `Model`.

    A `torch.nn.Module` gets float32 `[B, F]`, its columns in the order of `inputs`; it is scored in eval mode and left
    in the mode it was in. `device="auto"` leaves it where its weights are. An estimator (`predict`) gets a pandas frame
    of the inputs. A callable gets the same frame, and answers numbers `[B]` or `[B, C]`, or labels `[B]`.
    Raises `PlanError` for anything else, and for categorical columns that a torch module could not read.
    """
    names = None if classes is None else tuple(label_text(c) for c in classes)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(model, torch.nn.Module):
        from auditkit.models.live_torch import wrap_module

        return wrap_module(model, inputs, outputs, names, device, preprocessing or TensorInput())
    if preprocessing is not None:
        raise PlanError("preprocessing is for torch modules; this model gets a pandas frame")
    if isinstance(model, type):
        raise PlanError(f"the model is the class {model.__name__}, not an object of it; call it first")
    if hasattr(model, "predict"):
        return LiveEstimator(model, inputs)
    if callable(model):
        return LiveCallable(model, inputs, outputs, names)
    raise PlanError(
        f"a {type(model).__name__} is no model: hand over a torch module, a fitted estimator, or a function of a "
        "DataFrame"
    )


@contextmanager
def clear_failure(name: str, rows: int) -> Iterator[None]:
    """What a live model raises becomes one `ModelCrashedError` that names it, with the original as its cause."""
    try:
        yield
    except (ModelCrashedError, PlanError):
        raise
    except Exception as error:
        raise ModelCrashedError(f"{name} failed on {rows:,} rows: {type(error).__name__}: {error}") from error


def _select(batch: Batch, inputs: Sequence[Input]) -> Batch:
    return {column.name: batch[column.name] for column in inputs}


class LiveEstimator:
    """A fitted scikit-learn estimator, or one that behaves like it."""

    notes: tuple[str, ...] = ()

    def __init__(self, estimator: object, inputs: Sequence[Input]) -> None:
        self._inputs = tuple(inputs)
        self._name = type(estimator).__name__
        self._model = EstimatorModel(estimator, name=self._name)

    @property
    def info(self) -> ModelInfo:
        """What the estimator says of itself."""
        return replace(self._model.info, isolation=ISOLATION)

    def predict(self, batch: Batch) -> Outputs:
        """Score a batch."""
        rows = len(batch[self._inputs[0].name])
        with clear_failure(self._name, rows):
            answer = self._model.predict(_select(batch, self._inputs))
        return _sized(answer, rows, self._name)

    def close(self) -> None:
        """The object is the user's."""


class LiveCallable:
    """A function from a pandas frame to an array."""

    notes: tuple[str, ...] = ()

    def __init__(
        self,
        function: Callable[[Any], Any],
        inputs: Sequence[Input],
        outputs: OutputKind | None,
        classes: tuple[str, ...] | None,
    ) -> None:
        self._function = function
        self._inputs = tuple(inputs)
        self._outputs = outputs
        self._name = getattr(function, "__name__", type(function).__name__)
        self._info = ModelInfo(
            kind="callable",
            outputs=outputs,
            classes=classes,
            estimates=estimates_of(outputs),
            isolation=ISOLATION,
            description=f"Python callable {self._name}",
        )

    @property
    def info(self) -> ModelInfo:
        """What is known of the function."""
        return self._info

    def predict(self, batch: Batch) -> Outputs:
        """Score a batch. Text, objects, booleans and (unless `outputs` says otherwise) integers `[B]` are labels."""
        rows = len(batch[self._inputs[0].name])
        with clear_failure(self._name, rows):
            answer = self._function(to_frame(_select(batch, self._inputs)))
            found = as_outputs(answer, self._outputs)
        return _sized(found, rows, self._name)

    def close(self) -> None:
        """The function is the user's."""


def as_outputs(answer: Any, outputs: OutputKind | None) -> Outputs:
    """An array, frame, series, list or tensor as `Outputs`. Raises `ValueError` for more than two axes."""
    if hasattr(answer, "detach"):
        answer = answer.detach().cpu()
    values = np.asarray(answer)
    if values.ndim not in (1, 2):
        raise ValueError(f"it answered an array with {values.ndim} axes; expected [rows] or [rows, columns]")
    if outputs is None:
        labels = values.dtype.kind in "OUSTb" or (values.dtype.kind in "iu" and values.ndim == 1)
    else:
        labels = outputs == "labels"
    return Outputs(labels=label_array(values)) if labels else Outputs(values=as_float_matrix(values))


def estimates_of(outputs: OutputKind | None) -> Literal["classification", "regression"] | None:
    """What outputs of that kind are of."""
    return None if outputs is None else "regression" if outputs == "values" else "classification"


def _sized(answer: Outputs, rows: int, name: str) -> Outputs:
    if len(answer) != rows:
        raise ModelCrashedError(f"{name} answered {len(answer):,} predictions for {rows:,} rows")
    return answer


def tensor_columns(inputs: Sequence[Input], preprocessing: TensorInput) -> tuple[str, ...]:
    """The columns of the tensor, in order. Raises `PlanError` for a categorical column without categories."""
    for column in inputs:
        if column.kind is InputKind.CATEGORICAL and column.name not in preprocessing.categories:
            raise PlanError(
                f"data.inputs.{column.name}: a torch module reads numbers; give the column's categories "
                f"(TensorInput(categories={{{column.name!r}: [...]}})), encode it, or wrap the module in a function"
            )
    return tuple(column.name for column in inputs)

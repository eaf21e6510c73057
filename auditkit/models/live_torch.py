"""A live torch module: one float32 tensor `[B, F]` in, one tensor `[B]` or `[B, C]` out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from auditkit.core.model import Attribution, ModelInfo, OutputKind, Outputs
from auditkit.core.types import Batch, FloatArray, InputKind, IntArray
from auditkit.data.dataset import Input
from auditkit.models.device import Batcher, resolve_device, threads_for
from auditkit.models.live import ISOLATION, TensorInput, clear_failure, estimates_of, tensor_columns
from auditkit.models.strings import to_codes


def wrap_module(
    module: nn.Module,
    inputs: Sequence[Input],
    outputs: OutputKind | None,
    classes: tuple[str, ...] | None,
    device: str,
    preprocessing: TensorInput,
) -> LiveModule:
    """A module as a model; it has gradients where every input is numeric. Raises `PlanError`."""
    tensor_columns(inputs, preprocessing)
    numeric = all(column.kind is InputKind.NUMERIC for column in inputs)
    kind = DifferentiableModule if numeric and outputs != "labels" else LiveModule
    return kind(module, inputs, outputs, classes, device, preprocessing)


class LiveModule:
    """`Model` around a module of the user's own."""

    def __init__(
        self,
        module: nn.Module,
        inputs: Sequence[Input],
        outputs: OutputKind | None,
        classes: tuple[str, ...] | None,
        device: str,
        preprocessing: TensorInput,
    ) -> None:
        self._module = module if device == "auto" else module.to(resolve_device(device))
        weight = next(iter(module.parameters()), None)
        self._device = weight.device if weight is not None else torch.device("cpu")
        self._parameters = sum(p.numel() for p in module.parameters())
        self._inputs = tuple(inputs)
        self._preprocessing = preprocessing
        self._batcher = Batcher()
        self._name = type(module).__name__
        self._info = ModelInfo(
            kind="torch",
            outputs=outputs,
            parameters=self._parameters,
            classes=classes,
            estimates=estimates_of(outputs),
            differentiable=isinstance(self, DifferentiableModule),
            isolation=ISOLATION,
            device=str(self._device),
            description=f"torch module {self._name}",
        )

    @property
    def info(self) -> ModelInfo:
        """What is known of the module."""
        return self._info

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader has to know of how it ran (batches that had to be cut)."""
        return tuple(self._batcher.notes)

    def predict(self, batch: Batch) -> Outputs:
        """The module's outputs, float64 `[B, C]`."""
        x = self._tensor(batch)
        parts: list[FloatArray] = []

        def compute(part: slice) -> None:
            parts.append(self._forward(x[part]).double().cpu().numpy())

        with clear_failure(self._name, len(x)), self._scoring(), torch.no_grad():
            with threads_for(self._parameters):
                self._batcher.run(len(x), compute)
            return Outputs(values=np.concatenate(parts) if parts else np.empty((0, 1)))

    def _scoring(self) -> AbstractContextManager[None]:
        return evaluating(self._module)

    def _forward(self, x: Tensor) -> Tensor:
        answer = self._module(x)
        if not isinstance(answer, Tensor) or answer.ndim not in (1, 2) or len(answer) != len(x):
            shape = list(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
            raise ValueError(f"it answered {shape} for {len(x)} rows; expected a tensor [rows] or [rows, columns]")
        if answer.is_complex():
            raise ValueError("it answered complex numbers")
        return answer.reshape(len(x), -1)

    def _tensor(self, batch: Batch) -> Tensor:
        columns = []
        for column in self._inputs:
            values = batch[column.name]
            if column.kind is InputKind.CATEGORICAL:
                codes, strings = to_codes(values)
                known = {label: float(i) for i, label in enumerate(self._preprocessing.categories[column.name])}
                values = np.array([*(known.get(text, np.nan) for text in strings), np.nan])[codes]
            columns.append(np.asarray(values, dtype=np.float64))
        with np.errstate(over="ignore"):
            return torch.from_numpy(np.column_stack(columns).astype(np.float32)).to(self._device)

    def close(self) -> None:
        """The module is the user's."""


class DifferentiableModule(LiveModule):
    """A module whose inputs are all numbers, so that gradients with respect to them mean something."""

    def attribute(self, batch: Batch, outputs: IntArray, steps: int) -> Attribution:
        """Integrated gradients of output column `outputs[i]` for row i, from `TensorInput.baseline` (default 0)."""
        from auditkit.models.attribution import METHOD, integrate

        names = tuple(column.name for column in self._inputs)
        start = torch.tensor([self._preprocessing.baseline.get(n, 0.0) for n in names], dtype=torch.float32)
        points = self._tensor(batch)
        with clear_failure(self._name, len(points)), self._scoring(), threads_for(self._parameters):
            values, delta = integrate(self._forward, points, start.to(self._device), outputs, steps, self._batcher)
        given = "the given row" if self._preprocessing.baseline else "the row of zeros"
        return Attribution(names, values, delta, METHOD, given)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Inside, every part of the module is in eval mode; then each is in the mode that it was in."""
    before = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in before:
            part.training = training

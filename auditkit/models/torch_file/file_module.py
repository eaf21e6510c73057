"""A module that came from a torch file, as a model in the worker: one float32 tensor `[B, F]` in, one tensor out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from auditkit.core.errors import InputRefusedError, ModelCrashedError, PlanError, Problem
from auditkit.core.types import InputKind
from auditkit.data.dataset import Input
from auditkit.models.live import TensorInput
from auditkit.models.live_torch import DifferentiableModule

#: Widths that are tried to tell how many columns a module wants.
_MAX_TRIED = 64
_PROBE_ROWS = 2


@dataclass(frozen=True)
class Loaded:
    """A module in eval mode on its device. `parameters` is None where they can't be told from other constants."""

    module: nn.Module
    description: str
    device: torch.device
    parameters: int | None
    notes: tuple[str, ...] = ()
    #: How a call of the module is surrounded.
    calling: Callable[[], AbstractContextManager[Any]] = field(default=nullcontext)


class FileModule(DifferentiableModule):
    """`Model` around a loaded module; differentiable where a gradient with respect to its inputs can be had."""

    def __init__(self, loaded: Loaded, options: Mapping[str, Any]) -> None:
        """`options` as `open._options` has them. Raises `PlanError` where the module wants another number of columns,
        `ModelCrashedError` where it can't score a row."""
        inputs = [Input(name, InputKind(kind)) for name, kind in options["inputs"]]
        classes = None if options["classes"] is None else tuple(options["classes"])
        preprocessing = TensorInput(categories=options["categories"])
        super().__init__(loaded.module, inputs, options["outputs"], classes, "auto", preprocessing)
        self._calling = loaded.calling
        self._device = loaded.device
        self._parameters = loaded.parameters or 0
        self._name = loaded.description
        self._loaded_notes = list(loaded.notes)
        self._probe(len(inputs))
        self._info = replace(
            self._info,
            parameters=loaded.parameters,
            inputs=tuple(column.name for column in inputs),
            differentiable=all(c.kind is InputKind.NUMERIC for c in inputs) and self._has_gradients(len(inputs)),
            device=str(loaded.device),
            description=loaded.description,
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader has to know of how it ran."""
        return (*self._loaded_notes, *self._batcher.notes)

    @contextmanager
    def _scoring(self) -> Iterator[None]:
        with self._calling():
            yield

    def _probe(self, columns: int) -> None:
        """Score two rows of zeros, so that a module that does not fit the plan is known before the audit runs."""
        try:
            self._answer(columns)
            return
        except (MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - a foreign module raises whatever it does
            reason = str(error).strip().splitlines()
            said = f"{type(error).__name__}: {reason[-1][:200]}" if reason else type(error).__name__
        fitting = [n for n in self._widths() if n != columns and self._scores(n)]
        if len(fitting) == 1:
            raise PlanError(Problem("data.inputs", f"{self._name} reads {fitting[0]} numbers a row, the plan gives "
                                                   f"{columns}"))  # fmt: skip
        raise ModelCrashedError(f"{self._name} can't score rows of {columns} numbers: {said}")

    def _answer(self, columns: int) -> Tensor:
        with self._scoring(), torch.no_grad():
            return self._forward(torch.zeros(_PROBE_ROWS, columns, device=self._device))

    def _scores(self, columns: int) -> bool:
        try:
            self._answer(columns)
        except Exception:  # noqa: BLE001 - as above
            return False
        return True

    def _widths(self) -> list[int]:
        """Sizes that occur in the module's tensors: the number of its inputs is most often among them."""
        found = {
            size for tensor in self._module.state_dict().values() if isinstance(tensor, Tensor) for size in tensor.shape
        }
        return sorted(size for size in found if size > 0)[:_MAX_TRIED]

    def _has_gradients(self, columns: int) -> bool:
        x = torch.zeros(_PROBE_ROWS, columns, device=self._device, requires_grad=True)
        try:
            with self._scoring():
                torch.autograd.grad(self._forward(x).double().sum(), x)
        except (MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - as above
            reason = str(error).strip().splitlines()
            self._loaded_notes.append(
                f"{self._name} has no gradients with respect to its inputs ({reason[0][:100] if reason else 'unknown'})"
            )
            return False
        return True


class LimitedBatch(nn.Module):
    """A program that takes between `least` and `most` rows at once: batches are cut, and the last one filled up with
    copies of its last row, whose answers are dropped."""

    def __init__(self, program: nn.Module, least: int, most: int | None) -> None:
        super().__init__()
        self.program = program
        self.least = least
        self.most = most

    def forward(self, x: Tensor) -> Tensor:
        """The program's answers for every row, in order."""
        step = self.most or max(len(x), 1)
        return torch.cat([self._part(x[start : start + step]) for start in range(0, max(len(x), 1), step)])

    def _part(self, part: Tensor) -> Tensor:
        lacking = max(0, self.least - len(part))
        answer = self.program(torch.cat((part, part[-1:].expand(lacking, -1))) if lacking else part)
        if not isinstance(answer, Tensor) or answer.ndim not in (1, 2) or len(answer) != len(part) + lacking:
            shape = list(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
            raise ValueError(
                f"it answered {shape} for {len(part) + lacking} rows; expected a tensor [rows] or [rows, columns]"
            )
        return answer[: len(part)]


def count_parameters(tensors: Iterable[Tensor]) -> int | None:
    """Numbers in the parameters; None where there are none (a frozen program's weights are constants among others)."""
    return sum(tensor.numel() for tensor in tensors) or None


def refuse_unusable(parameters: Mapping[str, Tensor], buffers: Mapping[str, Any], where: str) -> None:
    """Raise `InputRefusedError` where weights are NaN or infinite: such a model answers the same for all rows.

    A buffer of zeros and −infinity is a mask of attention, and passes.
    """
    for name, tensor in {**buffers, **parameters}.items():
        if not isinstance(tensor, Tensor) or not (tensor.is_floating_point() or tensor.is_complex()):
            continue
        values = tensor if tensor.dtype.itemsize > 1 else tensor.float()
        if bool(torch.isfinite(values).all()):
            continue
        if name in parameters or not _is_mask(values):
            raise InputRefusedError(f"{where}: tensor {name[:100]!r} holds NaN or infinite weights; train it again")


def _is_mask(values: Tensor) -> bool:
    return (
        not values.is_complex() and bool(((values == 0) | (values == -torch.inf)).all()) and bool((values == 0).any())
    )

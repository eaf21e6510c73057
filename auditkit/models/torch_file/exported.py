"""The loader of torch.export programs, called by the worker: the file was checked as bytes, and is trusted."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from auditkit.core.errors import InputRefusedError, PlanError, Problem
from auditkit.models.device import resolve_device
from auditkit.models.torch_file.file_module import FileModule, LimitedBatch, Loaded, count_parameters, refuse_unusable
from auditkit.models.torch_file.loaders import attempt


def open_exported(path: Path, device: str, options: Mapping[str, Any]) -> FileModule:
    """A torch.export program. Raises `InputRefusedError`; `PlanError` where it reads something else than one tensor of
    as many columns as the plan has inputs."""
    where, name = resolve_device(device), str(options["name"])
    program = _load_program(path, name)
    least, most = _rows(program, len(options["inputs"]), name)
    _refuse_training(program, name)
    refuse_unusable(dict(program.named_parameters()), {**program.state_dict, **program.constants}, name)
    if any(tensor.device != where for tensor in program.state_dict.values()):
        from torch.export.passes import move_to_device_pass

        program = move_to_device_pass(program, where)
    module: nn.Module = attempt(program.module, name)
    notes: tuple[str, ...] = ()
    if least > 1 or most is not None:
        module = LimitedBatch(module, least, most)
        notes = (_batch_note(least, most),)
    parameters = count_parameters(program.parameters())
    return FileModule(Loaded(module, "torch.export program", where, parameters, notes), options)


def _load_program(path: Path, name: str) -> ExportedProgram:
    """`torch.export.load`, which writes why it fails to its log and then raises something else."""
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(str(record.exc_info[1] if record.exc_info else ""))  # type: ignore[method-assign]
    logger = logging.getLogger("torch.export")
    logger.addHandler(handler)
    try:
        program: object = attempt(lambda: torch.export.load(str(path)), name)
    except InputRefusedError:
        reason = next((text for text in said if text), None)
        if reason is None:
            raise
        raise InputRefusedError(f"{name}: can't be loaded ({reason.strip().splitlines()[0][:300]})") from None
    finally:
        logger.removeHandler(handler)
    if not isinstance(program, ExportedProgram):
        raise InputRefusedError(f"{name}: holds no program")
    return program


def _refuse_training(program: ExportedProgram, name: str) -> None:
    """Raise where dropout or batch normalisation was exported as it trains: a program has no other mode."""
    for node in program.graph.nodes:
        schema = getattr(node.target, "_schema", None)
        if node.op != "call_function" or schema is None:
            continue
        given = {argument.name: value for argument, value in zip(schema.arguments, node.args, strict=False)}
        given |= node.kwargs
        if True in (given.get("train"), given.get("training")):
            raise InputRefusedError(
                f"{name}: it was exported in training mode ({schema.name.split('::')[-1]}), so its answers are random "
                "or depend on the other rows; export `model.eval()`"
            )


def _rows(program: ExportedProgram, columns: int, name: str) -> tuple[int, int | None]:
    """The least and the most rows that the program takes at once."""
    wanted = program.graph_signature.user_inputs
    values = {node.name: node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"}
    value = values.get(str(wanted[0])) if len(wanted) == 1 else None
    if not isinstance(value, Tensor) or value.ndim != 2 or value.dtype != torch.float32:
        shown = f"{len(wanted)} inputs" if not isinstance(value, Tensor) else f"{value.dtype} of {value.ndim} axes"
        raise PlanError(
            Problem("data.inputs", f"{name} takes {shown}; `kind: torch` gives it one float32 tensor [rows, columns]")
        )
    batch: int | torch.SymInt = value.shape[0]
    width: int | torch.SymInt = value.shape[1]
    if isinstance(width, int) and width != columns:
        raise PlanError(Problem("data.inputs", f"the program reads {width} numbers a row, the plan gives {columns}"))
    if isinstance(batch, int):
        return batch, batch
    bounds = program.range_constraints.get(batch.node.expr)
    if bounds is None:
        raise InputRefusedError(
            f"{name}: its number of rows is bound to an expression ({str(batch)[:50]}); export it with a plain "
            "`torch.export.Dim` for the rows"
        )
    most = int(bounds.upper) if bounds.upper.is_Integer and int(bounds.upper) < 1 << 40 else None
    return max(1, int(bounds.lower)), most


def _batch_note(least: int, most: int | None) -> str:
    count = (
        f"exactly {most:,}" if least == most else f"at least {least:,}" if most is None else f"{least:,} to {most:,}"
    )
    return (
        f"The program takes {count} rows at a time: batches were cut, and the last one filled up with copies of its "
        "last row."
    )

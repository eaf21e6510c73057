"""A state_dict of somebody else in the module that the user's builder makes. Imported by the worker alone."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from auditkit.core.errors import InputRefusedError, PlanError, Problem, few, nearest
from auditkit.models.own_code import attempt, callables, run_file
from auditkit.models.reading import MEGABYTE, read_regular
from auditkit.models.torch_file.archive import WEIGHTS, check_torch_file

MAX_FILE = 64 * 1024 * MEGABYTE
_ABSENT = "not installed here; a builder is one file and can't import its neighbours"


def load_weights(path: Path, options: Mapping[str, Any]) -> nn.Module:
    """The builder's module with the weights of the file, strictly: every name, every shape.

    `options["builder"]`: the `path` of the copy of the Python file, its `name` in messages, the `function`. The bytes
    that are checked are the bytes that are loaded. Raises `InputRefusedError` where the file is malformed or does not
    fit; `PlanError` where the builder has no such function or makes no module.
    """
    where = str(options["name"])
    content = read_regular(path, limit=MAX_FILE)
    found = check_torch_file(io.BytesIO(content), len(content), where)
    if found is None or found.form not in WEIGHTS:
        raise InputRefusedError(f"{where}: changed while it was loaded; try again once nothing writes to it")
    module = build(options["builder"])
    try:
        weights = safetensors.torch.load(content) if found.form == "safetensors" else load_tensors(content)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - a checked file should load; whatever stops it is told
        raise InputRefusedError(f"{where}: can't be loaded ({type(error).__name__}: {str(error)[:200]})") from None
    _check_fit(weights, module, where)
    try:
        module.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        raise InputRefusedError(f"{where}: does not fit its builder: {' '.join(str(error).split())[:300]}") from None
    return module


def load_tensors(content: bytes) -> dict[str, Tensor]:
    """The tensors of a checked torch.save file. Sparse tensors, which the check refuses, would be validated, too."""
    invariants: Any = torch.sparse.check_sparse_tensor_invariants
    with invariants():
        loaded: dict[str, Tensor] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True, mmap=False)
    return loaded


def build(builder: Mapping[str, Any]) -> nn.Module:
    """Run the builder's file, and call its function without arguments. See `load_weights` for what is raised."""
    name, wanted = str(builder["name"]), str(builder["function"])
    module = run_file(Path(builder["path"]), name, _ABSENT)
    function = getattr(module, wanted, None)
    if not callable(function):
        hint = nearest(wanted, callables(module))
        raise PlanError(Problem("model.builder", f"{name} defines no function {wanted!r}{hint}"))
    made = attempt(function, name, f"{wanted}() failed", _ABSENT)
    if not isinstance(made, nn.Module):
        raise PlanError(
            Problem("model.builder", f"{wanted}() of {name} made a {type(made).__name__}, no torch.nn.Module")
        )
    return made


def _check_fit(weights: Mapping[str, Tensor], module: nn.Module, where: str) -> None:
    expected = {name: value for name, value in module.state_dict().items() if isinstance(value, Tensor)}
    missing = [name for name in expected if name not in weights]
    unexpected = [name for name in weights if name not in expected]
    if missing or unexpected:
        pairs = (("lacks", missing), ("unexpectedly has", unexpected))
        parts = [f"{what} {few(map(repr, names))}" for what, names in pairs if names]
        raise InputRefusedError(f"{where}: does not fit the module that its builder makes: it {' and '.join(parts)}")
    for name, tensor in expected.items():
        given = weights[name]
        if given.shape != tensor.shape or _family(given) != _family(tensor):
            raise InputRefusedError(
                f"{where}: tensor {name[:100]!r} is {_described(given)}, the module that its builder makes needs "
                f"{_described(tensor)}"
            )


def _family(tensor: Tensor) -> str:
    """Types that may become one another: weights stored in half precision load into a module of single precision."""
    return "floating" if tensor.is_floating_point() else "complex" if tensor.is_complex() else str(tensor.dtype)


def _described(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"

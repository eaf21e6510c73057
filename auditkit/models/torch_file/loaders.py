"""Loaders of weights, pickled modules and TorchScript, called by the worker: the file was checked as bytes, and is
trusted where it is code."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from auditkit.core.errors import AuditkitError, InputRefusedError
from auditkit.models.device import resolve_device
from auditkit.models.torch_file.file_module import (
    FileModule,
    Loaded,
    count_parameters,
    refuse_unusable,
)
from auditkit.models.torch_file.weights import load_weights


def open_state_dict(path: Path, device: str, options: Mapping[str, Any]) -> FileModule:
    """Weights in the module that the builder makes; see `weights.load_weights`."""
    where = resolve_device(device)
    module = load_weights(path, options)
    return FileModule(_of_module(module, where, str(options["name"])), options)


def open_pickled(path: Path, device: str, options: Mapping[str, Any]) -> FileModule:
    """A whole module that `torch.save(model)` pickled. Unpickling runs its code.

    Raises `InputRefusedError` where it can't be unpickled, or is no module.
    """
    where, name = resolve_device(device), str(options["name"])

    def load() -> object:
        return torch.load(path, map_location=where, weights_only=False, mmap=False)

    module = attempt(load, name)
    if not isinstance(module, nn.Module):
        raise InputRefusedError(f"{name}: holds a {type(module).__name__}, no module")
    return FileModule(_of_module(module, where, name), options)


def open_torchscript(path: Path, device: str, options: Mapping[str, Any]) -> FileModule:
    """A TorchScript module. It runs without the executor that rewrites programs while they run: equal batches give
    equal bits. Raises `InputRefusedError`."""
    where, name = resolve_device(device), str(options["name"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        jit: Any = torch.jit
        module = attempt(lambda: jit.load(str(path), map_location=where), name)
    if not hasattr(module, "forward"):
        raise InputRefusedError(f"{name}: the module has no method `forward`")
    if hasattr(module, "training"):
        module.eval()
    parameters = dict(module.named_parameters())
    refuse_unusable(parameters, {**_constants(module), **dict(module.named_buffers())}, name)
    description = f"TorchScript module {str(module.original_name)[:100]}"
    return FileModule(
        Loaded(module, description, where, count_parameters(parameters.values()), calling=_plain_execution), options
    )


def _constants(module: Any) -> dict[str, Tensor]:
    """Tensors in the program itself: those of a frozen module are nowhere else."""
    graph = module.inlined_graph  # its nodes live as long as it does
    nodes = graph.findAllNodes("prim::Constant", recurse=True)
    tensors = [node.t("value") for node in nodes if node.hasAttribute("value") and node.kindOf("value") == "t"]
    return {f"constant {position}": tensor for position, tensor in enumerate(tensors)}


def _of_module(module: nn.Module, device: torch.device, where: str) -> Loaded:
    refuse_unusable(dict(module.named_parameters()), dict(module.named_buffers()), where)
    kind = type(module)
    description = f"torch module {kind.__name__[:100]}"
    return Loaded(module.to(device).eval(), description, device, count_parameters(module.parameters()))


def _plain_execution() -> AbstractContextManager[Any]:
    jit: Any = torch.jit
    execution: AbstractContextManager[Any] = jit.optimized_execution(False)
    return execution


def attempt(load: Callable[[], Any], name: str) -> Any:
    """What `load` gives; whatever it raises becomes one refusal."""
    try:
        return load()
    except (AuditkitError, MemoryError):
        raise
    except AttributeError as error:
        raise InputRefusedError(
            f"{name}: it needs a class that is defined in the script that saved it ({str(error)[:150]}). Save the "
            "weights alone, `torch.save(model.state_dict(), 'weights.pt')`, and name the code that builds the module "
            "as model.builder"
        ) from None
    except ModuleNotFoundError as error:
        raise InputRefusedError(f"{name}: it needs the module {error.name!r}, which is not installed here") from None
    except Exception as error:  # noqa: BLE001 - loading foreign programs raises whatever they lead to
        lines = str(error).strip().splitlines() or [""]
        raise InputRefusedError(f"{name}: can't be loaded ({type(error).__name__}: {lines[0][:300]})") from None

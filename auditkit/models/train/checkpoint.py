"""One file with all that training needs to go on: tensors, and scalars beside them as JSON. It is whole or absent."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from auditkit.core.errors import InputRefusedError
from auditkit.core.files import write_bytes
from auditkit.models.prechecks.safetensors_file import read_header
from auditkit.models.reading import parse_json, read_regular
from auditkit.models.train.history import Epoch

_LIMIT = 256 << 30


@dataclass(frozen=True)
class Checkpoint:
    """State after an epoch. Random numbers need no state: every epoch seeds its own (see `loop`)."""

    request: str
    epochs: list[Epoch]
    best_epoch: int
    network: Mapping[str, Tensor]
    best: Mapping[str, Tensor]
    optimizer: Mapping[str, Any]
    scaler: Mapping[str, Any]


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write it in place of the one before, in one step."""
    tensors: dict[str, Tensor] = {}
    for prefix, state in (("network", checkpoint.network), ("best", checkpoint.best)):
        tensors.update({f"{prefix}.{name}": tensor for name, tensor in state.items()})
    for index, state in checkpoint.optimizer["state"].items():
        tensors.update({f"optimizer.{index}.{key}": torch.as_tensor(value) for key, value in state.items()})
    scalars = {
        "request": checkpoint.request,
        "best_epoch": checkpoint.best_epoch,
        "epochs": [asdict(epoch) for epoch in checkpoint.epochs],
        "scaler": dict(checkpoint.scaler),
    }
    # Clones: safetensors refuses tensors that share memory, as the best weights may with the current ones.
    whole = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    write_bytes(path, safetensors.torch.save(whole, metadata={"state": json.dumps(scalars)}))


def load_checkpoint(path: Path, groups: list[dict[str, Any]]) -> Checkpoint | None:
    """The checkpoint, or None where there is none; `groups` are the fresh optimizer's `param_groups`.

    Raises `InputRefusedError` for a malformed file.
    """
    if not path.exists():
        return None
    content = read_regular(path, limit=_LIMIT)
    header = read_header(io.BytesIO(content), len(content), str(path))
    scalars = parse_json(header.metadata.get("state", "").encode(), str(path))
    parts: dict[str, dict[str, Any]] = {"network": {}, "best": {}, "optimizer": {}}
    for name, tensor in safetensors.torch.load(content).items():
        prefix, _, rest = name.partition(".")
        parts[prefix][rest] = tensor
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in parts["optimizer"].items():
        index, _, key = name.partition(".")
        state.setdefault(int(index), {})[key] = tensor
    try:
        return Checkpoint(
            request=scalars["request"],
            epochs=[Epoch(**row) for row in scalars["epochs"]],
            best_epoch=scalars["best_epoch"],
            network=parts["network"],
            best=parts["best"],
            optimizer={"state": state, "param_groups": groups},
            scaler=scalars["scaler"],
        )
    except (KeyError, TypeError):
        raise InputRefusedError(f"{path}: not a checkpoint of auditkit; remove it to begin again") from None

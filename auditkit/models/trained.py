"""A network that auditkit trained: built from its checked bundle, scored, explained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors.torch
import torch
from pydantic import ValidationError

from auditkit.core.errors import InputRefusedError, PlanError, few
from auditkit.core.model import Attribution, ModelInfo, Outputs
from auditkit.core.types import Batch, FloatArray, IntArray, TaskKind
from auditkit.models.architectures import ARCHITECTURES
from auditkit.models.bundle import WEIGHTS, Bundle, Description, read_bundle
from auditkit.models.device import Batcher, resolve_device, threads_for

if TYPE_CHECKING:
    from auditkit.models.architectures.tabular import TabularNetwork


class TrainedModel:
    """`Model` and `Differentiable`, in this process. On a CPU, equal batches give equal bits."""

    def __init__(self, description: Description, network: TabularNetwork, device: torch.device) -> None:
        self.description = description
        self.network = network.to(device).eval()
        self.device = device
        self.parameters = sum(weight.numel() for weight in network.parameters())
        self._batcher = Batcher()
        self._explain_batcher = Batcher()

    @property
    def info(self) -> ModelInfo:
        """What the bundle says; no digest, which the caller takes of the files."""
        words = self.description
        architecture = words.architecture
        return ModelInfo(
            kind="torch",
            outputs=words.outputs,
            parameters=self.parameters,
            classes=words.classes or None,
            estimates="regression" if words.task is TaskKind.REGRESSION else "classification",
            inputs=words.preprocessing.order,
            differentiable=True,
            device=str(self.device),
            description=ARCHITECTURES.get(architecture.name).describe(architecture.parameters),
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader has to know of how it ran (batches that had to be cut)."""
        return (*self._batcher.notes, *self._explain_batcher.notes)

    def predict(self, batch: Batch) -> Outputs:
        """Logits float64 `[B, C]`, or values `[B, 1]` in the units of the target."""
        encoded = self.description.preprocessing.encode(batch)
        values = np.empty((len(encoded.numeric), self.description.columns), dtype=np.float64)

        def compute(part: slice) -> None:
            numeric = torch.from_numpy(encoded.numeric[part]).to(self.device)
            codes = torch.from_numpy(encoded.codes[part]).to(self.device)
            values[part] = self.network(numeric, codes).cpu().numpy()

        with torch.inference_mode(), threads_for(self.parameters):
            self._batcher.run(len(values), compute)
        return Outputs(values=self._in_units(values))

    def _in_units(self, values: FloatArray) -> FloatArray:
        target = self.description.target
        return values if target is None else values * target.scale + target.mean

    def attribute(self, batch: Batch, outputs: IntArray, steps: int) -> Attribution:
        """Integrated gradients of output column `outputs[i]` for row i; see `attribution.explain_tabular`."""
        from auditkit.models.attribution import explain_tabular

        scale = self.description.target.scale if self.description.target is not None else 1.0
        encoded = self.description.preprocessing.encode(batch)
        with threads_for(self.parameters):
            return explain_tabular(
                self.network,
                self.description.preprocessing,
                encoded,
                outputs,
                steps=steps,
                scale=scale,
                batcher=self._explain_batcher,
            )

    def close(self) -> None:
        """Nothing is held that Python doesn't give back."""


def build_network(description: Description) -> TabularNetwork:
    """The network with fresh weights. Raises `InputRefusedError` for an unknown architecture or unusable sizes."""
    record = description.architecture
    try:
        architecture = ARCHITECTURES.get(record.name)
        return architecture.build(record.parameters, description.preprocessing, description.columns)
    except PlanError as error:
        raise InputRefusedError(f"model.json: architecture: {error}; a newer auditkit may know it") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InputRefusedError(f"model.json: architecture.parameters.{key}: {first['msg']}") from None


def load_trained(path: Path, device: str = "auto") -> TrainedModel:
    """Read, check and build what `auditkit train` left at `path`.

    Raises `InputRefusedError` where the files are malformed, do not fit each other, or hold weights that are no
    numbers (such a model answers the same for all, and would look perfectly fair); `PlanError` for the device.
    """
    where = resolve_device(device)
    bundle = read_bundle(path)
    with torch.device("meta"):
        network = build_network(bundle.description)
    _check_keys(bundle, network)
    weights = safetensors.torch.load(bundle.weights)
    for name, tensor in weights.items():
        if not bool(torch.isfinite(tensor).all()):
            raise InputRefusedError(f"{path / WEIGHTS}: tensor {name!r} holds NaN or infinite weights; train it again")
    network.load_state_dict(weights, assign=True)
    return TrainedModel(bundle.description, network, where)


def open_trained(path: Path, device: str, options: Mapping[str, Any]) -> TrainedModel:
    """`load_trained` for the table of loaders."""
    return load_trained(path, device)


def _check_keys(bundle: Bundle, network: TabularNetwork) -> None:
    where = bundle.path / WEIGHTS
    expected = network.state_dict()
    missing = [name for name in expected if name not in bundle.header.tensors]
    unexpected = [name for name in bundle.header.tensors if name not in expected]
    if missing or unexpected:
        parts = [
            f"{what} {few(map(repr, names))}"
            for what, names in (("lacks", missing), ("unexpectedly has", unexpected))
            if names
        ]
        raise InputRefusedError(f"{where}: does not fit the architecture of model.json: {' and '.join(parts)}")
    for name, tensor in expected.items():
        entry = bundle.header.tensors[name]
        if entry.shape != tuple(tensor.shape) or entry.dtype != "F32":
            raise InputRefusedError(
                f"{where}: tensor {name!r} is {entry.dtype} {list(entry.shape)}, the architecture of model.json needs "
                f"F32 {list(tensor.shape)}"
            )

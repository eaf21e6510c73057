"""Integrated gradients (Sundararajan, Taly & Yan 2017) by captum, one number an input column and row.

Attributions live where gradients do: in the standardised numbers and the embeddings. Those of an embedding are summed
to one number for its column, and a missing-value indicator's belongs to its column, so that completeness still holds:
Σ attributions ≈ output at the row − output at the baseline.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from auditkit.core.model import Attribution
from auditkit.core.types import FloatArray, IntArray
from auditkit.models.architectures.tabular import TabularNetwork
from auditkit.models.device import Batcher
from auditkit.models.preprocessing import Encoded, Preprocessing

METHOD = "integrated gradients"
MEAN_ROW = (
    "the mean training row: the mean of each numeric column and of its missing-value indicator, "
    "the frequency-weighted mean embedding of each categorical column"
)
#: Rows times steps that go through the network at once.
POINTS = 16_384


def explain_tabular(
    network: TabularNetwork,
    preprocessing: Preprocessing,
    encoded: Encoded,
    outputs: IntArray,
    *,
    steps: int,
    scale: float,
    batcher: Batcher,
) -> Attribution:
    """Attributions of `encoded` to output columns `outputs` int64 `[B]`, in the units of the output times `scale`.

    `steps` points of a Gauss-Legendre rule on the straight path from the mean training row.
    """
    device = next(network.parameters()).device
    owners = [*preprocessing.numeric_owners, *_embedding_owners(network, preprocessing)]
    split = len(preprocessing.numeric_owners)
    with torch.no_grad():
        embedded: Tensor = network.embeddings(torch.from_numpy(encoded.codes).to(device))
        points = torch.cat((torch.from_numpy(encoded.numeric).to(device), embedded), dim=1)
    baseline = torch.from_numpy(
        np.concatenate((preprocessing.numeric_means(), _mean_embedding(network, preprocessing)))
    )

    def forward(x: Tensor) -> Tensor:
        return network.score(x[:, :split], x[:, split:])

    values, delta = integrate(forward, points, baseline.to(device), outputs, steps, batcher)
    summed = _sum_by_owner(values * scale, owners, preprocessing.order)
    return Attribution(preprocessing.order, summed, delta * scale, METHOD, MEAN_ROW)


def integrate(
    forward: Callable[[Tensor], Tensor],
    points: Tensor,
    baseline: Tensor,
    outputs: IntArray,
    steps: int,
    batcher: Batcher,
) -> tuple[FloatArray, FloatArray]:
    """Attributions float64 `[B, D]` of `points` `[B, D]` against `baseline` `[D]`, and the completeness error `[B]`."""
    method = _captum(forward)
    values = np.empty(points.shape, dtype=np.float64)
    delta = np.empty(len(points), dtype=np.float64)
    targets = torch.from_numpy(np.asarray(outputs, dtype=np.int64)).to(points.device)
    chunk = max(1, POINTS // steps)

    def compute(part: slice) -> None:
        for start in range(part.start, part.stop, chunk):
            rows = slice(start, min(start + chunk, part.stop))
            x = points[rows].detach()
            attributed, error = method.attribute(
                x,
                baselines=baseline.expand_as(x),
                target=targets[rows],
                n_steps=steps,
                return_convergence_delta=True,
            )
            values[rows] = attributed.detach().cpu().numpy()
            delta[rows] = error.detach().cpu().numpy()

    batcher.run(len(points), compute)
    return values, delta


def _captum(forward: Callable[[Tensor], Tensor]) -> Any:
    with warnings.catch_warnings():
        # captum's own import warns of what other libraries deprecate.
        warnings.simplefilter("ignore")
        from captum.attr import IntegratedGradients

    return IntegratedGradients(forward, multiply_by_inputs=True)


def _embedding_owners(network: TabularNetwork, preprocessing: Preprocessing) -> list[str]:
    sizes = network.embeddings.sizes
    return [c.name for c, size in zip(preprocessing.categorical, sizes, strict=True) for _ in range(size)]


def _mean_embedding(network: TabularNetwork, preprocessing: Preprocessing) -> npt.NDArray[np.float32]:
    parts = [
        column.frequencies() @ weights.detach().cpu().numpy().astype(np.float64)
        for column, weights in zip(preprocessing.categorical, network.embeddings.weights(), strict=True)
    ]
    return np.concatenate([*parts, np.zeros(0)]).astype(np.float32)


def _sum_by_owner(values: FloatArray, owners: Sequence[str], features: Sequence[str]) -> FloatArray:
    position = {name: index for index, name in enumerate(features)}
    summed = np.zeros((len(values), len(features)))
    for column, name in enumerate(owners):
        summed[:, position[name]] += values[:, column]
    return summed

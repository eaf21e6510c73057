"""A residual multilayer perceptron for tables (Gorishniy et al. 2021, "Revisiting deep learning models for tabular
data", section 3.3), with layer instead of batch normalisation: a row's score never depends on the rows beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from auditkit.models.architectures.tabular import TabularNetwork
from auditkit.models.preprocessing import Preprocessing
from auditkit.models.train.spec import TrainSpec


class MLPParameters(BaseModel):
    """Size of the network."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    width: int = Field(ge=1, le=65_536)
    depth: int = Field(ge=0, le=1_000)
    dropout: float = Field(ge=0, lt=1)


class ResidualBlock(nn.Module):
    """x + dropout(relu(norm(linear(x))))."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Float `[B, width]` to float `[B, width]`."""
        out: Tensor = self.dropout(nn.functional.relu(self.norm(self.linear(x))))
        return x + out


class ResidualMLP(TabularNetwork):
    """Embeddings and numbers side by side, a linear layer, residual blocks, normalisation, a linear head."""

    def __init__(self, parameters: MLPParameters, preprocessing: Preprocessing, outputs: int) -> None:
        super().__init__(preprocessing)
        inputs = len(preprocessing.numeric_owners) + self.embeddings.width
        self.first = nn.Linear(inputs, parameters.width)
        self.blocks = nn.ModuleList(
            ResidualBlock(parameters.width, parameters.dropout) for _ in range(parameters.depth)
        )
        self.norm = nn.LayerNorm(parameters.width)
        self.head = nn.Linear(parameters.width, outputs)

    def score(self, numeric: Tensor, embedded: Tensor) -> Tensor:
        """Numeric float `[B, F]` and embedded categories float `[B, width]` to outputs float `[B, C]`."""
        x = self.first(torch.cat((numeric, embedded.to(numeric.dtype)), dim=1))
        for block in self.blocks:
            x = block(x)
        outputs: Tensor = self.head(nn.functional.relu(self.norm(x)))
        return outputs


class MLPArchitecture:
    """The registered architecture `mlp`."""

    def parameters(self, spec: TrainSpec) -> dict[str, Any]:
        """Width, depth and dropout of the plan."""
        return MLPParameters(width=spec.width, depth=spec.depth, dropout=float(spec.dropout)).model_dump()

    def build(self, parameters: Mapping[str, Any], preprocessing: Preprocessing, outputs: int) -> ResidualMLP:
        """The network with fresh weights."""
        return ResidualMLP(MLPParameters.model_validate(dict(parameters)), preprocessing, outputs)

    def describe(self, parameters: Mapping[str, Any]) -> str:
        """`residual MLP, 2 blocks of 128, dropout 0.1`."""
        size = MLPParameters.model_validate(dict(parameters))
        blocks = "1 block" if size.depth == 1 else f"{size.depth} blocks"
        return f"residual MLP, {blocks} of {size.width}, dropout {size.dropout:g}"


ARCHITECTURE = MLPArchitecture()

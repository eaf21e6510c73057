"""The parts that networks on tables share: categorical embeddings beside numbers."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn

from auditkit.models.preprocessing import FIRST_CODE, CategoricalColumn, Preprocessing

MAX_EMBEDDING = 50


def embedding_size(cardinality: int) -> int:
    """Width of an embedding of that many codes: half of them, at most 50 (the rule of fastai's tabular models)."""
    return min(MAX_EMBEDDING, (cardinality + 1) // 2)


class Embeddings(nn.Module):
    """One table a categorical input; the rows of a batch come out side by side, float `[B, width]`."""

    def __init__(self, columns: tuple[CategoricalColumn, ...]) -> None:
        super().__init__()
        self.sizes = tuple(embedding_size(column.cardinality) for column in columns)
        self.width = sum(self.sizes)
        pairs = zip(columns, self.sizes, strict=True)
        self.tables = nn.ModuleList(_table(column.cardinality, size) for column, size in pairs)

    def weights(self) -> list[Tensor]:
        """The table of each categorical input, float `[cardinality, size]`."""
        return [table.get_parameter("weight") for table in self.tables]

    def forward(self, codes: Tensor) -> Tensor:
        """Codes int64 `[B, K]` to float `[B, width]`."""
        parts = [table(codes[:, position]) for position, table in enumerate(self.tables)]
        return torch.cat(parts, dim=1) if parts else codes.new_zeros((len(codes), 0), dtype=torch.float32)


def _table(cardinality: int, size: int) -> nn.Embedding:
    """Codes that training never sees (missing, unknown) stay at the centre of the others, instead of at random."""
    if torch.get_default_device().type == "meta":
        # Built only for its shapes. Random numbers on that device would import torch's compiler, which takes a second.
        return nn.Embedding(cardinality, size, _weight=torch.empty(cardinality, size))
    table = nn.Embedding(cardinality, size)
    with torch.no_grad():
        nn.init.normal_(table.weight, std=size**-0.5)
        table.weight[:FIRST_CODE].zero_()
    return table


class TabularNetwork(nn.Module):
    """A network on `Encoded` rows, in two steps, so that attributions can start between them."""

    def __init__(self, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.embeddings = Embeddings(preprocessing.categorical)

    def forward(self, numeric: Tensor, codes: Tensor) -> Tensor:
        """Numeric float `[B, F]` and codes int64 `[B, K]` to outputs float `[B, C]`."""
        return self.score(numeric, self.embeddings(codes))

    @abstractmethod
    def score(self, numeric: Tensor, embedded: Tensor) -> Tensor:
        """Numeric float `[B, F]` and embedded categories float `[B, width]` to outputs float `[B, C]`."""

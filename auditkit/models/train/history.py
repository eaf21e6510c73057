"""What training measured after each epoch: evidence of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from auditkit.core.files import write_through


@dataclass(frozen=True)
class Epoch:
    """One epoch, numbered from 1.

    Training loss and metric are running means over the epoch, in training mode (with dropout, while the weights
    change); the validation ones are measured after it, in eval mode. Losses are log loss, or squared error in squared
    units of the target; with class weights they are weighted. `learning_rate` is the one that the epoch began with.
    """

    epoch: int
    train_loss: float
    train_metric: float
    validation_loss: float | None
    validation_metric: float | None
    learning_rate: float


_SCHEMA = pa.schema(
    [
        ("epoch", pa.int64()),
        ("train_loss", pa.float64()),
        ("train_metric", pa.float64()),
        ("validation_loss", pa.float64()),
        ("validation_metric", pa.float64()),
        ("learning_rate", pa.float64()),
    ]
)


def write_history(path: Path, epochs: Sequence[Epoch], metric: str) -> None:
    """Write `history.parquet`; the metric's name stands in the schema's metadata, under `metric`."""
    schema = _SCHEMA.with_metadata({"metric": metric})
    table = pa.Table.from_pylist([asdict(epoch) for epoch in epochs], schema=schema)
    write_through(path, lambda name: pq.write_table(table, name))


def read_history(path: Path) -> list[Epoch]:
    """What `write_history` wrote."""
    return [Epoch(**row) for row in pq.read_table(path).to_pylist()]

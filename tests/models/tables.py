"""Small tables with known structure, as data sets."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from auditkit.core.progress import SilentProgress
from auditkit.core.types import TaskKind
from auditkit.data.dataset import Dataset
from auditkit.data.spec import DataSpec
from auditkit.models.train.fit import TrainResult, fit
from auditkit.models.train.spec import TrainSpec

CLASSES = ("no", "yes")
SMALL = TrainSpec(epochs=3, batch_size=64, width=16, depth=1, validation=0.2)


def mixed_table(rows: int = 600, seed: int = 0) -> pa.Table:
    """Numbers (one column with missing cells), categories (one with missing cells), a learnable label."""
    rng = np.random.default_rng(seed)
    age = rng.normal(40, 12, rows)
    pay = np.where(rng.random(rows) < 0.15, np.nan, rng.lognormal(3, 1, rows))
    job = rng.choice(["clerk", "cook", "nurse", "smith"], rows, p=[0.4, 0.3, 0.2, 0.1])
    town = [None if rng.random() < 0.1 else t for t in rng.choice(["A", "B"], rows)]
    logit = (age - 40) / 6 + np.where(job == "nurse", 2.0, -0.5) + rng.logistic(0, 0.3, rows)
    label = np.where(logit > 0, "yes", "no")
    return pa.table({"age": age, "pay": pa.array(pay, from_pandas=True), "job": job, "town": town, "label": label})


def as_dataset(table: pa.Table, target: str = "label") -> Dataset:
    spec = DataSpec(splits={"train": Path("train"), "test": Path("test")}, target=target)
    return Dataset.open(spec, frames={"train": table, "test": table.slice(0, 200)})


def train(dataset: Dataset, out: Path, spec: TrainSpec = SMALL, **more: Any) -> TrainResult:
    """Train a binary classifier, unless `more` says otherwise."""
    settings: dict[str, Any] = {
        "task": TaskKind.BINARY,
        "classes": CLASSES,
        "positive": "yes",
        "progress": SilentProgress(),
        "device": "cpu",
        **more,
    }
    return fit(spec, dataset, out=out, **settings)


def batch_of(dataset: Dataset, split: str = "test") -> dict[str, np.ndarray]:
    """The first chunk's inputs."""
    return dict(next(iter(dataset.stream(split))).inputs)

"""A small real audit: two tables, a network that trains in a second, all checks, gates of every outcome."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROWS = {"train": 500, "test": 400}

PLAN = """\
name: faults
model: {kind: torch, path: model/}
data:
  splits: {train: train.parquet, test: test.csv}
  target: label
  positive: "b"
  inputs: {age: numeric, pay: numeric, job: categorical}
  sensitive: [group]
  id: row
train: {architecture: mlp, epochs: 12, batch_size: 64, width: 16, depth: 1, validation: 0.2}
gates:
  - {check: performance.summary, metric: accuracy, min: 0.6}
  - {check: bias.groups, metric: equalized_odds_difference, by: group, max: 0.9}
  - {check: bias.groups, metric: demographic_parity_difference, by: group, max: 0.01}
run: {seed: 3, device: cpu}
"""

#: The same rows with a model's answers in the file: an audit that needs no worker, and takes a second.
PREDICTIONS = """\
name: faults
model: {kind: predictions, prediction: said}
data:
  splits: {train: train.parquet, test: test.csv}
  target: label
  positive: "b"
  inputs: {age: numeric, pay: numeric, job: categorical}
  sensitive: [group]
gates:
  - {check: performance.summary, metric: accuracy, min: 0.6}
  - {check: bias.groups, metric: demographic_parity_difference, by: group, max: 0.01}
run: {seed: 3}
"""


def table(rows: int, seed: int) -> pa.Table:
    """People with an age, pay, a job and a group; a label that can be learnt from them, and a guess at it."""
    rng = np.random.default_rng(seed)
    age = rng.normal(40, 12, rows)
    pay = np.where(rng.random(rows) < 0.1, np.nan, rng.lognormal(3, 1, rows))
    job = rng.choice(["clerk", "cook", "nurse"], rows)
    logit = (age - 40) / 6 + np.where(job == "nurse", 2.0, -0.5) + rng.logistic(0, 0.5, rows)
    label = np.where(logit > 0, "b", "a")
    wrong = np.where(label == "b", "a", "b")
    return pa.table(
        {
            "row": np.arange(rows),
            "age": age,
            "pay": pa.array(pay, from_pandas=True),
            "job": job,
            "group": rng.choice(["a", "b"], rows, p=[0.7, 0.3]),
            "label": label,
            "said": np.where(rng.random(rows) < 0.15, wrong, label),
        }
    )


def write_project(directory: Path, plan: str = PLAN) -> Path:
    """Write the tables and the plan; returns the plan's path."""
    directory.mkdir(parents=True, exist_ok=True)
    pq.write_table(table(ROWS["train"], 1), directory / "train.parquet")
    table(ROWS["test"], 2).to_pandas().to_csv(directory / "test.csv", index=False)
    path = directory / "audit.yaml"
    path.write_text(plan, encoding="utf-8")
    return path

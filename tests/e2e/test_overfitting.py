"""A model that memorised shuffled labels is warned of; one that learnt is not. Real images: scikit-learn's digits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

from auditkit.core.progress import SilentProgress
from auditkit.pipeline.load import load_plan
from auditkit.pipeline.run import run_plan
from auditkit.pipeline.train import train_plan

PLAN = """\
name: digits
model: {kind: torch, path: model/}
data: {splits: {train: train.parquet, test: test.parquet}, target: digit}
train: {architecture: mlp, epochs: 60, batch_size: 32, learning_rate: 0.003, validation: 0, dropout: 0, weight_decay: 0}
checks: {explainability: off, performance: off, calibration: off, bias: off, data: off}
gates: [{check: overfitting.gap, metric: relative_degradation, max: 0.10}]
"""


def _audit(directory: Path, rows: int, shuffled: float) -> dict[str, object]:
    data = load_digits(as_frame=True)
    frame = data.data.copy()
    frame["digit"] = data.target
    order = np.random.default_rng(3).permutation(len(frame))
    train = frame.iloc[order[:rows]].reset_index(drop=True)
    rng = np.random.default_rng(4)
    wrong = rng.random(rows) < shuffled
    train.loc[wrong, "digit"] = rng.permutation(train.loc[wrong, "digit"].to_list())
    train.to_parquet(directory / "train.parquet")
    frame.iloc[order[1000:]].to_parquet(directory / "test.parquet")
    plan = directory / "audit.yaml"
    plan.write_text(PLAN)
    train_plan(load_plan(plan), out=None, resume=False, progress=SilentProgress())
    result = run_plan(
        load_plan(plan),
        out=directory / "out",
        resume=False,
        formats=("html",),
        allow_inconclusive=False,
        progress=SilentProgress(),
    )
    audit: dict[str, object] = json.loads((result.directory / "audit.json").read_text())
    return audit


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "shuffled", "status", "code"), [(300, 0.3, "warn", 1), (1000, 0.0, "info", 0)])
def test_shuffled_labels(tmp_path: Path, rows: int, shuffled: float, status: str, code: int) -> None:
    audit = _audit(tmp_path, rows, shuffled)
    found = [f for f in audit["findings"] if f["check"] == "overfitting.gap" and f["gate"] is None]  # type: ignore[attr-defined]
    degradation = next(f for f in found if f["metric"] == "relative_degradation")
    assert degradation["status"] == status, degradation["title"]
    assert audit["exit_code"] == code, degradation["title"]
    assert pd.read_parquet(tmp_path / "out" / "evidence" / "history.parquet").epoch.is_monotonic_increasing

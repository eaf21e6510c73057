"""Writes the golden audit anew: `python -m tests.golden.make`. Look at the difference before you commit it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

HERE = Path(__file__).parent

PLAN = """\
name: golden
model: {kind: predictions, prediction: p, score: s}
data:
  splits: {train: train.csv, test: test.csv}
  target: y
  positive: "yes"
  sensitive: [sex, race]
  weight: w
checks: {bias.groups: {min_group: 12}}
gates:
  - {check: performance.summary, metric: accuracy, min: 0.7}
  - {check: bias.groups, metric: equalized_odds_difference, by: sex, max: 0.1}
  - {check: bias.groups, metric: demographic_parity_ratio, by: [sex, race], min: 0.8}
  - {check: overfitting.gap, metric: relative_degradation, max: 0.02}
context: {use: "To notice when numbers change.", reviewer: nobody}
"""


def rows(size: int, seed: int) -> pd.DataFrame:
    """Predictions that are worse for one group, with weights, a missing group and a missing label."""
    rng = np.random.default_rng(seed)
    sex = np.array(["F", "M"])[rng.integers(0, 2, size)]
    y = rng.random(size) < np.where(sex == "F", 0.3, 0.5)
    wrong = rng.random(size) < np.where(sex == "F", 0.25, 0.1)
    score = np.clip(np.where(y ^ wrong, 0.75, 0.25) + rng.normal(0, 0.1, size), 0, 1).round(4)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=size).round(3),
            "y": np.where(y, "yes", "no"),
            "p": np.where(score >= 0.5, "yes", "no"),
            "s": score,
            "sex": sex,
            "race": np.array(["a", "b", None], dtype=object)[rng.choice(3, size, p=[0.6, 0.35, 0.05])],
            "w": rng.integers(1, 4, size),
        }
    )
    frame.loc[0, "y"] = None
    return frame


def audit(directory: Path) -> dict[str, Any]:
    """Run the golden plan in an empty directory; what differs between machines and runs is left out."""
    from auditkit.core.progress import SilentProgress
    from auditkit.pipeline.load import load_plan
    from auditkit.pipeline.run import run_plan

    rows(300, 1).to_csv(directory / "train.csv", index=False)
    rows(400, 2).to_csv(directory / "test.csv", index=False)
    (directory / "plan.yaml").write_text(PLAN, encoding="utf-8")
    run_plan(
        load_plan(directory / "plan.yaml"),
        out=directory / "out",
        resume=False,
        formats=(),
        allow_inconclusive=False,
        progress=SilentProgress(),
    )
    found: dict[str, Any] = json.loads((directory / "out" / "audit.json").read_text(encoding="utf-8"))
    for key in ("run", "environment"):
        found.pop(key)
    return found


def main() -> None:
    """Write the file."""
    with tempfile.TemporaryDirectory() as directory:
        text = json.dumps(audit(Path(directory)), indent=1, ensure_ascii=False)
    (HERE / "audit.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

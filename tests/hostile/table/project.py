"""A small project of files for the command line: predictions, a plan, and how both commands are called on them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.conftest import Answer

Cli = Callable[..., Answer]
COMMANDS = ("gate", "run")


def frame(rows: int = 1200) -> pd.DataFrame:
    """Labels, predictions with 10% errors, a score, two groups and a weight."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, rows)
    p = np.where(rng.random(rows) < 0.1, 1 - y, y)
    return pd.DataFrame(
        {"y": y, "p": p, "s": np.clip(0.8 * p + 0.1 + rng.normal(0, 0.05, rows), 0, 1).round(6)}
        | {"sex": np.array(["Female", "Male"])[rng.integers(0, 2, rows)]}
    )


def write_plan(directory: Path, file: str, target: str = "y", prediction: str = "p", **data: Any) -> Path:
    """A plan for a file of predictions; `data` adds keys to its data section."""
    path = directory / "plan.yaml"
    section = {"splits": {"test": file}, "target": target, **data}
    gates = [{"check": "performance.summary", "metric": "accuracy", "min": 0.5}]
    content = {"name": "table", "model": {"kind": "predictions", "prediction": prediction}, "data": section}
    path.write_text(json.dumps({**content, "gates": gates}), encoding="utf-8")
    return path


def call(auditkit: Cli, command: str, file: Path, target: str = "y", prediction: str = "p", group: str = "") -> Answer:
    """`gate` or `run` on a file of predictions, with the output in `out` beside it."""
    out = file.parent / f"out-{command}"
    if command == "run":
        data = {"sensitive": [group]} if group else {}
        return auditkit("run", write_plan(file.parent, file.name, target, prediction, **data), "--out", out)
    more = ("--sensitive", group) if group else ()
    told = ("--target", target, "--prediction", prediction, "--min", "accuracy=0.5", *more)
    return auditkit("gate", file, *told, "--out", out)


def error_line(answer: Answer) -> str:
    """The one line of the message."""
    lines = [line for line in answer.err.splitlines() if line.startswith("auditkit: ")]
    assert len(lines) == 1, answer.text
    return lines[0].removeprefix("auditkit: ")


def findings(directory: Path) -> Iterator[dict[str, Any]]:
    """The findings of a run directory."""
    yield from json.loads((directory / "audit.json").read_text())["findings"]

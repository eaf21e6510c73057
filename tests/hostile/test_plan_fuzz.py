"""Plans mutilated at random: always one clear message, never a traceback. Seeds are fixed, so failures repeat."""

from __future__ import annotations

import random
from pathlib import Path

import pandas as pd
import pytest

from auditkit.core.errors import AuditkitError
from auditkit.core.progress import SilentProgress
from auditkit.pipeline.load import load_plan
from auditkit.pipeline.run import prepare

GOOD = """\
name: a
model: {kind: predictions, prediction: p}
data: {splits: {test: test.csv}, target: y, positive: 1, sensitive: [g], groups: {g: [a, b]}, inputs: {x: numeric}}
train: {epochs: 3, early_stopping: {patience: 2}}
checks: {bias.groups: {min_group: 5}, robustness: off}
gates:
  - {check: bias.groups, metric: equalized_odds_difference, by: g, max: 0.1}
  - {check: performance.summary, metric: accuracy, min: 0.1}
run: {seed: 1, budget: 3 minutes, max_rows: 50}
report: {samples: none}
context: {use: x}
"""
TOKENS = [
    "null", "true", "[]", "{}", "1e400", "-1", ".nan", "'x'", "[1, 2]", "{a: 1}", "no", "2020-01-01", "!!str 1", "~",
    "0x1f", "9" * 30, "*a", "&a 1", "? a", "- b", "sex×race", "10%", "none", "off", "!!python/tuple [x]", "\u202e",
]  # fmt: skip


def _mutilated(rng: random.Random) -> str:
    text = GOOD
    for _ in range(rng.randint(1, 3)):
        start = rng.randrange(len(text))
        stop = min(len(text), start + rng.randint(0, 12))
        way = rng.random()
        if way < 0.3:
            text = text[:start] + rng.choice(TOKENS) + text[stop:]
        elif way < 0.5:
            text = text[:start] + text[stop:]
        elif way < 0.9:
            text = _with_another_value(text, rng)
        else:
            text = text[:start] + chr(rng.randrange(1, 0x300)) + text[stop:]
    return text


def _with_another_value(text: str, rng: random.Random) -> str:
    colons = [index for index, character in enumerate(text) if character == ":"]
    if not colons:
        return text
    start = rng.choice(colons) + 1
    ends = [end for end in (text.find(mark, start) for mark in ",}\n") if end >= 0]
    return f"{text[:start]} {rng.choice(TOKENS)}{text[min(ends, default=len(text)) :]}"


@pytest.mark.parametrize("seed", range(4))
def test_mutilated_plans(tmp_path: Path, seed: int) -> None:
    pd.DataFrame({"y": [0, 1] * 50, "p": [0, 1] * 50, "g": ["a", "b"] * 50, "x": range(100)}).to_csv(
        tmp_path / "test.csv", index=False
    )
    rng = random.Random(seed)
    refused = []
    for _ in range(200):
        text = _mutilated(rng)
        plan = tmp_path / "plan.yaml"
        plan.write_text(text, encoding="utf-8", errors="replace")
        try:
            prepare(load_plan(plan), SilentProgress())
        except AuditkitError as error:
            refused.append((error.exit_code, str(error).strip(), text))
    assert len(refused) > 100
    for code, message, text in refused:
        assert code in (2, 4), text
        assert message, text

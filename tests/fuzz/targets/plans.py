"""The plan: from YAML bytes to everything that is looked at before a model is loaded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random

from ruamel.yaml import YAML

from auditkit.core.progress import SilentProgress
from auditkit.pipeline.load import load_plan
from auditkit.pipeline.run import prepare
from tests.fuzz.mutators import dump, mutate_bytes, mutate_lines, mutate_tree
from tests.fuzz.target import Target

GOOD = (
    """\
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
""",
    """\
name: b
model:
  kind: predictions
  scores: {a: x, b: z}
  classes: [a, b]
data:
  splits: {train: test.csv, test: test.csv}
  target: g
  sensitive: [y, x]
  bands: {x: [10, 50], y: none}
  weight: w
  id: x
  population: {y: {"0": 0.5, "1": 0.5}}
gates:
  - check: bias.groups
    metric: accuracy
    by: [y, x]
    group: 0×10 to 49
    relative_to: {split: train, group: all}
    as: difference
    min: -0.5
  - {check: performance.summary, metric: f1, relative_to: train, min: 0.5}
  - {check: generalization.gap, metric: accuracy_gap, max: 0.1}
run: {device: cpu, batch_size: 7, keep_evidence: false}
report: {samples: full, min_cell: 1}
""",
    """\
name: c
model: {kind: sklearn, path: model.skops, threshold: 0.25, outputs: probabilities, task: binary-classification}
data: {splits: {test: test.csv}, target: y, attributes: {path: test.csv, id: x}, id: x, sensitive: [g]}
gates: none
""",
    """\
name: d
model:
  kind: torch
  path: model.skops
  builder: net.py:make
  classes: [0, 1]
  preprocess: {categories: {g: [a, b]}}
data: {splits: {test: test.csv}, target: y, inputs: {x: numeric, g: categorical}, sensitive: [g]}
gates: none
""",
    """\
name: e
model: {kind: python, path: "net.py:predict", files: [other.bin], classes: [0, 1]}
data: {splits: {test: test.csv}, target: y, inputs: {x: numeric}}
gates: none
""",
)
WORDS = (
    "test", "train", "y", "p", "g", "x", "z", "a", "b", "a×b", "g×y", "none", "off", "on", "baseline", "linear",
    "all", "difference", "ratio", "predictions", "torch", "sklearn", "python", "hf", "3 minutes", "10%", "max", "min",
    "by", "net.py", "net.py:f", "other.bin", "test.csv", "bias.groups", "performance.summary", "accuracy", "roc_auc",
    "/dev/zero", "..", "\x00",
)  # fmt: skip
TOKENS = tuple(
    text.encode()
    for text in (
        "null", "true", "[]", "{}", "1e400", "-1", ".nan", "'x'", "[1, 2]", "{a: 1}", "no", "2020-01-01", "!!str 1",
        "~", "0x1f", "0o7", "+.inf", "0b1", "1_0", "9" * 30, "9" * 5000, "*a", "&a 1", "? a", "- b", "<<: {a: 1}",
        "sex×race", "10%", "none", "off", "!!python/tuple [x]", "!!int x", "!!float ''", "!!bool x", "!!binary x",
        "!!set {a}", "\u202e", "|\n x", ">-\n", "---\n", "...\n", "%YAML 1.1\n---\n", "%TAG ! x:\n---\n", "#", "\t",
        ": ", "²%", "a[²]", "[²]: 1", "'", '"', "\\x00", '"\\ud800"', "[" * 30,
    )
)  # fmt: skip
TABLE = "y,p,g,x,z,w\n" + "".join(
    f"{k % 2},{k // 3 % 2},{'ab'[k % 3 % 2]},{k},{k / 40},{1 + k % 3}\n" for k in range(40)
)


def _plan(data: bytes, folder: Path) -> None:
    (folder / "test.csv").write_text(TABLE, encoding="utf-8")
    for name in ("model.skops", "net.py", "other.bin"):
        (folder / name).touch()
    (folder / "plan.yaml").write_bytes(data)
    prepare(load_plan(folder / "plan.yaml"), SilentProgress())


def _mutated(data: bytes, rng: Random, tokens: Sequence[bytes]) -> bytes:
    """By the tree that the YAML stands for (written as JSON, which is YAML), by lines, or by bytes."""
    way = rng.random()
    if way < 0.5:
        try:
            tree = json.loads(data)
        except (ValueError, RecursionError):
            tree = YAML(typ="safe", pure=True).load(rng.choice(GOOD))
        return dump(mutate_tree(tree, rng, WORDS))
    return (_value if way < 0.75 else mutate_lines if way < 0.85 else mutate_bytes)(data, rng, tokens)


def _value(data: bytes, rng: Random, tokens: Sequence[bytes]) -> bytes:
    """Another value behind a colon."""
    colons = [at for at, byte in enumerate(data) if byte == ord(":")]
    if not colons:
        return mutate_bytes(data, rng, tokens)
    start = rng.choice(colons) + 1
    ends = [end for end in (data.find(mark, start) for mark in (b",", b"}", b"\n")) if end >= 0]
    return data[:start] + b" " + rng.choice(tokens) + data[min(ends, default=len(data)) :]


TARGETS = (
    Target(
        name="plan",
        about="a plan's YAML, up to the model",
        run=_plan,
        seeds=lambda: [text.encode() for text in GOOD],
        traced=(
            *(
                f"auditkit.pipeline.{name}"
                for name in ("document", "load", "problems", "plan", "suite", "bounds", "task")
            ),
            "auditkit.data.spec",
            "auditkit.data.bands",
            "auditkit.models.spec",
            "auditkit.core.finding",
        ),
        mutate=_mutated,
        tokens=TOKENS,
        codes=frozenset({2, 4}),
    ),
)

"""Whole synthetic audits for tests: every split, every table, for each kind of task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from auditkit.core.evidence import Evidence
from auditkit.core.types import FloatArray
from tests.evidence import FEATURES, Split, make_evidence, task_of

SEX, RACE = ("Female", "Male"), ("Black", "Other", "White")


def sample_split(
    kind: str, rows: int, seed: int = 0, *, skill: float = 2.0, missing_labels: int = 0, scored: bool = True
) -> Split:
    """Rows whose scores are calibrated by construction: labels are drawn from the scores themselves.

    `skill` is the spread of the logits; the first `missing_labels` rows have no label. Groups are drawn independently
    of everything, with a few missing values of `race`.
    """
    rng = np.random.default_rng(seed)
    sex = rng.choice(SEX, rows).tolist()
    race = [None if u < 0.05 else RACE[int(u * 3)] for u in rng.random(rows)]
    groups: dict[str, Any] = {"sex": sex, "race": race}
    if kind == "regression":
        truth = rng.normal(50, 10, rows)
        prediction = truth + rng.normal(0, 10 / skill, rows)
        truth[:missing_labels] = np.nan
        return Split(truth, prediction, groups=groups)
    classes = 2 if kind == "binary" else 3
    logits = rng.normal(0, skill, (rows, classes))
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    target = (rng.random(rows)[:, None] > scores.cumsum(axis=1)[:, :-1]).sum(axis=1).astype(np.int64)
    target[:missing_labels] = -1
    # As the task would: the positive class from a score of 0.5 on, else the highest score.
    prediction = scores.argmax(axis=1).astype(np.int64)
    return Split(target, prediction, scores if scored else None, groups)


def subgroup_split(rows: int, harm: float, seed: int = 0, *, third: bool = False) -> Split:
    """Rows of which Black women are selected less often by `harm`, and other rows more or less often, so that women,
    men, and every race by itself are selected in half of the cases.

    `third` adds an attribute `age` that has nothing to do with it.
    """
    rng = np.random.default_rng(seed)
    sex, race = rng.choice(SEX, rows), rng.choice(RACE, rows, p=(0.4, 0.2, 0.4))
    groups: dict[str, Any] = {"sex": sex.tolist(), "race": race.tolist()}
    if third:
        groups["age"] = rng.choice(["old", "young"], rows).tolist()
    shift = np.select(
        [(sex == "Female") & (race == "Black"), race == "Black", sex == "Female"],
        [-harm, harm, harm * 2 / 3],
        -harm * 2 / 3,
    )
    chosen = (rng.random(rows) < 0.5 + shift).astype(np.int64)
    target = (rng.random(rows) < 0.5).astype(np.int64)
    return Split(target, chosen, groups=groups)


def sample_evidence(kind: str, rows: int = 400, seed: int = 0, **more: Any) -> Evidence:
    """Train and test splits with every table that a check reads; a few labels are missing, clusters are named, and a
    population is known of one attribute."""
    train, test = (_clustered(sample_split(kind, rows, seed + at, missing_labels=3 * at), at) for at in (0, 1))
    more = {"population": {"sex": {"Female": 0.5, "Male": 0.5}}, **more}
    return make_evidence(task_of(kind), {"train": train, "test": test}, tables=every_table(kind, test, seed), **more)


def _clustered(split: Split, at: int) -> Split:
    return replace(split, cluster=np.arange(len(split), dtype=np.int64) // 2 + at * len(split))


def every_table(kind: str, test: Split, seed: int = 0) -> Mapping[str, pa.Table]:
    """Baseline, attributions, permutations, deletion test and history, over the first rows of the test split."""
    rng = np.random.default_rng(seed)
    rows = min(len(test), 60)
    outputs = _outputs(kind, test)
    weaker = outputs * 0.5 + 0.5 * outputs.sum(axis=0) / max(1, len(outputs))
    value = rng.normal([2.0, 0.5, 0.1], 0.3, (rows, 3))
    return {
        "baseline": outputs_table("test", np.arange(len(test)), weaker),
        "attributions": attributions_table("test", value, rng.normal(0, 0.01, rows)),
        "permutations": permutations_table("test", outputs[:rows], rng),
        "deletion": deletion_table("test", rows, gain=0.2, rng=rng),
        "history": pa.table(
            {
                "epoch": [1, 2, 3],
                "train_loss": [0.9, 0.6, 0.4],
                "train_metric": [0.5, 0.6, 0.7],
                "validation_loss": [0.95, 0.7, 0.65],
                "validation_metric": [0.5, 0.6, 0.65],
                "learning_rate": [0.1, 0.1, 0.1],
            }
        ),
    }


def _outputs(kind: str, test: Split) -> FloatArray:
    if kind == "regression":
        return test.prediction[:, None]
    if test.scores is not None:
        return test.scores
    return np.eye(2 if kind == "binary" else 3)[np.maximum(test.prediction, 0)]


def outputs_table(split: str, rows: npt.NDArray[Any], outputs: FloatArray, **keys: Any) -> pa.Table:
    """Keys and `output:*` columns."""
    values = {f"output:{i}": outputs[:, i] for i in range(outputs.shape[1])}
    return pa.table({"split": pa.array([split] * len(rows), pa.string()), "row": rows, **keys, **values})


def attributions_table(split: str, value: FloatArray, delta: FloatArray) -> pa.Table:
    """Attributions `[k, 3]` of the first k rows, and their completeness errors `[k]`."""
    rows, features = value.shape
    return pa.table(
        {
            "split": pa.array([split] * rows * features, pa.string()),
            "row": np.repeat(np.arange(rows), features),
            "feature": pa.array(list(FEATURES) * rows, pa.string()),
            "value": value.ravel(),
            "delta": np.repeat(delta, features),
            "method": pa.array(["integrated gradients"] * rows * features, pa.string()),
            "baseline": pa.array(["the median row"] * rows * features, pa.string()),
        }
    )


def permutations_table(split: str, outputs: FloatArray, rng: np.random.Generator, repeats: int = 2) -> pa.Table:
    """What a model that reads `a` alone would answer: permuting `a` shuffles its outputs, the others change nothing."""
    parts = []
    for repeat in range(repeats):
        for feature in FEATURES:
            changed = rng.permutation(outputs) if feature == "a" else outputs
            rows = np.arange(len(outputs))
            keys = {"feature": pa.array([feature] * len(rows), pa.string()), "repeat": np.full(len(rows), repeat)}
            parts.append(outputs_table(split, rows, changed, **keys))
    return pa.concat_tables(parts)


def deletion_table(split: str, rows: int, gain: float, rng: np.random.Generator) -> pa.Table:
    """Curves over three steps; in the middle the explanation's is lower by `gain` in truth (an area of gain / 2)."""
    share = np.array([0.0, 0.5, 1.0])
    parts = []
    for order, drop in (("attribution", gain), ("random", 0.0)):
        noise = rng.normal(0, 0.05, (rows, 3))
        response = np.array([1.0, 0.7 - drop, 0.4]) + noise * [0.0, 1.0, 1.0]
        parts.append(
            pa.table(
                {
                    "split": pa.array([split] * rows * 3, pa.string()),
                    "row": np.repeat(np.arange(rows), 3),
                    "order": pa.array([order] * rows * 3, pa.string()),
                    "step": np.tile(np.arange(3), rows),
                    "share": np.tile(share, rows),
                    "response": response.ravel(),
                }
            )
        )
    return pa.concat_tables(parts)

"""From the evidence tables of a split to its outcomes: labels to codes, outputs to probabilities and predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from auditkit.core.errors import AuditkitError, InputRefusedError
from auditkit.core.model import OutputKind
from auditkit.core.outcomes import NO_LABEL, Outcomes, places
from auditkit.core.task import Task
from auditkit.core.types import FloatArray, IntArray, TaskKind
from auditkit.data.spec import label_text
from auditkit.measures.moments import MOST_WEIGHT, in_range
from auditkit.tasks.scores import probabilities

#: From here on, numbers are rounded, and two labels may have become one.
_MOST_WHOLE = 2.0**53


def build_outcomes(
    task: Task, split: str, rows: pa.Table, predictions: pa.Table, *, outputs: OutputKind, threshold: float
) -> Outcomes:
    """Outcomes of a split from its evidence tables, aligned by `row`, in the order of `rows`.

    `rows`: `row`, and where the data has them `target` (text or numbers, null where missing), `weight`, `cluster`,
    `count`.
    `predictions`: `row`, and `output:0` … `output:C-1` (see `tasks.scores.probabilities`) or `label` or both: a label
    is then the prediction, and the outputs its scores. Binary: positive where its score is at least `threshold`.
    Rows without a usable answer are unscored. What makes all rows useless goes to `Outcomes.problem`. Raises
    `InputRefusedError` where a weight is missing, negative or not finite.
    """
    row = _column(rows, "row").astype(np.int64)
    at = places(row, _column(predictions, "row").astype(np.int64))
    raw, labels = _raw_outputs(predictions, at), _aligned_labels(predictions, at)
    reader = _regression if task.kind is TaskKind.REGRESSION else _classification
    count = _column(rows, "count").astype(np.int64) if "count" in rows.column_names else None
    times = np.ones(len(row), dtype=np.int64) if count is None else count
    target, prediction, scores, problem = reader(task, _target(rows), raw, labels, outputs, threshold, times)
    if problem is not None:
        prediction = np.full_like(prediction, np.nan if prediction.dtype.kind == "f" else NO_LABEL)
        scores = None
    return Outcomes(split, row, target, prediction, scores, _weight(rows), _cluster(rows), problem, count)


_Read = tuple[npt.NDArray[Any], npt.NDArray[Any], FloatArray | None, str | None]


def _classification(
    task: Task,
    target: pa.Array,
    raw: FloatArray | None,
    labels: pa.Array | None,
    outputs: OutputKind,
    threshold: float,
    times: IntArray,
) -> _Read:
    codes, problem = _codes(target, task.classes, times)
    if problem is not None:
        problem = f"the target holds {problem}: complete `model.classes`, or correct the labels"
    problem = problem or _inexact(target, "the target")
    scores, unreadable = _scores(task, raw, "probabilities" if outputs == "labels" else outputs)
    problem = problem or unreadable
    if labels is not None:
        prediction, foreign = _codes(labels, task.classes, times)
        if foreign is not None and problem is None:
            problem = f"the prediction column holds {foreign}{_perhaps_scores(labels)}"
        problem = problem or _inexact(labels, "the prediction column")
        if scores is not None:
            usable = np.isfinite(scores.sum(axis=1))
            if usable.any():  # a decision whose score can't be used is no usable answer
                prediction = np.where(usable, prediction, NO_LABEL)
            else:  # decisions can still be judged; what rests on scores can't
                scores = None
    elif scores is not None:
        prediction = _decide(task, scores, threshold)
    else:
        prediction = np.full(len(codes), NO_LABEL, dtype=np.int64)
    if problem is None and len(prediction) and not (prediction >= 0).any():
        decisions = labels is not None and labels.null_count == len(labels)
        why = ": every prediction is missing" if decisions else _why_unusable(raw, outputs)
        problem = f"the model gave no usable answer for any of {times.sum()} rows{why}"
    return codes, prediction, scores, problem


def _scores(task: Task, raw: FloatArray | None, outputs: OutputKind) -> tuple[FloatArray | None, str | None]:
    if raw is None:
        return None, None
    if outputs == "values":
        return None, "the model returns values, but the task is classification: say `logits` or `probabilities`"
    positive = task.classes.index(task.positive) if task.positive is not None else None
    try:
        return probabilities(raw, outputs, len(task.classes), positive), None
    except AuditkitError as error:
        return None, str(error)


def _decide(task: Task, scores: FloatArray, threshold: float) -> IntArray:
    usable = np.isfinite(scores.sum(axis=1))
    if task.positive is not None:
        positive = task.classes.index(task.positive)
        chosen = np.where(scores[:, positive] >= threshold, positive, 1 - positive)
    else:
        chosen = np.argmax(np.where(usable[:, None], scores, 0.0), axis=1)
    return np.where(usable, chosen, NO_LABEL).astype(np.int64)


def _why_unusable(raw: FloatArray | None, outputs: OutputKind) -> str:
    if raw is None or not np.isfinite(raw).any():
        return ": every output is missing, NaN or infinite"
    if outputs == "logits":
        return ": some output of every row is NaN or infinite"
    low, high = float(np.nanmin(raw)), float(np.nanmax(raw))
    return f": its probabilities run from {low:.4g} to {high:.4g} or don't add up to 1; are they logits?"


def _regression(
    task: Task,
    target: pa.Array,
    raw: FloatArray | None,
    labels: pa.Array | None,
    outputs: OutputKind,
    threshold: float,
    times: IntArray,
) -> _Read:
    values, problem = _numbers(target, "the target", times)
    infinite = int(times[np.isinf(values)].sum())
    if problem is None and infinite:
        held = "1 infinite value" if infinite == 1 else f"{infinite} infinite values"
        problem = f"the target holds {held}: correct them, or leave cells empty whose value is not known"
    values = np.where(np.isfinite(values), values, np.nan)
    if raw is not None and raw.shape[1] != 1:
        predicted = np.full(len(values), np.nan)
        problem = problem or f"the model gives {raw.shape[1]} outputs a row, but regression has one"
    elif raw is not None:
        predicted = np.where(np.isfinite(raw[:, 0]), raw[:, 0], np.nan)
    elif labels is not None:
        predicted, foreign = _numbers(labels, "the prediction column", times)
        predicted = np.where(np.isfinite(predicted), predicted, np.nan)
        problem = problem or foreign
    else:
        predicted = np.full(len(values), np.nan)
    if problem is None and len(predicted) and not np.isfinite(predicted).any():
        problem = f"the model gave no usable number for any of {times.sum()} rows"
    return values, predicted, None, problem


def _numbers(column: pa.Array, what: str, times: IntArray) -> tuple[FloatArray, str | None]:
    """Numbers, NaN where missing; what holds them is named where they are no numbers."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        found = [_number(text) for text in column.to_pylist()]
        bad = [index for index, value in enumerate(found) if value is None]
        values = np.array([np.nan if value is None else value for value in found], dtype=np.float64)
        example = repr(column[bad[0]].as_py()) if bad else ""
        problem = f"{what} holds {times[bad].sum()} values that are no numbers, such as {example}" if bad else None
    else:
        # Whole numbers beyond 2^53 are rounded, not refused.
        values = np.asarray(pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)
        problem = None
    return values, problem


def _number(text: str | None) -> float | None:
    """NaN for a missing cell, None for what is no number."""
    if text is None:
        return float("nan")
    try:
        return float(text)
    except ValueError:
        return None


def _codes(column: pa.Array, classes: Sequence[str], times: IntArray) -> tuple[IntArray, str | None]:
    """Codes into `classes`, and how many values are no class, with the first of them. `times`: how often each row
    stands in the file."""
    encoded = pc.dictionary_encode(column)
    position = {label: code for code, label in enumerate(classes)}
    distinct = [
        None if value is None or value != value else label_text(value) for value in encoded.dictionary.to_pylist()
    ]
    foreign = [text is not None and text not in position for text in distinct]
    lookup = np.array([NO_LABEL if text is None else position.get(text, NO_LABEL) for text in distinct], dtype=np.int64)
    index = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    known = index >= 0
    codes = np.full(len(index), NO_LABEL, dtype=np.int64)
    codes[known] = lookup[index[known]]
    if not any(foreign):
        return codes, None
    count = int(times[known][np.asarray(foreign)[index[known]]].sum())
    example = distinct[foreign.index(True)]
    values = (
        "1 value that is no label of the target" if count == 1 else f"{count} values that are no label of the target"
    )
    return codes, f"{values}, such as {example!r}"


def _inexact(labels: pa.Array, what: str) -> str | None:
    """What is wrong with labels that are numbers too large to be told from their neighbours."""
    if not pa.types.is_floating(labels.type):
        return None
    values = np.abs(labels.drop_null().to_numpy(zero_copy_only=False))
    large = values[(values >= _MOST_WHOLE) & np.isfinite(values)]
    if not len(large):
        return None
    return f"{what} holds numbers beyond 2^53, such as {large[0]:.0f}, which can't be told apart: write labels as text"


def _perhaps_scores(labels: pa.Array) -> str:
    numbers = [_number(label_text(value)) for value in pc.unique(labels).to_pylist() if value is not None]
    fractions = [v for v in numbers if v is not None and 0 < v < 1]
    return ": is it a score? Name it as `score`" if numbers and len(fractions) > len(numbers) / 2 else ""


def _column(table: pa.Table, name: str) -> npt.NDArray[Any]:
    return np.asarray(table[name].combine_chunks().to_numpy(zero_copy_only=False))


def _combined(column: pa.ChunkedArray) -> pa.Array:
    found = column.combine_chunks()
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


def _raw_outputs(predictions: pa.Table, at: IntArray) -> FloatArray | None:
    """Raw outputs `[n, C]` in the order of the rows, NaN where a row has none; None without output columns."""
    there = set(predictions.column_names)
    names = [name for k in range(len(there)) if (name := f"output:{k}") in there]
    if not names:
        return None
    matrix = np.column_stack([_column(predictions, name).astype(np.float64) for name in names])
    found = np.full((len(at), len(names)), np.nan)
    found[at >= 0] = matrix[at[at >= 0]]
    return found


def _aligned_labels(predictions: pa.Table, at: IntArray) -> pa.Array | None:
    if "label" not in predictions.column_names:
        return None
    return _combined(predictions["label"]).take(pa.array(at, mask=at < 0))


def _target(rows: pa.Table) -> pa.Array:
    if "target" not in rows.column_names:
        return pa.nulls(rows.num_rows, pa.string())
    return _combined(rows["target"])


def _weight(rows: pa.Table) -> FloatArray | None:
    if "weight" not in rows.column_names:
        return None
    weight = _column(rows, "weight").astype(np.float64)
    bad = ~(np.isfinite(weight) & (weight >= 0))
    if bad.any():
        raise InputRefusedError(
            f"data.weight: {int(bad.sum())} weights are missing, negative or infinite (first in row "
            f"{int(_column(rows, 'row')[int(np.argmax(bad))])}); give every row a finite weight of 0 or more"
        )
    positive = weight[weight > 0]
    if len(positive) and float(positive.max()) / MOST_WEIGHT > float(positive.min()):
        raise InputRefusedError(
            f"data.weight: weights run from {positive.min():.3g} to {positive.max():.3g}, so that the smaller ones "
            "can't be told from nothing; correct them"
        )
    return in_range(weight)


def _cluster(rows: pa.Table) -> IntArray | None:
    """Clusters as codes; a row without a cluster is one of its own."""
    if "cluster" not in rows.column_names:
        return None
    encoded = pc.dictionary_encode(_combined(rows["cluster"]))
    codes: IntArray = np.array(encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False), dtype=np.int64)
    alone = codes < 0
    codes[alone] = len(encoded.dictionary) + np.arange(int(alone.sum()))
    return codes

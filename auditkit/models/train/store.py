"""The training rows, encoded once into memory-mapped files: memory is bounded by a batch, not by the data."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from auditkit.core.errors import InputRefusedError, PlanError, nearest
from auditkit.core.progress import Progress
from auditkit.core.types import Batch, BoolArray, IntArray, TaskKind
from auditkit.data.dataset import Chunk, Dataset
from auditkit.data.hashing import HashArray, mixed
from auditkit.data.spec import label_text
from auditkit.models.bundle import TargetScale
from auditkit.models.preprocessing import Moments, Preprocessing, PreprocessingFit


@dataclass(frozen=True)
class TrainingRows:
    """N labelled rows: `numeric` float32 `[N, F]`, `codes` int64 `[N, K]`, `target` int64 class codes or float32
    standardised values `[N]`; `train` and `validation` are row numbers into them."""

    preprocessing: Preprocessing
    numeric: npt.NDArray[np.float32]
    codes: npt.NDArray[np.int64]
    target: npt.NDArray[Any]
    train: IntArray
    validation: IntArray
    unlabelled: int
    #: Rows of each class in the training share; empty for regression.
    class_counts: tuple[int, ...]
    scale: TargetScale | None


@dataclass
class _Survey:
    """What the first pass learns."""

    fit: PreprocessingFit
    counts: npt.NDArray[np.int64]
    moments: Moments = field(default_factory=Moments)
    labelled: int = 0
    unlabelled: int = 0
    held_out: list[BoolArray] = field(default_factory=list)


def prepare(
    dataset: Dataset, classes: Sequence[str], share: float, seed: int, cache: Path, progress: Progress
) -> TrainingRows:
    """Read the train split twice: to learn the preprocessing (on the training share alone), and to encode it.

    Rows without a target (missing, or an infinite number) are left out and counted. The validation share is chosen by
    a hash of the row's inputs and the seed, so that copies of a row stand on the same side.
    Raises `PlanError` for a label that is no class, `InputRefusedError` where there is nothing to learn from.
    """
    survey = _survey(dataset, classes, share, seed, progress)
    held_out = np.concatenate([*survey.held_out, np.zeros(0, dtype=bool)])
    scale = None
    if classes:
        if np.count_nonzero(survey.counts) < 2:
            raise InputRefusedError("train: the labelled rows have a single label; there is nothing to learn")
    elif survey.moments.count < 2 or survey.moments.squares == 0:
        raise InputRefusedError("train: the target is the same in every labelled row; there is nothing to learn")
    else:
        scale = TargetScale(mean=survey.moments.mean, scale=survey.moments.scale("target"))
    preprocessing = survey.fit.finish()
    numeric, codes, target = _encode(dataset, classes, scale, preprocessing, survey.labelled, cache, progress)
    return TrainingRows(
        preprocessing=preprocessing,
        numeric=numeric,
        codes=codes,
        target=target,
        train=np.flatnonzero(~held_out).astype(np.int64),
        validation=np.flatnonzero(held_out).astype(np.int64),
        unlabelled=survey.unlabelled,
        class_counts=tuple(survey.counts.tolist()) if classes else (),
        scale=scale,
    )


def _survey(dataset: Dataset, classes: Sequence[str], share: float, seed: int, progress: Progress) -> _Survey:
    survey = _Survey(PreprocessingFit(dataset.inputs), np.zeros(len(classes), dtype=np.int64))
    for chunk, target, labelled in _labelled(dataset, classes, progress, "reading the training rows"):
        held_out = validation_rows(_hashes(chunk)[labelled], seed, share)
        learnt = np.flatnonzero(labelled)[~held_out]
        survey.fit.add(_rows(chunk.inputs, learnt))
        survey.held_out.append(held_out)
        survey.labelled += len(held_out)
        survey.unlabelled += len(labelled) - len(held_out)
        if classes:
            survey.counts += np.bincount(target[learnt], minlength=len(classes))
        else:
            survey.moments.add(target[learnt])
    if sum(int((~part).sum()) for part in survey.held_out) == 0:
        raise InputRefusedError("train: no row with a target is left to learn from")
    return survey


def _encode(
    dataset: Dataset,
    classes: Sequence[str],
    scale: TargetScale | None,
    preprocessing: Preprocessing,
    rows: int,
    cache: Path,
    progress: Progress,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], npt.NDArray[Any]]:
    numeric = _file(cache / "numeric.npy", np.float32, (rows, len(preprocessing.numeric_owners)))
    codes = _file(cache / "codes.npy", np.int64, (rows, len(preprocessing.categorical)))
    targets = _file(cache / "target.npy", np.int64 if classes else np.float32, (rows,))
    position = 0
    for chunk, target, labelled in _labelled(dataset, classes, progress, "encoding the training rows"):
        keep = np.flatnonzero(labelled)
        part = slice(position, position + len(keep))
        encoded = preprocessing.encode(_rows(chunk.inputs, keep))
        numeric[part], codes[part] = encoded.numeric, encoded.codes
        targets[part] = target[keep] if scale is None else (target[keep] - scale.mean) / scale.scale
        position += len(keep)
    return numeric, codes, targets


def _file(path: Path, dtype: type[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    if 0 in shape:
        return np.zeros(shape, dtype=dtype)
    mapped: npt.NDArray[Any] = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    _reserve(path)
    return mapped


def _reserve(path: Path) -> None:
    """Have the disk set the space of a file aside. Raises `OSError` where there is not enough: writing to a mapped
    file on a full disk would end the process with SIGBUS, without a word."""
    if not hasattr(os, "posix_fallocate"):
        return
    with path.open("r+b") as stream:
        os.posix_fallocate(stream.fileno(), 0, os.fstat(stream.fileno()).st_size)


def _labelled(
    dataset: Dataset, classes: Sequence[str], progress: Progress, what: str
) -> Iterator[tuple[Chunk, npt.NDArray[Any], BoolArray]]:
    """Each chunk with its target (class codes or float64 values) and which rows have one."""
    with progress.bar(what, dataset.rows["train"]) as bar:
        for chunk in dataset.stream("train"):
            assert chunk.target is not None
            target = class_codes(chunk.target, classes) if classes else _values(chunk.target)
            yield chunk, target, target >= 0 if classes else np.isfinite(target)
            bar.advance(len(chunk))


def class_codes(target: pa.Array, classes: Sequence[str]) -> IntArray:
    """Codes int64 `[B]` into the classes, -1 where missing. Raises `PlanError` for any other label."""
    encoded = target.dictionary_encode()
    labels = [label_text(value) for value in encoded.dictionary.to_pylist()]
    known = {label: code for code, label in enumerate(classes)}
    for label in labels:
        if label not in known and label != "nan":
            raise PlanError(f"train: the label {label!r} is not one of the classes{nearest(label, known)}")
    lookup = np.array([*(known.get(label, -1) for label in labels), -1], dtype=np.int64)
    found: IntArray = lookup[encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)]
    return found


def _values(target: pa.Array) -> npt.NDArray[np.float64]:
    if not (pa.types.is_floating(target.type) or pa.types.is_integer(target.type)):
        raise PlanError(f"data.target: a regression needs numbers, the target is {target.type}")
    return np.asarray(target.to_numpy(zero_copy_only=False), dtype=np.float64)


def validation_rows(hashes: HashArray, seed: int, share: float) -> BoolArray:
    """Which rows of these input hashes `[B]` are held out: each with probability `share`, the same in every run."""
    uniform = mixed(hashes ^ mixed(np.array([seed], dtype=np.uint64))) >> np.uint64(11)
    chosen: BoolArray = uniform.astype(np.float64) * 2.0**-53 < share
    return chosen


def _hashes(chunk: Chunk) -> HashArray:
    return chunk.row.astype(np.uint64) if chunk.input_hash is None else chunk.input_hash


def _rows(batch: Batch, keep: IntArray) -> Batch:
    return {name: values[keep] for name, values in batch.items()}


def training_task(task: TaskKind) -> tuple[str, str]:
    """The loss and the metric of a task, by name."""
    return ("squared error", "mean_absolute_error") if task is TaskKind.REGRESSION else ("log loss", "accuracy")

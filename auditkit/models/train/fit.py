"""`fit`: from a data set and the plan's `train:` section to a directory that `run` can audit."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from auditkit.core.errors import PlanError, Problem, UnfinishedError, nearest
from auditkit.core.files import digest_of, write_bytes, write_text
from auditkit.core.progress import Progress
from auditkit.core.types import TaskKind
from auditkit.core.version import __version__
from auditkit.data.dataset import Dataset
from auditkit.models.architectures import ARCHITECTURES
from auditkit.models.bundle import (
    DESCRIPTION,
    HISTORY,
    SCHEMA,
    WEIGHTS,
    ArchitectureRecord,
    Description,
    TrainingRecord,
    read_description,
)
from auditkit.models.device import resolve_device, threads_for
from auditkit.models.train.checkpoint import load_checkpoint, save_checkpoint
from auditkit.models.train.history import read_history, write_history
from auditkit.models.train.loop import Trainer
from auditkit.models.train.output import Workspace, claimed
from auditkit.models.train.spec import TrainSpec
from auditkit.models.train.store import TrainingRows, prepare, training_task


@dataclass(frozen=True)
class TrainResult:
    """What training left: the directory, how many epochs ran, the epoch (from 1) whose weights were kept, and the
    history, one dict an epoch with the columns of `history.parquet`."""

    path: Path
    epochs_run: int
    best_epoch: int
    history: list[dict[str, Any]]


@dataclass(frozen=True)
class _Request:
    """Everything that determines the weights."""

    spec: TrainSpec
    dataset: Dataset
    task: TaskKind
    classes: tuple[str, ...]
    positive: str | None
    seed: int

    @property
    def digest(self) -> str:
        return digest_of(
            {
                "spec": self.spec.model_dump(mode="json", exclude={"seed"}),
                "data": self.dataset.digests["train"],
                "rows": self.dataset.rows["train"],
                "target": self.dataset.spec.target,
                "inputs": [[column.name, column.kind.value] for column in self.dataset.inputs],
                "task": self.task.value,
                "classes": self.classes,
                "positive": self.positive,
                "seed": self.seed,
            }
        )


def fit(
    spec: TrainSpec,
    dataset: Dataset,
    *,
    task: TaskKind,
    classes: tuple[str, ...],
    positive: str | None,
    out: Path,
    device: str = "auto",
    seed: int = 0,
    resume: bool = False,
    progress: Progress,
) -> TrainResult:
    """Train on the `train` split and leave `model.json`, `model.safetensors` and `history.parquet` in `out`.

    `classes` are the labels in the order of the outputs; empty for regression. `spec.seed` goes before `seed`. The loss
    is not weighted by `data.weight`, which describes the population that the audit speaks of.
    With `resume`, goes on after the last finished epoch, and returns a finished training as it is; on a CPU it ends
    with the same bits as an undisturbed run. Weights kept: the last epoch's; with early stopping, those of the epoch
    with the lowest validation loss.
    Raises `PlanError` (the plan or `out`), `InputRefusedError` (data without anything to learn), `UnfinishedError`
    (diverged, no memory).
    """
    _check(spec, dataset, task, classes)
    where = resolve_device(device)
    request = _Request(spec, dataset, task, classes, positive, seed if spec.seed is None else spec.seed)
    with claimed(out, resume=resume) as workspace:
        if workspace.trained:
            return _finished(workspace, request)
        rows = prepare(dataset, classes, spec.validation, request.seed, workspace.cache, progress)
        if rows.unlabelled:
            progress.say(f"{rows.unlabelled:,} training rows have no target and were left out")
        if spec.early_stopping and not len(rows.validation):
            raise PlanError(Problem("train.early_stopping", "no row was held out to validate on; set train.validation"))
        devices = [where] if where.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            trainer = _trained(request, rows, workspace, where, progress)
        _write(request, rows, trainer, workspace)
        return _result(out, trainer.best_epoch, trainer.epochs)


def _check(spec: TrainSpec, dataset: Dataset, task: TaskKind, classes: tuple[str, ...]) -> None:
    problems = []
    if "train" not in dataset.splits:
        problems.append(Problem("data.splits", "training needs a split named `train`"))
    if dataset.spec.target is None:
        problems.append(Problem("data.target", "training needs a target column"))
    if not dataset.inputs:
        problems.append(Problem("data.inputs", "training needs at least one input column"))
    if spec.early_stopping and spec.validation == 0:
        problems.append(Problem("train.early_stopping", "needs rows to validate on; set train.validation above 0"))
    if task is TaskKind.REGRESSION and spec.class_weights is not None:
        problems.append(Problem("train.class_weights", "a regression has no classes"))
    if task is not TaskKind.REGRESSION and len(classes) < 2:
        problems.append(Problem("data.target", "a classifier needs at least two labels"))
    if isinstance(spec.class_weights, dict):
        unknown = [name for name in spec.class_weights if name not in classes]
        problems += [Problem("train.class_weights", f"no class {n!r}{nearest(n, classes)}") for n in unknown]
    if problems:
        raise PlanError(problems)


def _trained(
    request: _Request, rows: TrainingRows, workspace: Workspace, device: torch.device, progress: Progress
) -> Trainer:
    torch.manual_seed(request.seed)
    architecture = ARCHITECTURES.get(request.spec.architecture)
    parameters = architecture.parameters(request.spec)
    network = architecture.build(parameters, rows.preprocessing, len(request.classes) or 1)
    trainer = Trainer(request.spec, rows, network, classes=request.classes, device=device, seed=request.seed)
    saved = load_checkpoint(workspace.checkpoint, trainer.optimizer.state_dict()["param_groups"])
    if saved is not None:
        if saved.request != request.digest:
            raise PlanError(
                f"--resume: {workspace.path} holds a training of another plan, data or seed; name another directory"
            )
        trainer.restore(saved)
        progress.say(f"going on after epoch {len(trainer.epochs)}")
    _run(trainer, request, workspace, progress)
    return trainer


def _run(trainer: Trainer, request: _Request, workspace: Workspace, progress: Progress) -> None:
    _, metric = training_task(request.task)
    count = sum(weight.numel() for weight in trainer.network.parameters())
    with progress.bar("training", request.spec.epochs) as bar, threads_for(count):
        if trainer.epochs:
            bar.advance(len(trainer.epochs))
        while not trainer.finished:
            try:
                epoch = trainer.run_epoch()
            except torch.OutOfMemoryError:
                raise UnfinishedError("the device has no memory for a batch; try a smaller train.batch_size") from None
            save_checkpoint(workspace.checkpoint, trainer.checkpoint(request.digest))
            loss, value = epoch.train_loss, epoch.train_metric
            if epoch.validation_loss is not None and epoch.validation_metric is not None:
                loss, value = epoch.validation_loss, epoch.validation_metric
            bar.advance(1, f"loss {loss:.4g}, {metric.replace('_', ' ')} {value:.4g}")


def _write(request: _Request, rows: TrainingRows, trainer: Trainer, workspace: Workspace) -> None:
    if not all(bool(torch.isfinite(tensor).all()) for tensor in trainer.best.values()):
        raise UnfinishedError("training diverged: a weight is not a finite number; try a smaller train.learning_rate")
    regression = request.task is TaskKind.REGRESSION
    parameters = ARCHITECTURES.get(request.spec.architecture).parameters(request.spec)
    description = Description(
        schema_=SCHEMA,
        task=request.task,
        outputs="values" if regression else "logits",
        classes=request.classes,
        positive=request.positive,
        architecture=ArchitectureRecord(name=request.spec.architecture, parameters=parameters),
        preprocessing=rows.preprocessing,
        target=rows.scale,
        training=TrainingRecord(
            data_sha256=request.dataset.digests["train"],
            request_sha256=request.digest,
            rows=len(rows.train),
            validation_rows=len(rows.validation),
            unlabelled=rows.unlabelled,
            epochs_run=len(trainer.epochs),
            best_epoch=trainer.best_epoch,
            seed=request.seed,
        ),
        versions={"auditkit": __version__, "torch": version("torch")},
    )
    weights = {name: tensor.contiguous() for name, tensor in trainer.best.items()}
    write_bytes(workspace.path / WEIGHTS, safetensors.torch.save(weights))
    write_history(workspace.path / HISTORY, trainer.epochs, training_task(request.task)[1])
    # Last: where this file is, the model is whole.
    write_text(workspace.path / DESCRIPTION, description.to_json())
    workspace.forget_checkpoint()


def _finished(workspace: Workspace, request: _Request) -> TrainResult:
    record = read_description(workspace.path).training
    if record.request_sha256 != request.digest:
        raise PlanError(
            f"--resume: {workspace.path} holds a model of another plan, data or seed; name another directory"
        )
    workspace.forget_checkpoint()
    return _result(workspace.path, record.best_epoch, read_history(workspace.path / HISTORY))


def _result(path: Path, best_epoch: int, epochs: list[Any]) -> TrainResult:
    return TrainResult(path, len(epochs), best_epoch, [asdict(epoch) for epoch in epochs])

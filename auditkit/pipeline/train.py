"""`auditkit train`: the plan's `train:` section becomes a model directory that `auditkit run` can audit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from auditkit.core.errors import PlanError, Problem
from auditkit.core.progress import Progress
from auditkit.data.dataset import Dataset
from auditkit.pipeline.load import LoadedPlan
from auditkit.pipeline.task import settle_task

if TYPE_CHECKING:
    from auditkit.models.train.fit import TrainResult


def train_plan(loaded: LoadedPlan, *, out: Path | None, resume: bool, progress: Progress) -> TrainResult:
    """Train what the plan describes, into `out` or the plan's own `model.path`.

    Raises `PlanError` with every problem, `InputRefusedError` where the data can't be read.
    """
    plan = loaded.plan
    problems: list[Problem] = []
    if plan.train is None:
        problems.append(Problem("train", "is required: say at least `train: {architecture: mlp}`"))
    if "train" not in plan.data.splits:
        problems.append(Problem("data.splits", "training needs a `train` split"))
    if plan.data.target is None:
        problems.append(Problem("data.target", "is required: there is nothing to learn without it"))
    where = out or (plan.model.path if plan.model.kind == "torch" else None)
    if where is None:
        problems.append(Problem("model.path", "names no place for the model; give --out, or `kind: torch` with a path"))
    dataset = None
    try:
        dataset = Dataset.open(plan.data, max_rows=plan.run.max_rows, seed=plan.run.seed)
        task = settle_task(plan.model, plan.data, dataset, None).task if not problems else None
    except PlanError as error:
        problems += error.problems
    loaded.refuse(problems)
    assert plan.train is not None
    assert dataset is not None
    assert task is not None
    assert where is not None

    from auditkit.models.train.fit import fit

    return fit(
        plan.train,
        dataset,
        task=task.kind,
        classes=task.classes,
        positive=task.positive,
        out=where,
        device=plan.run.device,
        seed=plan.run.seed if plan.train.seed is None else plan.train.seed,
        resume=resume,
        progress=progress,
    )

"""Which task an audit is about, as the plan, the data and (once it is open) the model tell it."""

from __future__ import annotations

from auditkit.core.errors import PlanError, Problem
from auditkit.core.model import ModelInfo, OutputKind
from auditkit.core.task import Task
from auditkit.data.dataset import Dataset
from auditkit.data.spec import DataSpec, label_text
from auditkit.models.spec import ModelSpec
from auditkit.tasks.infer import MOST_INTEGRAL_LABELS, InferredTask, infer_task, unlabelled_task


def settle_task(
    spec: ModelSpec, data: DataSpec, dataset: Dataset, info: ModelInfo | None, outputs: OutputKind | None = None
) -> InferredTask:
    """The task. `outputs` is what the caller of the API says the model returns.

    Raises `PlanError` where plan, model and data contradict one another.
    """
    survey = dataset.survey
    classes = spec.classes or (tuple(spec.scores) if spec.scores else None)
    _refuse_other_scores(spec)
    _refuse_other_order(classes, info)
    labels = survey.labels
    if labels is not None and len(labels) < 2 and spec.task is None and classes is None:
        labels = _with_predicted(labels, spec, dataset)
    known = classes is not None or (info is not None and (info.classes is not None or info.estimates is not None))
    if not labels and labels is not None and not known and spec.task is None:
        return unlabelled_task(data.positive, "probabilities", spec.threshold)
    return infer_task(
        declared=spec.task,
        positive=data.positive,
        outputs=outputs or _stated_outputs(spec),
        model=info,
        classes=classes,
        labels=labels,
        numeric=survey.target_numeric,
        integral=survey.target_integral,
        distinct=survey.target_distinct,
        threshold=spec.threshold,
    )


def _refuse_other_scores(spec: ModelSpec) -> None:
    """`model.scores` names one column for each class, by its label."""
    if spec.scores is None:
        return
    if len(set(spec.scores.values())) < len(spec.scores):
        raise PlanError(Problem("model.scores", "names one column twice; each class has a column of its own"))
    if spec.classes is not None and set(spec.classes) != set(spec.scores):
        wrong = sorted(set(spec.classes) ^ set(spec.scores))
        raise PlanError(Problem("model.scores", f"its labels are not those of model.classes: {', '.join(wrong)}"))


def _refuse_other_order(classes: tuple[str, ...] | None, info: ModelInfo | None) -> None:
    """A model that knows its classes knows their order: scores read in another one would be those of other classes."""
    own = info.classes if info is not None else None
    if classes is not None and own is not None and sorted(classes) == sorted(own) and classes != own:
        raise PlanError(
            Problem(
                "model.classes", f"the model's own order is [{', '.join(own)}]; leave the key out, or repeat that order"
            )
        )


def _stated_outputs(spec: ModelSpec) -> OutputKind | None:
    if spec.kind == "predictions" and spec.score is None and not spec.scores:
        return "labels"
    return spec.outputs


def _with_predicted(labels: tuple[str, ...], spec: ModelSpec, dataset: Dataset) -> tuple[str, ...]:
    """The labels, and what a file of predictions predicts beside them, where that can be labels."""
    column = spec.prediction
    if spec.kind != "predictions" or column is None:
        return labels
    found = dict.fromkeys(labels)
    for split in dataset.splits:
        for chunk in dataset.stream(split):
            values = (value for value in chunk.extra[column].unique().to_pylist() if value is not None)
            found.update(dict.fromkeys(label_text(value) for value in values if value == value))
            if len(found) > MOST_INTEGRAL_LABELS:
                return labels
    return tuple(sorted(found))


def output_kind(spec: ModelSpec, info: ModelInfo) -> OutputKind | None:
    """What the model returns: the plan's word, else the model's own."""
    if spec.kind == "predictions":
        return "probabilities" if spec.score or spec.scores else "labels"
    return spec.outputs or info.outputs


def every_task() -> list[Task]:
    """One task of each kind with placeholder classes: what gates could be about while the data can't tell."""
    kinds = ("binary-classification", "multiclass-classification", "regression")
    labels = {"binary-classification": ("0", "1"), "multiclass-classification": ("0", "1", "2"), "regression": None}
    return [
        infer_task(
            declared=kind,
            positive=None,
            outputs=None,
            model=None,
            classes=None,
            labels=labels[kind],
            numeric=kind == "regression",
            integral=False,
            distinct=None,
        ).task
        for kind in kinds
    ]

"""Which task it is: what the plan says, else what the model says, else what the target looks like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

from auditkit.core.errors import PlanError, Problem, nearest
from auditkit.core.model import ModelInfo, OutputKind
from auditkit.core.task import Task
from auditkit.core.types import TaskKind
from auditkit.tasks.binary import BinaryTask
from auditkit.tasks.multiclass import MulticlassTask
from auditkit.tasks.regression import RegressionTask

#: A target of whole numbers with at most so many distinct ones is taken for labels.
MOST_INTEGRAL_LABELS = 20


@dataclass(frozen=True)
class InferredTask:
    """The task, and a sentence for the report that says why it is this one."""

    task: Task
    note: str


def infer_task(
    *,
    declared: str | None,
    positive: str | None,
    outputs: str | None,
    model: ModelInfo | None,
    classes: tuple[str, ...] | None,
    labels: Sequence[str] | None,
    numeric: bool,
    integral: bool,
    distinct: int | None,
    threshold: float = 0.5,
) -> InferredTask:
    """The task of a plan.

    `declared` is `model.task` of the plan, `positive` is `data.positive`, `outputs` and `classes` are `model.outputs`
    and `model.classes`. `labels` are the target's distinct values as text (None: no target, or too many numbers);
    `numeric`, `integral` and `distinct` describe its values.

    The first that applies decides: the plan's word; outputs that are `values` (regression); what the model says of
    itself; a positive label (binary); classes named by the plan; a target of text or booleans, or of at most 20
    distinct whole numbers (classification); other numbers (regression). Two classes make a binary task, more a
    multiclass one; one label makes a binary task, of which little can be measured. Class order: the plan's, else the
    model's, else the sorted labels, as numbers where all are. Without `positive` the last class of two is the positive
    one, and the note says so.

    Raises `PlanError` where the plan contradicts itself or the data, or nothing decides.
    """
    kind, why = _family(declared, positive, outputs, model, classes, labels, numeric, integral, distinct)
    if kind == "regression":
        return _regression(positive, outputs, model, threshold, why)
    chosen, order = _class_order(classes, model, labels, distinct)
    returned = _outputs(outputs, model, "probabilities")
    if returned == "values":
        raise _problem("model.outputs", "`values` belong to regression; say `logits` or `probabilities`")
    if declared == TaskKind.MULTICLASS.value:
        if positive is not None:
            raise _problem("data.positive", "a multiclass task has no positive label; leave it out")
        return InferredTask(MulticlassTask(chosen, returned, threshold), f"Multiclass classification, {why}; {order}.")
    if len(chosen) == 1:
        return _one_label(chosen[0], positive, returned, threshold, why)
    if len(chosen) > 2 and positive is None and declared is None:
        return InferredTask(MulticlassTask(chosen, returned, threshold), f"Multiclass classification, {why}; {order}.")
    return InferredTask(*_binary(chosen, positive, returned, threshold, f"Binary classification, {why}; {order}"))


def _binary(
    classes: tuple[str, ...], positive: str | None, outputs: OutputKind, threshold: float, note: str
) -> tuple[BinaryTask, str]:
    """The binary task of two classes and its note, or what stands against it."""
    if positive is not None and positive not in classes:
        known = ", ".join(repr(c) for c in classes[:5]) + (" and more" if len(classes) > 5 else "")
        raise _problem("data.positive", f"{positive!r} is no label of the target ({known}){nearest(positive, classes)}")
    if len(classes) != 2:
        where = "model.task" if positive is None else "data.positive"
        raise _problem(where, f"a binary task has two classes, but there are {len(classes)}")
    if positive is None:
        note += f"; the plan names no positive label, so {classes[1]!r}, the last class, is taken for it"
    return BinaryTask(classes, positive or classes[1], outputs, threshold), f"{note}."


def _family(
    declared: str | None,
    positive: str | None,
    outputs: str | None,
    model: ModelInfo | None,
    classes: tuple[str, ...] | None,
    labels: Sequence[str] | None,
    numeric: bool,
    integral: bool,
    distinct: int | None,
) -> tuple[Literal["classification", "regression"], str]:
    """Classification or regression, and what decided it."""
    if declared is not None:
        return ("regression" if declared == TaskKind.REGRESSION.value else "classification"), "as the plan says"
    if outputs == "values" or (outputs is None and model is not None and model.outputs == "values"):
        return "regression", "because the model returns values"
    if model is not None and model.estimates is not None:
        return model.estimates, "as the model says"
    if positive is not None:
        return "classification", "because the plan names a positive label"
    if classes is not None or outputs in ("logits", "probabilities"):
        return "classification", "because of the classes or outputs that the plan names"
    if labels is not None and not numeric:
        return "classification", "because the target holds text"
    if numeric and integral and distinct is not None and distinct <= MOST_INTEGRAL_LABELS:
        return "classification", f"because the target holds {distinct} distinct whole numbers"
    if numeric:
        return "regression", "because the target holds numbers"
    raise _problem("model.task", "without a target nothing tells which task it is; say it here, or name `data.target`")


def _regression(
    positive: str | None, outputs: str | None, model: ModelInfo | None, threshold: float, why: str
) -> InferredTask:
    if positive is not None:
        raise _problem("data.positive", f"this is regression, {why}: it has no positive label; leave it out")
    returned = _outputs(outputs, model, "values")
    if returned in ("logits", "probabilities"):
        raise _problem("model.outputs", f"this is regression, {why}, but the outputs are {returned}; say `values`")
    return InferredTask(RegressionTask(returned, threshold), f"Regression, {why}.")


def _class_order(
    classes: tuple[str, ...] | None, model: ModelInfo | None, labels: Sequence[str] | None, distinct: int | None
) -> tuple[tuple[str, ...], str]:
    """The classes in the order of the outputs, and where the order comes from."""
    if classes is not None:
        _require_overlap(classes, labels, "model.classes", "the plan's classes")
        return classes, "classes in the plan's order"
    if model is not None and model.classes is not None:
        _require_overlap(model.classes, labels, "model.classes", "the model's classes")
        return model.classes, "classes in the model's own order"
    if not labels:
        found = f"the target holds {distinct} distinct numbers" if distinct else "the target holds no label"
        raise _problem("model.classes", f"{found}, so the classes must be named here, in the order of the outputs")
    return sorted_labels(labels), "classes in the sorted order of the labels"


def sorted_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """Distinct labels in order: as numbers where all are numbers ("2" before "10"), else as text."""
    try:
        return tuple(sorted(set(labels), key=lambda label: (float(label), label)))
    except ValueError:
        return tuple(sorted(set(labels)))


def _require_overlap(classes: tuple[str, ...], labels: Sequence[str] | None, where: str, whose: str) -> None:
    if len(set(classes)) < len(classes):
        raise _problem(where, f"{whose} name one class twice: {', '.join(classes)}")
    if labels and not set(classes) & set(labels):
        ours, theirs = ", ".join(map(repr, classes[:4])), ", ".join(map(repr, list(labels)[:4]))
        raise _problem(
            where,
            f"none of {whose} ({ours}) is a label of the target ({theirs}); name the labels here in the order of the "
            "outputs",
        )


def _one_label(label: str, positive: str | None, outputs: OutputKind, threshold: float, why: str) -> InferredTask:
    """A target with a single label: nothing can be told apart, and every measure that needs two classes says so."""
    if positive not in (None, label):
        raise _problem("data.positive", f"{positive!r} is no label of the target, whose only label is {label!r}")
    task = BinaryTask((f"not {label}", label), label, outputs, threshold)
    note = f"Binary classification, {why}; every label is {label!r}, so nothing can be told apart."
    return InferredTask(task, note)


def unlabelled_task(positive: str | None, outputs: OutputKind, threshold: float) -> InferredTask:
    """The task of a target without a single label: a binary one, of which only label-free rates can be measured."""
    label = positive or "positive"
    task = BinaryTask((f"not {label}", label), label, outputs, threshold)
    return InferredTask(task, "The target holds no label at all, so nothing that needs one could be measured.")


def _outputs(outputs: str | None, model: ModelInfo | None, default: OutputKind) -> OutputKind:
    found = outputs or (model.outputs if model is not None else None) or default
    if found not in get_args(OutputKind):
        raise _problem("model.outputs", f"{found!r} is none of {', '.join(get_args(OutputKind))}")
    return cast(OutputKind, found)


def _problem(where: str, message: str) -> PlanError:
    return PlanError(Problem(where, message))

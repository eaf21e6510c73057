from __future__ import annotations

import pytest

from auditkit.core.errors import PlanError
from auditkit.core.model import ModelInfo
from auditkit.core.types import TaskKind
from auditkit.tasks.infer import infer_task, sorted_labels


def infer(**given):
    nothing = dict.fromkeys(("declared", "positive", "outputs", "model", "classes", "labels", "distinct"))
    return infer_task(**(nothing | {"numeric": False, "integral": False} | given))


def text(*labels):
    return {"labels": labels, "distinct": len(labels)}


def numbers(*labels):
    return text(*labels) | {"numeric": True, "integral": True}


CASES = [
    (text("no", "yes"), TaskKind.BINARY, ("no", "yes")),
    (text("c", "a", "b"), TaskKind.MULTICLASS, ("a", "b", "c")),
    (numbers("10", "2", "1"), TaskKind.MULTICLASS, ("1", "2", "10")),
    (text("false", "true"), TaskKind.BINARY, ("false", "true")),
    (numbers("0", "1") | {"declared": "regression"}, TaskKind.REGRESSION, ()),
    (numbers("0", "1") | {"outputs": "values"}, TaskKind.REGRESSION, ()),
    (numbers("0", "1") | {"model": ModelInfo("sklearn", "values", estimates="regression")}, TaskKind.REGRESSION, ()),
    ({"numeric": True, "integral": True, "distinct": 21, "labels": None}, TaskKind.REGRESSION, ()),
    ({"numeric": True, "distinct": 5}, TaskKind.REGRESSION, ()),
    (numbers("0", "1") | {"declared": "multiclass-classification"}, TaskKind.MULTICLASS, ("0", "1")),
    (text("a", "b") | {"classes": ("b", "a")}, TaskKind.BINARY, ("b", "a")),
    (text("a", "b") | {"model": ModelInfo("torch", "logits", classes=("b", "a"))}, TaskKind.BINARY, ("b", "a")),
    (text("only"), TaskKind.BINARY, ("not only", "only")),
    (text("only") | {"positive": "only"}, TaskKind.BINARY, ("not only", "only")),
]


@pytest.mark.parametrize(("given", "kind", "classes"), CASES)
def test_the_task_follows_from_what_is_known(given, kind, classes):
    found = infer(**given)
    assert found.task.kind is kind
    assert found.task.classes == classes
    assert found.note.endswith(".")


def test_outputs_come_from_the_plan_then_the_model_then_the_task():
    model = ModelInfo("torch", "logits")
    assert infer(**text("a", "b"), model=model).task.outputs == "logits"
    assert infer(**text("a", "b"), model=model, outputs="probabilities").task.outputs == "probabilities"
    assert infer(numeric=True).task.outputs == "values"


def test_without_a_positive_label_the_note_says_which_one_was_taken():
    found = infer(**text("no", "yes"))
    assert found.task.positive == "yes"
    assert "'yes'" in found.note
    assert infer(**text("no", "yes"), positive="no").task.positive == "no"


REFUSED = [
    (text("<=50K", ">50K") | {"positive": ">50k"}, "data.positive", "did you mean '>50K'?"),
    (text("a", "b", "c") | {"positive": "a"}, "data.positive", "3"),
    (text("a", "b", "c") | {"declared": "binary-classification"}, "model.task", "3"),
    (text("a", "b") | {"classes": ("x", "y")}, "model.classes", "none of the plan's classes"),
    (text("a", "b") | {"classes": ("a", "a")}, "model.classes", "twice"),
    (text("a", "b") | {"model": ModelInfo("hf", "logits", classes=("LABEL_0", "LABEL_1"))}, "model.classes", "LABEL_0"),
    ({"numeric": True, "positive": "1", "declared": "regression"}, "data.positive", "regression"),
    ({"numeric": True, "outputs": "logits", "declared": "regression"}, "model.outputs", "values"),
    (text("a", "b") | {"outputs": "values", "declared": "binary-classification"}, "model.outputs", "regression"),
    ({"declared": "multiclass-classification", "numeric": True, "distinct": 500}, "model.classes", "500"),
    ({}, "model.task", "without a target"),
    (text("only") | {"positive": "other"}, "data.positive", "only"),
    (text("a", "b", "c") | {"positive": "a", "declared": "multiclass-classification"}, "data.positive", "leave it out"),
]


@pytest.mark.parametrize(("given", "where", "says"), REFUSED)
def test_contradictions_are_one_clear_problem(given, where, says):
    with pytest.raises(PlanError) as caught:
        infer(**given)
    (problem,) = caught.value.problems
    assert problem.where == where
    assert says in problem.message


def test_labels_sort_as_numbers_only_where_all_are():
    assert sorted_labels(["10", "9", "-1", "9"]) == ("-1", "9", "10")
    assert sorted_labels(["10", "9", "x"]) == ("10", "9", "x")

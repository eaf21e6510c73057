from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import softmax

from auditkit.core.errors import InputRefusedError
from auditkit.core.outcomes import NO_LABEL
from auditkit.tasks.binary import BinaryTask
from auditkit.tasks.build import build_outcomes
from auditkit.tasks.multiclass import MulticlassTask
from auditkit.tasks.regression import RegressionTask
from tests.tasks.tables import answers, outcomes, rows

YES_NO = BinaryTask(("no", "yes"), "yes")
THREE = MulticlassTask(("a", "b", "c"))
NUMBER = RegressionTask()


def test_predictions_are_aligned_by_row():
    rng = np.random.default_rng(0)
    raw = rng.dirichlet([1, 1, 1], 50)
    target = rng.choice(list("abc"), 50)
    straight = outcomes(THREE, target, raw)
    table = answers(raw, order=rng.permutation(50))
    shuffled = build_outcomes(THREE, "test", rows(target), table, outputs="probabilities", threshold=0.5)
    assert np.array_equal(straight.scores, shuffled.scores)
    assert np.array_equal(straight.prediction, raw.argmax(axis=1))
    assert np.array_equal(straight.target, np.searchsorted(list("abc"), target))


def test_rows_without_an_answer_are_unscored():
    found = build_outcomes(
        YES_NO, "test", rows(["yes", "no", None]), answers([0.9]), outputs="probabilities", threshold=0.5
    )
    assert list(found.scored) == [True, False, False]
    assert list(found.labelled) == [True, True, False]
    assert np.isnan(found.scores[1:]).all()


@pytest.mark.parametrize("positive", ["yes", "no"])
def test_one_column_is_the_positive_class(positive):
    task = BinaryTask(("no", "yes"), positive)
    for outputs, raw in (("probabilities", [0.9, 0.2]), ("logits", [np.log(9), np.log(0.25)])):
        found = outcomes(task, ["yes", "no"], raw, outputs=outputs)
        assert found.scores[:, task.code] == pytest.approx([0.9, 0.2])
        assert found.scores.sum(axis=1) == pytest.approx([1, 1])
        assert list(found.prediction) == [task.code, 1 - task.code]


def test_the_threshold_is_inclusive():
    found = outcomes(YES_NO, ["yes"] * 3, [0.29, 0.3, 0.31], threshold=0.3)
    assert list(found.prediction) == [0, 1, 1]


def test_logits_go_through_softmax():
    logits = np.array([[1.0, 2, 3], [1000, 0, -1000]])
    assert outcomes(THREE, ["a", "b"], logits, outputs="logits").scores == pytest.approx(softmax(logits, axis=1))


@pytest.mark.parametrize("bad", [[np.nan, 0.5, 0.5], [np.inf, 0, 0], [-0.1, 0.6, 0.5], [1.2, 0, 0], [0.2, 0.2, 0.2]])
def test_rows_that_hold_no_probabilities_are_unscored(bad):
    found = outcomes(THREE, ["a", "b"], [bad, [0.1, 0.8, 0.1]])
    assert list(found.prediction) == [NO_LABEL, 1]
    assert np.isnan(found.scores[0]).all()
    assert found.problem is None


PROBLEMS = [
    (THREE, ["a", "z"], {"raw": [[1, 0, 0]] * 2}, "1 value that is no label of the target, such as 'z'"),
    (THREE, ["a", "b"], {"raw": [[1, 0]] * 2}, "2 outputs a row, but the task has 3 classes"),
    (THREE, ["a", "b"], {"raw": [[5.0, -3, 1]] * 2}, "are they logits?"),
    (THREE, ["a", "b"], {"raw": [[np.nan] * 3] * 2}, "missing, NaN or infinite"),
    (YES_NO, ["yes", "no"], {"label": ["0.8231", "0.11"], "outputs": "labels"}, "such as '0.8231': is it a score?"),
    (YES_NO, ["yes", "no"], {"label": ["yes", "nope"], "outputs": "labels"}, "such as 'nope'"),
    (YES_NO, ["yes", "no"], {"label": pa.nulls(2, pa.string()), "outputs": "labels"}, "no usable answer"),
    (YES_NO, ["yes", "no"], {"raw": [1.0, 2.0], "outputs": "values"}, "returns values"),
    (NUMBER, [1.0, 2.0], {"raw": [[1.0, 2.0]] * 2}, "2 outputs a row, but regression has one"),
    (NUMBER, [1.0, 2.0], {"label": ["1", "high"], "outputs": "labels"}, "no numbers, such as 'high'"),
    (NUMBER, ["1", "much"], {"raw": [1.0, 2.0]}, "the target holds 1 values that are no numbers"),
    (NUMBER, [1.0, 2.0], {"raw": [np.nan, np.inf]}, "no usable number"),
]


@pytest.mark.parametrize(("task", "target", "given", "says"), PROBLEMS)
def test_what_makes_all_rows_useless_is_said_and_nothing_is_measured(task, target, given, says):
    found = outcomes(task, target, **given)
    assert says in found.problem
    assert not found.scored.any()
    for metric in task.summary(found, 0.95):
        assert metric.estimate.value is None
        assert metric.estimate.reason == found.problem


def test_numeric_and_boolean_labels_are_text():
    task = BinaryTask(("0", "1"), "1")
    found = outcomes(task, pa.array([0.0, 1.0, None]), [0.1, 0.9, 0.5])
    assert list(found.target) == [0, 1, NO_LABEL]
    flags = outcomes(BinaryTask(("false", "true"), "true"), pa.array([True, False]), label=pa.array([False, None]))
    assert list(flags.target) == [1, 0]
    assert list(flags.prediction) == [0, NO_LABEL]


def test_a_label_decides_and_the_outputs_are_its_scores():
    found = outcomes(YES_NO, ["yes", "no"], [0.4, 0.6], ["yes", "no"])
    assert list(found.prediction) == [1, 0]
    assert found.scores[:, 1] == pytest.approx([0.4, 0.6])


def test_weights_and_clusters():
    found = outcomes(
        YES_NO, ["yes", "no", "no"], [0.4, 0.6, 0.1], weight=pa.array([1.0, 0.0, 2.0]), cluster=pa.array([7, None, 7])
    )
    assert list(found.weight) == [1, 0, 2]
    assert found.cluster[0] == found.cluster[2] != found.cluster[1]
    for bad in (-1.0, float("nan"), None):
        with pytest.raises(InputRefusedError, match=r"data\.weight.*row 1"):
            outcomes(YES_NO, ["yes", "no"], [0.4, 0.6], weight=pa.array([1.0, bad]))


def test_regression_takes_numbers_from_outputs_and_labels():
    for given in ({"raw": [1.5, np.nan]}, {"label": ["1.5", None]}, {"label": [1.5, None]}):
        found = outcomes(NUMBER, [2.0, 3.0], outputs="values", **given)
        assert found.prediction[0] == 1.5
        assert list(found.scored) == [True, False]
        assert found.scores is None


def test_no_rows_and_no_target():
    empty = outcomes(YES_NO, pa.array([], pa.string()), np.zeros((0, 1)))
    assert len(empty) == 0
    assert empty.problem is None
    untold = build_outcomes(
        YES_NO, "test", rows(x=[1, 2]).drop(["x"]), answers([0.3, 0.9]), outputs="probabilities", threshold=0.5
    )
    assert not untold.labelled.any()
    assert list(untold.prediction) == [0, 1]


@pytest.mark.parametrize("target", [[1.0, float("inf"), 2.0], ["1", "-inf", "2"]])
def test_an_infinite_target_is_a_problem_and_not_a_row_without_a_label(target):
    found = outcomes(RegressionTask(), target, [1.0, 2.0, 3.0], outputs="values")
    assert "1 infinite value" in found.problem
    assert all(m.estimate.value is None for m in RegressionTask().summary(found, 0.95))


def test_weights_that_no_float_can_add_up_are_refused():
    with pytest.raises(InputRefusedError, match="weights run from 1 to 1e\\+200"):
        outcomes(BinaryTask(("no", "yes"), "yes"), ["yes", "no"], [0.9, 0.1], weight=pa.array([1.0, 1e200]))
    found = outcomes(BinaryTask(("no", "yes"), "yes"), ["yes", "no"], [0.9, 0.1], weight=pa.array([3e200, 1e200]))
    assert found.weight[0] / found.weight[1] == pytest.approx(3)
    assert found.weight.max() <= 1


def test_whole_numbers_beyond_the_exact_ones_are_rounded():
    found = outcomes(RegressionTask(), pa.array([2**53 + 1, 2**53 + 3]), [1.0, 2.0], outputs="values")
    assert found.target == pytest.approx([2.0**53, 2.0**53])


@pytest.mark.parametrize("beside", [7.0, 2.0**60])
def test_labels_that_rounding_makes_one_are_no_labels(beside):
    task = MulticlassTask((f"{beside:.0f}", str(2**53)))
    target, told = pa.array([2.0**53, beside]), pa.array([2.0**53, beside])
    table = pa.table({"row": pa.array([0, 1]), "label": told})
    found = build_outcomes(task, "test", rows(target), table, outputs="labels", threshold=0.5)
    assert found.problem is not None
    assert "the target holds numbers beyond 2^53, such as 9007199254740992" in found.problem
    assert not found.scored.any()


def test_what_is_wrong_is_counted_in_rows_of_the_file():
    stored = rows(pa.array(["yes", "no", "yes"])).append_column("count", pa.array([5, 7, 9]))
    table = pa.table({"row": pa.array([0, 1, 2]), "label": pa.array(["yes", "other", "odd"])})
    found = build_outcomes(YES_NO, "test", stored, table, outputs="labels", threshold=0.5)
    assert found.problem == "the prediction column holds 16 values that are no label of the target, such as 'other'"
    table = pa.table({"row": pa.array([0, 1, 2]), "label": pa.nulls(3, pa.string()), "output:0": [0.1, 0.5, 0.9]})
    found = build_outcomes(YES_NO, "test", stored, table, outputs="labels", threshold=0.5)
    assert found.problem == "the model gave no usable answer for any of 21 rows: every prediction is missing"
